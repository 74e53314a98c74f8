package bench

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"pare/core/tensor"
)

//go:embed peernets.py
var peerNetsPy string

//go:embed peers.py
var peersPy string

// peers is a Python process that runs other libraries' models on request.
type peers struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startPeers(python string) (*peers, error) {
	p := &peers{cmd: exec.Command(python, "-c", peerNetsPy+"\n\n"+peersPy)}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s for the peers: %w", python, err)
	}
	return p, nil
}

type question struct {
	Op           string  `json:"op"`
	What         string  `json:"what,omitempty"`
	Net          string  `json:"net,omitempty"`
	Sizes        []int   `json:"sizes,omitempty"`
	Input        []int   `json:"input,omitempty"`
	Batch        int     `json:"batch,omitempty"`
	Threads      int     `json:"threads,omitempty"`
	Mode         string  `json:"mode,omitempty"`
	Precision    string  `json:"precision,omitempty"` // of what runs on a card
	ChannelsLast bool    `json:"channels_last,omitempty"`
	Model        string  `json:"model,omitempty"`
	ID           int     `json:"id"`
	Seconds      float64 `json:"seconds,omitempty"`

	// Of a model on a card.
	Tokens int    `json:"tokens,omitempty"` // of a sample
	Where  string `json:"where,omitempty"`  // cuda | cpu
	LoRA   *lora  `json:"lora,omitempty"`
	Infer  bool   `json:"infer,omitempty"` // forward alone
	// TwoFour: all layers but the last as semi-structured tensors.
	TwoFour bool `json:"two_four,omitempty"`

	// Of a curve: files with raw values, and which steps to take.
	Params      []namedShape `json:"params,omitempty"` // in the order of the file Weights
	Weights     string       `json:"weights,omitempty"`
	IDs         string       `json:"ids,omitempty"`
	Labels      string       `json:"labels,omitempty"`
	Heads       int          `json:"heads,omitempty"`
	Rotate      int          `json:"rotate"` // samples by which those of every batch are moved round
	LR          float64      `json:"lr,omitempty"`
	WeightDecay float64      `json:"weight_decay"`
	Texts       []string     `json:"texts,omitempty"`
	From        int          `json:"from"`
	Count       int          `json:"count,omitempty"`
}

type namedShape struct {
	Name  string       `json:"name"`
	Shape tensor.Shape `json:"shape"`
}

type reply struct {
	ID        int       `json:"id"`
	Seconds   float64   `json:"seconds"`
	MemoryMiB float64   `json:"memory_mib"` // on the card
	Params    int64     `json:"params"`     // of a model on a card
	Trained   int64     `json:"trained"`
	Losses    []float64 `json:"losses"`
	Error     string    `json:"error"`
}

func (p *peers) ask(q question) (reply, error) {
	if err := json.NewEncoder(p.in).Encode(q); err != nil {
		return reply{}, fmt.Errorf("ask the peers: %w", err)
	}
	if !p.out.Scan() {
		return reply{}, errors.New("the peers' process ended: is torch (train) or onnxruntime (infer) installed for that Python?")
	}
	var r reply
	if err := json.Unmarshal(p.out.Bytes(), &r); err != nil {
		return reply{}, fmt.Errorf("the peers answered %q: %w", p.out.Text(), err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// rest is how long a peer's threads spin after their last call; ours must not be
// measured meanwhile.
const rest = 20 * time.Millisecond

// open makes a contender of a peer's model.
func (p *peers) open(who string, q question) (contender, error) {
	q.Op = "open"
	r, err := p.ask(q)
	if err != nil {
		return contender{}, err
	}
	return contender{who: who, rest: rest, run: func(window time.Duration) (float64, error) {
		s, err := p.ask(question{Op: "run", ID: r.ID, Seconds: window.Seconds()})
		return s.Seconds, err
	}, close: func() { p.ask(question{Op: "close", ID: r.ID}) }}, nil //nolint:errcheck // an unused model in its memory does no harm
}

func (p *peers) close() {
	p.in.Close()
	p.cmd.Wait() //nolint:errcheck // it was asked to end
}
