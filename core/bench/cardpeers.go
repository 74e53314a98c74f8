package bench

import (
	"fmt"
	"time"
)

// lora are adapters as PyTorch's side puts them on its models, see peernets.py.
type lora struct {
	Rank    int      `json:"rank"`
	Alpha   float64  `json:"alpha"`
	Adapted []string `json:"adapted"` // ends of names of layers
	Kept    []string `json:"kept"`    // layers that train as well
	Half    bool     `json:"half"`    // what is frozen is kept in bf16
}

// question asks for a treated model in a mode of PyTorch, on "cuda" or "cpu".
func (s *setup) question(treatment int, mode, where string) question {
	m := s.models[treatment]
	q := question{
		Op: "open", What: "card", Net: s.model.net, Mode: mode, Precision: s.Precision, Batch: s.Batch, Tokens: s.Tokens, Where: where,
		Sizes: s.model.sizes(s.Tokens, m.heads, m.hidden),
	}
	q.Infer, q.TwoFour = s.Infer, s.Treatments[treatment].TwoFour
	if s.Treatments[treatment].LoRA {
		q.LoRA = &lora{Rank: cardRank, Alpha: cardAlpha, Adapted: s.model.adapted, Kept: s.model.kept, Half: s.model.half && s.Precision == "bf16"}
	}
	return q
}

// cardPeer is PyTorch's side of one contender.
type cardPeer struct {
	p    *peers
	id   int
	held float64
}

// openCard opens a model of PyTorch and tests that it is ours: as many parameters, as many
// of them trained.
func (p *peers) openCard(q question, m *treated) (onCard, error) {
	r, err := p.ask(q)
	if err != nil {
		return nil, err
	}
	c := &cardPeer{p: p, id: r.ID, held: r.MemoryMiB}
	if r.Params != m.params || r.Trained != m.trained {
		c.close()
		return nil, fmt.Errorf("PyTorch's model has %d parameters, %d of them trained, ours %d and %d: peernets.py builds another one", r.Params, r.Trained, m.params, m.trained)
	}
	return c, nil
}

func (c *cardPeer) window(w time.Duration) (float64, error) {
	r, err := c.p.ask(question{Op: "run", ID: c.id, Seconds: w.Seconds()})
	return r.Seconds, err
}

func (c *cardPeer) memory() float64 { return c.held }

func (c *cardPeer) close() {
	c.p.ask(question{Op: "close", ID: c.id}) //nolint:errcheck // the next question tells
}
