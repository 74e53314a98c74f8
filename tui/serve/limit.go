package serve

import (
	"net"
	"sync"
	"time"
)

// limits keep one place, or all together, from taking the machine: how many connections at
// once, and how many new ones a minute from one address. They count before anybody is
// known.
type limits struct {
	most, minute int

	mu   sync.Mutex // guards everything that follows
	open int
	came map[string][]time.Time // of the last minute, by address
}

// mostPlaces bounds the addresses that are remembered.
const mostPlaces = 4096

// enter counts a connection in, or refuses it. leave counts it out, once.
func (l *limits) enter(addr net.Addr, now time.Time) (leave func(), ok bool) {
	place := addr.String()
	if t, is := addr.(*net.TCPAddr); is {
		place = network(t.IP)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.came == nil {
		l.came = map[string][]time.Time{}
	}
	if len(l.came) >= mostPlaces {
		for p, at := range l.came {
			if now.Sub(at[len(at)-1]) > time.Minute {
				delete(l.came, p)
			}
		}
		if len(l.came) >= mostPlaces {
			return nil, false
		}
	}
	at := l.came[place]
	for len(at) > 0 && now.Sub(at[0]) > time.Minute {
		at = at[1:]
	}
	if l.open >= l.most || len(at) >= l.minute {
		if len(at) > 0 {
			l.came[place] = at
		}
		return nil, false
	}
	l.came[place] = append(at, now)
	l.open++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		l.open--
		l.mu.Unlock()
	}), true
}

// network is what counts as one place: an IPv4 address, or the /64 of an IPv6 one.
func network(ip net.IP) string {
	if v4 := ip.To4(); v4 != nil {
		return v4.String()
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}

// limited is a connection that is counted out when it is closed.
type limited struct {
	net.Conn
	leave func()
}

func (c *limited) Close() error {
	c.leave()
	return c.Conn.Close()
}
