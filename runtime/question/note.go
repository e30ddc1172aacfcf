package question

// Note selects how a format without room for provenance marks synthetic figures. Real
// figures are never marked.
type Note string

// The notes. NoteColumn is the default, because many CSV readers do not accept comments.
const (
	NoteColumn  Note = "column"  // a last column, or key, "synthetic", true in each row
	NoteComment Note = "comment" // a first line that begins with #, where the format has comments
	NoteNone    Note = "none"    // no mark in the file; its name and the HTTP headers still tell
)

// Notes are all notes, the default first.
var Notes = []Note{NoteColumn, NoteComment, NoteNone}
