package work

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pare/core/event"
	"pare/tui/theme"
)

// copyMsg asks the terminal to take a text (OSC 52), which works over SSH too.
type copyMsg struct{ text string }

// copied is what y copies: what is read under the cursor, else the outcome.
func (d *desk) copied() string {
	st := &d.run.st
	head := d.th.Clean(d.run.src.ID())
	if st.Started.Model != "" {
		head += ", " + d.th.Clean(st.Started.Model) + " on " + d.th.Clean(st.Started.Data)
	}
	s := d.stage()
	if l, unit, _ := d.tradeOffs(); d.onTrades() && len(l) > 0 {
		i := d.chosenTrade(l)
		return head + ", " + d.tradeSays(l, i, unit)[0] + fmt.Sprintf(" (inference ±%.0f %%, %d timed)", l[i].band, l[i].inferred.N)
	}
	switch x, ok := d.readAt(s); {
	case ok && (s == event.Baseline || s == event.Sparsify):
		step := int64(x)
		var parts []string
		if p, ok := pointAt(st.Curves[s].Acc, step); ok {
			parts = append(parts, fmt.Sprintf("validation accuracy %.4f (95 %%: %.4f to %.4f)", p.Y, p.Lo, p.Hi))
		}
		if z, ok := zerosAt(st, step); ok && s == event.Sparsify {
			parts = append(parts, percent(z)+" zeros")
		}
		b := d.bill(s)
		if val, _, _, ok := d.billAt(s, b, step); ok {
			parts = append(parts, val+" per epoch ("+b.right+")")
		}
		if t := d.trade(s, b, step); t != "" {
			parts = append(parts, t)
		}
		return fmt.Sprintf("%s, %s, step %d: %s", head, s, step, strings.Join(parts, ", "))
	case st.Verdict != nil:
		text := head + ": " + d.th.Clean(st.Verdict.Text)
		if o := st.Outcome(); o != "" {
			text += "; " + d.th.Clean(o)
		}
		return text
	}
	return head
}

// copyOut copies, and leaves the text in a file too: not every terminal takes it.
func (d *desk) copyOut() []effect {
	text := d.copied()
	say := "copied"
	if d.o.remote {
		d.say(theme.Good, say+": "+text)
		return []effect{now(copyMsg{text})}
	}
	if path, err := keepCopy(d.o.CopyTo, text); err == nil {
		say += "; also in " + d.home(path)
	}
	d.say(theme.Good, say+": "+text)
	return []effect{now(copyMsg{text})}
}

// keepCopy writes a text to the file of copies.
func keepCopy(path, text string) (string, error) {
	if path == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, "pare", "copied.txt")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(text+"\n"), 0o600)
}
