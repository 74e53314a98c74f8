package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pare/sessions"
	"pare/sessions/metrics"
)

func (e *env) metrics() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use: "metrics [SESSION]", Short: "a run's energy for Prometheus to scrape (the latest by default)", Args: takes(0, 1),
		Long: `metrics follows a session's log and serves its energy, power, budget, accuracy and
zeros at /metrics, for Prometheus. It is a process of its own: the run never waits
for a scrape. After the run's end it goes on serving the final values; Ctrl-C ends it.`,
		Example: `  pare energy metrics
  pare energy metrics 7f3a --listen 127.0.0.1:9500`,
		RunE: func(_ *cobra.Command, args []string) error {
			if _, _, err := net.SplitHostPort(listen); err != nil {
				return usagef("--listen %q: give an address and a port, like 127.0.0.1:9464", listen)
			}
			s, err := e.find(args)
			if err != nil {
				return err
			}
			r, err := metrics.New(s)
			if err != nil {
				return err
			}
			defer r.Close() //nolint:errcheck // only read from
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("--listen %s: %w; give another address or port", listen, err)
			}
			ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer cancel()
			context.AfterFunc(ctx, cancel) // a second interrupt leaves at once
			return e.serveMetrics(ctx, l, s, r)
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:9464", "`ADDRESS:PORT` to serve at")
	return c
}

// serveMetrics serves until ctx ends, which is no error, or the log cannot be read
// any more.
func (e *env) serveMetrics(ctx context.Context, l net.Listener, s *sessions.Session, r *metrics.Run) error {
	if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		fmt.Fprintf(e.err, "pare: warning: whoever reaches %s can read these figures; 127.0.0.1 keeps them on this machine\n", l.Addr())
	}
	fmt.Fprintf(e.out, "session %s at http://%s/metrics; Ctrl-C ends it\n", s.ID, l.Addr())
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", r.Handler())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	defer srv.Close() //nolint:errcheck // what Shutdown left
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	said := ""
	for {
		if err := r.Update(); err != nil {
			return err
		}
		if now := standing(s, r); now != said && now != "" {
			fmt.Fprintln(e.out, now)
			said = now
		}
		select {
		case err := <-served:
			return fmt.Errorf("serving %s: %w", l.Addr(), err)
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			if err := srv.Shutdown(end); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return nil
		case <-tick.C:
		}
	}
}

// standing says why the values do not move; empty while a process carries the run.
func standing(s *sessions.Session, r *metrics.Run) string {
	if text, done := r.Done(); done {
		return fmt.Sprintf("the run is done (%s); its final values are served until Ctrl-C", text)
	}
	if _, alive := s.Alive(); !alive {
		return "no process carries the run; its last values are served, and on when it is resumed"
	}
	return ""
}
