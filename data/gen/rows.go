package main

import (
	"cmp"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// row is one row of the sample. Its figures are integers, in tenths of a percent:
// floating-point results may differ between processors.
type row struct {
	survey   *survey
	location *location
	stratum  *stratum
	year     int
	present  bool // without it, the four that follow are 0
	value    int
	low      int
	high     int
	size     int // people asked
}

// The first argument of draw, so that no two draws have the same arguments.
const (
	aboutNeed = iota
	aboutPlace
	aboutAnswer
	aboutGroup
	aboutYear
	aboutHigh
	aboutPeople
	aboutGroupSize
	aboutYearSize
	aboutGap
	aboutAbsence
	aboutOrder
)

// draw returns a number in [0, n) that depends on the arguments alone. PCG's
// numbers are fixed by its documentation; those of rand.Rand's methods are not.
func draw(n int, about, a, b, c, d int) int {
	key := uint64(about)<<48 | uint64(a)<<36 | uint64(b)<<24 | uint64(c)<<12 | uint64(d)
	high, _ := bits.Mul64(rand.NewPCG(2011, key).Uint64(), uint64(n))
	return int(high)
}

// around returns a number in [-n, n], small ones being more likely.
func around(n int, about, a, b, c, d int) int {
	return draw(n+1, about, a, b, c, d) - draw(n+1, about, a, b, c, d|1<<11)
}

// twins are locations with identical figures, so that two groups have means that are
// equal to the last bit and only their names decide their order.
var twins = map[string]string{"Oregon": "Colorado", "Tennessee": "Kentucky"}

// like returns the location whose figures l shares: l itself, except for a twin.
func like(l int) int {
	name, ok := twins[locations[l].name]
	if !ok {
		return l
	}
	return slices.IndexFunc(locations, func(o location) bool { return o.name == name })
}

// rows returns the sample, in the order of the published file: by year, location,
// survey question and stratum, after some rows from everywhere.
func rows() []row {
	var out []row
	type place struct{ rank, at int }
	var order []place
	for year := everyYear[0]; year <= everyYear[len(everyYear)-1]; year++ {
		for l := range locations {
			if absent(like(l), year) {
				continue
			}
			for q := range surveys {
				if !slices.Contains(surveys[q].years, year) {
					continue
				}
				for s := range strata {
					rank := min(draw(50_000, aboutOrder, q, like(l), s, year-2000), 1000) // most have the last
					order = append(order, place{rank, len(out)})
					out = append(out, figure(q, l, s, year))
				}
			}
		}
	}
	slices.SortFunc(order, func(a, b place) int {
		return cmp.Or(a.rank-b.rank, a.at-b.at)
	})
	sorted := make([]row, len(out))
	for i, o := range order {
		sorted[i] = out[o.at]
	}
	return sorted
}

// absent reports whether a location has no rows at all for a year.
func absent(l, year int) bool {
	switch locations[l].name {
	case national:
		return false
	case guam:
		return year < 2013
	case virginIslands:
		return year != 2016 && year < 2021
	default:
		return draw(150, aboutAbsence, l, year-2000, 0, 0) == 0
	}
}

// figure generates the row of a survey question, location, stratum and year.
func figure(q, l, s, year int) row {
	survey, stratum := &surveys[q], &strata[s]
	r := row{survey: survey, location: &locations[l], stratum: stratum, year: year}
	l, y := like(l), year-2000
	asked := people(l) * (80 + draw(41, aboutYearSize, q, l, y, 0)) / 100
	size := asked * stratum.share / 1000
	if stratum.share < 100 && stratum.categoryID == race {
		size = size * (8 + draw(190, aboutGroupSize, l, s, 0, 0)) * (8 + draw(190, aboutGroupSize, l, s, 1, 0)) / 10_000
	}
	if size < 50 || draw(300, aboutGap, q, l, s, y) == 0 || survey.classID == "FV" && r.location.name == virginIslands {
		return r // the CDC publishes nothing for so few people; and one location lacks two questions
	}

	need := around(60, aboutNeed, l, 0, 0, 0) + stratum.need
	value := survey.base + survey.trend*(year-2017) + need*survey.weight/16
	value += around(25, aboutPlace, q, l, 0, 0)               // the place, for this question
	value += around(20, aboutGroup, l, s, 0, 0)               // the group, in this place
	value += around(15, aboutAnswer, q, s, 0, 0)              // the group, for this question
	value += around(4+600/isqrt(size), aboutYear, q, l, s, y) // this year: fewer people, less certain
	value = min(max(value, 25), 975)
	half := max(isqrt(value*(1000-value)*6/size), 1) // nearly 1.96 standard errors, and a little for the design

	r.present, r.value, r.size = true, value, size
	r.low, r.high = max(value-half, 1), min(value+half+draw(3, aboutHigh, q, l, s, y), 999)
	return r
}

// people returns how many are asked in a location in a year.
func people(l int) int {
	switch locations[l].name {
	case national:
		return 420_000
	case guam, virginIslands:
		return 1_700
	case puertoRico:
		return 5_000
	default:
		return 4_000 + draw(9_000, aboutPeople, l, 0, 0, 0)
	}
}

// isqrt returns the whole part of the square root of n, which is below 2^30.
func isqrt(n int) int {
	r := 0
	for bit := 1 << 14; bit > 0; bit >>= 1 {
		if (r+bit)*(r+bit) <= n {
			r += bit
		}
	}
	return r
}

// columns returns the rows as the columns of the descriptor.
func columns(rows []row) []question.Column {
	n := len(rows)
	text := func(name string, of func(*row) string) question.Column {
		c := question.Column{Name: name, Type: question.String, Codes: make([]int32, n)}
		codes := map[string]int32{}
		for i := range rows {
			s := of(&rows[i])
			code, ok := codes[s]
			if !ok {
				code = int32(len(c.Dict))
				codes[s] = code
				c.Dict = append(c.Dict, s)
			}
			c.Codes[i] = code
		}
		return c
	}
	percent := func(name string, of func(*row) int) question.Column {
		c := question.Column{Name: name, Type: question.Number, Numbers: make([]float64, n), Valid: question.NewBitmap(n)}
		for i := range rows {
			if rows[i].present {
				c.Numbers[i] = float64(of(&rows[i])) / 10 // the nearest float64, as parsing gives it
				c.Valid.Set(i)
			}
		}
		return c
	}
	year := question.Column{Name: "year", Type: question.Integer, Integers: make([]int64, n)}
	size := question.Column{Name: "sample_size", Type: question.Integer, Integers: make([]int64, n), Valid: question.NewBitmap(n)}
	for i := range rows {
		year.Integers[i] = int64(rows[i].year)
		if rows[i].present {
			size.Integers[i] = int64(rows[i].size)
			size.Valid.Set(i)
		}
	}
	yearEnd := year
	yearEnd.Name = "year_end"
	return []question.Column{
		year, yearEnd,
		text("location_abbr", func(r *row) string { return r.location.abbr }),
		text("location", func(r *row) string { return r.location.name }),
		text("class", func(r *row) string { return r.survey.class }),
		text("topic", func(r *row) string { return r.survey.topic }),
		text("question", func(r *row) string { return r.survey.text }),
		percent("value", func(r *row) int { return r.value }),
		percent("low", func(r *row) int { return r.low }),
		percent("high", func(r *row) int { return r.high }),
		size,
		text("category", func(r *row) string { return r.stratum.category }),
		text("stratum", func(r *row) string { return r.stratum.name }),
		text("datasource", func(*row) string { return syntheticSource }),
	}
}
