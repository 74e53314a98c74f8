package cu

import (
	"errors"
	"fmt"
)

// Flops of the product: 2·M·N·K for each of the batch.
func (p Product) Flops() float64 {
	return 2 * float64(p.M) * float64(p.N) * float64(p.K) * float64(max(p.Batch, 1))
}

// String is the product as errors name it.
func (p Product) String() string {
	side := func(t Type, trans bool) string {
		s := [...]string{"f32", "bf16"}[t]
		if trans {
			s += "ᵀ"
		}
		return s
	}
	s := fmt.Sprintf("%d×%d×%d %s·%s→%s", p.M, p.N, p.K, side(p.A, p.TransA), side(p.B, p.TransB), side(p.D, false))
	if p.Batch > 1 {
		s = fmt.Sprintf("%d× ", p.Batch) + s
	}
	if p.TF32 {
		s += " tf32"
	}
	if p.Epilogue != None {
		s += " " + p.Epilogue.String()
	}
	return s
}

// Key tells products apart that may have different algorithms, across processes.
func (p Product) Key() string {
	s := fmt.Sprintf("%v rows %d %d %d", p, p.LDA, p.LDB, p.LDD)
	if p.biases() > 0 && p.BiasType != p.D {
		s += fmt.Sprint(" bias type ", p.BiasType)
	}
	if p.Batch > 1 {
		s += fmt.Sprintf(" strides %d %d %d", p.SA, p.SB, p.SD)
	}
	if p.Align > 0 {
		s += fmt.Sprint(" aligned ", p.Align)
	}
	return s
}

func (e Epilogue) String() string {
	return [...]string{"none", "bias", "relu+bias", "gelu+bias", "gelu+bias+aux", "dgelu", "bgrad"}[e]
}

// full fills in the lengths of rows, the batch and the alignment that are left at 0,
// and checks the rest.
func (p Product) full() (Product, error) {
	if p.A > BF16 || p.B > BF16 || p.D > BF16 || p.BiasType > BF16 || p.Epilogue > BGrad {
		return p, fmt.Errorf("cuda: product of unknown types or epilogue")
	}
	if p.M <= 0 || p.N <= 0 || p.K <= 0 || p.Batch < 0 || p.Align < 0 || p.Align&(p.Align-1) != 0 {
		return p, fmt.Errorf("cuda: product %v: sizes must be above 0 and the alignment a power of 2", p)
	}
	for _, ld := range []struct {
		ld  *int
		row int
	}{{&p.LDA, p.rowA()}, {&p.LDB, p.rowB()}, {&p.LDD, p.N}} {
		if *ld.ld == 0 {
			*ld.ld = ld.row
		}
		if *ld.ld < ld.row {
			return p, fmt.Errorf("cuda: product %v: a row of %d values in memory for %d", p, *ld.ld, ld.row)
		}
	}
	if p.biases() > 0 && p.BiasType != p.D {
		return p, fmt.Errorf("cuda: product %v: %w: the bias must be of D's type", p, ErrUnsupported)
	}
	p.Batch = max(p.Batch, 1)
	if p.Align == 0 {
		p.Align = 16
	}
	return p, nil
}

// Fits2of4 says why cuSPARSELt does not take the product with B 2:4, nil where it does.
func (p Product) Fits2of4() error {
	p, err := p.full()
	switch {
	case err != nil:
		return err
	case p.A != BF16 || p.B != BF16 || p.D != BF16 || p.biases() > 0 && p.BiasType != BF16:
		return errors.New("2:4 products are of bf16 throughout")
	case p.Epilogue > ReLUBias || p.TransA || p.Batch > 1:
		return errors.New("2:4 products have no batch, no transposed x and no epilogue but a bias, with or without ReLU")
	case p.N%16 != 0 || p.K%16 != 0 || p.M%8 != 0:
		return fmt.Errorf("2:4 takes inputs and outputs in multiples of 16 and rows of 8, not %d, %d and %d", p.K, p.N, p.M)
	case (p.LDA|p.LDB|p.LDD)%8 != 0 || p.Align < 16:
		return errors.New("2:4 products take rows in memory of a multiple of 8 values, at addresses of a multiple of 16")
	}
	return nil
}

// rowA and rowB are the values in a row of A and B as they lie.
func (p Product) rowA() int { return pick(p.TransA, p.M, p.K) }
func (p Product) rowB() int { return pick(p.TransB, p.K, p.N) }

// values that each operand spans in memory, of a product made full.
func (p Product) spanA() int64 {
	return span(p.Batch, p.SA, pick(p.TransA, p.K, p.M), p.LDA, p.rowA())
}

func (p Product) spanB() int64 {
	return span(p.Batch, p.SB, pick(p.TransB, p.N, p.K), p.LDB, p.rowB())
}
func (p Product) spanD() int64 { return span(p.Batch, p.SD, p.M, p.LDD, p.N) }

// biases is how many values the bias has, 0: none.
func (p Product) biases() int {
	switch p.Epilogue {
	case Bias, ReLUBias, GELUBias, GELUAux:
		return p.N
	case BGrad:
		return p.M
	}
	return 0
}

// hasAux says whether aux is read or written: [Batch][M][N] of type D.
func (p Product) hasAux() bool { return p.Epilogue == GELUAux || p.Epilogue == DGELU }

func span(batch int, stride int64, rows, ld, row int) int64 {
	return int64(batch-1)*stride + int64(rows-1)*int64(ld) + int64(row)
}

func pick(yes bool, a, b int) int {
	if yes {
		return a
	}
	return b
}
