package work

import (
	"fmt"

	"pare/core/event"
	"pare/tui/teach"
	"pare/tui/theme"
)

// openLesson explains the stage and the number under the cursor.
func (d *desk) openLesson() { d.over, d.scroll, d.words = overTeach, 0, false }

// lesson is what is explained now.
func (d *desk) lesson() []teach.Section {
	if d.words {
		s := teach.Section{Title: "words"}
		for _, t := range teach.Glossary() {
			s.Paras = append(s.Paras, t.Word+": "+t.Means+".")
		}
		return []teach.Section{s}
	}
	o := d.told()
	if x, ok := d.readAt(o.Stage); ok {
		step := int64(x)
		o.Step = &step
	}
	if d.formOpen() {
		f := &d.conf.fields[d.conf.at]
		o.Field = f.key
		if f.kind == choice {
			o.Choice = f.chosen()
		}
	}
	return teach.Explain(o)
}

// told is what the stage is explained by: while the form is open, what stands in it and
// what it promises, as the panes show it.
func (d *desk) told() teach.Of {
	o := teach.Of{State: &d.run.st, Recipe: d.run.recipe, Stage: d.stage()}
	o.Floor, _ = d.run.floor()
	if d.formOpen() {
		o.Recipe, o.Predicted = d.confRecipe(), d.predict.ledger
	}
	return o
}

// lessonPane lays the sections out; the reading is bounded to a good length of
// line.
func (d *desk) lessonPane(w, h int) string {
	th := d.th
	in := min(max(w-4, 1), 88)
	var lines []string
	for i, s := range d.lesson() {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, " "+th.Paint(theme.Title, th.Tr(th.Clean(s.Title))))
		for _, p := range s.Paras {
			for k, l := range wrap(th.Clean(p), in) {
				tok := theme.Text
				if k == 0 && len(p) > 7 {
					switch p[:4] {
					case "Said", "Sour":
						tok = theme.Dim
					case "Here":
						tok = theme.Accent
					case "Care":
						tok = theme.Warn
					}
				}
				lines = append(lines, " "+th.Paint(tok, th.Tr(l)))
			}
		}
	}
	room := max(h-2, 1)
	d.scroll = min(d.scroll, max(len(lines)-room, 0))
	right := ""
	if len(lines) > room {
		right = fmt.Sprintf("%d of %d", min(d.scroll+room, len(lines)), len(lines))
	}
	title := "in plain words"
	if d.words {
		title = "glossary"
	}
	body := ""
	for _, l := range lines[d.scroll:min(d.scroll+room, len(lines))] {
		body += l + "\n"
	}
	return th.BoxWith(theme.BoxOptions{Title: title, Right: right, Body: body, BorderToken: theme.Accent}, w, h)
}

func (d *desk) canLessonCursor() string {
	if d.words {
		return "these are the words; g goes back to the stage"
	}
	if s := d.stage(); s != event.Baseline && s != event.Sparsify {
		return "this stage has no curve: its figures are explained as a whole"
	}
	return d.canCurve()
}

func wordsText(d *desk) string {
	if d.words {
		return "the stage"
	}
	return "glossary"
}
