package cli

import (
	"bytes"
	"strings"
	"testing"

	"pare/sessions"
)

func TestListWords(t *testing.T) {
	var out bytes.Buffer
	e := &env{out: &out}
	err := e.printList("/s", []sessions.Summary{
		{ID: "a", Status: sessions.Done, Acc: 0.87, TestAcc: 0.851, Verdict: "PASS"},
		{ID: "b", Status: sessions.Running, Acc: 0.87, TestAcc: -1},
		{ID: "s", Status: sessions.Spent, Acc: 0.87, TestAcc: -1},
		{ID: "m", Status: sessions.Missed, Acc: 0.87, TestAcc: 0.851, Verdict: "PASS"}, // the verdict is about accuracy alone
		{ID: "o", Status: sessions.Done, Acc: 0.87, TestAcc: 0.851, Verdict: "PASS", OverBudget: true},
		{ID: "c", Status: sessions.New, Acc: -1, TestAcc: -1},
		{ID: "d", Acc: -1, TestAcc: -1, Damage: "was written by a newer pare", Newer: true},
		{ID: "e", Acc: -1, TestAcc: -1, Damage: "line 3"},
		{ID: "f", Status: sessions.Failed, Acc: -1, TestAcc: -1, FailedStart: true},
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 10 {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	for i, want := range []string{"accuracy", "test 85.1 %", "val 87.0 %", "budget spent", "target missed", "done, over budget", "–", "newer ", "damaged", "1 more failed"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %q, want %q", lines[i], want)
		}
	}
	if strings.Contains(lines[7], "damaged") {
		t.Errorf("a newer session is called damaged: %q", lines[7])
	}
}
