package energy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// smiPeriod is how often nvidia-smi is asked to print.
	smiPeriod = time.Second
	// smiOld is the age at which what it printed last is no longer taken.
	smiOld = 7 * smiPeriod / 2

	sourceSMI        = "nvidia-smi instantaneous power"
	sourceSMIAverage = "nvidia-smi average power"
)

// smiPatience is how long Open waits for its first lines.
var smiPatience = 5 * time.Second

// What nvidia-smi is asked for; the second is for drivers that know no separate
// instantaneous power (before 525).
var smiQueries = []string{
	"count,index,uuid,name,mig.mode.current,power.max_limit,power.draw.instant,power.draw.average",
	"count,index,uuid,name,power.max_limit,power.draw",
}

// smiRow is one line of nvidia-smi: one card.
type smiRow struct {
	count            int
	index            int
	uuid, name       string
	mig              bool
	maxW             float64 // NaN: not told
	instant, average float64 // W; NaN: not told
	at               time.Time
}

// smi is one nvidia-smi that prints once a second, with what it said last. One
// process for the whole run: starting it costs a tenth of a second of CPU time.
type smi struct {
	now  func() time.Time
	stop func()

	mu     sync.Mutex
	rows   map[string]smiRow // by UUID
	ended  error
	filled chan struct{} // closed when every card has printed once
}

func newSMI(now func() time.Time) *smi {
	return &smi{now: now, stop: func() {}, rows: map[string]smiRow{}, filled: make(chan struct{})}
}

// startSMI starts nvidia-smi and waits for its first lines.
func startSMI() (*smi, error) {
	path, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return nil, errors.New("there is no nvidia-smi on the PATH")
	}
	for _, q := range smiQueries {
		var s *smi
		if s, err = runSMI(path, q, smiPatience); err == nil || errors.Is(err, errSilent) {
			return s, err
		}
	}
	return nil, err
}

// errSilent: asking for less would not help.
var errSilent = errors.New("nvidia-smi printed nothing")

func runSMI(path, query string, patience time.Duration) (*smi, error) {
	cmd := exec.Command(path, "--query-gpu="+query, "--format=csv,noheader,nounits", "-lms", fmt.Sprint(smiPeriod.Milliseconds()))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := newSMI(time.Now)
	done := make(chan struct{})
	s.stop = func() {
		_ = cmd.Process.Kill()
		select {
		case <-done:
		case <-time.After(closePatience):
		}
	}
	go func() {
		defer close(done)
		said := s.follow(out, query)
		err := cmd.Wait()
		if said == "" && err != nil {
			said = err.Error()
		}
		s.end(fmt.Errorf("nvidia-smi ended: %s", said))
	}()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-s.filled:
		return s, nil
	case <-done:
		s.mu.Lock()
		defer s.mu.Unlock()
		return nil, s.ended
	case <-t.C:
		s.stop()
		return nil, fmt.Errorf("%w within %v", errSilent, patience)
	}
}

// follow takes lines until there are no more, and returns the last that was none
// of a card's.
func (s *smi) follow(r io.Reader, query string) (other string) {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		row, err := parseSMI(sc.Text(), query)
		if err != nil {
			if t := strings.TrimSpace(sc.Text()); t != "" {
				other = t
			}
			continue
		}
		s.put(row)
	}
	return other
}

func (s *smi) put(row smiRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row.at = s.now()
	s.rows[row.uuid] = row
	if len(s.rows) >= row.count {
		select {
		case <-s.filled:
		default:
			close(s.filled)
		}
	}
}

func (s *smi) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = err
}

// list is one row per card, in the order of their numbers.
func (s *smi) list() []smiRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]smiRow, 0, len(s.rows))
	for _, r := range s.rows {
		i := len(out)
		for i > 0 && out[i-1].index > r.index {
			i--
		}
		out = append(out[:i], append([]smiRow{r}, out[i:]...)...)
	}
	return out
}

// microwatts is the newest power of a card.
func (s *smi) microwatts(uuid string, of func(smiRow) float64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rows[uuid]
	if age := s.now().Sub(r.at); age > smiOld {
		if s.ended != nil {
			return 0, s.ended
		}
		return 0, fmt.Errorf("nvidia-smi has said nothing for %v", age.Round(time.Second))
	}
	w := of(r)
	if math.IsNaN(w) || w < 0 {
		return 0, nil // counted as rejected
	}
	return uint64(math.Round(w * 1e6)), nil
}

// parseSMI reads one line of nvidia-smi's CSV without units.
func parseSMI(line, query string) (smiRow, error) {
	names, cells := strings.Split(query, ","), strings.Split(line, ",")
	r := smiRow{maxW: math.NaN(), instant: math.NaN(), average: math.NaN()}
	if len(cells) != len(names) {
		return r, fmt.Errorf("nvidia-smi: %d columns, want %d: %q", len(cells), len(names), line)
	}
	for i, n := range names {
		c := strings.TrimSpace(cells[i])
		var err error
		switch n {
		case "count":
			r.count, err = strconv.Atoi(c)
		case "index":
			r.index, err = strconv.Atoi(c)
		case "uuid":
			if r.uuid = c; !strings.HasPrefix(c, "GPU-") {
				err = fmt.Errorf("%q is no UUID", c)
			}
		case "name":
			r.name = c
		case "mig.mode.current":
			r.mig = c == "Enabled"
		case "power.max_limit":
			r.maxW = watts(c)
		case "power.draw.instant":
			r.instant = watts(c)
		case "power.draw.average", "power.draw":
			r.average = watts(c)
		}
		if err != nil {
			return r, fmt.Errorf("nvidia-smi: %s: %w", n, err)
		}
	}
	return r, nil
}

// watts of a cell; NaN for "[N/A]", "[Not Supported]", "[GPU is lost]".
func watts(cell string) float64 {
	v, err := strconv.ParseFloat(strings.TrimSuffix(cell, " W"), 64)
	if err != nil || math.IsInf(v, 0) {
		return math.NaN()
	}
	return v
}

// scanSMI is the rung below the library: the cards as nvidia-smi shows them.
func scanSMI(o Options) nvidia {
	var n nvidia
	n.status = []Status{{Name: "nvidia-smi"}}
	if o.smi == nil {
		n.status[0].Why = "not looked for"
		return n
	}
	s, err := o.smi()
	if err != nil {
		n.status[0].Why = err.Error()
		return n
	}
	n.asked, n.release = true, []func(){s.stop}
	rows := s.list()
	uuids := make([]string, len(rows))
	for i, r := range rows {
		uuids[i] = r.uuid
	}
	value, set := o.visible()
	picked, note := chooseCards(value, set, uuids, func(string) (string, error) {
		return "", errors.New("nvidia-smi does not tell whose slice this is: name the card")
	})
	use := map[int]bool{}
	for _, i := range picked {
		use[i] = true
	}
	for i, r := range rows {
		st := Status{Name: fmt.Sprintf("nvidia-smi GPU %d", r.index), Path: r.uuid, Why: o.hidden()}
		if use[i] {
			st.Why = r.name
			n.bySMI(o, s, r, &st)
		}
		n.status = append(n.status, st)
	}
	top := &n.status[0]
	top.Why, top.Value, top.Every = note, fmt.Sprintf("%d cards", len(rows)), smiPeriod.String()
	if top.OK = len(n.inputs) > 0; top.OK {
		top.Used, top.Tier = true, TierC
	} else {
		n.closeAll() // nothing to read: do not leave it running
	}
	return n
}

// bySMI adds one card by the power that nvidia-smi has of it.
func (n *nvidia) bySMI(o Options, s *smi, r smiRow, st *Status) {
	source, of, lag := sourceSMI, func(r smiRow) float64 { return r.instant }, smiPeriod
	if !(r.instant > 0) {
		source, of, lag = sourceSMIAverage, func(r smiRow) float64 { return r.average }, 2*smiPeriod
	}
	w := of(r)
	if !(w > 0) {
		st.Why = joinNotes(st.Why, "it tells no power")
		return
	}
	c := card{maxW: 0}
	if r.maxW > 0 {
		c.maxW = r.maxW
	}
	label := fmt.Sprintf("GPU %d", r.index)
	n.inputs = append(n.inputs, &input{
		gauge: &integrator{capW: c.cap(o), stale: int64(frozenPower)},
		label: label, path: r.uuid, tier: TierC, lag: int64(lag), value: uint64(math.Round(w * 1e6)),
		read: func() (uint64, error) { return s.microwatts(r.uuid, of) },
	})
	n.sources = union(n.sources, []string{source})
	n.mig = n.mig || r.mig
	st.OK, st.Used, st.Tier, st.Value, st.Every = true, true, TierC, fmt.Sprintf("%.1f W", w), smiPeriod.String()
	st.Why = joinNotes(st.Why, strings.TrimPrefix(source, "nvidia-smi "))
	if r.mig {
		st.Why = joinNotes(st.Why, "MIG: the figure is the whole card's, shared")
	}
}
