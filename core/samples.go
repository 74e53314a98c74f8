package core

import (
	"fmt"
	"math"
	"strings"
	"time"

	"pare/core/data"
	"pare/core/event"
	"pare/core/train"
)

// What of the test set is shown.
const (
	shownWrong  = 12                      // samples
	shownSide   = 32                      // pixels of a picture, at most
	shownText   = 400                     // characters of a text
	shownValues = 8                       // columns of a table
	saidTexts   = 2                       // beginnings
	saidGiven   = 32                      // tokens of a beginning, at most
	saidTokens  = 48                      // tokens that follow, at most
	saidTime    = 1500 * time.Millisecond // for each model and beginning
)

// samples says what the pared model gets wrong in the test set: a and b are what dense
// and pared said. It looks at nothing that validate has not looked at.
func (r *run) samples(dense, now *train.Trainer, a, b []int32) error {
	test := r.set.Test
	e := &event.Samples{Split: "test"}
	if r.lm() {
		if err := r.sayOn(e, dense, now); err != nil {
			return err
		}
		return r.emit(e)
	}
	if len(test.Labels) != test.N() {
		return nil
	}
	var lost, both []int
	for i, l := range test.Labels {
		switch {
		case b[i] == l && a[i] != l:
			e.Won++
		case b[i] != l && a[i] == l:
			e.Lost++
			lost = append(lost, i)
		case b[i] != l:
			both = append(both, i)
		}
	}
	e.Wrong = len(lost) + len(both)
	pick := append(spread(lost, test.Labels, shownWrong), spread(both, test.Labels, shownWrong)...)
	for _, i := range pick[:min(len(pick), shownWrong)] {
		s := event.Sample{Row: i, Label: r.className(test.Labels[i]), Dense: r.className(a[i]), Now: r.className(b[i])}
		x, err := test.Sample(i)
		if err != nil {
			return err
		}
		switch {
		case r.set.Text != nil:
			s.Text = cutText(r.decoded(x))
		case len(test.Shape) == 3 && test.Shape[1] > 3 && test.Shape[2] > 3:
			e.Rows, e.Cols, s.Grey = grey(r.unprepared(x), test.Shape)
		default:
			s.Text = r.valuesText(r.unprepared(x))
		}
		e.List = append(e.List, s)
	}
	return r.emit(e)
}

// spread takes n of a list of rows, class after class in turn, so that one class does
// not fill the screen; within a class the first ones.
func spread(rows []int, labels []int32, n int) []int {
	by := map[int32][]int{}
	var order []int32
	for _, i := range rows {
		if by[labels[i]] == nil {
			order = append(order, labels[i])
		}
		by[labels[i]] = append(by[labels[i]], i)
	}
	var out []int
	for k := 0; len(out) < min(n, len(rows)); k++ {
		for _, l := range order {
			if k < len(by[l]) && len(out) < n {
				out = append(out, by[l][k])
			}
		}
	}
	return out
}

func (r *run) className(l int32) string {
	if l < 0 || int(l) >= len(r.set.Classes) {
		return fmt.Sprint(l)
	}
	return r.set.Classes[l]
}

// unprepared takes the preprocessing back.
func (r *run) unprepared(x []float32) []float32 {
	p := r.set.Prep
	if len(p.Mean) == 0 || len(x)%len(p.Mean) != 0 || p.Scale == 0 {
		return x
	}
	inner := len(x) / len(p.Mean)
	for k := range x {
		x[k] = float32((float64(x[k])*p.Std[k/inner] + p.Mean[k/inner]) / p.Scale)
	}
	return x
}

// grey makes a picture of [C,H,W] values: the mean of the channels over blocks of
// pixels, from the least value to the greatest.
func grey(x []float32, shape []int) (rows, cols int, out []byte) {
	c, h, w := shape[0], shape[1], shape[2]
	rows, cols = min(h, shownSide), min(w, shownSide)
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range x {
		if v-v == 0 {
			lo, hi = min(lo, float64(v)), max(hi, float64(v))
		}
	}
	out = make([]byte, rows*cols)
	if !(hi > lo) {
		return rows, cols, out
	}
	for y := range rows {
		for z := range cols {
			sum, n := 0.0, 0
			for i := y * h / rows; i < (y+1)*h/rows; i++ {
				for j := z * w / cols; j < (z+1)*w/cols; j++ {
					for k := range c {
						if v := float64(x[(k*h+i)*w+j]); v-v == 0 {
							sum, n = sum+v, n+1
						}
					}
				}
			}
			out[y*cols+z] = byte(255*(sum/float64(max(n, 1))-lo)/(hi-lo) + 0.5)
		}
	}
	return rows, cols, out
}

// decoded is a sample of tokens as text, without what fills it up.
func (r *run) decoded(x []float32) string {
	t := r.set.Text
	ids := make([]int32, 0, len(x))
	for _, v := range x {
		if id := int32(v); id != t.Pad || t.Pad < 0 {
			ids = append(ids, id)
		}
	}
	return t.Tokens.Decode(ids)
}

// cutText bounds a text and has it in one line.
func cutText(s string) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) > shownText {
		return string(r[:shownText]) + "…"
	}
	return string(r)
}

// valuesText names the first values of a row of a table.
func (r *run) valuesText(x []float32) string {
	var parts []string
	for k, v := range x[:min(len(x), shownValues)] {
		name := fmt.Sprint(k + 1)
		if k < len(r.set.Columns) {
			name = r.set.Columns[k]
		}
		parts = append(parts, fmt.Sprintf("%s %.4g", name, v))
	}
	if len(x) > shownValues {
		parts = append(parts, "…")
	}
	return cutText(strings.Join(parts, ", "))
}

// sayOn has both models go on with beginnings of the test set.
func (r *run) sayOn(e *event.Samples, dense, now *train.Trainer) error {
	test, t := r.set.Test, r.set.Text
	if t.Tokens == nil {
		return nil
	}
	for k := range min(saidTexts, test.N()) {
		row := k * test.N() / saidTexts
		x, err := test.Sample(row)
		if err != nil {
			return err
		}
		given := min(len(x)/2, saidGiven)
		n := min(len(x)-given, saidTokens)
		if given < 1 || n < 1 {
			return nil
		}
		s := event.Said{Row: row, Given: cutText(t.Tokens.Decode(ids(x[:given]))), Truth: cutText(t.Tokens.Decode(ids(x[given : given+n])))}
		for _, m := range []struct {
			t  *train.Trainer
			to *string
		}{{dense, &s.Dense}, {now, &s.Now}} {
			got, err := r.goOn(m.t, x, given, n)
			if err != nil {
				return err
			}
			*m.to = cutText(t.Tokens.Decode(got))
		}
		e.Said = append(e.Said, s)
	}
	return nil
}

func ids(x []float32) []int32 {
	out := make([]int32, len(x))
	for i, v := range x {
		out[i] = int32(v)
	}
	return out
}

// goOn is the n tokens that a model says after the first given ones of x, each the
// likeliest; fewer where time runs out. What stands behind the place that is asked for
// does not matter: attention looks back only.
func (r *run) goOn(t *train.Trainer, x []float32, given, n int) ([]int32, error) {
	set := &data.Set{X: append([]float32(nil), x...), Shape: []int{len(x)}, Labels: make([]int32, len(x))}
	for i := given; i < len(set.X); i++ {
		set.X[i] = 0
	}
	out := make([]float32, t.Model.Values[t.Model.Output].Len())
	vocab := len(out) / len(x)
	begin := time.Now()
	var got []int32
	for k := 0; k < n && (k == 0 || time.Since(begin) < saidTime); k++ {
		if err := t.Infer(set, 0, out); err != nil {
			return nil, err
		}
		at := given + k
		best := int32(0)
		scores := out[(at-1)*vocab : at*vocab]
		for i, v := range scores {
			if v > scores[best] {
				best = int32(i)
			}
		}
		got = append(got, best)
		set.X[at] = float32(best)
	}
	return got, nil
}
