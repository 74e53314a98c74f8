package sessions

import (
	"strings"
	"testing"

	"pare/core"
)

// TestHandOver: the seat goes from the driver to who asks, only when the driver says so,
// and back again; there is one driver at every moment.
func TestHandOver(t *testing.T) {
	s, _, _, commands := serving(t)
	ctx := t.Context()
	t.Setenv("USER", "ann")
	t.Setenv("SSH_CONNECTION", "10.0.0.7 5022 10.0.0.1 22")
	first, second, third := s.Seat(), s.Seat(), s.Seat()
	for _, p := range []*Seat{first, second, third} {
		defer p.Close()
		if _, err := p.Live(ctx); err != nil {
			t.Fatal(err)
		}
	}
	drives := func(p *Seat) bool {
		err := p.Send(ctx, core.Command{Cmd: core.CmdPause})
		if err == nil {
			<-commands
		}
		return err == nil
	}
	if err := first.Ask(ctx); err == nil {
		t.Error("the driver asks itself")
	}
	if err := second.Ask(ctx); err != nil {
		t.Fatal(err)
	}
	if err := third.Ask(ctx); err == nil || !strings.Contains(err.Error(), "asking already") {
		t.Errorf("a second question: %v", err)
	}
	if drives(second) || !drives(first) {
		t.Error("a question alone moves the seat")
	}
	if _, err := first.Live(ctx); err != nil || first.Asked() != "ann from 10.0.0.7" {
		t.Errorf("the driver is told %q, %v", first.Asked(), err)
	}
	if _, err := second.Live(ctx); err != nil || !second.Asking() || !strings.Contains(second.Watching(), "awaited") {
		t.Errorf("who asks is told %q, %v", second.Watching(), err)
	}
	if err := third.Answer(ctx, true); err == nil {
		t.Error("a watcher gives the seat away")
	}

	if err := first.Answer(ctx, false); err != nil {
		t.Fatal(err)
	}
	if drives(second) || !second.Refused() || second.Refused() || second.Asking() {
		t.Error("kept: who asked drives, or is not told once")
	}
	if !drives(first) || first.Asked() != "" {
		t.Error("kept: the driver has lost the seat, or is still asked")
	}

	if err := second.Ask(ctx); err != nil {
		t.Fatal(err)
	}
	if err := first.Answer(ctx, true); err != nil {
		t.Fatal(err)
	}
	if drives(first) || !drives(second) || drives(third) {
		t.Error("granted: the seat is not with who asked, alone")
	}
	if first.Watching() == "" || second.Watching() != "" {
		t.Errorf("the old driver is told %q, the new one %q", first.Watching(), second.Watching())
	}

	if err := first.Ask(ctx); err != nil { // and back, by leaving
		t.Fatal(err)
	}
	second.Close()
	await(t, "the seat left to who asks", func() bool { return drives(first) })
}

// TestHandOverForgetsWhoLeft: who asks and goes is not asked for any more.
func TestHandOverForgetsWhoLeft(t *testing.T) {
	s, _, _, _ := serving(t)
	ctx := t.Context()
	first, second := s.Seat(), s.Seat()
	defer first.Close()
	for _, p := range []*Seat{first, second} {
		if _, err := p.Live(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := second.Ask(ctx); err != nil {
		t.Fatal(err)
	}
	second.Close()
	await(t, "the question to go", func() bool {
		_, err := first.Live(ctx)
		return err == nil && first.Asked() == ""
	})
	if err := first.Answer(ctx, true); err == nil {
		t.Error("the seat is given to nobody")
	}
	if _, err := parseRequest([]byte(`{"hello":"ask","text":"a\u001b[2J"}`)); err == nil {
		t.Error("a name with an escape is taken")
	}
}
