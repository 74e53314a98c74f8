package core

import (
	"errors"
	"fmt"

	"pare/core/event"
)

// Where there are no epochs the budget is looked at between two pieces of work: at the doors
// of stages 3 to 5, and in the last two between turns of dense and pared, and files. What was
// begun is not broken off, so it may be exceeded by a piece, of which looking at the test set
// is the longest.

// overspent ends a run there whose budget is spent, where the recipe says stop.
type overspent struct{ b *event.Budget }

func (o *overspent) Error() string { return isSpent(o.b) }

// isSpent says that a budget is, and with how much.
func isSpent(b *event.Budget) string {
	return "the budget of " + b.Amount(b.Limit) + " is spent: " + b.Told(b.Spent)
}

// mostSpent is what the run has spent of the limit that is spent furthest, nil without one.
func (r *run) mostSpent() (worst *event.Budget) {
	total := r.bill.sum()
	for _, l := range r.r.Budget.limits(r.rates) {
		s := l.of(total)
		if s == nil {
			continue
		}
		if x := r.budgetEvent(l, total, *s, *s); worst == nil || x.Spent/x.Limit > worst.Spent/worst.Limit {
			worst = x
		}
	}
	return worst
}

// spends looks at the budget between two pieces of work. It says once that most of it is spent, and
// once that all is: with stop by an overspent, else it goes on, with action target, too, which
// asks for a verdict of what there is.
func (r *run) spends() error {
	if r.loop.Over || r.r.Budget == (BudgetSpec{Action: r.r.Budget.Action}) {
		return nil
	}
	r.bill.tick(r)
	b := r.mostSpent()
	if b == nil || b.Spent < near*b.Limit || b.Spent < b.Limit && r.loop.Warned {
		return nil
	}
	if err := r.emit(b); err != nil {
		return err
	}
	r.loop.Warned = true
	switch {
	case b.Spent < b.Limit:
		return r.refuse("%.0f %% of the budget is spent: %s; when it is spent: %s", 100*b.Spent/b.Limit, b.Text(), b.Action)
	case b.Action == BudgetStop:
		return &overspent{b}
	}
	r.loop.Over = true
	return r.refuse("%v; it goes on, as budget.action says", &overspent{b})
}

// stopBetween ends a run that has spent its budget between two pieces of work; other errors
// it passes on.
func (r *run) stopBetween(err error) error {
	var o *overspent
	if !errors.As(err, &o) {
		return err
	}
	if err := r.billStage(r.loop.Stage); err != nil {
		return err
	}
	return r.stopSpent(o.Error(), o.b.Key, -1)
}

// exceeded is what the run has spent of its budget if that is more, "" if not.
func (r *run) exceeded() string {
	if b := r.mostSpent(); b != nil && b.Spent > b.Limit {
		return fmt.Sprintf("over its budget: %s of %s", b.Told(b.Spent), b.Amount(b.Limit))
	}
	return ""
}

// budgetDone says at the end what of the budget the whole run has spent.
func (r *run) budgetDone() error {
	b := r.mostSpent()
	if b == nil {
		return nil
	}
	if err := r.emit(b); err != nil {
		return err
	}
	if b.Spent > b.Limit {
		return r.refuse("with validating and exporting the run has spent %s of a budget of %s", b.Told(b.Spent), b.Amount(b.Limit))
	}
	return nil
}
