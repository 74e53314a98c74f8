package theme

import "strings"

// FromEnv turns the mode and the ASCII wish of the command line into those in
// force. getenv is os.Getenv, or a session's own environment.
//
// NO_COLOR (any value, https://no-color.org) turns Auto into Mono; a palette
// named by the user wins over it. A locale that is set and not UTF-8 turns
// ASCII on, and so do TERM=dumb and TERM=vt100; a locale that is not set, usual
// in containers, does not.
func FromEnv(mode Mode, ascii bool, getenv func(string) string) (Mode, bool) {
	if mode == Auto && getenv("NO_COLOR") != "" {
		mode = Mono
	}
	switch getenv("TERM") {
	case "dumb", "vt100", "vt52":
		ascii = true
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		v := strings.ToLower(getenv(name))
		if v == "" {
			continue
		}
		if !strings.Contains(v, "utf-8") && !strings.Contains(v, "utf8") {
			ascii = true
		}
		break
	}
	return mode, ascii
}
