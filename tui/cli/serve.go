package cli

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"pare/sessions"
	"pare/tui/serve"
)

func (e *env) serve() *cobra.Command {
	o := serve.Options{Version: Version, Most: 16, Minute: 20}
	listen := "127.0.0.1:2222"
	c := &cobra.Command{
		Use: "serve [SESSION] --keys FILE", Short: "let others watch a session over SSH", Args: takes(0, 1),
		Long: `serve shows one session (the latest by default) to who comes by SSH with a key of
the file: the workbench's screen, in which nothing can be changed. There is no
shell, no command, no file transfer, no forwarding. It ends with Ctrl-C; the run
does not notice.`,
		Example: `  pare serve --keys ~/.ssh/authorized_keys     then: ssh -p 2222 127.0.0.1
  pare serve --keys class.pub --listen :2222   for other machines too`,
		RunE: func(_ *cobra.Command, args []string) error {
			if o.Keys == "" {
				return usagef("pare serve needs --keys FILE: the public keys of who may watch, one a line as in ~/.ssh/authorized_keys")
			}
			if o.Most < 1 || o.Most > 1000 {
				return usagef("--most %d: give 1 to 1000", o.Most)
			}
			s, err := e.find(args)
			if err != nil {
				return err
			}
			if o.HostKey == "" {
				root, err := sessions.Root("")
				if err != nil {
					return err
				}
				o.HostKey = filepath.Join(filepath.Dir(root), "serve_ed25519")
			}
			o.Log = e.err
			v, err := serve.New(s, o)
			if err != nil {
				return err
			}
			ln, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("--listen %s: %w: give another ADDRESS:PORT", listen, err)
			}
			fmt.Fprintf(e.out, "session %s is shown at %s, read only; host key %s\n%s\n", s.ID, ln.Addr(), v.Fingerprint(), watchWith(ln.Addr().String()))
			ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer cancel()
			return v.Serve(ctx, ln)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Keys, "keys", "", "public keys of who may watch: a `FILE` as ~/.ssh/authorized_keys")
	f.StringVar(&listen, "listen", listen, "`ADDRESS:PORT`; by default this machine alone")
	f.StringVar(&o.HostKey, "host-key", "", "`FILE` of the server's own key; made and kept when it is missing")
	f.IntVar(&o.Most, "most", o.Most, "watchers at once")
	return c
}

// watchWith is the command for those who watch.
func watchWith(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	switch ip := net.ParseIP(host); {
	case ip.IsLoopback():
		return fmt.Sprintf("watch it with: ssh -p %s %s (from this machine alone; --listen :%s shows it to others)", port, host, port)
	case ip.IsUnspecified():
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return fmt.Sprintf("watch it with: ssh -p %s %s", port, host)
}
