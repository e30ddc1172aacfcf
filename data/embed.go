// Package data embeds the dataset descriptors, and the generated sample that is served
// by default.
package data

import (
	_ "embed" // for the descriptors
	"errors"
)

// NPAO is the descriptor of the CDC's survey: YAML for dataset.ParseDescriptor.
// It must not be modified.
//
//go:embed npao.yaml
var NPAO []byte

// sample is set by sample.go, which `make generate` writes together with
// built/sample.arrow: a fresh clone has neither and still compiles. An embed.FS would
// compile without the extra file, but it only returns copies, and copying the sample took
// 5 ms of every start.
var sample []byte

// Sample returns the generated sample: one Arrow IPC file for dataset.ReadArrow, about
// 8 MB. All calls return the same bytes, which must not be modified. Its figures are
// synthetic. An error means that the program was built without it.
func Sample() ([]byte, error) {
	if sample == nil {
		return nil, errors.New("this program was built without its sample")
	}
	return sample, nil
}
