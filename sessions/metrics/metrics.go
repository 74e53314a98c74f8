// Package metrics shows a session's run to Prometheus: energy by stage, source
// and tier, power, budget, accuracy, zeros. It is a fold over the log, in the
// scraper's process, not the run's: a run never waits for a scrape.
//
// It is the only package that imports the Prometheus client; it must not import
// tui.
package metrics

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pare/core"
	"pare/core/energy"
	"pare/core/event"
	"pare/sessions"
)

// Run is a session as a Prometheus collector. Units are base units; what is not
// known has no series.
type Run struct {
	s     *sessions.Session
	tail  *sessions.Tail
	alive func() bool // a process carries the run
	now   func() time.Time

	mu     sync.Mutex
	err    error // of the log: what stands before it is served on
	st     event.State
	bill   sessions.Bill
	uj     map[series]int64
	zeros  *float64
	acc    map[string]float64 // by split
	budget float64            // joules; 0: none
	power  []event.Metric     // of the stage that goes on, about its last second
	at     time.Time          // of the last of power
}

// series are the labels of an amount of energy. Increments go to the meter that counted them,
// so that no counter falls when a resumed run has another.
type series struct{ component, stage, source, tier string }

var (
	info     = prometheus.NewDesc("pare_info", "The run; always 1.", []string{"session", "model", "data", "device", "hardware"}, nil)
	joules   = prometheus.NewDesc("pare_energy_joules_total", "Energy billed to the run. Tiers A to C are measured, D and E estimated.", []string{"component", "stage", "source", "tier"}, nil)
	watts    = prometheus.NewDesc("pare_power_watts", "Mean power of about the last second of training.", []string{"component", "source", "tier"}, nil)
	budget   = prometheus.NewDesc("pare_energy_budget_joules", "Energy spent by the run, and left of its budget of joules or kWh; left is missing without such a budget.", []string{"state"}, nil)
	accuracy = prometheus.NewDesc("pare_accuracy_ratio", "Share of samples classified rightly, latest value: train since the last metric, val and test of the whole split.", []string{"split"}, nil)
	zeros    = prometheus.NewDesc("pare_zeros_ratio", "Zeros among the prunable weights, as a share.", nil, nil)
	estimate = prometheus.NewDesc("pare_estimated_ratio", "Share of the billed joules that are estimated (tiers D and E).", nil, nil)
	cpu      = prometheus.NewDesc("pare_cpu_seconds_total", "CPU time billed to the run.", []string{"stage"}, nil)
	step     = prometheus.NewDesc("pare_step", "Training step, counted within the latest training stage.", nil, nil)
)

// New begins to follow a session. Close ends it.
func New(s *sessions.Session) (*Run, error) {
	t, err := s.Tail()
	if err != nil {
		return nil, err
	}
	alive := func() bool { _, ok := s.Alive(); return ok }
	r := &Run{s: s, tail: t, alive: alive, now: time.Now, uj: map[series]int64{}, acc: map[string]float64{}}
	if c, err := s.Recipe(); err == nil {
		r.budget = joulesOf(c.Budget)
	}
	if err := r.Update(); err != nil {
		t.Close() //nolint:errcheck // only read from
		return nil, err
	}
	return r, nil
}

// joulesOf is the smaller of the limits of energy, 0 without one.
func joulesOf(b core.BudgetSpec) float64 {
	j, k := b.Joules, 3.6e6*b.KWh
	if j == 0 || k > 0 && k < j {
		return k
	}
	return j
}

// Handler answers a scrape.
func (r *Run) Handler() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(r)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Close ends the reading.
func (r *Run) Close() error { return r.tail.Close() }

// Update reads what is new in the log. An error is one of the log and stays.
func (r *Run) Update() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.update()
}

func (r *Run) update() error {
	for r.err == nil {
		es, err := r.tail.Next(1024)
		for _, e := range es {
			r.apply(e)
		}
		if r.err = err; len(es) == 0 {
			break
		}
	}
	return r.err
}

// Done reports whether the run has said its last word, and that word.
func (r *Run) Done() (text string, done bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.st.Done == nil {
		return "", false
	}
	return r.st.Done.Text, true
}

func (r *Run) apply(e event.Event) {
	before := [len(r.bill.Stages)]event.Joules{}
	for i := range before {
		before[i] = r.bill.Stages[i].Energy
	}
	r.st.Apply(e)
	r.bill.Apply(e)
	for i := range before {
		r.count(event.Stage(i), before[i], r.bill.Stages[i])
	}
	switch b := e.Body.(type) {
	case *event.Metric:
		r.zeros, r.acc["train"] = &b.Zeros, b.Acc
		r.measure(*b, e.At)
	case *event.Eval:
		r.zeros = &b.Zeros
		if b.N > 0 {
			r.acc[b.Split] = b.Acc()
		}
	case *event.Checkpoint:
		r.zeros = &b.Zeros
	case *event.Decision:
		if c, err := core.ParseRecipe([]byte(b.Text)); b.Cmd == core.CmdConfigure && err == nil {
			r.budget = joulesOf(c.Budget)
		}
	case *event.Started, *event.StageChange, *event.Resumed, *event.Paused:
		r.power = nil
	}
}

// count adds what a stage's bill has grown by.
func (r *Run) count(s event.Stage, was event.Joules, now sessions.StageBill) {
	if now.Energy.UJ == nil || !energy.Tier(now.Energy.Tier).Known() {
		return
	}
	uj := *now.Energy.UJ
	if was.UJ != nil {
		uj -= *was.UJ
	}
	k := series{stage: s.String(), source: now.Energy.Source, tier: now.Energy.Tier}
	if by := now.By; by != nil {
		k.component = energy.Component(by.Boundary)
		if was.UJ != nil && by.Meter != "" && energy.Tier(by.Tier).Known() { // the sum's own are of all meters
			k.source, k.tier = by.Meter, by.Tier
		}
	}
	if uj > 0 || was.UJ == nil {
		r.uj[k] += max(uj, 0)
	}
}

// measure keeps the metrics of the last second, and the one before them.
func (r *Run) measure(m event.Metric, at time.Time) {
	const second = 1e6
	if n := len(r.power); n > 0 && (r.power[n-1].Stage != m.Stage || m.WallUS <= r.power[n-1].WallUS) {
		r.power = nil
	}
	r.power, r.at = append(r.power, m), at
	for len(r.power) > 2 && m.WallUS-r.power[1].WallUS >= second {
		r.power = r.power[1:]
	}
}

// Describe implements prometheus.Collector.
func (r *Run) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{info, joules, watts, budget, accuracy, zeros, estimate, cpu, step} {
		ch <- d
	}
}

// Collect implements prometheus.Collector: it reads on in the log and tells how
// things stand.
func (r *Run) Collect(ch chan<- prometheus.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.update() // damage: what stands before it is still true; the command says so
	tell := func(t prometheus.ValueType, d *prometheus.Desc, v float64, labels []string) {
		for i, l := range labels {
			labels[i] = strings.ToValidUTF8(l, "\ufffd") // the name of a folder may be anything
		}
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) { tell(prometheus.GaugeValue, d, v, labels) }
	counter := func(d *prometheus.Desc, v float64, labels ...string) { tell(prometheus.CounterValue, d, v, labels) }
	s := r.st.Started
	gauge(info, 1, r.s.ID, s.Model, s.Data, s.Device, s.Hardware)
	all, estimated := int64(0), int64(0) // µJ
	for k, uj := range r.uj {
		counter(joules, float64(uj)/1e6, k.component, k.stage, k.source, k.tier)
		all += uj
		if !energy.Tier(k.tier).Measured() {
			estimated += uj
		}
	}
	if len(r.uj) > 0 {
		spent := float64(all) / 1e6
		gauge(budget, spent, "spent")
		if r.budget > 0 {
			gauge(budget, max(r.budget-spent, 0), "left")
		}
	}
	if all > 0 {
		gauge(estimate, float64(estimated)/float64(all))
	}
	if w, k, ok := r.watts(); ok {
		gauge(watts, w, k.component, k.source, k.tier)
	}
	for split, a := range r.acc {
		gauge(accuracy, a, split)
	}
	if r.zeros != nil {
		gauge(zeros, *r.zeros)
	}
	for _, b := range r.bill.Stages {
		if !b.Last.IsZero() {
			counter(cpu, float64(b.CPUUS)/1e6, b.Stage.String())
		}
	}
	if r.st.Metric.Steps > 0 {
		gauge(step, float64(r.st.Metric.Step))
	}
}

// watts is the power of the last second; false unless the run trains right now
// and its joules are known.
func (r *Run) watts() (w float64, k series, ok bool) {
	n := len(r.power)
	if n < 2 || r.st.Status != event.StatusRunning || r.now().Sub(r.at) > stale {
		return 0, k, false
	}
	a, b := r.power[0], r.power[n-1]
	if a.Energy.UJ == nil || b.Energy.UJ == nil || !energy.Tier(b.Energy.Tier).Known() || *b.Energy.UJ < *a.Energy.UJ {
		return 0, k, false
	}
	if !r.alive() {
		return 0, k, false
	}
	k = series{component: energy.Component(r.st.Started.Boundary), source: b.Energy.Source, tier: b.Energy.Tier}
	if st := r.st.Started; st.Meter != "" && energy.Tier(st.Tier).Known() { // the stage's own are of all its meters
		k.source, k.tier = st.Meter, st.Tier
	}
	return float64(*b.Energy.UJ-*a.Energy.UJ) / float64(b.WallUS-a.WallUS), k, true
}

// stale is how old the last metric may be for its power to be the present one.
const stale = 10 * time.Second
