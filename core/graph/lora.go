package graph

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"pare/core/tensor"
)

// Low-rank adapters (LoRA; Hu et al. 2021, arXiv:2106.09685): beside a linear layer
// that no longer trains, y = W·x + b + s·B·(A·x), A [rank, in], B [out, rank], with
// s = alpha/rank, or alpha/√rank (rsLoRA; Kalajdzievski 2023, arXiv:2312.03732).
//
// On a layer without a mask the adapter is five nodes of ordinary ops behind the
// layer, named after it: NAME.lora_dropout (if there is dropout), NAME.lora_A,
// NAME.lora_scale, NAME.lora_B and NAME.lora_add. W then needs no gradient at all.
// On a masked layer it is inside the weight: the layer's op becomes "lora". Its
// parameters are NAME.lora_A.weight and NAME.lora_B.weight either way.

// Adapter is one adapter of a model.
type Adapter struct {
	Layer   string  // of the weight it adapts
	W, A, B int     // parameters
	Node    int     // the adapted layer
	Scale   float32 // s
	Dropout float32 // of its input
	Masked  bool    // inside the weight

	parts []int // its own nodes, of an adapter beside the layer; the last is the sum
}

// Rank is the number of rows of A.
func (m *Model) Rank(a Adapter) int { return m.Params[a.A].Shape[0] }

// Adapters lists the adapters in the order of their layers.
func (m *Model) Adapters() []Adapter {
	var l []Adapter
	for i := range m.Nodes {
		n := &m.Nodes[i]
		if n.Op == MaskedLora {
			l = append(l, Adapter{Layer: layerName(m.Params[n.Params[0]].Name), W: n.Params[0], A: n.Params[1], B: n.Params[2], Node: i, Scale: n.Attrs.Scale, Masked: true})
			continue
		}
		if a, ok := m.adapterBehind(i); ok {
			l = append(l, a)
		}
	}
	return l
}

// adapterBehind finds the nodes that AttachLoRA put right behind layer i.
func (m *Model) adapterBehind(i int) (Adapter, bool) {
	n := &m.Nodes[i]
	if n.Op != "linear" || m.Params[n.Params[0]].Role != Weight {
		return Adapter{}, false
	}
	x := Adapter{Layer: layerName(m.Params[n.Params[0]].Name), W: n.Params[0], Node: i}
	at := i + 1
	next := func(part, op string, params int, in ...int) *Node {
		if at >= len(m.Nodes) {
			return nil
		}
		q := &m.Nodes[at]
		if q.Name != n.Name+".lora_"+part || q.Op != op || len(q.Params) != params || !slices.Equal(q.In, in) {
			return nil
		}
		x.parts = append(x.parts, at)
		at++
		return q
	}
	from := n.In[0]
	if d := next("dropout", "dropout", 0, from); d != nil {
		x.Dropout, from = d.Attrs.P, d.Out
	}
	down := next("A", "linear", 1, from)
	if down == nil {
		return Adapter{}, false
	}
	scale := next("scale", "scale", 0, down.Out)
	if scale == nil {
		return Adapter{}, false
	}
	up := next("B", "linear", 1, scale.Out)
	if up == nil || next("add", "add", 0, n.Out, up.Out) == nil {
		return Adapter{}, false
	}
	x.A, x.B, x.Scale = down.Params[0], up.Params[0], scale.Attrs.Scale
	return x, m.Params[x.A].Role == LoraA && m.Params[x.B].Role == LoraB
}

// layerName is a weight's name without its ending.
func layerName(param string) string { return strings.TrimSuffix(param, ".weight") }

// Adaptable tells why a layer takes no adapter of that rank, nil if it does.
func (m *Model) Adaptable(l Layer, rank int) error {
	n, w := &m.Nodes[l.Node], &m.Params[l.Param]
	if n.Op != "linear" {
		if n.Op == MaskedLora {
			return fmt.Errorf("layer %s has an adapter already", l.Name)
		}
		return fmt.Errorf("layer %s is a %s: adapters go on linear layers", l.Name, n.Op)
	}
	if _, ok := m.adapterBehind(l.Node); ok {
		return fmt.Errorf("layer %s has an adapter already", l.Name)
	}
	if rank < 1 || rank > min(w.Shape[0], w.Shape[1]) {
		return fmt.Errorf("layer %s is %v: rank %d is not between 1 and %d", l.Name, w.Shape, rank, min(w.Shape[0], w.Shape[1]))
	}
	for i := range m.Nodes {
		if i != l.Node && slices.Contains(m.Nodes[i].Params, l.Param) {
			return fmt.Errorf("layer %s shares its weight with %s", l.Name, m.Nodes[i].Name)
		}
	}
	return nil
}

// layer finds a layer by name.
func (m *Model) layer(name string) (Layer, error) {
	for _, l := range m.Layers() {
		if l.Name == name {
			return l, nil
		}
	}
	return Layer{}, fmt.Errorf("no layer named %q", name)
}

// AttachLoRA puts an adapter on a linear layer and freezes the layer's weight. A is
// drawn uniformly within ±1/√in (Kaiming with a = √5), B is zero, as PEFT does, so
// that the model computes what it did.
type AttachLoRA struct {
	Layer   string  `json:"layer"`
	Rank    int     `json:"rank"`
	Alpha   float64 `json:"alpha"`
	RSLoRA  bool    `json:"rslora,omitempty"`
	Dropout float32 `json:"dropout,omitempty"`
	Seed    uint64  `json:"seed"`
	// Wide takes a rank beyond the smaller side of the weight, as an adapter from a file
	// may have it: more than it needs, but no error.
	Wide bool `json:"wide,omitempty"`
}

// Scale is the factor of the adapter's output.
func (r AttachLoRA) Scale() float32 {
	if r.RSLoRA {
		return float32(r.Alpha / math.Sqrt(float64(r.Rank)))
	}
	return float32(r.Alpha / float64(r.Rank))
}

// Text implements Rewrite.
func (r AttachLoRA) Text() string {
	kind := "LoRA"
	if r.RSLoRA {
		kind = "rsLoRA"
	}
	return fmt.Sprintf("%s of rank %d on %s, scale %.4g", kind, r.Rank, r.Layer, r.Scale())
}

// Apply implements Rewrite.
func (r AttachLoRA) Apply(m *Model) (Remap, error) {
	l, err := m.layer(r.Layer)
	if err == nil {
		rank := r.Rank
		if w := m.Params[l.Param].Shape; r.Wide && rank <= 1<<16 && len(w) == 2 {
			rank = min(rank, w[0], w[1])
		}
		err = m.Adaptable(l, rank)
	}
	if s := r.Scale(); err == nil && s-s != 0 {
		err = fmt.Errorf("alpha = %g, need a number", r.Alpha)
	}
	if err == nil && !(r.Dropout >= 0 && r.Dropout < 1) {
		err = fmt.Errorf("dropout = %g, need 0 ≤ p < 1", r.Dropout)
	}
	if err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	old := m.Shallow()
	w := &m.Params[l.Param]
	w.Frozen = true
	out, in := w.Shape[0], w.Shape[1]
	name := layerName(w.Name)
	pa := m.AddParam(name+".lora_A.weight", LoraA, tensor.Shape{r.Rank, in}, make([]float32, r.Rank*in))
	pb := m.AddParam(name+".lora_B.weight", LoraB, tensor.Shape{out, r.Rank}, make([]float32, out*r.Rank))
	rng, bound := rand.New(rand.NewPCG(r.Seed, key(name+".lora_A.weight"))), 1/math.Sqrt(float64(in))
	for i := range m.Params[pa].Data {
		m.Params[pa].Data[i] = float32(bound * (2*rng.Float64() - 1))
	}
	n := m.Nodes[l.Node]
	y, x := n.Out, n.In[0]
	value := func() int {
		m.Values = append(m.Values, Value{})
		return len(m.Values) - 1
	}
	m.Nodes[l.Node].Out = value()
	parts := []Node{}
	put := func(part, op string, a Attrs, params []int, out int, in ...int) int {
		parts = append(parts, Node{Name: n.Name + ".lora_" + part, Op: op, Attrs: a, In: in, Out: out, Params: params})
		return out
	}
	if r.Dropout > 0 {
		x = put("dropout", "dropout", Attrs{P: r.Dropout}, nil, value(), x)
	}
	x = put("A", "linear", Attrs{}, []int{pa}, value(), x)
	x = put("scale", "scale", Attrs{Scale: r.Scale()}, nil, value(), x)
	x = put("B", "linear", Attrs{}, []int{pb}, value(), x)
	put("add", "add", Attrs{}, nil, y, m.Nodes[l.Node].Out, x)
	m.Nodes = slices.Insert(m.Nodes, l.Node+1, parts...)
	err = m.foldIntoMask()
	if err == nil {
		if err = m.Verify(); err == nil {
			return nil, nil
		}
		err = fmt.Errorf("adapter on %s: %w", r.Layer, err)
	}
	*m = *old
	return nil, err
}

// foldIntoMask moves adapters beside layers that have a mask into their weights.
func (m *Model) foldIntoMask() error {
	for _, a := range m.Adapters() {
		if a.Masked || m.Params[a.W].Mask.Zeros() == 0 {
			continue
		}
		if a.Dropout > 0 {
			return fmt.Errorf("adapter on %s: its dropout of %g goes with no mask, which puts the adapter inside the weight: set dropout to 0", a.Layer, a.Dropout)
		}
		n := &m.Nodes[a.Node]
		n.Op, n.Attrs.Scale, n.Out = MaskedLora, a.Scale, m.Nodes[a.parts[len(a.parts)-1]].Out
		n.Params = append([]int{a.W, a.A, a.B}, n.Params[1:]...)
		m.dropNodes(a.parts)
		m.compact()
		return m.foldIntoMask() // the others have other numbers now
	}
	return nil
}

// MergeLoRA adds an adapter to its layer's weight, W + s·B·A, zero where the weight
// is masked, and takes it off. The weight stays frozen until Thaw.
type MergeLoRA struct {
	Layer string `json:"layer"`
}

// Text implements Rewrite.
func (r MergeLoRA) Text() string { return "merge the adapter of " + r.Layer }

// Apply implements Rewrite.
func (r MergeLoRA) Apply(m *Model) (Remap, error) {
	all := m.Adapters()
	i := slices.IndexFunc(all, func(a Adapter) bool { return a.Layer == r.Layer })
	if i < 0 {
		return nil, fmt.Errorf("merge: layer %q has no adapter", r.Layer)
	}
	a := all[i]
	w, la, lb := &m.Params[a.W], &m.Params[a.A], &m.Params[a.B]
	if len(w.Data) != w.Shape.Len() || len(la.Data) != la.Shape.Len() || len(lb.Data) != lb.Shape.Len() {
		return nil, fmt.Errorf("merge %s: its weights are not here: fetch them from the device first", r.Layer)
	}
	old := m.Shallow()
	w.Data = slices.Clone(w.Data) // the old one is still old's
	kk, rank := w.Shape[1], la.Shape[0]
	row := make([]float64, kk)
	for n := range w.Shape[0] {
		clear(row)
		for q := range rank {
			s := float64(a.Scale) * float64(lb.Data[n*rank+q])
			for k, v := range la.Data[q*kk : (q+1)*kk] {
				row[k] += s * float64(v)
			}
		}
		for k, d := range row {
			if i := n*kk + k; w.Mask.Kept(i) {
				w.Data[i] = float32(float64(w.Data[i]) + d)
			}
		}
	}
	n := &m.Nodes[a.Node]
	if a.Masked {
		n.Op, n.Attrs.Scale = "linear", 0
		n.Params = append([]int{a.W}, n.Params[3:]...)
	} else {
		n.Out = m.Nodes[a.parts[len(a.parts)-1]].Out
		m.dropNodes(a.parts)
	}
	m.dropParams(a.A, a.B)
	m.compact()
	if err := m.Verify(); err != nil {
		*m = *old
		return nil, fmt.Errorf("merge %s: %w", r.Layer, err)
	}
	return nil, nil
}

// Freeze stops the training of all parameters but those of adapters and of the
// layers and norms named; a name stands for all parameters that begin with it.
type Freeze struct {
	Except []string `json:"except,omitempty"`
}

// Text implements Rewrite.
func (r Freeze) Text() string {
	if len(r.Except) == 0 {
		return "freeze all but the adapters"
	}
	return "freeze all but the adapters and " + strings.Join(r.Except, ", ")
}

// Apply implements Rewrite.
func (r Freeze) Apply(m *Model) (Remap, error) {
	adapted := map[int]bool{}
	for _, a := range m.Adapters() {
		adapted[a.W] = true
	}
	used := make([]bool, len(r.Except))
	for i := range m.Params {
		p := &m.Params[i]
		named := false
		for j, name := range r.Except {
			if strings.HasPrefix(p.Name, name+".") {
				used[j], named = true, true
			}
		}
		p.Frozen = adapted[i] || !named && p.Role != LoraA && p.Role != LoraB
	}
	if j := slices.Index(used, false); j >= 0 {
		return nil, fmt.Errorf("freeze: no parameter begins with %q", r.Except[j])
	}
	return nil, nil
}

// Thaw lets all parameters train again. Adapters are merged first.
type Thaw struct{}

// Text implements Rewrite.
func (Thaw) Text() string { return "train all parameters again" }

// Apply implements Rewrite.
func (Thaw) Apply(m *Model) (Remap, error) {
	if l := m.Adapters(); len(l) > 0 {
		return nil, fmt.Errorf("thaw: the adapter of %s is not merged", l[0].Layer)
	}
	for i := range m.Params {
		m.Params[i].Frozen = false
	}
	return nil, nil
}

// dropNodes removes nodes.
func (m *Model) dropNodes(gone []int) {
	var l []Node
	for i, n := range m.Nodes {
		if !slices.Contains(gone, i) {
			l = append(l, n)
		}
	}
	m.Nodes = l
}

// dropParams removes parameters that no node names any more.
func (m *Model) dropParams(gone ...int) {
	to, l := make([]int, len(m.Params)), []Param{}
	for i, p := range m.Params {
		to[i] = len(l)
		if !slices.Contains(gone, i) {
			l = append(l, p)
		}
	}
	m.Params = l
	for i := range m.Nodes {
		n := &m.Nodes[i]
		n.Params = slices.Clone(n.Params)
		for j, p := range n.Params {
			n.Params[j] = to[p]
		}
	}
}

// compact removes values that no node makes.
func (m *Model) compact() {
	made := make([]bool, len(m.Values))
	made[0] = true
	for _, n := range m.Nodes {
		made[n.Out] = true
	}
	to, l := make([]int, len(m.Values)), []Value{}
	for i, v := range m.Values {
		to[i] = len(l)
		if made[i] {
			l = append(l, v)
		}
	}
	m.Values, m.Output = l, to[m.Output]
	for i := range m.Nodes {
		n := &m.Nodes[i]
		n.Out = to[n.Out]
		n.In = slices.Clone(n.In)
		for j, v := range n.In {
			n.In[j] = to[v]
		}
	}
}
