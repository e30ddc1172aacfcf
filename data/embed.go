// Package data carries the dataset descriptors, and the generated sample that
// is served where no other dataset is named.
package data

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

// NPAO is the descriptor of the CDC's survey: YAML for dataset.ParseDescriptor.
// It is not to be written to.
//
//go:embed npao.yaml
var NPAO []byte

// built holds sample.arrow once `go run ./data/gen` made it, and .gitkeep always,
// so that a fresh clone compiles.
//
//go:embed all:built
var built embed.FS

// Sample returns the generated sample: one Arrow IPC file for dataset.ReadArrow,
// about 8 MB, its own copy at each call. Its figures are synthetic. The error says
// how to make it where the program was built without.
func Sample() ([]byte, error) {
	b, err := built.ReadFile("built/sample.arrow")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("this program was built without its sample: run `make generate`, then build it again")
	}
	if err != nil {
		return nil, fmt.Errorf("the embedded sample: %w", err)
	}
	return b, nil
}
