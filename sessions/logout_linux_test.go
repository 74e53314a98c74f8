package sessions

import (
	"os"
	"path/filepath"
	"testing"
)

// TestEndsAtLogout: only a process of a login's scope ends with it, and only where the login
// manager's files say so, in the order in which it reads them.
func TestEndsAtLogout(t *testing.T) {
	const login, service = "0::/user.slice/user-1000.slice/session-3.scope\n", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-7.scope\n"
	for name, c := range map[string]struct {
		files map[string]string
		user  string
		group string
		ends  bool
	}{
		"as shipped":          {map[string]string{"etc/systemd/logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, "ann", login, false},
		"no files":            {nil, "ann", login, false},
		"told so":             {map[string]string{"etc/systemd/logind.conf": "[Login]\n KillUserProcesses = yes\n"}, "ann", login, true},
		"in a scope of its":   {map[string]string{"etc/systemd/logind.conf": "KillUserProcesses=yes\n"}, "ann", service, false},
		"in no group":         {map[string]string{"etc/systemd/logind.conf": "KillUserProcesses=yes\n"}, "ann", "", false},
		"root":                {map[string]string{"etc/systemd/logind.conf": "KillUserProcesses=yes\n"}, "root", login, false},
		"root, not left out":  {map[string]string{"etc/systemd/logind.conf": "KillUserProcesses=yes\nKillExcludeUsers=\n"}, "root", login, true},
		"left out":            {map[string]string{"etc/systemd/logind.conf": "KillUserProcesses=yes\nKillExcludeUsers=bob ann\n"}, "ann", login, false},
		"only others":         {map[string]string{"etc/systemd/logind.conf": "KillUserProcesses=yes\nKillOnlyUsers=bob\n"}, "ann", login, false},
		"only this one":       {map[string]string{"etc/systemd/logind.conf": "KillOnlyUsers=bob ann\n"}, "ann", login, true},
		"a drop-in":           {map[string]string{"etc/systemd/logind.conf": "KillUserProcesses=no\n", "usr/lib/systemd/logind.conf.d/50-x.conf": "KillUserProcesses=true\n"}, "ann", login, true},
		"a later drop-in":     {map[string]string{"usr/lib/systemd/logind.conf.d/50-x.conf": "KillUserProcesses=1\n", "run/systemd/logind.conf.d/60-y.conf": "KillUserProcesses=0\n"}, "ann", login, false},
		"the same name":       {map[string]string{"usr/lib/systemd/logind.conf.d/50-x.conf": "KillUserProcesses=on\n", "etc/systemd/logind.conf.d/50-x.conf": "\n"}, "ann", login, false},
		"the vendor's beside": {map[string]string{"usr/lib/systemd/logind.conf": "KillUserProcesses=yes\n", "etc/systemd/logind.conf": "[Login]\n"}, "ann", login, false},
	} {
		root := t.TempDir()
		for f, text := range c.files {
			p := filepath.Join(root, f)
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if why, fix := endsAtLogout(root, c.user, c.group); (why != "") != c.ends || (fix != "") != c.ends {
			t.Errorf("%s: %q, %q", name, why, fix)
		}
	}
}
