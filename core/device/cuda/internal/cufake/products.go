package cufake

import (
	"fmt"

	"pare/core/device/cuda/internal/cu"
)

// products is a fake cu.Blas and cu.Sparse: they check addresses and leave d as it is.
type products struct{ c *Card }

type prepared struct {
	p    cu.Product
	algo string
}

func (q prepared) Algo() string { return q.algo }

// NewBlas is the dense products of a fake card.
func NewBlas(c *Card) cu.Blas { return products{c} }

// NewSparse is its 2:4 products.
func NewSparse(c *Card) cu.Sparse { return products{c} }

func (b products) Prepare(p cu.Product) (cu.Prepared, error) {
	algo := b.c.Algorithm
	if algo == "" {
		algo = "fake"
	}
	return b.prepare("Prepare", p, algo)
}

func (b products) PrepareWith(p cu.Product, algo string) (cu.Prepared, error) {
	return b.prepare("PrepareWith", p, algo)
}

func (b products) prepare(method string, p cu.Product, algo string) (cu.Prepared, error) {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	if err := b.c.enter(method); err != nil {
		return nil, err
	}
	if b.c.Refuse != nil && b.c.Refuse(p.String(), algo) {
		return nil, fmt.Errorf("cuda: product %v: %w: algorithm %q", p, cu.ErrUnsupported, algo)
	}
	if b.c.recording != nil {
		return nil, fmt.Errorf("cuda: prepare %v before a graph is recorded", p)
	}
	if p.M <= 0 || p.N <= 0 || p.K <= 0 {
		return nil, fmt.Errorf("cuda: product %v: sizes must be above 0", p)
	}
	b.c.products++
	return prepared{p, algo}, nil
}

// touch checks that what a product reads and writes begins in memory.
func (b products) touch(method string, at ...cu.Ptr) error {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	if err := b.c.enter(method); err != nil {
		return err
	}
	return b.c.queue(func() error {
		for _, p := range at {
			if p == 0 {
				continue
			}
			if _, err := b.c.at(p, 1); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b products) Run(q cu.Prepared, x, w, d, bias, aux cu.Ptr, _, _ float32) error {
	return b.RunOnto(q, x, w, d, d, bias, aux, 0, 0)
}

func (b products) RunOnto(q cu.Prepared, x, w, c, d, bias, aux cu.Ptr, _, _ float32) error {
	if x == 0 || w == 0 || c == 0 || d == 0 {
		return fmt.Errorf("cuda: product %v at %x, %x, %x, %x", q.(prepared).p, x, w, c, d)
	}
	return b.touch("Run", x, w, c, d, bias, aux)
}

func (b products) Prepare2of4(p cu.Product) (cu.Prepared, cu.Packing, error) {
	algo := b.c.Algorithm
	if algo == "" {
		algo = "fake"
	}
	return b.prepare2of4("Prepare2of4", p, algo)
}

func (b products) Prepare2of4With(p cu.Product, algo string) (cu.Prepared, cu.Packing, error) {
	return b.prepare2of4("Prepare2of4With", p, algo)
}

func (b products) prepare2of4(method string, p cu.Product, algo string) (cu.Prepared, cu.Packing, error) {
	if err := p.Fits2of4(); err != nil {
		return nil, cu.Packing{}, err
	}
	q, err := b.prepare(method, p, algo)
	return q, cu.Packing{Bytes: int64(p.N) * int64(p.K) * 9 / 8, Temp: 512}, err
}

func (b products) Compress(_ cu.Prepared, w, packed, temp cu.Ptr) error {
	if temp == 0 {
		return fmt.Errorf("cuda: no memory to pack with")
	}
	return b.touch("Compress", w, packed, temp)
}

func (b products) RunSparse(_ cu.Prepared, x, packed, c, y, bias cu.Ptr, _, _ float32) error {
	return b.touch("RunSparse", x, packed, c, y, bias)
}

func (b products) Release(cu.Prepared) error {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	b.c.products--
	return nil
}

// Work is none: the fake's products work on nothing.
func (products) Work() int64 { return 0 }

func (products) Version() string { return "fake" }
func (products) Close() error    { return nil }
