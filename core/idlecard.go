package core

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pare/core/event"
)

// cardFiles is where NVIDIA's driver on Linux describes the cards of a machine. To read it opens no
// library and wakes no card.
var cardFiles = "/proc/driver/nvidia/gpus"

// forACard is how many multiply-adds a training step has from which on a card is worth a word: some
// tenth of a second of a processor. Of less, launches are most of what a card takes.
const forACard = 1e10

// idleCard tells of a card that a run on the processor leaves idle because nobody chose: device
// auto is the processor.
func (r *run) idleCard() []event.Warning {
	if d := r.r.Hardware.Device; d != "" && d != "auto" {
		return nil
	}
	macs := int64(0)
	for i := range r.model.Nodes {
		macs += r.model.MACs(i)
	}
	if 3*macs*int64(max(r.r.Train.Batch, 1)) < forACard { // forward, dx and dw
		return nil
	}
	cards := seenCards()
	if len(cards) == 0 {
		return nil
	}
	what := cards[0] + " is"
	if n := len(cards); n > 1 {
		what = fmt.Sprintf("%d cards (%s) are", n, cards[0])
	}
	return []event.Warning{{
		Text: "this run is the processor's, as device auto says; " + what + " here",
		Fix:  `hardware.device = "cuda:bf16" (--device cuda:bf16) runs on a card`,
	}}
}

// seenCards are the models of the cards that this process may use, as far as the driver's files
// tell.
func seenCards() []string {
	if v, ok := os.LookupEnv("CUDA_VISIBLE_DEVICES"); ok && (v == "" || v == "-1") {
		return nil
	}
	files, _ := filepath.Glob(filepath.Join(cardFiles, "*", "information")) // the pattern is well formed
	var cards []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "Model" {
				cards = append(cards, strings.TrimSpace(v))
			}
		}
	}
	return cards
}
