package sessions

import (
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// EndsAtLogout says why a run that is started here ends with the login, and the way out;
// "" where it goes on. A run has no terminal and a group of its own, but where logind is told
// so (KillUserProcesses, logind.conf(5)) it ends whatever a login's scope holds.
func EndsAtLogout() (why, fix string) {
	u, err := user.Current()
	if err != nil {
		return "", ""
	}
	group, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", ""
	}
	return endsAtLogout("/", u.Username, string(group))
}

// ofLogin matches the scope of a login in /proc/self/cgroup.
var ofLogin = regexp.MustCompile(`/session-[^/]+\.scope(/|\n|$)`)

func endsAtLogout(root, name, group string) (why, fix string) {
	if !ofLogin.MatchString(group) {
		return "", "" // a service, a container, a user's own scope: no login ends it
	}
	set := logind(root)
	exclude, ok := set["KillExcludeUsers"]
	if !ok {
		exclude = "root"
	}
	only := strings.Fields(set["KillOnlyUsers"])
	switch {
	case slices.Contains(strings.Fields(exclude), name):
		return "", ""
	case slices.Contains(only, name):
	case len(only) == 0 && isYes(set["KillUserProcesses"]):
	default:
		return "", ""
	}
	return "logind ends all processes of a login with it (KillUserProcesses in logind.conf)",
		"once `loginctl enable-linger`, then start with `systemd-run --user --scope pare …`"
}

func isYes(s string) bool {
	return slices.Contains([]string{"yes", "y", "true", "t", "on", "1"}, strings.ToLower(s))
}

// logind reads the settings that the login manager begins with: of the main files the first
// there is, then the drop-ins by name, those of /etc in place of the same name elsewhere.
// The last line of a key counts.
func logind(root string) map[string]string {
	dirs := []string{"usr/lib", "usr/local/lib", "run", "etc"} // the later the stronger
	main, parts := "", map[string]string{}
	for _, d := range dirs {
		conf := filepath.Join(root, d, "systemd/logind.conf")
		if _, err := os.Stat(conf); err == nil {
			main = conf
		}
		l, _ := filepath.Glob(conf + ".d/*.conf") // the pattern is good
		for _, f := range l {
			parts[filepath.Base(f)] = f
		}
	}
	files := []string{main}
	for _, n := range slices.Sorted(maps.Keys(parts)) {
		files = append(files, parts[n])
	}
	set := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // not there, or not for us
		}
		for l := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(strings.TrimSpace(l), "="); ok && !strings.HasPrefix(k, "#") && !strings.HasPrefix(k, ";") {
				set[strings.TrimSpace(k)] = strings.TrimSpace(v)
			}
		}
	}
	return set
}
