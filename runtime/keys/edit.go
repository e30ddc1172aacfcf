package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// lockLimit bounds how long a change waits for another one, which takes milliseconds.
const lockLimit = 10 * time.Second

// Add adds a key as a line at the end of the file, which it creates for its owner alone if
// there is none. The rest of the file stays as it is.
func Add(ctx context.Context, path string, k Key) error {
	return edit(ctx, path, true, func(text []byte, all []Key) ([]byte, error) {
		for i := range all {
			if all[i].Name == k.Name {
				return nil, fmt.Errorf("keys file %s: there is a key %q already; revoke it first, or choose another name", path, k.Name)
			}
		}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		return append(text, k.line(time.Now())...), nil
	})
}

// Revoke removes a key: its line, and nothing else. The error has CodeUnknownValue if there
// is no such key.
func Revoke(ctx context.Context, path, name string) error {
	return edit(ctx, path, false, func(text []byte, _ []Key) ([]byte, error) {
		var rest []byte
		var names []string
		for line := range bytes.Lines(text) {
			k, err := parseLine(line)
			if err != nil {
				return nil, err // it has been parsed before
			}
			if k == nil || string(k.Name) != name {
				rest = append(rest, line...)
			}
			if k != nil {
				names = append(names, string(k.Name))
			}
		}
		if len(rest) == len(text) {
			return nil, question.Errorf(question.CodeUnknownValue, "keys file %s: there is no key %.100q", path, name).
				Suggest("name", question.Nearest(name, names))
		}
		return rest, nil
	})
}

// edit replaces the file by what change makes of it, in one step. Others that edit wait: the
// folder is locked meanwhile, because a lock on the file would go with it. A file that cannot
// be used is not changed, nor one that could not be used then.
func edit(ctx context.Context, path string, create bool, change func(text []byte, all []Key) ([]byte, error)) (err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // a link stays one
	}
	folder := filepath.Dir(path)
	lock := flock.New(folder, flock.SetFlag(os.O_RDONLY))
	wait, cancel := context.WithTimeout(ctx, lockLimit)
	defer cancel()
	if locked, err := lock.TryLockContext(wait, 10*time.Millisecond); !locked {
		return fmt.Errorf("keys file %s: the folder cannot be locked: %w", path, err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	text, _, err := readText(path, false)
	if missing := create && errors.Is(err, fs.ErrNotExist); err != nil && !missing {
		return err
	}
	all, err := Parse(text)
	if err != nil {
		return fmt.Errorf("keys file %s: %w", path, err)
	}
	if text, err = change(text, all); err != nil {
		return err
	}
	if _, err := Parse(text); err != nil {
		return fmt.Errorf("keys file %s: %w", path, err)
	}
	return renameio.WriteFile(path, text, 0o600, renameio.WithExistingPermissions())
}
