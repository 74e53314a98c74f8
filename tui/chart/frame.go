package chart

import "math"

// Frame is the stretch of the x axis (steps) that a chart shows, ends
// included. The zero Frame stands for all there is.
type Frame struct{ X0, X1 float64 }

// Extent is the smallest frame that holds every point with a finite step.
func Extent(series ...Series) Frame {
	f := Frame{math.Inf(1), math.Inf(-1)}
	for i := range series {
		for _, p := range series[i].Points {
			if finite(p.X) {
				f.X0, f.X1 = min(f.X0, p.X), max(f.X1, p.X)
			}
		}
	}
	if f.X0 > f.X1 {
		return Frame{}
	}
	return f
}

// Union is the smallest frame that holds both; a zero Frame holds nothing.
func (f Frame) Union(g Frame) Frame {
	switch {
	case f == Frame{}:
		return g
	case g == Frame{}:
		return f
	}
	return Frame{min(f.X0, g.X0), max(f.X1, g.X1)}
}

// Has says whether the frame shows step x.
func (f Frame) Has(x float64) bool { return x >= f.X0 && x <= f.X1 }

// Col is the column, of n, that shows step x; steps outside give the nearest.
func (f Frame) Col(x float64, n int) int {
	if n < 2 {
		return 0
	}
	c := f.share(x) * float64(n-1)
	return int(min(max(c, 0), float64(n-1)) + 0.5)
}

// X is the step in the middle of column c of n.
func (f Frame) X(c, n int) float64 {
	if n < 2 {
		return f.X0
	}
	t := float64(c) / float64(n-1)
	return f.X0*(1-t) + f.X1*t
}

// share is where x lies between X0 (0) and X1 (1).
func (f Frame) share(x float64) float64 {
	if d := f.X1 - f.X0; d > 0 && finite(d) {
		return (x - f.X0) / d
	}
	// Halves keep frames finite that are wider than a float64.
	d := f.X1/2 - f.X0/2
	if d <= 0 {
		return 0
	}
	return (x/2 - f.X0/2) / d
}

// sane makes a frame that can be drawn: finite, in order, wider than nothing.
func (f Frame) sane() Frame {
	if !finite(f.X0) || !finite(f.X1) {
		return Frame{0, 1}
	}
	if f.X0 > f.X1 {
		f.X0, f.X1 = f.X1, f.X0
	}
	if f.X1/2-f.X0/2 < 1e-9*max(math.Abs(f.X0), math.Abs(f.X1), 1e-9)/2 {
		f.X1 = f.X0 + max(1, math.Abs(f.X0)*1e-6)
	}
	return f
}

// Window is what the person chose to look at, shared by linked charts. The
// zero Window shows all there is, as it grows.
type Window struct {
	Span   float64 // steps shown; 0 is all
	Right  float64 // last step shown, if Locked
	Locked bool    // stay at Right instead of following the newest point
}

// Frame is the window as a frame of the data that reach over ext.
func (w Window) Frame(ext Frame) Frame {
	ext = ext.sane()
	if w.Span <= 0 || w.Span >= ext.X1-ext.X0 {
		return ext
	}
	right := ext.X1
	if w.Locked {
		right = min(max(w.Right, ext.X0+w.Span), ext.X1)
	}
	return Frame{right - w.Span, right}
}

// Follows says whether the newest point stays in sight.
func (w Window) Follows() bool { return w.Span <= 0 || !w.Locked }

// Zoom multiplies the span by factor (0.5 zooms in, 2 out) and keeps step
// about where it is; without one the right end stays.
func (w *Window) Zoom(ext Frame, factor float64, about *float64) {
	ext = ext.sane()
	f, all := w.Frame(ext), ext.X1-ext.X0
	span := max((f.X1-f.X0)*factor, all*1e-4, math.SmallestNonzeroFloat64)
	if !(span < all) {
		*w = Window{}
		return
	}
	right := f.X1
	if about != nil && f.Has(*about) {
		right = *about + (f.X1-*about)*span/(f.X1-f.X0)
		w.Locked = true
	}
	w.Span = span
	w.set(ext, right)
}

// Pan moves the window by a share of its span, negative to earlier steps.
// Reaching the end of the data follows again.
func (w *Window) Pan(ext Frame, share float64) {
	ext = ext.sane()
	f := w.Frame(ext)
	if w.Span <= 0 || f == ext {
		return
	}
	w.Locked = true
	w.set(ext, f.X1+share*w.Span)
}

// Show moves the window, if need be, so that step x is inside it.
func (w *Window) Show(ext Frame, x float64) {
	ext = ext.sane()
	f := w.Frame(ext)
	switch {
	case f.Has(x) || !finite(x):
	case x < f.X0:
		w.Locked = true
		w.set(ext, x+w.Span)
	default:
		w.Locked = true
		w.set(ext, x)
	}
}

// set puts the right end; at the end of the data the window follows.
func (w *Window) set(ext Frame, right float64) {
	w.Right = min(max(right, ext.X0+w.Span), ext.X1)
	if w.Right >= ext.X1 {
		w.Locked = false
	}
}

// Move is the cursor's next step in direction dir (−1 or +1): the nearest
// sample at least one column of n away, or the last one on that side. From
// nowhere (nil) it starts at the newest sample. false: there is no sample.
func Move(s Series, f Frame, cursor *float64, dir, n int) (float64, bool) {
	pts := ordered(s.Points)
	if len(pts) == 0 {
		return 0, false
	}
	last := len(pts) - 1
	if cursor == nil || !finite(*cursor) {
		return pts[last].X, true
	}
	f = f.sane()
	col := (f.X1/2 - f.X0/2) * 2 / float64(max(n-1, 1))
	x := *cursor
	if dir < 0 {
		for i := last; i >= 0; i-- {
			if pts[i].X <= x-col {
				return pts[i].X, true
			}
		}
		return min(x, pts[0].X), true
	}
	for _, p := range pts {
		if p.X >= x+col {
			return p.X, true
		}
	}
	return max(x, pts[last].X), true
}
