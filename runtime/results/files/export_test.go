package files

// Explain is explain.
var Explain = explain

// UseLinks makes o do without renaming, as on a file system that cannot.
func UseLinks(o *Objects) { o.linked = true }
