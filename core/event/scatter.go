package event

import "math"

// Scatter is the ± of a relative change from one measured figure to another, in points of percent
// of the first, by the ± % of both; 0 where these are unknown.
func Scatter(from, fromBand, to, toBand float64) float64 {
	if from <= 0 {
		return 0
	}
	return math.Hypot(fromBand, toBand) * to / from
}
