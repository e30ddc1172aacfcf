package question

// Note is how a form of a result that has no room for its provenance says that the
// figures are synthetic. Figures that are real bear none, whatever Note is.
type Note string

// The notes. NoteColumn is the default: a comment would break readers that know none.
const (
	NoteColumn  Note = "column"  // a last column, or key, "synthetic", true in each row
	NoteComment Note = "comment" // a line before the header that begins with #; of CSV only
	NoteNone    Note = "none"    // as if they were real; the file's name and the headers still tell
)

// Notes are all of them, the default first.
var Notes = []Note{NoteColumn, NoteComment, NoteNone}
