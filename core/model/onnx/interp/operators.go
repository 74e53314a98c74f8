package interp

import (
	"fmt"
	"strings"
)

//go:generate go test -run TestOperatorsList -update .

// List is the text of OPERATORS.md: the operators that are claimed, and from which
// operator set on they are meant as here.
func List() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# ONNX operators that are run

Made by `+"`go generate ./core/model/onnx/interp`"+` from the table of operators: %d of the default
domain. A file runs if its operators are among them and its operator set is at least the
number that stands behind the name. Tensors of all types but complex numbers, sequences and
optional values; float8 and 4-bit types are not read. Which of them can be trained is said by
`+"`pare inspect FILE`"+`.

The onnx project's cases: `+"`pare bench onnx FOLDER`"+` runs those below a folder, such as
Debian's libonnx-testdata, and prints pass, fail or unsupported for each.

`, len(table))
	for i, name := range Operators() {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "%s %d", name, Since(name))
	}
	b.WriteString("\n")
	return b.String()
}
