// Package keys knows the clients of a service by their keys: a file lists their names, and
// the hashes of the keys, with what each may do and how often. The keys themselves are in no
// file here.
//
// The file is YAML, a list with one key per line:
//
//	# Ask ops@example.org for a key.
//	- {name: dashboard, hash: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, rate: 5/s, burst: 20}
//	- {name: alice, hash: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752, questions: [states_mean, best5]}
//	- {name: operator, hash: fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13, admin: true}
package keys

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/boundedyaml"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Bounds of a file.
const (
	MaxBytes = 4 << 20
	MaxKeys  = 10_000
	maxLine  = 16 << 10 // bytes
	maxBurst = 1_000_000
)

// Key is an entry of the file.
type Key struct {
	Name      Name     `json:"name"`
	Hash      Hash     `json:"hash"`
	Rate      Rate     `json:"rate"`      // 0: unlimited
	Burst     int      `json:"burst"`     // requests that may come at once; 0 without a rate
	Questions []string `json:"questions"` // that its client may ask; nil: all
	Admin     bool     `json:"admin"`     // its client sees all jobs, and may do what the service's owner may
}

// Client returns who holds the key.
func (k *Key) Client() question.Client {
	return question.Client{Name: string(k.Name), Admin: k.Admin, Questions: k.Questions}
}

// Name is the name of a key, and of the client that holds it: 1 to 64 of a-z, 0-9, ".", "_"
// and "-", the first a letter or a digit.
type Name string

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *Name) UnmarshalText(text []byte) error {
	if !namePattern.Match(text) {
		return fmt.Errorf("%.100q is not a name: 1 to 64 of a-z, 0-9, '.', '_' and '-', the first a letter or a digit", text)
	}
	*n = Name(text)
	return nil
}

// Hash is the SHA-256 of a key.
type Hash [sha256.Size]byte

// HashOf returns the hash of a key.
func HashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(h[:], text[:min(len(text), 2*len(h))]); err != nil || n != len(h) || len(text) != 2*len(h) {
		return errors.New("it is not a hash: 64 digits from 0 to f, the SHA-256 of the key") // what is here may be the key itself
	}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h[:])), nil }

// Rate is a number of requests per second, above 0; 0 is unlimited.
type Rate float64

// units are the seconds of the units in which a rate can be written.
var units = map[string]float64{"s": 1, "m": 60, "h": 3600}

// The bounds of a rate in requests per second: one in a day, and more than anything serves.
const (
	minRate = 1. / (24 * 3600)
	maxRate = 1e6
)

// UnmarshalText reads "5", "5/s", "100/m" or "1000/h".
func (r *Rate) UnmarshalText(text []byte) error {
	number, unit, hasUnit := strings.Cut(string(text), "/")
	n, err := strconv.ParseFloat(number, 64)
	per, known := units[unit]
	if !hasUnit {
		per, known = 1, true
	}
	if err != nil || !known || !(n/per >= minRate && n/per <= maxRate) {
		return fmt.Errorf("%.40q is not a rate, such as 5/s, 100/m or 1000/h; it takes %.0f per second at most, and 0.042/h (one in a day) at least", text, maxRate)
	}
	*r = Rate(n / per)
	return nil
}

// String writes the rate by the second, minute or hour, the first of which makes it whole;
// 0 is "unlimited".
func (r Rate) String() string {
	if r == 0 {
		return "unlimited"
	}
	for _, unit := range []string{"s", "m", "h"} {
		if n := float64(r) * units[unit]; n > 0.5 && math.Abs(n-math.Round(n)) < 1e-6*n {
			return strconv.FormatFloat(math.Round(n), 'f', 0, 64) + "/" + unit
		}
	}
	return strconv.FormatFloat(float64(r)*units["h"], 'g', 6, 64) + "/h"
}

// MarshalText implements encoding.TextMarshaler.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// New returns a key with 256 random bits, which only its client should keep, and its hash.
func New() (secret string, hash Hash) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	secret = "lsk_" + base64.RawURLEncoding.EncodeToString(b)
	return secret, HashOf(secret)
}

// entry is a line of the file. Pointers tell what is absent.
type entry struct {
	Name      Name      `json:"name"`
	Hash      *Hash     `json:"hash"`
	Rate      Rate      `json:"rate"`
	Burst     *int      `json:"burst"`
	Questions *[]string `json:"questions"`
	Admin     bool      `json:"admin"`
}

// Parse reads a file. Its errors begin with the line, and do not repeat what stands at hash.
func Parse(text []byte) ([]Key, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("it has more than %d bytes", MaxBytes)
	}
	var found []Key
	names, hashes := map[Name]int{}, map[Hash]int{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		k, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if k == nil {
			continue
		}
		if first := names[k.Name]; first > 0 {
			return nil, fmt.Errorf("line %d: the name %q is that of line %d, too", number, k.Name, first)
		}
		if first := hashes[k.Hash]; first > 0 {
			return nil, fmt.Errorf("line %d: the hash is that of line %d, too: two clients cannot have the same key", number, first)
		}
		names[k.Name], hashes[k.Hash] = number, number
		if found = append(found, *k); len(found) > MaxKeys {
			return nil, fmt.Errorf("line %d: there are more than %d keys", number, MaxKeys)
		}
	}
	return found, nil
}

// parseLine returns the key of a line; nil if it has none.
func parseLine(line []byte) (*Key, error) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] == '#' {
		return nil, nil
	}
	if len(line) > maxLine {
		return nil, fmt.Errorf("it has %d bytes; at most %d", len(line), maxLine)
	}
	mapping, isItem := bytes.CutPrefix(line, []byte("- "))
	if mapping = bytes.TrimSpace(mapping); !isItem || !bytes.HasPrefix(mapping, []byte("{")) {
		return nil, errors.New("each key is one line, such as - {name: alice, hash: 64 digits, rate: 5/s}")
	}
	var e entry
	if _, err := boundedyaml.Decode(mapping, &e); err != nil {
		if at, ok := errors.AsType[*boundedyaml.KeyError](err); ok {
			return nil, &boundedyaml.KeyError{Key: at.Key, Reason: at.Reason} // whose line is that of the file
		}
		return nil, errors.New(strings.TrimPrefix(err.Error(), "line 1: "))
	}
	return e.key()
}

// key returns the key of an entry.
func (e *entry) key() (*Key, error) {
	k := &Key{Name: e.Name, Rate: e.Rate, Admin: e.Admin}
	switch {
	case e.Name == "":
		return nil, errors.New("name: it is missing")
	case e.Hash == nil:
		return nil, errors.New("hash: it is missing")
	case e.Burst != nil && *e.Burst < 1: // 0 stands for the default elsewhere
		return nil, fmt.Errorf("burst: it is %d; it takes 1 to %d", *e.Burst, maxBurst)
	case e.Questions != nil && len(*e.Questions) == 0:
		return nil, errors.New("questions: the list is empty; leave it out to allow all")
	}
	k.Hash = *e.Hash
	if e.Burst != nil {
		k.Burst = *e.Burst
	}
	if e.Questions != nil {
		k.Questions = *e.Questions
	}
	return k, k.Complete()
}

// Complete sets the default of the burst and refuses what cannot be in a file.
func (k *Key) Complete() error {
	switch {
	case k.Burst != 0 && k.Rate == 0:
		return errors.New("burst: it needs a rate, such as 5/s")
	case k.Burst < 0 || k.Burst > maxBurst:
		return fmt.Errorf("burst: it is %d; it takes 1 to %d", k.Burst, maxBurst)
	case k.Burst == 0:
		k.Burst = k.Rate.burst()
	}
	for _, name := range k.Questions {
		if !question.ValidName(name) {
			return fmt.Errorf("questions: %.100q is not the name of a question", name)
		}
	}
	return nil
}

// burst returns how many requests may come at once by default: those of one second; 0
// without a rate.
func (r Rate) burst() int { return int(math.Ceil(float64(r))) }

// line returns the key as a line of the file.
func (k *Key) line(made time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "- {name: %s, hash: %x", quoted(string(k.Name)), k.Hash[:])
	if k.Rate > 0 {
		fmt.Fprintf(&b, ", rate: %s, burst: %d", k.Rate, k.Burst)
	}
	if k.Questions != nil {
		fmt.Fprintf(&b, ", questions: [%s]", strings.Join(k.Questions, ", "))
	}
	if k.Admin {
		b.WriteString(", admin: true")
	}
	fmt.Fprintf(&b, "} # made %s\n", made.UTC().Format(time.DateOnly))
	return b.String()
}

// quoted returns a name as YAML: in quotes if another reader of YAML could take it for a
// number, a date or a boolean.
func quoted(name string) string {
	if name[0] >= 'a' && !boundedyaml.Keyword(name) {
		return name
	}
	return strconv.Quote(name)
}
