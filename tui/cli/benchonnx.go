package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"pare/core/model/onnx/interp"
)

// benchONNX runs an operator suite.
func (e *env) benchONNX() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "onnx FOLDER", Short: "run the cases of an ONNX operator suite", Args: takes(1, 1),
		Long: `onnx runs every case below FOLDER: folders with a model.onnx and test_data_set_N, as in
the onnx project's backend tests (Debian: libonnx-testdata, in
/usr/share/libonnx-testdata/data; pip: onnx/backend/test/data). It prints the cases that
fail or are not supported, with --all those that pass too, and ends with an error if one
that is claimed fails. The operators that are claimed: core/model/onnx/interp/OPERATORS.md.`,
		RunE: func(_ *cobra.Command, args []string) error {
			count := map[string]int{}
			enc := json.NewEncoder(e.out)
			err := interp.Suite(args[0], func(c interp.Case) {
				count[c.Outcome]++
				switch {
				case e.json:
					enc.Encode(c) //nolint:errcheck // the next write fails too
				case c.Outcome != interp.Pass:
					fmt.Fprintf(e.out, "%-11s  %s: %s\n", c.Outcome, c.Name, c.Why)
				case all:
					fmt.Fprintf(e.out, "%-11s  %s\n", c.Outcome, c.Name)
				}
			})
			if err != nil {
				return err
			}
			if !e.json {
				fmt.Fprintf(e.out, "%d cases: %d pass, %d fail, %d unsupported; %d operators are claimed\n", count[interp.Pass]+count[interp.Fail]+count[interp.Unsupported], count[interp.Pass], count[interp.Fail], count[interp.Unsupported], len(interp.Operators()))
			}
			if n := count[interp.Fail]; n > 0 {
				return fmt.Errorf("%d cases of operators that are claimed fail", n)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&all, "all", false, "print the cases that pass, too")
	return c
}
