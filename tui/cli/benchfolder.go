package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"pare/core/bench"
	"pare/core/data"
	"pare/tui/plain"
)

// benchFolder runs a folder of Hugging Face beside transformers.
func (e *env) benchFolder() *cobra.Command {
	o := bench.FolderOptions{}
	var file string
	var most int
	c := &cobra.Command{
		Use: "hf FOLDER --python PYTHON", Short: "run a folder of Hugging Face beside transformers: differences and sequences/s", Args: takes(1, 1),
		Long: `hf runs the model of FOLDER on texts, here and in transformers, each with its own
tokenizer, the weights as float32. It says how many texts get other ids, how far the
outputs are apart (at tokens that are no padding), for a bare encoder also the texts'
embeddings (mean over tokens, of length 1), and how many sequences a second each
computes. They take turns; medians over the rounds, the first left out.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if o.Python == "" {
				return usagef("bench hf needs --python: a Python with torch and transformers")
			}
			texts, err := benchTexts(file, most)
			if err != nil {
				return err
			}
			if o.Threads = e.threads; o.Threads == 0 {
				o.Threads = runtime.GOMAXPROCS(0)
			}
			r, err := bench.Folder(args[0], texts, o)
			if err != nil {
				return err
			}
			if e.json {
				return json.NewEncoder(e.out).Encode(r)
			}
			fmt.Fprintf(e.out, "%s, a %s: %d texts, %d of %d tokens are no padding, batches of %d, %d threads\n\n", args[0], r.Task, r.Texts, r.Words, r.Texts*r.Tokens, o.Batch, o.Threads)
			fmt.Fprintf(e.out, "  texts with other ids   %d\n  outputs                at most %.2g apart, the largest is %s\n", r.OtherIDs, r.MaxDiff, plain.Num(r.Largest))
			if r.Embedding > 0 {
				fmt.Fprintf(e.out, "  embeddings             at most %.2g apart, of length 1\n", r.Embedding)
			}
			for i, s := range []bench.Speed{r.Ours, r.Theirs} {
				fmt.Fprintf(e.out, "  %-22s %.2f sequences/s (%.2f–%.2f), %.2f×\n", []string{"pare", "transformers"}[i], s.PerSec, s.Lo, s.Hi, s.PerSec/r.Ours.PerSec)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&file, "texts", "", "file with one text a line (verses of kjv otherwise)")
	f.IntVar(&most, "most", 64, "texts, at most")
	f.IntVar(&o.Tokens, "tokens", 128, "of a sequence")
	f.IntVar(&o.Batch, "batch", 8, "sequences at a time")
	f.IntVar(&o.Rounds, "rounds", 5, "turns that are counted")
	f.StringVar(&o.Python, "python", "", "Python with torch and transformers")
	return c
}

// benchTexts are the lines of a file, or pieces of kjv of different lengths.
func benchTexts(file string, most int) (l []string, err error) {
	if file == "" {
		d, err := data.Open("kjv", data.Options{Tokens: 600})
		if err != nil {
			return nil, err
		}
		for i := range min(most, d.Test.N()) {
			ids := make([]int32, 40+i*97%560)
			for k := range ids {
				ids[k] = int32(d.Test.X[i*600+k])
			}
			l = append(l, d.Text.Tokens.Decode(ids))
		}
		return l, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("texts: %w", err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for n := 1; len(l) < most && s.Scan(); n++ {
		t := strings.TrimSpace(strings.TrimPrefix(s.Text(), "\ufeff")) // a byte order mark is no text
		if !utf8.ValidString(t) {
			return nil, fmt.Errorf("texts %s: line %d is no UTF-8: save the file as UTF-8", file, n)
		}
		if t != "" {
			l = append(l, t)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("texts %s: %w", file, err)
	}
	return l, nil
}
