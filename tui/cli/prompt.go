package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"pare/core"
	"pare/core/data"
	"pare/core/event"
	"pare/core/model/zoo"
	"pare/core/prune"
	"pare/sessions"
	"pare/tui/plain"
	"pare/tui/teach"
)

// The workbench in lines: what waits for a person is asked with numbered answers, for
// screen readers and terminals that can do nothing else. Nothing is ever drawn over.

// errLeft is a person's wish to leave: the run waits for them. errEnd is the end of the
// input: nobody will answer any more, and the run is stopped.
var (
	errLeft = errors.New("left")
	errEnd  = errors.New("the input ended")
)

// prompter asks.
type prompter struct {
	out   io.Writer
	lines chan string // closed at the end of the input
	tour  bool        // each stage is explained before it is asked about
	s     *sessions.Session
	r     *core.Recipe // as it will be sent
	goOn  bool         // the recipe is on its way: what follows is not asked
}

func newPrompter(in io.Reader, out io.Writer) *prompter {
	p := &prompter{out: out, lines: make(chan string)}
	go func() { // a read cannot be interrupted; the process's end ends it
		defer close(p.lines)
		for sc := bufio.NewScanner(in); sc.Scan(); {
			p.lines <- sc.Text()
		}
	}()
	return p
}

func (p *prompter) say(format string, a ...any) {
	fmt.Fprintln(p.out, harmless(fmt.Sprintf(format, a...)))
}

// line asks for a line of text.
func (p *prompter) line(ctx context.Context, question string) (string, error) {
	fmt.Fprint(p.out, harmless(question)+" ")
	select {
	case s, ok := <-p.lines:
		fmt.Fprintln(p.out)
		if !ok {
			return "", errEnd
		}
		return strings.TrimSpace(s), nil
	case <-ctx.Done():
		fmt.Fprintln(p.out)
		return "", errLeft
	}
}

// choose asks for one of several answers by its number; enter takes the first.
func (p *prompter) choose(ctx context.Context, title string, answers []string) (int, error) {
	p.say("%s", title)
	for i, a := range answers {
		p.say("  %d %s", i+1, a)
	}
	for {
		s, err := p.line(ctx, fmt.Sprintf("1 to %d, enter for 1:", len(answers)))
		if err != nil {
			return 0, err
		}
		if s == "" {
			return 0, nil
		}
		if n, err := strconv.Atoi(s); err == nil && n >= 1 && n <= len(answers) {
			return n - 1, nil
		}
		p.say("%q is none of them: type a number from 1 to %d", s, len(answers))
	}
}

// pick asks for model and data, where they are not named.
func (p *prompter) pick(ctx context.Context, r *core.Recipe) error {
	models := zoo.List()
	var names []string
	for _, m := range models {
		names = append(names, fmt.Sprintf("%s, %s params, %s", m.Name, plain.Count(m.Params), m.About))
	}
	i, err := p.choose(ctx, "which model?", names)
	if err != nil {
		return err
	}
	r.Model = core.ModelSpec{Name: models[i].Name}
	sets, names := data.Builtin(), nil
	for _, x := range sets {
		names = append(names, x.Name+", "+x.Description)
	}
	i, err = p.choose(ctx, "which data?", append(names, "your own: a path"))
	if err != nil {
		return err
	}
	if i < len(sets) {
		r.Data = core.DataSpec{Name: sets[i].Name}
		return nil
	}
	path, err := p.line(ctx, "path of CSV, TSV, JSONL, .npz, text, or of a folder:")
	r.Data = core.DataSpec{Path: path}
	return err
}

// ask is called when the run waits for a person.
func (p *prompter) ask(ctx context.Context, st *event.State) error {
	if p.goOn && st.Stage == event.Configure {
		p.goOn = false
		return p.send(ctx, core.Command{Cmd: core.CmdNext})
	}
	if p.tour {
		p.say("\ntour, stop %d of 5", int(st.Stage))
		p.explain(st)
	}
	if st.Status == event.StatusPaused {
		return p.held(ctx, st)
	}
	switch st.Stage {
	case event.Configure:
		return p.configure(ctx, st)
	case event.Baseline:
		return p.wait(ctx, st, "train the dense model")
	case event.Validate:
		return p.wait(ctx, st, "look at the test set")
	case event.Deploy:
		return p.wait(ctx, st, "write the files")
	}
	return p.wait(ctx, st, "go on")
}

// wait asks about a stage that has nothing to set.
func (p *prompter) wait(ctx context.Context, st *event.State, next string) error {
	answers := []string{next, "explain", "leave, the run waits", "stop the run"}
	back := len(answers)
	if st.Stage == event.Validate && len(st.Checkpoints) > 0 {
		answers = append(answers, "roll back to a checkpoint")
	}
	for {
		i, err := p.choose(ctx, "\nwaiting for you: "+st.Why, answers)
		switch {
		case err != nil:
			return err
		case i == 0:
			return p.send(ctx, core.Command{Cmd: core.CmdNext})
		case i == 1:
			p.explain(st)
		case i == 2:
			return errLeft
		case i == 3:
			return p.send(ctx, core.Command{Cmd: core.CmdStop, Text: "an answer to pare --plain"})
		case i == back:
			return p.rollBack(ctx, st)
		}
	}
}

// held asks about a pause that nobody asked for: the floor's, or a loss that was not finite.
func (p *prompter) held(ctx context.Context, st *event.State) error {
	answers := []string{"go on from there", "roll back to a checkpoint", "explain", "leave, the run waits", "stop the run"}
	if st.Why == event.WhyFloor {
		if st.AtFloor { // not once another target was set
			answers[0] = "go on without more zeros"
		}
		answers = append(answers, "another target")
	}
	for {
		i, err := p.choose(ctx, "\npaused: "+st.PausedFor(), answers)
		switch {
		case err != nil:
			return err
		case i == 0:
			return p.send(ctx, core.Command{Cmd: core.CmdGo})
		case i == 1:
			return p.rollBack(ctx, st)
		case i == 2:
			p.explain(st)
		case i == 3:
			return errLeft
		case i == 4:
			return p.send(ctx, core.Command{Cmd: core.CmdStop, Text: "an answer to pare --plain"})
		case i == 5:
			x, err := p.number(ctx, "target zeros in percent:")
			if errors.Is(err, errLeft) || errors.Is(err, errEnd) {
				return err
			}
			if err == nil {
				return p.send(ctx, core.Command{Cmd: core.CmdTarget, Value: x / 100})
			}
			p.say("not taken: %v", err)
		}
	}
}

// mostBacks is how many checkpoints are offered, the newest.
const mostBacks = 9

func (p *prompter) rollBack(ctx context.Context, st *event.State) error {
	var names, texts []string
	for i := len(st.Checkpoints) - 1; i >= 0 && len(names) < mostBacks; i-- {
		c := &st.Checkpoints[i]
		text := fmt.Sprintf("%s, %.1f %% zeros", c.Name, 100*c.Zeros)
		if c.Acc >= 0 {
			text += fmt.Sprintf(", accuracy %.1f %%", 100*c.Acc)
		}
		names, texts = append(names, c.Name), append(texts, text)
	}
	i, err := p.choose(ctx, "which checkpoint?", texts)
	if err != nil {
		return err
	}
	if _, err := p.s.Checkpoint(names[i]); err != nil { // the run would refuse it, and then be told to go on
		p.say("not taken: %v", err)
		return plain.ErrAskAgain
	}
	if err := p.send(ctx, core.Command{Cmd: core.CmdRollback, Text: names[i]}); err != nil {
		return err
	}
	return p.send(ctx, core.Command{Cmd: core.CmdGo})
}

// explain says what the stage is, with this run's figures and the claims about it.
func (p *prompter) explain(st *event.State) {
	for _, sec := range teach.Explain(teach.Of{State: st, Recipe: p.r, Stage: st.Stage}) {
		p.say("\n%s", sec.Title)
		for _, x := range sec.Paras {
			p.say("  %s", x)
		}
	}
}

// underFloor is what the run does once it has gone back to a checkpoint above the floor.
var underFloor = map[bool]string{false: "go back and train on", true: "go back and pause"}

// configure asks for the recipe field by field, until it is taken.
func (p *prompter) configure(ctx context.Context, st *event.State) error {
	if p.r == nil {
		r, err := p.s.Recipe()
		if err != nil {
			return err
		}
		p.r = r
		if l := st.Predicted; l != nil && l.Text != "" { // of the recipe as it is
			p.say("  %s", l.Text)
		}
	}
	for {
		q := &p.r.Prune
		i, err := p.choose(ctx, "\nthe recipe", []string{
			"sparsify with this",
			fmt.Sprintf("target zeros: %.4g %%", 100*q.Target),
			"what is removed: " + q.Pattern, "what goes first: " + q.Score, "how it goes: " + q.Schedule,
			fmt.Sprintf("epochs: %d", q.Epochs), fmt.Sprintf("accepted loss: %g pt", p.r.Floor.Points),
			"explain", "leave, the run waits", "stop the run", "under that accuracy: " + underFloor[p.r.Floor.Pause],
		})
		if err != nil {
			return err
		}
		was := *p.r
		switch i {
		case 0:
			text, err := p.r.Marshal()
			if err != nil {
				return err
			}
			p.goOn = true
			return p.send(ctx, core.Command{Cmd: core.CmdConfigure, Text: string(text)})
		case 1:
			var x float64
			if x, err = p.number(ctx, "target zeros in percent:"); err == nil {
				q.Target = x / 100
			}
		case 2:
			err = p.word(ctx, "what is removed?", prune.Patterns(), &q.Pattern)
		case 3:
			err = p.word(ctx, "what goes first?", prune.Scores(), &q.Score)
		case 4:
			err = p.word(ctx, "how does it go?", prune.Schedules(), &q.Schedule)
		case 5:
			var x float64
			if x, err = p.number(ctx, "epochs:"); err == nil {
				q.Epochs = int(x)
			}
		case 6:
			p.r.Floor.Points, err = p.number(ctx, "points under the dense model that are accepted:")
		case 7:
			p.explain(st)
		case 8:
			return errLeft
		case 9:
			return p.send(ctx, core.Command{Cmd: core.CmdStop, Text: "an answer to pare --plain"})
		case 10:
			p.r.Floor.Pause = !p.r.Floor.Pause
		}
		if errors.Is(err, errLeft) || errors.Is(err, errEnd) {
			return err
		}
		if err == nil {
			err = p.r.Check()
		}
		if err != nil {
			p.say("not taken: %v", err)
			*p.r = was
		}
	}
}

func (p *prompter) number(ctx context.Context, question string) (float64, error) {
	s, err := p.line(ctx, question)
	if err != nil {
		return 0, err
	}
	x, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(s, "%")), 64)
	if err != nil || x-x != 0 {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return x, nil
}

func (p *prompter) word(ctx context.Context, title string, l []prune.Word, to *string) error {
	var answers []string
	for _, w := range l {
		answers = append(answers, w.Name+": "+w.About)
	}
	i, err := p.choose(ctx, title+" now "+*to, answers)
	if err == nil {
		*to = l[i].Name
	}
	return err
}

// stop ends the run at a checkpoint, for nobody answers.
func (p *prompter) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if p.s.Send(ctx, core.Command{Cmd: core.CmdStop, Text: "the end of the input of pare --plain"}) != nil {
		return // it has ended, or is told of below
	}
	for ctx.Err() == nil {
		if _, alive := p.s.Alive(); !alive {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// send hands a command over. One that the run refuses is told, and asked about again.
func (p *prompter) send(ctx context.Context, c core.Command) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := p.s.Send(ctx, c)
	var no *sessions.Refused
	if errors.As(err, &no) {
		p.goOn = false
		p.say("refused: %v", err)
		return plain.ErrAskAgain
	}
	return err
}
