package graph_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pare/core/graph"
)

// TestVerifyLimits: sizes that no kernel could index, and parameters that are
// not what they say, are refused before anybody makes room for them.
func TestVerifyLimits(t *testing.T) {
	const conv = `"values":[{"c":1,"h":32768,"w":32768},{},{}],
		"params":[{"name":"w","shape":[1048576,1,1,1],"role":"weight"}],
		"nodes":[{"name":"conv","op":"conv2d","attrs":{"win":{"KH":1,"KW":1,"SH":1,"SW":1,"Groups":1}},"in":[0],"out":1,"params":[0]},{"name":"f","op":"flatten","in":[1],"out":2}],"output":2`
	pool := func(win string) string {
		return `"values":[{"c":3,"h":1,"w":1},{}],"nodes":[{"name":"p","op":"maxpool","attrs":{"win":` + win + `},"in":[0],"out":1}],"output":1`
	}
	linear := func(shape, role string) string {
		return `"values":[{"c":3,"h":1,"w":1},{}],"params":[{"name":"w","shape":` + shape + `,"role":"` + role + `"}],
			"nodes":[{"name":"fc","op":"linear","in":[0],"out":1,"params":[0]}],"output":1`
	}
	for _, c := range []struct{ model, want string }{
		{conv, "node conv (conv2d): output: shape 1048576×32768×32768 has more than 2^31-1 elements"},
		{pool(`{"KH":4611686018427387904,"KW":1,"SH":1,"SW":1,"PT":4611686018427387903,"PB":4611686018427387903}`), "node p (maxpool): window 4611686018427387904×1 with stride 1×1 is too large"},
		{pool(`{"KH":4294967296,"KW":4294967296,"SH":1,"SW":1}`), "is too large"}, // the product wraps to zero
		{pool(`{"KH":1,"KW":1,"SH":1,"SW":9223372036854775807}`), "is too large"},
		{pool(`null`), "needs a window"},
		{linear(`[2,3]`, "weight"), ""},
		{linear(`[2,3]`, "king"), `parameter w: unknown role "king"`},
		{linear(`[2,3]`, ""), `parameter w: unknown role ""`},
		{linear(`[6]`, "weight"), "parameter w: a weight of shape 6 needs at least two axes"},
		{linear(`[]`, "weight"), "needs at least two axes"},
		{linear(`null`, "bias"), "weight w is "},
	} {
		var m graph.Model
		if err := json.Unmarshal([]byte("{"+c.model+"}"), &m); err != nil {
			t.Fatalf("%v in %s", err, c.model)
		}
		err := m.Verify()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
