package estimates

import "math"

// maxDecimals bounds the decimals of published figures. Figures with more are not rounded.
const maxDecimals = 6

// lastDigit returns the value of the last published digit of the estimates and their
// limits: 0.1 if they have one decimal, 1 if all are whole numbers, 0 if they have more than
// maxDecimals decimals. It is derived from these figures alone, so figures that all happen
// to end in 0 have it ten times too large, which makes conclusions more careful.
func lastDigit(all []*interval) float64 {
	decimals, power := 0, 1.0
	for _, v := range all {
		numbers := [...]float64{v.x, v.x, v.x}
		if v.usable() {
			numbers = [...]float64{v.x, v.low, v.high}
		}
		for _, n := range numbers {
			for math.RoundToEven(n*power)/power != n {
				decimals++
				power *= 10
				if decimals > maxDecimals {
					return 0
				}
			}
		}
	}
	return 1 / power
}

// distance is what a and b have to be apart for a to be above b with certainty: the root of
// the squares of the half-widths of the two intervals that face each other. A half-width is
// widened by half the last published digit, by which rounding may have narrowed it.
//
// It is the lower half-width of the interval of the difference a - b by the method of
// variance estimates recovery (MOVER; Zou and Donner, Statistics in Medicine 27, 2008,
// doi 10.1002/sim.3095), which takes intervals that are not symmetric. It supposes that a
// and b are independent.
func distance(a, b *interval, digit float64) float64 {
	below, above := a.x-a.low+digit/2, b.high-b.x+digit/2
	return math.Sqrt(float64(below*below) + float64(above*above)) // the conversions keep a machine from fusing them
}

// difference returns a - b, and the limits of its 95 % interval. The difference is rounded to
// the decimals that the figures have, which a subtraction of floats does not keep. Any of
// the three may overflow.
func difference(a, b *interval, digit float64) (d, from, to float64) {
	d = a.x - b.x
	from, to = d-distance(a, b, digit), d+distance(b, a, digit)
	if digit > 0 {
		scale := math.RoundToEven(1 / digit)
		if rounded := math.RoundToEven(d*scale) / scale; finite(rounded) {
			d = rounded
		}
	}
	return d, from, to
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// rankRange is the best and the worst rank of a place, from 1, that the data allow.
type rankRange struct{ best, worst int }

// published is the standard normal quantile of the published intervals, which hold with
// 95 %.
const published = 1.96

// ranks returns the rank of each of K estimates among them, the greatest first, as a range
// that holds the true rank. Estimate i is above estimate j if
//
//	x_i - x_j > (z/1.96) * sqrt((x_i - low_i)^2 + (high_j - x_j)^2)
//
// with half-widths widened by half the last published digit and
// z = Phi^-1(1 - 0.05/(K(K-1))), the bound for all pairs at once (Bonferroni). The range is
// from 1 + the number of estimates above, to K - the number below. It is the joint
// confidence set for ranks of Mogstad, Romano, Shaikh and Wilhelm (Review of Economic
// Studies 2024, doi 10.1093/restud/rdad006), with this bound in place of their bootstrap
// and with distance for a difference.
//
// With a probability of about 95 % or more all ranges of one answer hold the true ranks
// together. Conditions: the estimates are independent of each other, and their published
// 95 % intervals are right, about as normal ones are. It does not hold across answers: of
// twenty answers one may have a wrong range.
//
// All intervals are usable.
func ranks(all []*interval) []rankRange {
	k := len(all)
	out := make([]rankRange, k)
	for i := range out {
		out[i] = rankRange{1, k}
	}
	if k < 2 {
		return out
	}
	pairs := float64(k) * float64(k-1)
	factor := math.Sqrt2 * math.Erfinv(1-0.1/pairs) / published
	digit := lastDigit(all)
	for i, a := range all {
		for j, b := range all {
			if d := a.x - b.x; d > 0 && d > factor*distance(a, b, digit) {
				out[i].worst--
				out[j].best++
			}
		}
	}
	return out
}
