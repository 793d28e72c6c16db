package rollout

import "math"

// confidence is the quantile of the normal distribution by which intervals are drawn: two-sided 99.9 %. The gates look
// again and again while a wave soaks, and each look may be the unlucky one; TestFalseAlarms measures what is left of it.
const confidence = 3.29

// wilson returns the score interval of a share (E. B. Wilson, Probable Inference, the Law of Succession, and Statistical
// Inference, JASA 22, 1927): the shares by which k of n is not surprising. It keeps its word for small n and for 0 of n,
// where the usual interval has no width. n of 0 tells nothing: 0 to 1.
func wilson(k, n uint64) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z2 = confidence * confidence
	count, p := float64(n), float64(k)/float64(n)
	middle := (p + z2/(2*count)) / (1 + z2/count)
	half := confidence / (1 + z2/count) * math.Sqrt(p*(1-p)/count+z2/(4*count*count))
	return max(0, middle-half), min(1, middle+half)
}

// grown returns by how much the share of k in n is above that of k0 in n0: as counted, and at least, by the hybrid score
// interval for the difference of two shares (R. G. Newcombe, Interval Estimation for the Difference Between Independent
// Proportions, Statistics in Medicine 17, 1998, method 10).
func grown(k, n, k0, n0 uint64) (difference, atLeast float64) {
	if n == 0 || n0 == 0 {
		return 0, -1
	}
	p, p0 := float64(k)/float64(n), float64(k0)/float64(n0)
	low, _ := wilson(k, n)
	_, high0 := wilson(k0, n0)
	return p - p0, p - p0 - math.Hypot(p-low, high0-p0)
}
