package dataset

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/tabular"
)

// encoded is text in the encoding.
func encoded(t testing.TB, name, text string) string {
	t.Helper()
	e, err := htmlindex.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(name, "utf-16") { // of a file without a byte order mark
		e = unicode.UTF16(map[string]unicode.Endianness{"utf-16le": unicode.LittleEndian, "utf-16be": unicode.BigEndian}[name], unicode.IgnoreBOM)
	}
	out, err := e.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A file in any encoding is the dataset that it is in UTF-8, however it is cut.
func TestEncodings(t *testing.T) {
	for name, place := range map[string]string{
		"": "日本", "utf-8": "日本", "UTF8": "Zürich", "windows-1252": "Œuvre €", "latin1": "São", "cp1252": "São", "iso-8859-2": "Łódź", "iso-8859-15": "€", "windows-1251": "Москва",
		"koi8-r": "Москва", "macintosh": "Zürich", "utf-16le": "日本", "utf-16be": "日本", "shift_jis": "日本", "euc-jp": "日本", "iso-2022-jp": "日本", "gbk": "中国", "gb18030": "中国", "big5": "台灣", "euc-kr": "한국",
	} {
		t.Run(name, func(t *testing.T) {
			text := "place,value,count\r\n" + strings.Repeat(place+",1.5,2\r\n\"b "+place+"\n\",,3\r\n", 3000)
			want, err := readCSV(t, text)
			if err != nil {
				t.Fatal(err)
			}
			d := tiny(t)
			d.Encoding = name
			file := text
			if name != "" {
				file = encoded(t, strings.ToLower(name), text)
			}
			got, err := ReadCSV(t.Context(), strings.NewReader(file), d, nil)
			if err != nil {
				t.Fatal(err)
			}
			sameColumns(t, got, want)
			if got, err = ReadCSV(t.Context(), iotest.OneByteReader(strings.NewReader(file)), d, nil); err != nil {
				t.Fatal(err)
			}
			sameColumns(t, got, want)
		})
	}
}

// A byte order mark decides, and contradicts an encoding that is another.
func TestByteOrderMarks(t *testing.T) {
	const text = "place,value,count\né,1,2\n"
	want, err := readCSV(t, text)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"utf-8": "\xef\xbb\xbf" + text, "utf-16le": "\xff\xfe" + encoded(t, "utf-16le", text), "utf-16be": "\xfe\xff" + encoded(t, "utf-16be", text)} {
		for said, refused := range map[string]bool{"": false, name: false, "utf-16": name == "utf-8", "latin1": true} {
			d := tiny(t)
			d.Encoding = said
			got, err := ReadCSV(t.Context(), strings.NewReader(file), d, nil)
			switch {
			case refused && (err == nil || !strings.Contains(err.Error(), "it begins with the byte order mark of "+name+", so its encoding is not")):
				t.Errorf("%s as %q: %v", name, said, err)
			case !refused && err != nil:
				t.Errorf("%s as %q: %v", name, said, err)
			case !refused:
				sameColumns(t, got, want)
			}
		}
	}
	for _, name := range []string{"utf-16le", "utf-16be"} {
		if _, err := readCSV(t, encoded(t, name, text)); err == nil || !strings.Contains(err.Error(), "it looks like "+name+" without a byte order mark: if it is, pass --encoding "+name) {
			t.Errorf("%s without a mark: %v", name, err)
		}
	}
}

func TestWrongEncodings(t *testing.T) {
	for name, want := range map[string]string{
		"windows-1225": `"windows-1225" is not an encoding that can be read; try "windows-1255", `,
		"latin":        `try "latin1", "latin2"`,
		"utf-32":       `"utf-32" is not an encoding that can be read; try "utf-8"`,
		"iso-2022-kr":  `is not an encoding that can be read; try "iso-2022-jp"`, // its decoder is not safe
		"zzz":          `"zzz" is not an encoding that can be read; try "utf-8", "utf-16"`,
		" ":            "is not an encoding that can be read",
	} {
		_, err := ParseDescriptor([]byte("encoding: \"" + name + "\"\n" + tinyYAML))
		if err == nil || !strings.Contains(err.Error(), "encoding: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", name, err, want)
		}
	}
	d := tiny(t)
	d.Encoding = "shift_jis"
	_, err := ReadCSV(t.Context(), strings.NewReader("place,value,count\na,1,2\nS\xe3\xff,1,2\n"), d, nil)
	if err == nil || !strings.Contains(err.Error(), `line 3 (row 2): column "place": "S`) || !strings.Contains(err.Error(), "bytes that are not shift_jis") {
		t.Error(err)
	}
}

// A file that is converted costs no more memory than one that is not.
func TestEncodingsAreBounded(t *testing.T) {
	d := tiny(t)
	d.Encoding = "utf-16le"
	for what, endless := range map[string]*repeat{"header": {text: "a\x00"}, "quote": {text: "\"\x00a\x00"}} {
		_, err := ReadCSV(context.Background(), endless, d, nil)
		if err == nil || !strings.Contains(err.Error(), "a record has more than 1048576 bytes") && !strings.Contains(err.Error(), "is not CSV") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A line ends in LF, CRLF or CR, also in one file; in quotes they are text.
func TestLineEnds(t *testing.T) {
	const want = "a|1|2\nb\\rc|3|4\n"
	for _, end := range []string{"\n", "\r\n", "\r", "\r\r\n", "\n\r"} {
		for _, other := range []string{"\n", "\r\n", "\r"} {
			text := "place,value,count" + end + "a,1,2" + other + "\"b\rc\",3,4" + end
			for size := range 9 {
				d, err := ReadCSV(t.Context(), &pieces{text: text, size: size + 1}, tiny(t), nil)
				if err != nil {
					t.Errorf("%q in pieces of %d: %v", text, size+1, err)
					continue
				}
				if got := strings.ReplaceAll(rows(t, d), "\r", `\r`); got != want {
					t.Errorf("%q in pieces of %d: %s", text, size+1, got)
				}
			}
			if _, err := readCSV(t, text+"d,x,1"+other); err == nil || !strings.Contains(err.Error(), "(row 3)") {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
	if _, err := readCSV(t, "place,value,count\ra,1,2\r\nb,x,2\r"); err == nil || !strings.Contains(err.Error(), "line 3 (row 2)") {
		t.Error(err)
	}
}

// pieces is a text that is read in pieces.
type pieces struct {
	text string
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	n := copy(b[:min(len(b), p.size)], p.text)
	p.text = p.text[n:]
	if n == 0 {
		return strings.NewReader("").Read(b)
	}
	return n, nil
}

// A column of the file that the descriptor does not declare may hold anything.
func TestUndeclaredColumnsAreNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(path, []byte("place,note,value,count\na,\xc9,1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ds, err := Open(t.Context(), path, tiny(t))
	if err != nil || rows(t, ds) != "a|1|2\n" {
		t.Error(err)
	}
	if err := tabular.CheckEncoding("Latin1"); err != nil {
		t.Error(err)
	}
}
