package catalog

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Names under which a dataset has the columns of these roles, if it has them.
const (
	groupColumn = "location" // of whom a figure is
	timeColumn  = "time"     // when it was measured
	askedColumn = "asked"    // how many people were asked for it
)

// honest says from which rows an answer comes, and what speaks against its figures.
type honest struct {
	coverage *question.Coverage
	caveats  []question.Caveat
}

// describe returns what is to be said about the answers to a bound request. It counts the
// rows once per selection.
func (c *Catalog) describe(b *question.BoundRequest, rows []question.Range) honest {
	f := figuresOf(b)
	key := selectionKey(b.Where, f)
	h, ok := c.described.get(key)
	if ok {
		return h
	}
	ds := c.cfg.Dataset
	h = honest{coverage: ds.Coverage(rows), caveats: []question.Caveat{}}
	if info := ds.Info(); info.Synthetic {
		h.caveats = append(h.caveats, question.Caveat{Code: question.CaveatSynthetic, Text: question.SyntheticText(info.Name)})
	}
	if f.mean {
		if caveat, ok := f.caveat(ds, h.coverage, rows); ok {
			h.caveats = append(h.caveats, caveat)
		}
	}
	within := *h.coverage // what a figure of the answer mixes without showing it
	within.Mixed = slices.DeleteFunc(slices.Clone(within.Mixed), func(m question.Mixed) bool { return slices.Contains(f.shown, m.Column) })
	h.caveats = append(h.caveats, ds.Caveats(&within)...)
	c.described.put(key, h)
	return h
}

// figures says of which groups of rows the figures of a question are, as far as its
// manifest does.
type figures struct {
	mean  bool     // they are plain means without limits
	by    []string // names of the columns whose values tell the groups apart
	shown []string // names of the columns of which each row of the answer shows its value
}

// figuresOf reads what the manifest declares. The groups are told apart by the result's keys
// and by the columns that other parameters choose a value of: the mean of one state is of
// that state's rows, which the plugin and not the host selects. A difference of means has at
// least one that is of all rows.
func figuresOf(b *question.BoundRequest) (f figures) {
	limits, overall := false, false
	for _, v := range b.Question.Result.Values {
		switch v.Shows {
		case question.ShowsLow, question.ShowsHigh:
			limits = true
		case question.ShowsMean:
			f.mean = true
		case question.ShowsMeanDifference:
			f.mean, overall = true, true
		default:
		}
	}
	f.mean = f.mean && !limits
	if overall {
		return f
	}
	for _, k := range b.Question.Result.Keys {
		f.by = append(f.by, k.Name)
	}
	for i := range b.Question.Params {
		if p := &b.Question.Params[i]; p.Column != "" && !p.Select && len(b.Args[i].Values) == 1 && !slices.Contains(f.by, p.Column) {
			f.by = append(f.by, p.Column)
		}
	}
	f.shown = slices.Clone(f.by)
	for _, v := range b.Question.Result.Values {
		f.shown = append(f.shown, v.Name)
	}
	return f
}

// caveat returns the caveat of means if a group has more than one figure. Figures of one
// place and one time are of the same people.
func (f *figures) caveat(ds Dataset, c *question.Coverage, rows []question.Range) (question.Caveat, bool) {
	n := c.Rows - c.Missing
	if n == ds.Groups(rows, f.by) || n == 0 {
		return question.Caveat{}, false
	}
	people := slices.Clip(f.by)
	for _, name := range []string{groupColumn, timeColumn} {
		if _, ok := ds.Column(name); ok {
			people = append(people, name)
		}
	}
	_, asked := ds.Column(askedColumn)
	text := "Plain means from a selection of " + humanize.Comma(int64(n))
	switch {
	case !asked:
		text += " figures"
	case n == ds.Groups(rows, people):
		text += " published figures"
	default:
		text += " published figures; people are counted several times"
	}
	return question.Caveat{Code: question.CaveatMean, Text: text + "; no interval."}, true
}

// selectionKey identifies the rows that conditions select, and the groups of a mean.
func selectionKey(where []question.Condition, f figures) [sha256.Size]byte {
	parts := make([]string, 0, len(where))
	for i := range where {
		c := &where[i]
		b := binary.LittleEndian.AppendUint32([]byte(c.Column+"\x00"), uint32(len(c.Codes)))
		for _, code := range c.Codes {
			b = binary.LittleEndian.AppendUint32(b, uint32(code))
		}
		intervals := slices.Clone(c.Intervals)
		slices.SortFunc(intervals, func(a, b question.Interval) int {
			return cmp.Or(cmp.Compare(a.Min, b.Min), cmp.Compare(a.Max, b.Max))
		})
		for _, iv := range slices.Compact(intervals) {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(iv.Min))
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(iv.Max))
		}
		parts = append(parts, string(b))
	}
	slices.Sort(parts)
	parts = slices.Compact(parts)
	h := sha256.New()
	for _, list := range [][]string{parts, f.by, f.shown} {
		h.Write(question.Lengths(len(list)))
		for _, part := range list {
			h.Write(question.Lengths(len(part)))
			h.Write([]byte(part))
		}
	}
	if f.mean {
		h.Write([]byte{1})
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// maxDescribed is how many selections are remembered in each of two generations: about 1
// MiB for a dataset of a dozen dimensions.
const maxDescribed = 512

// memory remembers the selections that were used last. The zero value is ready. It is
// safe for concurrent use.
type memory struct {
	mu            sync.Mutex
	young, former map[[sha256.Size]byte]honest
}

func (m *memory) get(key [sha256.Size]byte) (honest, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h, ok := m.young[key]; ok {
		return h, true
	}
	h, ok := m.former[key]
	if ok {
		m.add(key, h)
	}
	return h, ok
}

func (m *memory) put(key [sha256.Size]byte, h honest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(key, h)
}

// add is put; m.mu is held.
func (m *memory) add(key [sha256.Size]byte, h honest) {
	if m.young == nil || len(m.young) >= maxDescribed {
		m.former, m.young = m.young, map[[sha256.Size]byte]honest{}
	}
	m.young[key] = h
}
