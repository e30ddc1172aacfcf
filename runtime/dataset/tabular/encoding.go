package tabular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/transform"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// encodings are the names that a message suggests. CheckEncoding accepts more, such as
// latin1 and cp1252: all that the WHATWG's standard lists.
var encodings = []string{
	"utf-8", "utf-16", "utf-16le", "utf-16be", "windows-1252", "iso-8859-1", "latin1", "iso-8859-2", "latin2", "iso-8859-15", "windows-1250", "windows-1251",
	"windows-1253", "windows-1254", "windows-1255", "windows-1256", "windows-1257", "windows-1258", "macintosh", "koi8-r", "ibm866",
	"gbk", "gb18030", "big5", "shift_jis", "euc-jp", "iso-2022-jp", "euc-kr",
}

// CheckEncoding returns what is wrong with the name of an encoding. Case does not matter.
func CheckEncoding(name string) error {
	_, _, err := findEncoding(name)
	return err
}

// findEncoding returns the encoding with the name, and its canonical name.
func findEncoding(name string) (e encoding.Encoding, canonical string, err error) {
	if e, err = htmlindex.Get(name); err == nil {
		canonical, err = htmlindex.Name(e)
	}
	if err == nil && canonical != "replacement" { // which stands for encodings that are not safe to read
		return e, canonical, nil
	}
	hint := question.Nearest(name, encodings)
	if len(hint) == 0 {
		hint = encodings[:6]
	}
	return nil, "", fmt.Errorf("%s is not an encoding that can be read; try %s, or convert the file with iconv", literal.Quote(name), literal.List(hint))
}

// byteOrderMark is the mark of UTF-8.
const byteOrderMark = "\xef\xbb\xbf"

// byteOrderMarks tell the encoding of a file that begins with one.
var byteOrderMarks = []struct{ mark, encoding string }{{byteOrderMark, "utf-8"}, {"\xff\xfe", "utf-16le"}, {"\xfe\xff", "utf-16be"}}

// decode returns r as UTF-8, from the encoding with the name, or from the one that its
// byte order mark tells; used is "" if nothing had to be decoded. The mark stays. Memory
// does not grow with the text.
func decode(r io.Reader, name string) (text io.Reader, used string, err error) {
	head := make([]byte, sniffed)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, "", err
	}
	head = head[:n]
	r = io.MultiReader(bytes.NewReader(head), r)
	for _, m := range byteOrderMarks {
		if !bytes.HasPrefix(head, []byte(m.mark)) {
			continue
		}
		if _, said, err := findEncoding(name); name != "" && said != m.encoding && (!strings.EqualFold(name, "utf-16") || m.encoding == "utf-8") {
			return nil, "", errors.Join(err, fmt.Errorf("it begins with the byte order mark of %s, so its encoding is not %s: leave the encoding out", m.encoding, literal.Quote(name)))
		}
		name = m.encoding
	}
	if name == "" {
		if like := likeUTF16(head); like != "" {
			return nil, "", fmt.Errorf("it looks like %s without a byte order mark: if it is, %s", like, sayEncoding(like))
		}
		return r, "", nil
	}
	e, used, err := findEncoding(name)
	if err != nil || used == "utf-8" {
		return r, "", err
	}
	return transform.NewReader(r, e.NewDecoder()), used, nil
}

// sayEncoding is how a user declares an encoding, or does without.
func sayEncoding(name string) string {
	return fmt.Sprintf("pass --encoding %s to data init, or set encoding: %s in the descriptor; or convert it: `iconv -f %s -t UTF-8 FILE > NEW.csv`", name, name, strings.ToUpper(name))
}

// likeUTF16 returns the encoding of UTF-16 that a text without a byte order mark seems to
// have, "" for none: in most of its characters, one byte is zero.
func likeUTF16(head []byte) string {
	var zeros [2]int // at even and at odd offsets
	for i, b := range head {
		if b == 0 {
			zeros[i%2]++
		}
	}
	pairs := len(head) / 2
	switch {
	case zeros[1]*2 > pairs && zeros[0] == 0:
		return "utf-16le"
	case zeros[0]*2 > pairs && zeros[1] == 0:
		return "utf-16be"
	default:
		return ""
	}
}

// CheckText returns what is wrong with a text of the file: a byte that its encoding does
// not define.
func (f *File) CheckText(text string) error {
	if f.encoding != "" {
		if strings.ContainsRune(text, utf8.RuneError) {
			return fmt.Errorf("%s has U+FFFD where the file has bytes that are not %s: is that its encoding?", literal.Quote(text), f.encoding)
		}
		return nil
	}
	if utf8.ValidString(text) {
		return nil
	}
	at := 0
	for {
		r, n := utf8.DecodeRuneInString(text[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return fmt.Errorf("%s is not UTF-8: its byte %d is 0x%02X%s", literal.Quote(text), at+1, text[at], f.howToEncode())
}

// howToEncode is what to do about text that is not UTF-8.
func (f *File) howToEncode() string {
	if !f.IsCSV {
		return "; store the column as text in UTF-8"
	}
	return "; if the file is Windows-1252 or Latin-1, as older ones are, " + sayEncoding("windows-1252")
}
