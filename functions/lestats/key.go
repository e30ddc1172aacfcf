package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/keys"
)

type keyCmd struct {
	New    keyNewCmd    `cmd:"" help:"Make a key for a client, and print it once."`
	List   keyListCmd   `cmd:"" help:"List the keys of a file, without the keys themselves."`
	Revoke keyRevokeCmd `cmd:"" help:"Remove a key from a file."`
}

// keysFile is the flag of all commands about keys.
type keysFile struct {
	Keys string `help:"File of named keys." placeholder:"FILE" env:"LESTATS_KEYS" required:""`
}

type keyNewCmd struct {
	Name string `arg:"" help:"Name of the key and its client, in logs and jobs: 1 to 64 of a-z, 0-9, '.', '_' and '-', the first a letter or a digit."`

	keysFile

	Rate      string   `help:"The most requests in the long run, such as 5/s, 100/m or 1000/h. Default: unlimited." placeholder:"RATE"`
	Burst     int      `help:"Requests that may come at once. Default: those of one second." placeholder:"N"`
	Questions []string `name:"question" help:"Question that the client may ask; the flag can be repeated. Default: all." placeholder:"NAME"`
	Admin     bool     `help:"The client sees the jobs of all clients, and may read /metrics and stop the server."`
	JSON      bool     `name:"json" help:"Print the key and what is known of it as JSON."`
}

// Help is what `lestats key new --help` adds.
func (keyNewCmd) Help() string {
	return `The key is printed on standard output and kept nowhere: the file has its hash. A server that was started with --keys FILE takes it within a second; there is no need to restart it. The file is created, for its owner alone, if there is none.

Examples:

  lestats key new dashboard --keys keys.yaml --rate 5/s --burst 20
  lestats key new alice --keys keys.yaml --question states_mean --question best5
  lestats key new operator --keys keys.yaml --admin
  lestats serve --keys keys.yaml`
}

// newKey is what `key new --json` prints.
type newKey struct {
	keys.Key

	Secret string `json:"key"`
}

// Run adds the key to the file, then prints it.
func (c *keyNewCmd) Run(ctx context.Context, s *streams) error {
	secret, hash := keys.New()
	k := keys.Key{Hash: hash, Burst: c.Burst, Questions: c.Questions, Admin: c.Admin}
	if err := k.Name.UnmarshalText([]byte(c.Name)); err != nil {
		return err
	}
	if c.Rate != "" {
		if err := k.Rate.UnmarshalText([]byte(c.Rate)); err != nil {
			return fmt.Errorf("--rate: %w", err)
		}
	}
	if err := k.Complete(); err != nil {
		return err
	}
	if err := keys.Add(ctx, c.Keys, k); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, newKey{k, secret})
	}
	fmt.Fprintf(s.err, "The key of %s, which is not shown again:\n", k.Name)
	_, err := fmt.Fprintln(s.out, secret)
	return err
}

type keyListCmd struct {
	keysFile

	JSON bool `name:"json" help:"Print JSON."`
}

// Help is what `lestats key list --help` adds.
func (keyListCmd) Help() string {
	return `Example:

  lestats key list --keys keys.yaml`
}

// Run lists the keys in the order of the file.
func (c *keyListCmd) Run(s *streams) error {
	all, err := keys.ReadFile(c.Keys)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, append([]keys.Key{}, all...))
	}
	return aligned(s.out, func(w io.Writer) {
		fmt.Fprintln(w, "NAME\tRATE\tBURST\tADMIN\tQUESTIONS\tHASH")
		for i := range all {
			k := &all[i]
			burst, admin, questions := "-", "no", "all"
			if k.Burst > 0 {
				burst = strconv.Itoa(k.Burst)
			}
			if k.Admin {
				admin = "yes"
			}
			if k.Questions != nil {
				questions = strings.Join(k.Questions, ",")
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%x\n", k.Name, k.Rate, burst, admin, questions, k.Hash[:4])
		}
	})
}

type keyRevokeCmd struct {
	Name string `arg:"" help:"Name of the key."`

	keysFile
}

// Help is what `lestats key revoke --help` adds.
func (keyRevokeCmd) Help() string {
	return `It removes the key's line from the file. A server refuses the key within a second. The client's jobs remain: whoever gets a key of this name sees them.

Example:

  lestats key revoke alice --keys keys.yaml`
}

// Run removes the key.
func (c *keyRevokeCmd) Run(ctx context.Context, s *streams) error {
	if err := keys.Revoke(ctx, c.Keys, c.Name); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.err, "The key of %s is revoked.\n", c.Name)
	return err
}
