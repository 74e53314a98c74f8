package infer_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"pare/core/deploy"
	"pare/core/graph"
	"pare/core/infer"
	"pare/core/tensor"
)

// A model that was pared and exported, here one that computes the exclusive or
// of two bits, is loaded once and run from any number of goroutines.
func Example() {
	path, remove := exclusiveOr()
	defer remove()

	net, err := infer.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer net.Close()
	in, out := net.Input(), net.Output()
	fmt.Printf("%s takes %d values (%s) and makes %d (%s)\n", net.Name(), in.Len(), in.Name, out.Len(), out.Name)

	// One sample.
	y := make([]float32, out.Len())
	if err := net.Run([]float32{1, 0}, y); err != nil {
		log.Fatal(err)
	}
	fmt.Println("1 xor 0 =", y[0])

	// Several at once, row-major.
	x := []float32{0, 0, 0, 1, 1, 0, 1, 1}
	all := make([]float32, 4*out.Len())
	if err := net.Run(x, all); err != nil {
		log.Fatal(err)
	}
	fmt.Println("all four:", all)

	// Output:
	// xor takes 2 values (bits) and makes 1 (logits)
	// 1 xor 0 = 1
	// all four: [0 1 1 0]
}

// exclusiveOr writes relu(a+b) − 2·relu(a+b−1) as a packed file.
func exclusiveOr() (path string, remove func()) {
	b := &graph.Net{M: graph.New("xor", 2, 1, 1)}
	b.M.InputName = "bits"
	b.Linear("out", b.Op("relu", "relu", b.Linear("hidden", 0, 3)), 1)
	for i, x := range [][]float32{{1, 1, 0, 0, 1, 1}, {0, 0, -1}, {1, 0, -2}, {0}} {
		p := &b.M.Params[i]
		if p.Data = x; b.M.Prunable(i) {
			p.Mask = tensor.MaskOfZeros(x)
		}
	}
	dir, err := os.MkdirTemp("", "infer")
	if err != nil {
		log.Fatal(err)
	}
	path = filepath.Join(dir, "xor.packed.safetensors")
	f, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if err := deploy.Write(f, b.M, deploy.Packed); err != nil {
		log.Fatal(err)
	}
	return path, func() { os.RemoveAll(dir) }
}
