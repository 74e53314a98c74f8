package infer

import (
	"errors"
	"sync"

	"pare/core/device"
)

// errClosed is returned by calls after Close.
var errClosed = errors.New("infer: the model is closed")

// runner is what one call needs for itself; it runs one call at a time.
type runner struct {
	few, many device.Exec // nil until there is a call for it
	step      device.Step
}

// exec is the compiled plan for a call of b samples.
func (r *runner) exec(n *Net, b int) (device.Exec, error) {
	ex, p, threads := &r.many, n.many, n.o.threads
	if b <= n.few.Batch || p.Batch <= n.few.Batch {
		ex, p, threads = &r.few, n.few, min(threads, n.few.Batch)
	}
	if *ex == nil {
		made, err := n.o.dev.Compile(p, n.bank, threads)
		if err != nil {
			return nil, err
		}
		*ex = made
	}
	return *ex, nil
}

// run takes b samples through the model, a batch at a time.
func (r *runner) run(n *Net, x, out []float32, b int) error {
	ex, err := r.exec(n, b)
	if err != nil {
		return err
	}
	f, k := n.in.Len(), n.out.Len()
	for i := 0; i < b; i += n.many.Batch {
		j := min(i+n.many.Batch, b)
		r.step = device.Step{X: x[i*f : j*f], N: j - i, Out: out[i*k : j*k]}
		_, err := ex.Run(&r.step)
		r.step = device.Step{} // the caller's memory is not ours to keep
		if err != nil {
			return err
		}
	}
	return nil
}

// runners are as many as can run side by side on this machine; the first call of
// each makes its room. The one used last is taken first: it is in the caches, and
// where calls come one by one the others never take memory.
type runners struct {
	all []runner

	mu     sync.Mutex
	wake   sync.Cond
	idle   []*runner
	closed bool
	err    error // of close
}

func (rs *runners) init(n int) {
	rs.wake.L = &rs.mu
	rs.all = make([]runner, n)
	for i := n - 1; i >= 0; i-- {
		rs.idle = append(rs.idle, &rs.all[i])
	}
}

// take waits for an idle runner; it returns nil once there are none any more.
func (rs *runners) take() *runner {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for len(rs.idle) == 0 && !rs.closed {
		rs.wake.Wait()
	}
	if rs.closed {
		return nil
	}
	r := rs.idle[len(rs.idle)-1]
	rs.idle = rs.idle[:len(rs.idle)-1]
	return r
}

func (rs *runners) put(r *runner) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.idle = append(rs.idle, r)
	rs.wake.Signal()
	if rs.closed {
		rs.wake.Broadcast() // close waits as well
	}
}

// close waits until all runners are idle and closes them and their bank.
func (rs *runners) close(b device.Bank) error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	first := !rs.closed
	rs.closed = true
	rs.wake.Broadcast()
	for len(rs.idle) < len(rs.all) {
		rs.wake.Wait()
	}
	if !first {
		return rs.err
	}
	for i := range rs.all {
		for _, ex := range []device.Exec{rs.all[i].few, rs.all[i].many} {
			if ex != nil {
				rs.err = errors.Join(rs.err, ex.Close())
			}
		}
	}
	rs.err = errors.Join(rs.err, b.Close())
	return rs.err
}
