package sessions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/model/safetensors"
	"pare/core/tensor"
)

// sampleCheckpoint has every part a checkpoint can have: masks, two slots, one
// parameter without state, one slot of another length, odd floats.
func sampleCheckpoint(k float32) *core.Checkpoint {
	m := fakeModel()
	for i := range m.Params {
		for j := range m.Params[i].Data {
			m.Params[i].Data[j] = k * float32(i*100+j)
		}
	}
	m.Params[0].Data[1] = float32(math.Copysign(0, -1))
	m.Params[1].Data[0] = math.Float32frombits(1)
	m.Params[2].Mask = tensor.NewMask(m.Params[2].Shape.Len())
	m.Params[2].Mask.Drop(3)
	m.Params[2].Mask.Drop(11)
	m.Params[2].Mask.Apply(m.Params[2].Data)
	n := len(m.Params)
	state := [][][]float32{make([][]float32, n), make([][]float32, n)}
	state[0][0] = append([]float32{}, m.Params[0].Data...)
	state[1][0] = []float32{1, 2, 3}
	state[1][2] = []float32{}
	return &core.Checkpoint{Model: m, State: state, Loop: []byte(fmt.Sprintf(`{"step":7,"k":%g,"s":"ü<&>"}`, k))}
}

func sameCheckpoint(a, b *core.Checkpoint) bool {
	ja, _ := json.Marshal(a.Model)
	jb, _ := json.Marshal(b.Model)
	return bytes.Equal(ja, jb) && a.Model.WeightHash() == b.Model.WeightHash() && reflect.DeepEqual(a.State, b.State) && bytes.Equal(a.Loop, b.Loop)
}

func marshalCheckpoint(t testing.TB, c *core.Checkpoint) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writeCheckpoint(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCheckpointRoundTrip(t *testing.T) {
	for name, c := range map[string]*core.Checkpoint{
		"all":      sampleCheckpoint(1),
		"no state": {Model: fakeModel(), Loop: []byte("{}")},
		"no loop":  {Model: fakeModel(), State: [][][]float32{make([][]float32, 4)}},
	} {
		b := marshalCheckpoint(t, c)
		got, err := readCheckpoint(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !sameCheckpoint(got, c) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c)
		}
		if again := marshalCheckpoint(t, got); !bytes.Equal(again, b) {
			t.Errorf("%s: written again it has other bytes", name)
		}
	}
}

// TestCheckpointTensors pins the names others read the file by.
func TestCheckpointTensors(t *testing.T) {
	f, err := safetensors.Parse(marshalCheckpoint(t, sampleCheckpoint(1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		name, dtype string
		shape       []int
	}{
		{"param/a.weight", "F32", []int{4, 5}},
		{"param/b.bias", "F32", []int{3}},
		{"mask/b.weight", "U8", []int{2}},
		{"state/0/a.weight", "F32", []int{4, 5}},
		{"state/1/a.weight", "F32", []int{3}},
	} {
		x, ok := f.Get(want.name)
		if !ok || x.DType != want.dtype || !reflect.DeepEqual(x.Shape, want.shape) {
			t.Errorf("%s: %+v", want.name, x)
		}
	}
	if m, _ := f.Get("mask/b.weight"); !bytes.Equal(m.Data, []byte{0xf7, 0x07}) { // all but 3 and 11 of 12
		t.Errorf("mask bytes %x", m.Data)
	}
	if f.Meta["pare"] != "checkpoint" || f.Meta["version"] != "1" || !json.Valid([]byte(f.Meta["graph"])) {
		t.Errorf("%v", f.Meta)
	}
}

// TestCheckpointRefuse: what does not hang together is refused by name.
func TestCheckpointRefuse(t *testing.T) {
	base, err := safetensors.Parse(marshalCheckpoint(t, sampleCheckpoint(1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		edit       func(ts map[string]safetensors.Tensor, meta map[string]string)
	}{
		{"other file", "not a checkpoint", func(_ map[string]safetensors.Tensor, m map[string]string) { delete(m, "pare") }},
		{"newer", "newer pare", func(_ map[string]safetensors.Tensor, m map[string]string) { m["version"] = "2" }},
		{"no version", "version", func(_ map[string]safetensors.Tensor, m map[string]string) { delete(m, "version") }},
		{"graph", "graph", func(_ map[string]safetensors.Tensor, m map[string]string) { m["graph"] = "{" }},
		{"empty graph", "no layers", func(ts map[string]safetensors.Tensor, m map[string]string) {
			m["graph"], m["slots"] = "{}", "0"
			clear(ts)
		}},
		{"slots", "slots", func(_ map[string]safetensors.Tensor, m map[string]string) { m["slots"] = "65" }},
		{"negative slots", "slots", func(_ map[string]safetensors.Tensor, m map[string]string) { m["slots"] = "-1" }},
		{"too few slots", "state/1/a.weight", func(_ map[string]safetensors.Tensor, m map[string]string) { m["slots"] = "1" }},
		{"loop", "loop", func(_ map[string]safetensors.Tensor, m map[string]string) { m["loop"] = "{" }},
		{"missing values", "a.weight", func(ts map[string]safetensors.Tensor, _ map[string]string) { delete(ts, "param/a.weight") }},
		{"left over", "param/zz", func(ts map[string]safetensors.Tensor, _ map[string]string) {
			ts["param/zz"] = safetensors.FromFloat32("param/zz", []int{1}, []float32{1})
		}},
		{"shape", "a.weight", func(ts map[string]safetensors.Tensor, _ map[string]string) {
			ts["param/a.weight"] = safetensors.FromFloat32("param/a.weight", []int{5, 4}, make([]float32, 20))
		}},
		{"mask", "mask of b.weight", func(ts map[string]safetensors.Tensor, _ map[string]string) {
			ts["mask/b.weight"] = safetensors.FromUint8("mask/b.weight", []int{2}, []byte{0xff, 0xff})
		}},
		{"mask type", "mask of b.weight", func(ts map[string]safetensors.Tensor, _ map[string]string) {
			ts["mask/b.weight"] = safetensors.FromFloat32("mask/b.weight", []int{2}, []float32{1, 2})
		}},
		{"state type", "slot 0", func(ts map[string]safetensors.Tensor, _ map[string]string) {
			ts["state/0/a.weight"] = safetensors.FromUint8("state/0/a.weight", []int{1}, []byte{1})
		}},
	} {
		ts, meta := map[string]safetensors.Tensor{}, map[string]string{}
		for _, x := range base.Tensors {
			ts[x.Name] = x
		}
		for k, v := range base.Meta {
			meta[k] = v
		}
		c.edit(ts, meta)
		var l []safetensors.Tensor
		for _, x := range ts {
			l = append(l, x)
		}
		b, err := safetensors.Marshal(l, meta)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readCheckpoint(b); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want a line with %q", c.name, err, c.want)
		}
	}
	c := sampleCheckpoint(1)
	c.Model.Params[0].Data = nil
	if err := writeCheckpoint(&bytes.Buffer{}, c); err == nil || !strings.Contains(err.Error(), "a.weight") {
		t.Errorf("values on the device: %v", err)
	}
}

// TestCheckpointCorrupt: no changed byte of a file goes unseen, and the run goes
// on from the checkpoint before it, saying so.
func TestCheckpointCorrupt(t *testing.T) {
	s := newSession(t, "", 100)
	st, err := openStore(s)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"one", "two"} {
		sha, n, err := st.Save(name, sampleCheckpoint(float32(i+1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.Emit(&event.Checkpoint{Name: name, SHA: sha, Bytes: n}); err != nil {
			t.Fatal(err)
		}
	}
	path := st.path("two", ckptExt)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < len(good); i += 13 {
		bad := append([]byte{}, good...)
		bad[i] ^= 0x10
		put(bad)
		if _, err := st.Load("two"); err == nil || !strings.Contains(err.Error(), "checkpoint two") {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	for _, bad := range [][]byte{nil, good[:len(good)/2], append(good, 0)} {
		put(bad)
		if _, err := st.Load("two"); err == nil {
			t.Fatalf("%d of %d bytes: loaded", len(bad), len(good))
		}
	}
	r, warn := st.h.resume(s.Dir)
	if r.Checkpoint != "one" || r.Seq != 1 || len(warn) != 1 || !strings.Contains(warn[0].Text, "checkpoint two") {
		t.Errorf("resume %+v, warnings %+v", r, warn)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if r, warn := st.h.resume(s.Dir); r.Checkpoint != "one" || len(warn) != 1 || !strings.Contains(warn[0].Text, "gone") {
		t.Errorf("gone: resume %+v, warnings %+v", r, warn)
	}
	if err := os.Remove(st.path("one", ckptExt)); err != nil {
		t.Fatal(err)
	}
	if r, warn := st.h.resume(s.Dir); r.Checkpoint != "" || r.Seq != 0 || len(warn) != 2 || warn[1].Fix != "starting from the beginning" {
		t.Errorf("none left: resume %+v, warnings %+v", r, warn)
	}
	if err := st.close(); err != nil {
		t.Fatal(err)
	}
}

// TestReplaceKilled: killed at any point while a checkpoint replaces one of the
// same name, the one the log speaks of is there afterwards.
func TestReplaceKilled(t *testing.T) {
	old, next := sampleCheckpoint(1), sampleCheckpoint(2)
	for _, at := range []string{"set aside", "renamed", "logged", "logged, old left"} {
		s := newSession(t, "", 100)
		st, err := openStore(s)
		if err != nil {
			t.Fatal(err)
		}
		sha, _, err := st.Save("c", old)
		if err == nil {
			_, err = st.Emit(&event.Checkpoint{Name: "c", SHA: sha})
		}
		if err != nil {
			t.Fatal(err)
		}
		oldBytes, err := os.ReadFile(st.path("c", ckptExt))
		if err != nil {
			t.Fatal(err)
		}
		want := old
		if at == "set aside" {
			err = os.Rename(st.path("c", ckptExt), st.path("c", oldExt))
		} else {
			if sha, _, err = st.Save("c", next); err != nil {
				t.Fatal(err)
			}
			if at != "renamed" {
				_, err = st.Emit(&event.Checkpoint{Name: "c", SHA: sha})
				want = next
			}
			if at == "logged, old left" {
				err = os.WriteFile(st.path("c", oldExt), oldBytes, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := st.close(); err != nil { // the process is gone
			t.Fatal(err)
		}
		for range 2 { // and killed again while it puts things right
			st, err = openStore(s)
			if err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			if c, err := st.Load("c"); err != nil || !sameCheckpoint(c, want) {
				t.Errorf("killed when %s: %v", at, err)
			}
			if es, _ := os.ReadDir(filepath.Join(s.Dir, checkpointDir)); len(es) != 1 {
				t.Errorf("killed when %s: %d files left", at, len(es))
			}
			st.close()
		}
	}
}

// TestResumeLine: the way back follows the run's descent: going back to a
// checkpoint leaves those after it behind.
func TestResumeLine(t *testing.T) {
	c := func(n string) event.Body { return &event.Checkpoint{Name: n, SHA: n + "!"} }
	back := func(n string) event.Body { return &event.Resumed{Checkpoint: n, Why: "rollback"} }
	for _, x := range []struct {
		name   string
		bodies []event.Body
		want   string
	}{
		{"plain", []event.Body{c("a"), c("b"), c("c")}, "a b c"},
		{"back", []event.Body{c("a"), c("b"), c("c"), back("a")}, "a"},
		{"back and on", []event.Body{c("a"), c("b"), back("a"), c("d")}, "a d"},
		{"dropped", []event.Body{c("a"), c("b"), c("c"), &event.Dropped{Name: "b"}}, "a c"},
		{"written again", []event.Body{c("a"), c("b"), c("a")}, "b a"},
		{"back twice", []event.Body{c("a"), c("b"), back("a"), c("d"), back("b")}, "b"},
		{"back to what is gone", []event.Body{c("a"), &event.Dropped{Name: "a"}, back("a")}, ""},
	} {
		var h history
		for i, b := range x.bodies {
			h.apply(event.Event{Seq: int64(i + 1), Body: b})
		}
		var got []string
		for _, k := range h.line {
			got = append(got, k.name)
			if k.sha != k.name+"!" {
				t.Errorf("%s: %+v", x.name, k)
			}
		}
		if strings.Join(got, " ") != x.want {
			t.Errorf("%s: line %v, want %s", x.name, got, x.want)
		}
	}
}

// TestResumeWhy: stopped on request or not; a log without events needs none.
func TestResumeWhy(t *testing.T) {
	var h history
	if r, _ := h.resume(t.TempDir()); r != nil {
		t.Errorf("resume of nothing: %+v", r)
	}
	for i, x := range []struct {
		b    event.Body
		want string
	}{
		{&event.Started{}, "crash"}, {&event.Paused{Why: "person"}, "crash"}, {&event.Paused{Why: "stopped"}, "stop"}, {&event.Resumed{}, "crash"},
	} {
		h.apply(event.Event{Seq: int64(i + 1), Body: x.b})
		if r, _ := h.resume(t.TempDir()); r.Why != x.want || r.Log.Seq != int64(i+1) {
			t.Errorf("after %s: %+v", x.b.Kind(), r)
		}
	}
}

// TestNames: no name leads out of its folder.
func TestNames(t *testing.T) {
	st, err := openStore(newSession(t, "", 100))
	if err != nil {
		t.Fatal(err)
	}
	defer st.close()
	for _, name := range []string{"", ".", "..", "../x", "a/b/c", "/b", "a/", "a/../b", `a\b`, ".hidden", "x\x00", "ü", strings.Repeat("a", 101)} {
		_, _, err1 := st.Save(name, sampleCheckpoint(1))
		_, err2 := st.Load(name)
		_, _, _, err3 := st.Export(name, nil)
		for _, err := range []error{err1, err2, st.Drop(name), err3} {
			if err == nil || !strings.Contains(err.Error(), "name") {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	if _, _, err := st.Save("a/b", sampleCheckpoint(1)); err == nil {
		t.Error("a checkpoint in a folder")
	}
	path, _, _, err := st.Export("a/b", func(w io.Writer) error { _, err := w.Write([]byte("x")); return err })
	if b, e := os.ReadFile(path); err != nil || e != nil || string(b) != "x" {
		t.Errorf("an export in a folder: %v, %v", err, e)
	}
	if err := st.Drop("never-was"); err != nil {
		t.Error(err)
	}
}

// TestWriteAsideFails: an error of the filler passes through and leaves nothing.
func TestWriteAsideFails(t *testing.T) {
	st, err := openStore(newSession(t, "", 100))
	if err != nil {
		t.Fatal(err)
	}
	defer st.close()
	c := sampleCheckpoint(1)
	c.State[0] = c.State[0][:1]
	if _, _, err := st.Save("c", c); err == nil || errors.Is(err, core.ErrFull) {
		t.Errorf("%v", err)
	}
	if es, _ := os.ReadDir(filepath.Dir(st.path("c", ckptExt))); len(es) != 0 {
		t.Errorf("%d files left", len(es))
	}
}

// FuzzCheckpoint puts the input where the graph stands: the loader must refuse
// it or give a model that verifies.
func FuzzCheckpoint(f *testing.F) {
	base, err := safetensors.Parse(marshalCheckpoint(f, sampleCheckpoint(1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(base.Meta["graph"], "2", base.Meta["loop"])
	f.Add(`{"nodes":[{"op":"linear","in":[0],"out":1,"params":[0,0,0]}],"values":[{"c":1}],"params":[{"name":"a.weight","shape":[4,5]}]}`, "0", "{}")
	f.Add(`{"nodes":[{"name":"x","op":"conv2d","in":[0],"out":1,"params":[0]}],"values":[{"c":5,"h":1,"w":1},{}],"params":[{"name":"a.weight","shape":[4,5]}],"output":1}`, "0", "")
	f.Fuzz(func(t *testing.T, structure, slots, loop string) {
		meta := map[string]string{"pare": "checkpoint", "version": "1", "graph": structure, "slots": slots, "loop": loop}
		var g graph.Model
		_ = json.Unmarshal([]byte(structure), &g)
		for _, n := range []int{len(base.Tensors), len(g.Params)} { // with the sample's tensors, and with those the graph asks for
			ts := base.Tensors
			if n == len(g.Params) {
				ts = nil
				room := 1 << 16
				for _, p := range g.Params {
					if p.Shape.Check() == nil && p.Shape.Len() <= room {
						room -= p.Shape.Len()
						ts = append(ts, safetensors.FromFloat32("param/"+p.Name, p.Shape, make([]float32, p.Shape.Len())))
					}
				}
			}
			b, err := safetensors.Marshal(ts, meta)
			if err != nil {
				continue // names twice, text that is not UTF-8
			}
			c, err := readCheckpoint(b)
			if err != nil {
				continue
			}
			if err := c.Model.Verify(); err != nil {
				t.Fatalf("accepted but not sound: %v", err)
			}
			if _, err := readCheckpoint(marshalCheckpoint(t, c)); err != nil {
				t.Fatalf("read but not read again: %v", err)
			}
		}
	})
}
