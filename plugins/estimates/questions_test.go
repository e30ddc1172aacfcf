package estimates

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/plugins/sdk"
	"github.com/le-stats-sportifs/lestats/plugins/sdk/sdktest"
)

var plugin = &sdk.Plugin{Name: "estimates", Version: "1.0.0", Columns: Columns, Questions: Questions}

var header = []string{"question", "location", "location_kind", "category", "stratum", "time", "value", "low", "high", "asked"}

// small is a survey with what goes wrong in surveys.
const small = `
obesity,Ohio,place,Total,Total,2022,33,32,34,900
obesity,Utah,place,Total,Total,2022,25.5,24.5,26.5,800
obesity,Iowa,place,Total,Total,2022,33,31,35,
obesity,Maine,place,Total,Total,2022,31,,,700
obesity,Texas,place,Total,Total,2022,31,31.5,33,600
obesity,Idaho,place,Total,Total,2022,,,,
obesity,District of Columbia,,Total,Total,2022,24,22,27,500
obesity,National,aggregate,Total,Total,2022,32,31.9,32.1,50000
obesity,Guam,territory,Total,Total,2022,40,35,45,100
obesity,Ohio,place,Total,Total,2021,30,29,31,900
obesity,Ohio,place,Total,Total,2020,,,,
obesity,Guam,territory,Total,Total,2021,36,32,40,100
obesity,Ohio,place,Total,Total,,29,28,30,900
obesity,,place,Total,Total,2022,99,98,99,900
obesity,Ohio,place,Gender,Female,2022,34.5,33,36,450
obesity,Ohio,place,Gender,Male,2022,31,29.5,32.5,450
obesity,Ohio,place,Age,18 - 24,2022,20,18,22,50
obesity,Idaho,place,Gender,Female,2022,20,,,50
obesity,Idaho,place,Gender,Male,2022,30,,,50
smoking,Ohio,place,Total,Total,2022,12,11,13,900
smoking,Ohio,place,Total,Total,2022,13,12,14,900
fruit,Ohio,place,Gender,All,2022,12,11,13,900
fruit,Ohio,place,Age,All,2022,13,12,14,900
change,Ohio,place,Total,Total,2022,-1.5,-2,-1,900
change,Utah,place,Total,Total,2022,1.5,1,2,900
huge,Ohio,place,Total,Total,2022,1.7e308,1e308,1.7e308,900
huge,Utah,place,Total,Total,2022,-1.7e308,-1.7e308,-1e308,900
gone,Ohio,place,Total,Total,2022,,,,
`

func open(t *testing.T, without ...string) *sdktest.Session {
	t.Helper()
	var rows [][]string
	names := slices.Clone(header)
	for i, name := range names {
		if slices.Contains(without, name) {
			names[i] = "not " + name
		}
	}
	for line := range strings.Lines(strings.TrimSpace(small)) {
		rows = append(rows, strings.Split(strings.TrimSpace(line), ","))
	}
	columns, err := sdktest.Columns(plugin, names, rows)
	if err != nil {
		t.Fatal(err)
	}
	session, err := sdktest.Open(plugin, columns...)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// lines writes a result as one line per row, with - for what is missing.
func lines(r *sdktest.Result) (out []string) {
	for i := range r.Rows {
		var cells []string
		for c := range r.Columns {
			switch v := r.Columns[c].Value(i).(type) {
			case nil:
				cells = append(cells, "-")
			case float64:
				cells = append(cells, strconv.FormatFloat(v, 'f', -1, 64))
			default:
				cells = append(cells, fmt.Sprint(v))
			}
		}
		out = append(out, strings.Join(cells, " "))
	}
	return out
}

func TestAnswers(t *testing.T) {
	session := open(t)
	for _, c := range []struct {
		name     string
		question string
		args     map[string]any
		want     []string
	}{
		{
			// Iowa and Ohio tie; Maine has no limits, those of Texas are not around its value.
			"every kind of place, the latest year", "estimates",
			map[string]any{"question": "obesity", "stratum": "Total"},
			[]string{
				"Guam Total 2022 40 35 45 100 - - territory",
				"Iowa Total 2022 33 31 35 - 1 2 place",
				"Ohio Total 2022 33 32 34 900 1 2 place",
				"National Total 2022 32 31.9 32.1 50000 - - aggregate",
				"Maine Total 2022 31 - - 700 - - place",
				"Texas Total 2022 31 31.5 33 600 - - place",
				"Utah Total 2022 25.5 24.5 26.5 800 3 4 place",
				"District of Columbia Total 2022 24 22 27 500 3 4 -",
				"Idaho Total 2022 - - - - - - place",
			},
		},
		{
			"a year", "estimates", map[string]any{"question": "obesity", "stratum": "Total", "year": 2021},
			[]string{"Guam Total 2021 36 32 40 100 - - territory", "Ohio Total 2021 30 29 31 900 1 1 place"},
		},
		{
			"no place has limits", "estimates", map[string]any{"question": "obesity", "stratum": "Male", "year": 2022},
			[]string{"Ohio Male 2022 31 29.5 32.5 450 1 1 place", "Idaho Male 2022 30 - - 50 - - place"},
		},
		{
			"negative values", "estimates", map[string]any{"question": "change"},
			[]string{"Utah Total 2022 1.5 1 2 900 1 1 place", "Ohio Total 2022 -1.5 -2 -1 900 2 2 place"},
		},
		{
			"years in order, without the year that has no value", "by_year", map[string]any{"question": "obesity", "state": "Ohio", "stratum": "Total"},
			[]string{"Ohio Total 2021 30 29 31 900", "Ohio Total 2022 33 32 34 900"},
		},
		{
			"every group", "profile", map[string]any{"question": "obesity", "state": "Ohio"},
			[]string{
				"Ohio 2022 Age 18 - 24 20 18 22 50", "Ohio 2022 Gender Female 34.5 33 36 450",
				"Ohio 2022 Gender Male 31 29.5 32.5 450", "Ohio 2022 Total Total 33 32 34 900",
			},
		},
		{
			// The half-widths are 1.05: 1, and half of 0.1.
			"two states", "compare", map[string]any{"question": "obesity", "states": []string{"Utah", "Ohio"}, "strata": []string{"Total"}},
			[]string{
				"Ohio Total 2022 33 32 34 900 7.5 6.015075759 8.984924240 higher",
				"Utah Total 2022 25.5 24.5 26.5 800 -7.5 -8.984924240 -6.015075759 lower",
			},
		},
		{
			"two states with the same estimate", "compare", map[string]any{"question": "obesity", "states": []string{"Ohio", "Iowa"}, "strata": []string{"Total"}},
			[]string{
				"Iowa Total 2022 33 31 35 - 0 -2.915475947 2.915475947 no difference shown",
				"Ohio Total 2022 33 32 34 900 0 -2.915475947 2.915475947 no difference shown",
			},
		},
		{
			"a territory and a state", "compare", map[string]any{"question": "obesity", "states": []string{"Guam", "Ohio"}, "strata": []string{"Total"}},
			[]string{
				"Guam Total 2022 40 35 45 100 7 1.299122874 12.700877125 higher",
				"Ohio Total 2022 33 32 34 900 -7 -12.700877125 -1.299122874 lower",
			},
		},
		{
			"a state is in National", "compare", map[string]any{"question": "obesity", "states": []string{"Utah", "National"}, "strata": []string{"Total"}},
			[]string{
				"National Total 2022 32 31.9 32.1 50000 6.5 - - not comparable: overlap",
				"Utah Total 2022 25.5 24.5 26.5 800 -6.5 - - not comparable: overlap",
			},
		},
		{
			"a group is in Total", "compare", map[string]any{"question": "obesity", "states": []string{"Ohio"}, "strata": []string{"Female", "Total"}},
			[]string{
				"Ohio Female 2022 34.5 33 36 450 1.5 - - not comparable: overlap",
				"Ohio Total 2022 33 32 34 900 -1.5 - - not comparable: overlap",
			},
		},
		{
			"an age group and a sex", "compare", map[string]any{"question": "obesity", "states": []string{"Ohio"}, "strata": []string{"18 - 24", "Male"}},
			[]string{
				"Ohio Male 2022 31 29.5 32.5 450 11 - - not comparable: overlap",
				"Ohio 18 - 24 2022 20 18 22 50 -11 - - not comparable: overlap",
			},
		},
		{
			"two groups of a category", "compare", map[string]any{"question": "obesity", "states": []string{"Ohio"}, "strata": []string{"Male", "Female"}},
			[]string{
				"Ohio Female 2022 34.5 33 36 450 3.5 1.307968978 5.692031021 higher",
				"Ohio Male 2022 31 29.5 32.5 450 -3.5 -5.692031021 -1.307968978 lower",
			},
		},
		{
			"without limits", "compare", map[string]any{"question": "obesity", "states": []string{"Maine", "Ohio"}, "strata": []string{"Total"}},
			[]string{
				"Ohio Total 2022 33 32 34 900 2 - - not comparable: limits",
				"Maine Total 2022 31 - - 700 -2 - - not comparable: limits",
			},
		},
		{
			"limits that are not around the value", "compare", map[string]any{"question": "obesity", "states": []string{"Texas", "Ohio"}, "strata": []string{"Total"}},
			[]string{
				"Ohio Total 2022 33 32 34 900 2 - - not comparable: limits",
				"Texas Total 2022 31 31.5 33 600 -2 - - not comparable: limits",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := session.Ask(c.question, c.args)
			if err != nil {
				t.Fatal(err)
			}
			got := lines(r)
			for i := range got { // the limits of a difference: enough decimals
				cells := strings.Split(got[i], " ")
				for k, cell := range cells {
					if at := strings.Index(cell, "."); at > 0 && len(cell) > at+10 {
						cells[k] = cell[:at+10]
					}
				}
				got[i] = strings.Join(cells, " ")
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestRefused(t *testing.T) {
	session := open(t)
	const noYear = "no selected row has a value; another year or group may have one"
	for _, c := range []struct {
		question string
		args     map[string]any
		code     uint32
		param    string
		text     string
	}{
		{"estimates", map[string]any{"question": "obesity"}, abi.ErrBadParam, "stratum", `the selected rows are of several groups, such as "Total" and "Female"; pass one of them`},
		{"estimates", map[string]any{"question": "fruit", "stratum": "All"}, abi.ErrBadParam, "stratum", `the group "All" is in several categories, "Gender" and "Age"; select one with where`},
		{"estimates", map[string]any{"question": "smoking"}, abi.ErrBadParam, "", `several selected rows have a value for "Ohio", "Total", 2022; select one of them with where`},
		{"estimates", map[string]any{"question": "gone"}, abi.ErrNoData, "", noYear},
		{"estimates", map[string]any{"question": "obesity", "stratum": "Total", "year": 2020}, abi.ErrNoData, "", noYear},
		{"estimates", map[string]any{"question": "obesity", "stratum": "Female", "year": 2021}, abi.ErrNoData, "", noYear},
		{"by_year", map[string]any{"question": "obesity", "state": "Idaho", "stratum": "Total"}, abi.ErrNoData, "", "Idaho has no value among the selected rows"},
		{"by_year", map[string]any{"question": "obesity", "state": "Ohio"}, abi.ErrBadParam, "stratum", `the selected rows are of several groups, such as "Total" and "Female"; pass one of them`},
		{"by_year", map[string]any{"question": "smoking", "state": "Ohio"}, abi.ErrBadParam, "", `several selected rows have a value for "Ohio", "Total", 2022; select one of them with where`},
		{"profile", map[string]any{"question": "gone", "state": "Ohio"}, abi.ErrNoData, "", "Ohio has no value among the selected rows"},
		{"profile", map[string]any{"question": "smoking", "state": "Ohio"}, abi.ErrBadParam, "", `several selected rows have a value for "Ohio", "Total", 2022; select one of them with where`},
		{"compare", map[string]any{"question": "obesity", "states": []string{"Ohio", "Ohio"}}, abi.ErrBadParam, "states", `both are "Ohio"; nothing differs from itself`},
		{"compare", map[string]any{"question": "obesity", "states": "Ohio", "strata": []string{"Male", "Male"}}, abi.ErrBadParam, "strata", `both are "Male"; nothing differs from itself`},
		{"compare", map[string]any{"question": "obesity", "states": "Ohio"}, abi.ErrBadParam, "states", "there is one state and one group; pass two states, or two groups as strata"},
		{"compare", map[string]any{"question": "obesity", "states": []string{"Ohio", "Utah", "Iowa"}}, abi.ErrBadParam, "states", "it has more than two values; two states are compared"},
		{"compare", map[string]any{"question": "obesity", "states": "Ohio", "strata": []string{"Male", "Female", "Total"}}, abi.ErrBadParam, "strata", "it has more than two values; two groups are compared"},
		{"compare", map[string]any{"question": "obesity", "states": []string{"Ohio", "Utah"}, "strata": []string{"Male", "Female"}}, abi.ErrBadParam, "strata", "two states and two groups are four figures; pass two states and one group, or one state and two groups"},
		{"compare", map[string]any{"question": "obesity", "states": []string{"Ohio", "Idaho"}, "strata": "Total"}, abi.ErrNoData, "", "Idaho has no value among the selected rows of the year"},
		{"compare", map[string]any{"question": "obesity", "states": "Ohio", "strata": []string{"Male", "All"}}, abi.ErrNoData, "", "All has no value among the selected rows of the year"},
		{"compare", map[string]any{"question": "obesity", "states": []string{"Ohio", "Idaho"}}, abi.ErrBadParam, "strata", `the selected rows are of several groups, such as "Total" and "Female"; pass one of them`},
	} {
		r, err := session.Ask(c.question, c.args)
		var got *sdktest.Error
		if !errors.As(err, &got) || got.Code != c.code || got.Param != c.param || got.Text != c.text {
			t.Errorf("%s %v: %#v, want code %d about %q: %s", c.question, c.args, err, c.code, c.param, c.text)
			if r != nil {
				t.Log(lines(r))
			}
		}
	}
}

// An answer has finite numbers, whatever the data.
func TestOverflow(t *testing.T) {
	session := open(t)
	r, err := session.Ask("compare", map[string]any{"question": "huge", "states": []string{"Ohio", "Utah"}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"- - - not comparable: limits", "- - - not comparable: limits"} {
		if got := lines(r)[i]; !strings.HasSuffix(got, want) {
			t.Errorf("row %d is %s", i, got)
		}
	}
	if r, err = session.Ask("estimates", map[string]any{"question": "huge"}); err != nil {
		t.Fatal(err)
	}
	if got := lines(r); !strings.HasSuffix(got[0], "900 1 2 place") || !strings.HasSuffix(got[1], "900 1 2 place") {
		t.Errorf("%q", got)
	}
}

// A dataset without times, kinds of places or numbers asked has estimates all the same.
func TestOptionalColumns(t *testing.T) {
	session := open(t, "time", "asked", "location_kind")
	r, err := session.Ask("estimates", map[string]any{"question": "change"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Utah Total - 1.5 1 2 - 1 1 -", "Ohio Total - -1.5 -2 -1 - 2 2 -"}
	if got := lines(r); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	_, err = session.Ask("estimates", map[string]any{"question": "obesity", "stratum": "Total"})
	var got *sdktest.Error
	if !errors.As(err, &got) || got.Text != `several selected rows have a value for "Guam", "Total"; select one of them with where` {
		t.Errorf("several years that cannot be told apart: %v", err)
	}
	if _, err = session.Ask("by_year", map[string]any{"question": "change", "state": "Ohio"}); !errors.As(err, &got) || got.Code != abi.ErrNoData {
		t.Errorf("years without times: %v", err)
	}
}

func TestTooManyPlaces(t *testing.T) {
	ask := func(places int) (*sdktest.Result, error) {
		rows := make([][]string, places)
		for i := range rows {
			rows[i] = []string{"q", "county " + strconv.Itoa(i), "", "Total", "Total", "2022", strconv.Itoa(i % 100), "0", "100", ""}
		}
		columns, err := sdktest.Columns(plugin, header, rows)
		if err != nil {
			t.Fatal(err)
		}
		session, err := sdktest.Open(plugin, columns...)
		if err != nil {
			t.Fatal(err)
		}
		return session.Ask("estimates", map[string]any{"question": "q"})
	}
	if r, err := ask(maxRanked); err != nil || r.Rows != maxRanked {
		t.Errorf("%d places: %v", maxRanked, err)
	}
	if _, err := ask(maxRanked + 1); err == nil || err.Error() != "5001 places have an estimate; ranks are of at most 5000: select fewer with where" {
		t.Errorf("%d places: %v", maxRanked+1, err)
	}
}
