package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pare/core/data"
)

// listedData is a line of `pare data list --json`.
type listedData struct {
	Name  string `json:"name"`
	About string `json:"about"`
	Ready bool   `json:"ready"`
	Hint  string `json:"hint,omitempty"` // how to get it
}

func (e *env) dataCmd() *cobra.Command {
	var o data.Options
	var memory int64
	c := &cobra.Command{
		Use: "data", Short: "data sets: list, show", Args: takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return usagef("say which: pare data list, or pare data show NAME")
		},
	}
	show := &cobra.Command{
		Use: "show NAME|PATH", Short: "what pare understood of a data set", Args: takes(1, 1),
		RunE: func(_ *cobra.Command, a []string) error {
			if memory < 0 || memory > 1<<30 {
				return usagef("--memory-mb %d: give the MiB that samples may take", memory)
			}
			o.Memory = memory << 20
			// As a run does by default: its seed does not draw the splits.
			d, err := data.Open(a[0], o)
			if err != nil {
				return err
			}
			if e.json {
				return dataJSON(e.out, d)
			}
			return e.dataText(d)
		},
	}
	f := show.Flags()
	f.StringVar(&o.LabelColumn, "label", "", labelFlag)
	f.StringSliceVar(&o.TextColumns, "text", nil, "columns of a table to classify by their words")
	f.BoolVar(&o.Pair, "pair", false, "two columns of text are a pair, such as question and answer, in the order of --text")
	f.StringVar(&o.Tokenizer, "tokenizer", "", "of text: char, byte, or the path of a tokenizer.json (char for running text, byte for a table by default)")
	f.IntVar(&o.Tokens, "tokens", 0, "of text: tokens a sample (128 by default)")
	f.IntSliceVar(&o.Size, "size", nil, "of images from files: `rows,columns`")
	f.IntVar(&o.Channels, "channels", 0, "of images from files: 1 (grey) or 3")
	f.StringVar(&o.Layout, "layout", "", "of images in arrays: chw or hwc")
	f.IntSliceVar(&o.Shape, "shape", nil, "of the image whose pixels are the columns of a table: `channels,rows,columns`")
	f.Int64Var(&memory, "memory-mb", 0, "`MiB` that samples may take in memory (1024 by default); a larger set is kept in a file")
	c.AddCommand(show, &cobra.Command{Use: "list", Short: "the built-in data sets", Args: takes(0, 0), RunE: func(*cobra.Command, []string) error {
		w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
		for _, i := range data.Builtin() {
			if e.json {
				if err := json.NewEncoder(e.out).Encode(listedData{i.Name, i.Description, i.Ready, i.Hint}); err != nil {
					return err
				}
				continue
			}
			about := i.Description
			if !i.Ready {
				about += "; not here: " + i.Hint
			}
			printf(w, "%s\t%s\n", i.Name, about)
		}
		return w.Flush()
	}})
	return c
}

// dataJSON is what dataText says, as one object.
func dataJSON(w io.Writer, d *data.Data) error {
	all := map[string]any{
		"name": d.Name, "source": d.Source, "kind": d.Kind, "shape": d.Train.Shape, "classes": d.Classes,
		"train": d.Train.N(), "val": d.Val.N(), "test": d.Test.N(), "prep": d.Prep, "hash": d.Hash, "notes": d.Notes,
		"streamed": d.Train.Streamed(),
	}
	if d.Columns != nil {
		all["columns"] = d.Columns
	}
	if t := d.Text; t != nil {
		text := map[string]any{"language_model": t.LM, "tokenizer": t.Kind, "vocab": t.Vocab, "tokens": t.Len, "pair": t.Pair, "masked": t.Masked}
		if t.Pad >= 0 {
			text["pad"] = t.Pad
		}
		all["text"] = text
	}
	if d.Classes != nil {
		all["counts"] = map[string][]int{"train": d.Train.Counts(len(d.Classes)), "val": d.Val.Counts(len(d.Classes)), "test": d.Test.Counts(len(d.Classes))}
	}
	return json.NewEncoder(w).Encode(all)
}

// dataText is what was understood of a set: sizes, decisions, columns, classes and
// some samples.
func (e *env) dataText(d *data.Data) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	printf(w, "%s\t%s\n", d.Name, d.Source)
	printf(w, "sample\t%s\n", sampleText(d))
	printf(w, "samples\t%d train, %d validation, %d test\n", d.Train.N(), d.Val.N(), d.Test.N())
	for _, n := range d.Notes {
		printf(w, "note\t%s\n", n)
	}
	if p := prepText(d); p != "" {
		printf(w, "inputs\t%s\n", p)
	}
	if d.Text != nil {
		if err := showText(w, d); err != nil {
			return err
		}
		if d.Text.LM {
			return w.Flush()
		}
		fmt.Fprintln(w)
	} else {
		printf(w, "hash\t%s\n\n", d.Hash)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := e.showClasses(d); err != nil {
		return err
	}
	switch {
	case d.Text != nil:
		return nil
	case len(d.Train.Shape) == 3:
		return e.showImages(d)
	}
	return e.showRows(d)
}

// sampleText says what one sample is.
func sampleText(d *data.Data) string {
	s := d.Train.Shape
	switch {
	case d.Text != nil:
		return fmt.Sprintf("%d tokens", d.Text.Len)
	case len(s) == 3:
		colour := fmt.Sprintf("%d channels", s[0])
		switch s[0] {
		case 1:
			colour = "grey"
		case 3:
			colour = "colour"
		}
		return fmt.Sprintf("%d×%d %s image, %v", s[1], s[2], colour, s)
	case s[0] == 1:
		return "1 value"
	}
	return fmt.Sprintf("%d values", s[0])
}

// prepText says what is done to the values.
func prepText(d *data.Data) string {
	p := d.Prep
	if len(p.Mean) == 0 {
		return ""
	}
	scale := "x"
	if p.Scale != 1 {
		scale = fmt.Sprintf("x × %.4g", p.Scale)
	}
	if len(p.Mean) > 4 {
		return fmt.Sprintf("(%s − mean) / deviation of each column", scale)
	}
	var of []string
	for k := range p.Mean {
		of = append(of, fmt.Sprintf("(%s − %.4g) / %.4g", scale, p.Mean[k], p.Std[k]))
	}
	return strings.Join(of, "; ")
}

// maxClasses is how many classes are listed.
const maxClasses = 40

func (e *env) showClasses(d *data.Data) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	printf(w, "class\ttrain\tvalidation\ttest\n")
	n := len(d.Classes)
	tr, va, te := d.Train.Counts(n), d.Val.Counts(n), d.Test.Counts(n)
	for i, c := range d.Classes[:min(n, maxClasses)] {
		printf(w, "%s\t%d\t%d\t%d\n", quoted(c, 40), tr[i], va[i], te[i])
	}
	if n > maxClasses {
		printf(w, "… and %d more\n", n-maxClasses)
	}
	return w.Flush()
}
