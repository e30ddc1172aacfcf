package question

// DatasetInfo says what a dataset is, for a person and for provenance.
type DatasetInfo struct {
	Name      string `json:"name"` // [a-z][a-z0-9_]*
	Title     string `json:"title"`
	Source    string `json:"source,omitempty"` // where the figures come from, a URL where there is one
	License   string `json:"license,omitempty"`
	Synthetic bool   `json:"synthetic"` // the figures are generated: not real
	Digest    string `json:"digest"`    // "sha256:" and 64 hex digits, over descriptor and values
	Rows      int    `json:"rows"`
}

// PluginInfo says what became of one plugin that was found.
type PluginInfo struct {
	Name      string   `json:"name,omitempty"` // from the manifest; "" when there is none
	Version   string   `json:"version,omitempty"`
	Title     string   `json:"title,omitempty"`
	Source    string   `json:"source"`           // "built-in" or the file's path
	Digest    string   `json:"digest,omitempty"` // "sha256:" and 64 hex digits of the .wasm file
	Size      int      `json:"size"`             // bytes of the .wasm file
	Serving   bool     `json:"serving"`          // false: refused, see Error
	Questions []string `json:"questions,omitempty"`
	Error     *Error   `json:"error,omitempty"` // with CodeBadPlugin
}

// Offer is a question that is being served.
type Offer struct {
	Question *Question `json:"question"` // owned by the plugin's manifest: read only
	Plugin   string    `json:"plugin"`   // the plugin's name
	Example  Request   `json:"example"`  // a request that can be answered
}
