package sandbox

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// A small encoder: it adds to the sections of a module that exists.

type sectionOf struct {
	id         byte
	start, end int // of its contents
}

func sectionsOf(wasm []byte) (sections []sectionOf) {
	for at := 8; at < len(wasm); {
		size, n := binary.Uvarint(wasm[at+1:])
		s := sectionOf{wasm[at], at + 1 + n, at + 1 + n + int(size)}
		if n <= 0 || s.end > len(wasm) {
			break // it is damaged
		}
		sections = append(sections, s)
		at = s.end
	}
	return sections
}

func uleb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func sized(b []byte) []byte { return append(uleb(len(b)), b...) }

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// added is what with adds to a section: n items.
type added struct {
	n     int
	items []byte
}

// with returns wasm with items added to the vectors of its sections. A section
// that it does not have goes in before the next higher one.
func with(wasm []byte, more map[byte]added) []byte {
	out := slices.Clone(wasm[:8])
	write := func(id byte, old []byte, a added) {
		count, n := 0, 0
		if len(old) > 0 {
			c, k := binary.Uvarint(old)
			count, n = int(c), k
		}
		out = append(out, id)
		out = append(out, sized(joined(uleb(count+a.n), old[n:], a.items))...)
	}
	for _, s := range sectionsOf(wasm) {
		for id := byte(1); id < s.id; id++ {
			if a, ok := more[id]; ok {
				write(id, nil, a)
				delete(more, id)
			}
		}
		if a, ok := more[s.id]; ok && s.id != 0 {
			write(s.id, wasm[s.start:s.end], a)
			delete(more, s.id)
		} else {
			out = append(out, s.id)
			out = append(out, sized(wasm[s.start:s.end])...)
		}
	}
	return out
}

func custom(name string, b []byte) []byte {
	return append([]byte{0}, sized(joined(sized([]byte(name)), b))...)
}

// bodies returns n functions of type 0 of the module, which is (i32, i32) -> i32 in
// every hostile guest; each has the same locals and code, and end is added.
func bodies(n int, body []byte) map[byte]added {
	body = sized(append(slices.Clone(body), 0x0b))
	return map[byte]added{3: {n, bytes.Repeat([]byte{0}, n)}, 10: {n, bytes.Repeat(body, n)}}
}

// zero is the code i32.const 0.
var zero = []byte{0x41, 0}

func activeData(at int, b []byte) []byte {
	offset := []byte{0x41}
	for n := at; ; n >>= 7 { // signed, and at is not negative
		if n < 0x40 {
			offset = append(offset, byte(n))
			break
		}
		offset = append(offset, byte(n&0x7f|0x80))
	}
	return joined([]byte{0}, offset, []byte{0x0b}, sized(b))
}

// nested is n nested blocks or loops, with code in the innermost.
func nested(n int, kind byte, code []byte) []byte {
	return joined(bytes.Repeat([]byte{kind, 0x40}, n), code, bytes.Repeat([]byte{0x0b}, n))
}

// Modules that are too large to be kept, or that wat2wasm refuses to make.
func testHostileBuilt(t *testing.T) {
	base := hostileFixture(t, "pointers") // one page; answers with bad_result
	var log bytes.Buffer
	cfg := hostileConfig(&log)
	e := newEngine(t, cfg, newFakeDataset())
	locals := func(n int) []byte { return joined([]byte{1}, uleb(n), []byte{0x7e}) }
	huge := bytes.Repeat([]byte("\x1b[2J\r\n\x00x"), 1<<17) // 1 MiB
	tests := []struct {
		what  string
		build func() []byte
		// What it is refused for; "" where it is loaded and then answers as before, and
		// "?" where it may be either.
		refused string
	}{
		{"a hundred thousand functions", func() []byte { return with(base, bodies(100_000, joined([]byte{0}, zero))) }, "functions"},
		{"as many functions as may be", func() []byte { return with(base, bodies(59_000, joined([]byte{0}, zero))) }, ""},
		{"100,000 functions without a body", func() []byte { return with(base, map[byte]added{3: {100_000, make([]byte, 100_000)}}) }, ""},
		{"100,001 data segments", func() []byte {
			return with(base, map[byte]added{11: {100_001, bytes.Repeat(activeData(9, nil), 100_001)}})
		}, "data segments"},
		{"90,000 data segments", func() []byte {
			return with(base, map[byte]added{11: {90_000, bytes.Repeat(activeData(0x8000, []byte("16 bytes of data")), 90_000)}})
		}, ""},
		{"60 MB of data that do not fit", func() []byte { return with(base, map[byte]added{11: {1, activeData(0, make([]byte, 60<<20))}}) }, "data segment"},
		{"60 MB of data in segments that overlap", func() []byte {
			return with(base, map[byte]added{11: {1500, bytes.Repeat(activeData(0x4000, make([]byte, 40_000)), 1500)}})
		}, ""},
		{"custom sections only", func() []byte { return joined(base[:8], bytes.Repeat(custom("x", make([]byte, 1<<20)), 50)) }, "does not export"},
		{"custom sections beside a guest", func() []byte { return joined(base, bytes.Repeat(custom("x", make([]byte, 1<<20)), 50)) }, ""},
		{"five million empty custom sections", func() []byte { return joined(base, bytes.Repeat(custom("", nil), 5_000_000)) }, ""},
		{"more bytes than are taken", func() []byte { return joined(base, bytes.Repeat(custom("x", make([]byte, 1<<20)), 70)) }, "bytes"},
		{"19,000 blocks within blocks", func() []byte { return with(base, bodies(1, joined([]byte{0}, nested(19_000, 0x02, nil), zero))) }, "?"},
		{"300,000 blocks within blocks", func() []byte { return with(base, bodies(1, joined([]byte{0}, nested(300_000, 0x02, nil), zero))) }, "block"},
		{"400 loops within loops", func() []byte { return with(base, bodies(1, joined(locals(100), nested(400, 0x03, nil), zero))) }, "?"},
		{"loops within loops over 9,000 locals", func() []byte { return with(base, bodies(1, joined(locals(9000), nested(400, 0x03, nil), zero))) }, ""},
		{"a million loops within loops", func() []byte { return with(base, bodies(1, joined([]byte{0}, nested(349_000, 0x03, nil), zero))) }, "loop"},
		{"a straight line of square roots", func() []byte {
			return with(base, bodies(1, joined([]byte{0}, []byte{0x44, 0, 0, 0, 0, 0, 0, 0, 1}, bytes.Repeat([]byte{0x9f}, 1_000_000), []byte{0x1a}, zero)))
		}, "?"},
		{"branch tables", func() []byte {
			table := joined(zero, []byte{0x0e}, uleb(60_000), make([]byte, 60_001))
			return with(base, bodies(200, joined([]byte{0}, nested(1, 0x02, table), zero)))
		}, "bounded cost"},
		{"branches to one label", func() []byte {
			return with(base, bodies(1, joined([]byte{0}, nested(1, 0x02, bytes.Repeat([]byte{0x20, 0, 0x0d, 0}, 30_000)), zero)))
		}, "bounded cost"},
		{"ifs in a row", func() []byte {
			return with(base, bodies(1, joined([]byte{0}, bytes.Repeat([]byte{0x20, 0, 0x04, 0x40, 0x05, 0x0b}, 100_000), zero)))
		}, "bounded cost"},
		{"as many locals as may be, in many functions", func() []byte { return with(base, bodies(5000, joined(locals(10_000), zero))) }, "?"},
		{"too many locals", func() []byte { return with(base, bodies(1, joined(locals(1<<31), zero))) }, "locals"},
		{"memory within memory", func() []byte { return with(base, map[byte]added{5: {1, []byte{0, 1}}}) }, "memories"},
		{"counts that lie", func() []byte { return with(base, map[byte]added{1: {1 << 31, nil}}) }, ""},
		{"the meter's counter, by its index", func() []byte { // global.set of the global behind the last: fuel, after rewriting
			return with(base, bodies(1, []byte{0, 0x42, 0xff, 0xff, 0xff, 0xff, 7, 0x24, 1, 0x41, 0}))
		}, "global 1"},
		{"the stack's counter, by its index", func() []byte { return with(base, bodies(1, []byte{0, 0x23, 2, 0x1a, 0x41, 0})) }, "global 2"},
		{"the host's yield, by its index", func() []byte { return with(base, bodies(1, []byte{0, 0x10, 15, 0x41, 0})) }, "function 15"},
		{"a name that moves the cursor, in an import", func() []byte {
			return with(base, map[byte]added{2: {1, joined(sized([]byte("lestats_v1")), sized(huge), []byte{0, 0})}})
		}, ""},
		{"a name that moves the cursor, in an export", func() []byte {
			return with(base, map[byte]added{7: {1, joined(sized(joined([]byte("lestats_v1_"), huge)), []byte{0, 0})}})
		}, ""},
		{"a reserved name, with more behind it", func() []byte {
			return with(base, map[byte]added{7: {1, joined(sized(joined([]byte("__lestats"), huge)), []byte{0, 0})}})
		}, ""},
		{"exports without end", func() []byte {
			var exports []byte
			for i := range 100_000 {
				exports = append(exports, joined(sized(fmt.Appendf(nil, "e%d", i)), []byte{0, 0})...)
			}
			return with(base, map[byte]added{7: {100_000, exports}})
		}, "exports"},
		{"a section twice", func() []byte { return joined(base, base[8:]) }, ""},
		{"a section cut short", func() []byte { return base[:len(base)-3] }, ""},
		{"nothing but a header", func() []byte { return base[:8] }, "does not export"},
		{"nothing", func() []byte { return nil }, ""},
	}
	refusedAnyway := []string{"100,000 functions without a body", "counts that lie",
		"a name that moves the cursor, in an import", "a name that moves the cursor, in an export", "a reserved name, with more behind it", "a section twice", "a section cut short", "nothing"}
	for _, test := range tests {
		wasm := test.build()
		start := time.Now()
		p, err := e.Load(t.Context(), wasm)
		took := time.Since(start)
		if took > time.Second {
			t.Logf("%s (%d KB) took %v: %v", test.what, len(wasm)>>10, took.Round(time.Millisecond), err)
		}
		if took > patience {
			t.Errorf("%s took %v", test.what, took)
		}
		refused := test.refused != "" && test.refused != "?" || slices.Contains(refusedAnyway, test.what)
		switch {
		case err == nil && refused:
			t.Errorf("%s was loaded", test.what)
		case err != nil && !refused && test.refused != "?":
			t.Errorf("%s: %.300v", test.what, err)
		case err != nil:
			if question.CodeOf(err) != question.CodeBadPlugin || test.refused != "?" && !strings.Contains(err.Error(), test.refused) {
				t.Errorf("%s: %.300v; want %q", test.what, err, test.refused)
			}
			checkReason(t, test.what, err.Error())
		}
		if err != nil {
			continue
		}
		start = time.Now()
		if o, _ := (attack{p, "none", question.CodeBadResult}).run(t.Context(), 0); o.code != question.CodeBadResult {
			t.Errorf("%s ended with %q: %s", test.what, o.code, o.reason)
		}
		if took := time.Since(start); took > patience {
			t.Errorf("%s took %v for a job", test.what, took)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	// Names of functions are in the stack traces of traps.
	names := joined([]byte{1}, sized(joined([]byte{1}, uleb(1), sized(huge))))
	p, err := e.Load(t.Context(), joined(hostileFixture(t, "confuse"), custom("name", names)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.manifest.Questions {
		o, _ := attack{p, p.manifest.Questions[i].Name, question.CodePluginTrap}.run(t.Context(), 0)
		if o.code != question.CodePluginTrap {
			t.Errorf("%+v", o)
		}
		checkReason(t, "a function's name", o.reason)
	}
	if strings.Contains(log.String(), "panicked") || strings.Contains(log.String(), "\x1b") {
		t.Errorf("the log has %.1000s", log.String())
	}
}

// Manifests that are too large, too deep, or made to forge what a person reads.
func testHostileManifests(t *testing.T) {
	base := hostileFixture(t, "manifest")
	cfg := hostileConfig(new(bytes.Buffer))
	cfg.Limits.Memory = 128 << 20
	e := newEngine(t, cfg, newFakeDataset())
	long := strings.Repeat("a", 900_000)
	of := func(format string, args ...any) string {
		return fmt.Sprintf(`{"name":"manifest","version":"1","columns":[],"questions":[{"name":"q",`+format+`"result":{"layout":"record","values":[{"name":"n","type":"integer"}]}}]}`, args...)
	}
	list := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, test := range []struct{ what, manifest, refused string }{
		{"a good one", of(""), ""},
		{"100,000 keys that are not known", of("%s,", list(80_000, `"k%d":0`)), ""},
		{"the same key over and over", of("%s,", list(80_000, `"title":"%d"`)), ""},
		{"900 KB in a key that is not known", of(`"x":"%s",`, long), ""},
		{"a control character in a title", of(`"title":"\u001b[2J",`), "control"},
		{"a control character in a key", of(`"params":[{"name":"\u0007","type":"integer"}],`), "name"},
		{"a control character in a type", of(`"params":[{"name":"p","type":"\u001b[2J"}],`), "type"},
		{"a name that is a path", strings.Replace(of(""), `"q"`, `"../../jobs"`, 1), "name"},
		{"a name of 900 KB", strings.Replace(of(""), `"manifest"`, `"`+long+`"`, 1), "name"},
		{"a type of 900 KB", of(`"params":[{"name":"p","type":"%s"}],`, long), "type"},
		{"a column of 900 KB", of(`"params":[{"name":"p","type":"column","column":"%s"}],`, long), "column"},
		{"a choice of 400 KB twice", of(`"params":[{"name":"p","type":"choice","choices":["%s","%s"]}],`, long[:400_000], long[:400_000]), "choice"},
		{"a version of 900 KB", strings.Replace(of(""), `"version":"1"`, `"version":"`+long+`"`, 1), "version"},
		{"a feature of 900 KB", strings.Replace(of(""), `"columns"`, `"requires":["`+long+`"],"columns"`, 1), "requires"},
		{"a needed column of 900 KB", strings.Replace(of(""), `"columns":[]`, `"columns":[{"name":"`+long+`","type":"string"}]`, 1), "column"},
		{"a needed column of a type of 900 KB", strings.Replace(of(""), `"columns":[]`, `"columns":[{"name":"value","type":"`+long+`"}]`, 1), "type"},
		{"a layout of 900 KB", strings.Replace(of(""), `"record"`, `"`+long+`"`, 1), "layout"},
		{"a default of 900 KB", of(`"params":[{"name":"p","type":"integer","default":"%s"}],`, long), "default"},
		{"a number of 900,000 digits", of(`"params":[{"name":"p","type":"number","default":%s}],`, strings.Repeat("9", 900_000)), "default"},
		{"a bound of 900,000 digits", of(`"params":[{"name":"p","type":"number","min":%s}],`, strings.Repeat("9", 900_000)), ""},
		{"30,000 choices", of(`"params":[{"name":"p","type":"choice","choices":[%s]}],`, list(30_000, `"%d"`)), "choices"},
		{"10,000 parameters", of(`"params":[%s],`, list(10_000, `{"name":"p%d","type":"integer"}`)), "parameters"},
		{"5,000 needed columns", strings.Replace(of(""), `"columns":[]`, `"columns":[`+list(5000, `{"name":"c%d","type":"string"}`)+`]`, 1), "columns"},
		{"256 needed columns that there are not", strings.Replace(of(""), `"columns":[]`, `"columns":[`+list(256, `{"name":"c%d","type":"string"}`)+`]`, 1), "column"},
		{"10,000 questions", strings.Replace(of(""), `[{"name":"q"`, `[`+list(10_000, `{"name":"q%d"}`)+`,{"name":"q"`, 1), "10001 entries"},
		{"9,000 arrays within arrays", of(`"x":%s%s,`, strings.Repeat("[", 9000), strings.Repeat("]", 9000)), ""},
		{"400,000 arrays within arrays", of(`"x":%s%s,`, strings.Repeat("[", 400_000), strings.Repeat("]", 400_000)), "JSON"},
		{"bytes that are not UTF-8", of("\"x\":\"\xff\","), "UTF-8"},
		{"a manifest that ends with another", of("") + of(""), "there is text after"},
		{"more than 1 MiB", of("") + strings.Repeat(" ", 1<<20), "manifest of"},
	} {
		wasm := with(base, map[byte]added{11: {2, joined(activeData(0x400, []byte(test.manifest)), activeData(0x3fc, binary.LittleEndian.AppendUint32(nil, uint32(len(test.manifest)))))}})
		start := time.Now()
		p, err := e.Load(t.Context(), wasm)
		if took := time.Since(start); took > patience {
			t.Errorf("%s took %v", test.what, took)
		}
		if err == nil {
			_ = p.Close(t.Context())
			if test.refused != "" {
				t.Errorf("%s was loaded", test.what)
			}
			continue
		}
		checkReason(t, test.what, err.Error())
		if question.CodeOf(err) != question.CodeBadPlugin || !strings.Contains(err.Error(), test.refused) {
			t.Errorf("%s: %.300v; want %q", test.what, err, test.refused)
		}
	}
	_, err := e.Load(t.Context(), hostileFixture(t, "manifest_100mb"))
	wantError(t, err, question.CodeBadPlugin, "100000000 bytes")
}
