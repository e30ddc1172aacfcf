package web

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

//go:embed script.js
var scriptText string

// scriptTag identifies the script: its URL has it, so that browsers keep it until it changes.
var scriptTag = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(scriptText))
	return hex.EncodeToString(sum[:8])
})

func scriptPath() string { return "/script.js?v=" + scriptTag() }

// script: GET /script.js. Pages work without it.
func (s *Site) script(w http.ResponseWriter, r *http.Request, _ View) error {
	tag := `"` + scriptTag() + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == scriptTag() {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(scriptText)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte(scriptText)) // the client may have left
	return nil
}
