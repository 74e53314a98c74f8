package work

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// account is what the screen itself costs.
type account struct {
	frames int64
	drawn  time.Duration // spent on drawing them
	since  time.Time
	bytes  func() int64 // sent to the terminal; nil when that is not counted
}

// text is one line of the costs, "" before there are any.
func (a *account) text(now time.Time) string {
	if a.frames == 0 {
		return ""
	}
	s := fmt.Sprintf("this screen: %d µs a frame", a.drawn.Microseconds()/a.frames)
	if sec := now.Sub(a.since).Seconds(); a.bytes != nil && sec >= 1 {
		s += fmt.Sprintf(", %.1f KiB/s sent", float64(a.bytes())/1024/sec)
	}
	return s
}

// metered counts what is written to the terminal. It is the terminal's file in all
// else, so that size and colours are found as ever.
type metered struct {
	*os.File
	n atomic.Int64
}

func (m *metered) Write(b []byte) (int, error) {
	n, err := m.File.Write(b)
	m.n.Add(int64(n))
	return n, err
}
