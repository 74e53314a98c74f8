package core

import "fmt"

// lighter is the precision in which a card has the least to compute and to move.
const lighter = "bf16"

// leastLighter is the change of time, as a share, from which a precision is worth a word.
const leastLighter = 0.05

// inBF16 says what bf16 alone would bring on a card that is to compute in more, of a dense step
// whose calls are given: often a larger saving than any zeros, and it needs none. "" where it is
// small or the profile lacks a rate. On an H200 BERT-base takes 188 ms and 131 J in float32, 19.5 ms
// and 13.2 J in bf16 (core/device/cuda/PERFORMANCE.md).
func (p *prediction) inBF16(step work) (string, error) {
	if p.precision == "" || p.precision == lighter {
		return "", nil
	}
	w, err := count(p.m, p.dev, lighter, p.step(), nil)
	if err != nil {
		return "", err
	}
	now, then := p.hw.Estimate(step.dense()), p.hw.Estimate(w.dense())
	if now.Seconds == nil || then.Seconds == nil {
		return "", nil
	}
	change := *then.Seconds / *now.Seconds - 1
	if change > -leastLighter {
		return "", nil
	}
	limit := ""
	switch {
	case then.AtLeast: // so may be both, or the lighter one alone
		limit = "about "
	case now.AtLeast:
		limit = "at least "
	}
	what := "time"
	if now.Joules != nil && then.Joules != nil && then.Bound.Calls <= 0.5 { // at one power
		what = "time and J"
	}
	return fmt.Sprintf("; bf16 alone would bring %s%s %% %s", limit, signed(100*change, 0), what), nil
}
