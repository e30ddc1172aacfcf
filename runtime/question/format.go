package question

import "io"

// Format is a format in which results are written. Package render has the table of them.
type Format struct {
	Name      string // unique, for the command line
	Title     string // for people, as half a sentence
	MediaType string // Content-Type with parameters; "" if the format is for terminals only
	Extension string // of file names, without the dot; also the value of ?format=
	Layout    string // of JSON, the value of ?layout=; else ""
	// Seen: people look at it. It shows WriteOptions.Caption, in colours that the caption's
	// theme selects, with the address of the answer.
	Seen bool
	// Dated: it shows the day on which it was made, in UTC, as a citation does.
	Dated bool
	// Policy is the Content-Security-Policy with which it is served; "" if browsers do not
	// show it as a document.
	Policy string
	Notes  bool // its files have no room for provenance: ?note= selects their mark
	// Value appends a result as a bare JSON value, which HTTP and the command line put into
	// an envelope (httpapi.DoneBody). It is nil except for JSON.
	Value func(b []byte, t *Table) ([]byte, error)
	// Write writes a result as a file. Its error is that of w, has CodeBadResult if the
	// format cannot represent the result, or CodeNotAcceptable if it is not for such a
	// result: there is no picture of a table of text. It keeps nothing and is safe for concurrent use.
	// It is nil for JSON.
	Write func(w io.Writer, t *Table, o WriteOptions) error
}

// WriteOptions are the inputs of Format.Write besides the table.
type WriteOptions struct {
	Provenance *Provenance // nil if it is not known
	Caption    *Caption    // for formats that people look at; nil if it is not known
	Note       Note        // how to mark synthetic figures, in a format without room for provenance
	// People: the output is for a person, who may open it in a spreadsheet. CSV then keeps a
	// text that a spreadsheet would run as a formula from being one. For a program, values
	// are never changed.
	People bool
	// Width is that of the terminal in columns, into which text for a terminal is fitted;
	// 0: no limit.
	Width int
}
