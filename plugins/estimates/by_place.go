package estimates

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

var (
	rankBest  = &sdk.IntegerResult{Name: "rank_best", Title: "Best rank", Shows: sdk.ShowsRank}
	rankWorst = &sdk.IntegerResult{Name: "rank_worst", Title: "Worst rank", Shows: sdk.ShowsRank}
	ofKind    = &sdk.CodeResult{Of: kind, Title: "Kind of place"}
)

// maxRanked bounds the places of an answer, because every pair of them is compared: 3,144
// counties take 0.1 s.
const maxRanked = 5000

var estimates = &sdk.Question{
	Name: "estimates", Title: "Estimates by state, with intervals and ranks",
	Description: "Each state's published estimate for one year and one group, the highest first, with the limits of its 95 % interval and how many were asked. " +
		"The data do not say which rank a state has, but between which ranks it is: all these ranges are right together in 95 of 100 such answers. Rank 1 is the highest estimate. " +
		"Territories, aggregates such as National, and estimates without limits have no rank. States without an estimate come last.",
	Params: []sdk.Param{survey, group, year},
	Result: sdk.Result{
		Keys:   []sdk.ResultColumn{byLocation, byStratum, byTime},
		Values: []sdk.ResultColumn{estimate, lowLimit, highLimit, askedCount, rankBest, rankWorst, ofKind},
		Chart:  sdk.ChartMap,
	},
	Needs:   []sdk.Column{low, high},
	Example: `{"question": "Percent of adults aged 18 years and older who have obesity", "stratum": "Total"}`,
	Answer:  answerEstimates,
}

func answerEstimates(job *sdk.Job) error {
	every := readAll(job)
	all := latest(slices.DeleteFunc(slices.Clone(every), func(f figure) bool { return !f.valued }))
	if len(all) == 0 {
		return sdk.NoData("no selected row has a value; another year or group may have one")
	}
	if err := oneGroup(job, all, group); err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b figure) int { return cmp.Compare(a.location, b.location) })
	if err := once(job, all, func(a, b *figure) bool { return a.location == b.location }); err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b figure) int { return cmp.Or(cmp.Compare(b.x, a.x), cmp.Compare(a.location, b.location)) })
	var ranked []*interval
	for i := range all {
		if f := &all[i]; f.usable() && f.isPlace(job) {
			ranked = append(ranked, &f.interval)
		}
	}
	if len(ranked) > maxRanked {
		return sdk.BadParam(nil, strconv.Itoa(len(ranked))+" places have an estimate; ranks are of at most "+strconv.Itoa(maxRanked)+": select fewer with where")
	}
	order := ranks(ranked)
	all = append(all, unknown(job, every, all)...)
	for i := range all {
		f := &all[i]
		f.write(job)
		code(ofKind.Column(job), f.kind)
		if !f.valued || len(order) == 0 || !f.usable() || !f.isPlace(job) {
			rankBest.Column(job).AppendMissing()
			rankWorst.Column(job).AppendMissing()
			continue
		}
		rankBest.Column(job).Append(int64(order[0].best))
		rankWorst.Column(job).Append(int64(order[0].worst))
		order = order[1:]
	}
	return nil
}

// unknown returns the figures without an estimate, once for each place that has none among
// all, which are of one group and time. Pictures and tables say that it is not known.
func unknown(job *sdk.Job, every, all []figure) (out []figure) {
	seen := make([]bool, Location.Count(job))
	for i := range all {
		seen[all[i].location] = true
	}
	for i := range every {
		f := &every[i]
		if !seen[f.location] && f.stratum == all[0].stratum && f.category == all[0].category && f.timed == all[0].timed && f.time == all[0].time {
			seen[f.location] = true
			out = append(out, *f)
		}
	}
	slices.SortFunc(out, func(a, b figure) int { return cmp.Compare(a.location, b.location) })
	return out
}
