package cli

import "github.com/spf13/cobra"

// later are the verbs of the design that this version does not have. They
// answer so: without them the first word would be taken for a model's name.
func (e *env) later() []*cobra.Command {
	var l []*cobra.Command
	for name, instead := range map[string]string{
		"perseus": "`pare demo` shows what there is",
	} {
		l = append(l, &cobra.Command{
			Use: name, Short: "not in this version", Hidden: true, Args: cobra.ArbitraryArgs,
			FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
			RunE: func(*cobra.Command, []string) error {
				return usagef("%s is not in this version; %s", name, instead)
			},
		})
	}
	return l
}
