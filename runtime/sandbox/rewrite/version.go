package rewrite

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"sync"
)

// sources is what Rewrite's output depends on besides the module: this package.
//
//go:embed avoid.go encode.go header.go helpers.go instrument.go module.go opcodes.go reader.go rewrite.go types.go validate.go version.go
var sources embed.FS

// Version identifies the rewriter, for caches. It differs for different sources of this
// package, and for processors with different faults.
var Version = sync.OnceValue(func() string {
	h := sha256.New()
	files, err := fs.Glob(sources, "*.go")
	for _, name := range files {
		var source []byte
		if source, err = sources.ReadFile(name); err != nil {
			break
		}
		h.Write(source)
	}
	fmt.Fprint(h, here)
	if err != nil {
		panic(err) // they are in the program
	}
	return hex.EncodeToString(h.Sum(nil))
})
