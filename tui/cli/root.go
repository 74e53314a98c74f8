// Package cli is the command line: verbs, flags, help, exit codes. It starts
// runs in their own process, follows their logs, and opens the workbench. It
// owns no state of its own.
//
// Nothing here asks the terminal anything: help and usage errors answer at once
// on a terminal that never replies.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pare/core"
	"pare/sessions"
	"pare/tui/theme"
)

// Version of the program.
const Version = "0.1.0"

// env is what a command needs of the outside.
type env struct {
	in       *os.File
	out, err io.Writer
	code     int // exit code of the command

	json, plain bool
	device      string
	threads     int
	seed        uint64
	sessions    string
	slow        bool
	theme       string
	tour        bool
	ask         *prompter // who is asked in lines, nil for nobody
}

// usage is an error of the command line: exit code 2.
type usage struct{ error }

func usagef(format string, a ...any) error { return usage{fmt.Errorf(format, a...)} }

// Main runs the command line and returns the exit code.
func Main(args []string, in *os.File, out, errw io.Writer) int {
	if len(args) == 2 && args[0] == sessions.Verb {
		return sessions.Main(args[1], Version)
	}
	e := &env{in: in, out: out, err: errw}
	root := e.root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errw)
	err := root.Execute()
	if err == nil {
		return e.code
	}
	fmt.Fprintln(errw, "pare:", harmless(words(strings.TrimSpace(err.Error()))))
	var u usage
	if errors.As(err, &u) {
		return core.ExitUsage
	}
	return core.ExitError
}

func (e *env) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "pare [MODEL] [--data PATH]",
		Short: "make a neural network spend less energy, and prove it",
		Long: `pare takes a model through five stages: baseline, configure, sparsify,
validate, deploy. It shows accuracy and energy while they happen, and says for
every figure how it is known.`,
		Example: `  pare demo                              all five stages on built-in data
  pare                                   the workbench, with a picker
  pare lenet-5 --data fashion-mnist      the workbench on this model and data
  pare run recipe.toml --plain           the same without a screen`,
		Args:          takes(0, 1),
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       Version,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	cobra.AddTemplateFunc("inherited", inherited)
	root.SetHelpTemplate(helpTemplate)
	root.SetUsageTemplate(helpTemplate)
	root.SetVersionTemplate("pare {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.PersistentPreRunE = func(c *cobra.Command, args []string) error {
		if _, err := theme.ParseMode(e.theme); err != nil {
			return usagef("--%w", err)
		}
		if e.threads < 0 || e.threads > 4096 {
			return usagef("--threads %d: give 0 (all) to 4096", e.threads)
		}
		return heeds(c, args)
	}
	f := root.PersistentFlags()
	f.BoolVar(&e.json, "json", false, "one JSON object a line")
	f.BoolVar(&e.plain, "plain", false, "plain lines, no screen")
	f.StringVar(&e.device, "device", "auto", "auto, cpu, or an NVIDIA card: cuda (float32), cuda:tf32, cuda:bf16 (least energy)")
	f.IntVar(&e.threads, "threads", 0, "worker threads, 0 = all")
	f.Uint64Var(&e.seed, "seed", 1, "seed of weights and data order")
	f.BoolVar(&e.slow, "slow", false, "a screen for a thin line: once a second, no colours")
	f.StringVar(&e.theme, "theme", "auto", "colours of the screen: auto, dark, light or mono")
	f.StringVar(&e.sessions, "sessions", "", "folder of the sessions")
	e.workbench(root)
	root.AddCommand(e.demo(), e.run(), e.attach(), e.replay(), e.serve(), e.sessionsCmd(), e.compare(), e.branch(), e.report(), e.bench(), e.inspect(), e.scan(), e.predict(), e.doctor(), e.hw(), e.dataCmd(), e.energyCmd())
	root.AddCommand(e.later()...)
	return root
}

// helpTemplate is short enough to read: what it does, how to call it, examples,
// verbs, flags.
const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}usage: {{.UseLine}}{{if .HasAvailableSubCommands}}
       {{.CommandPath}} VERB …{{end}}
{{if .HasExample}}
{{.Example}}
{{end}}{{if .HasAvailableSubCommands}}
verbs:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name 12}}{{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{with inherited .}}
flags of every verb:
{{. | trimTrailingWhitespaces}}
{{end}}`

// machineFlags are flags of all verbs that only some heed, with these; the others
// refuse them.
var machineFlags = map[string][]string{
	"device":  {"pare", "pare demo", "pare run", "pare inspect", "pare predict", "pare doctor", "pare hw estimate", "pare hw calibrate", "pare scan", "pare bench sparsity", "pare bench train", "pare bench card", "pare bench curve", "pare bench control", "pare bench predict"},
	"threads": {"pare", "pare demo", "pare run", "pare predict", "pare scan", "pare bench kernels", "pare bench train", "pare bench infer", "pare bench chooser", "pare bench sparsity", "pare bench curve", "pare bench hf", "pare bench control", "pare bench predict"},
	"seed":    {"pare", "pare demo", "pare run", "pare inspect", "pare scan", "pare predict", "pare hw estimate", "pare bench sparsity", "pare bench curve", "pare bench control", "pare bench predict"},
}

// drawing are the verbs of a MODEL that heed --seed only for a zoo model's fresh weights.
var drawing = []string{"pare inspect", "pare predict", "pare hw estimate"}

// heeds refuses a flag of all verbs that c would ignore.
func heeds(c *cobra.Command, args []string) (err error) {
	if verb := c.CommandPath(); slices.Contains(drawing, verb) && c.Flags().Changed("seed") && isModelPath(args[0]) {
		return usagef("%s draws nothing for %s, which has its weights: leave --seed out", verb, args[0])
	}
	c.Flags().Visit(func(f *pflag.Flag) {
		if verbs, ok := machineFlags[f.Name]; ok && err == nil && !slices.Contains(verbs, c.CommandPath()) {
			err = usagef("%s does nothing with --%s: leave it out", c.CommandPath(), f.Name)
		}
	})
	return err
}

// inherited lists the flags of every verb, without those that c would ignore.
func inherited(c *cobra.Command) string {
	shown := pflag.NewFlagSet("", pflag.ContinueOnError)
	c.InheritedFlags().VisitAll(func(f *pflag.Flag) {
		if verbs, ok := machineFlags[f.Name]; !ok || slices.Contains(verbs, c.CommandPath()) {
			shown.AddFlag(f)
		}
	})
	return shown.FlagUsages()
}
