package work

import tea "charm.land/bubbletea/v2"

// keyName is the name by which the table knows a key.
func keyName(k tea.KeyPressMsg) string {
	switch s := k.String(); s {
	case "kpenter", "ctrl+j":
		return "enter"
	case "kpplus", "=":
		return "+"
	case "kpminus", "_":
		return "-"
	default:
		return s
	}
}
