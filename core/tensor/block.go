package tensor

import "fmt"

// Block is a matrix w[N][K] stored as blocks of R outputs × 1 input: a block
// (nb, k) holds w[nb*R .. nb*R+R-1][k]. Blocks are ordered by block row, then
// by k. Packed files hold weights like this; devices keep what their kernels like.
//
// The last block row is padded with zero rows when N is no multiple of R.
type Block struct {
	N, K, R int
	Ptr     []int32   // [⌈N/R⌉+1] first block of each block row
	Idx     []int32   // [blocks] input index k
	Val     []float32 // [blocks][R]
}

// Rows is the number of block rows, ⌈N/R⌉.
func (b *Block) Rows() int { return (b.N + b.R - 1) / b.R }

// Blocks is the number of stored blocks.
func (b *Block) Blocks() int { return len(b.Idx) }

// PackBlock stores the blocks of w[N][K] (row-major) that hold at least one
// kept element. A kept element with the value zero is stored: what is kept is
// decided by the mask, never by the value.
func PackBlock(w []float32, n, k, r int, m *Mask) (*Block, error) {
	if n < 1 || k < 1 || r < 1 || len(w) != n*k {
		return nil, fmt.Errorf("pack blocks: %d values for a %d×%d matrix in blocks of %d×1", len(w), n, k, r)
	}
	if m != nil && m.N != n*k {
		return nil, fmt.Errorf("pack blocks: mask over %d elements for a %d×%d matrix", m.N, n, k)
	}
	b := &Block{N: n, K: k, R: r}
	b.Ptr = make([]int32, 1, b.Rows()+1)
	for nb := 0; nb < b.Rows(); nb++ {
		for j := 0; j < k; j++ {
			kept := false
			for i := nb * r; i < min(nb*r+r, n); i++ {
				kept = kept || m.Kept(i*k+j)
			}
			if !kept {
				continue
			}
			b.Idx = append(b.Idx, int32(j))
			for i := nb * r; i < nb*r+r; i++ {
				v := float32(0)
				if i < n && m.Kept(i*k+j) {
					v = w[i*k+j]
				}
				b.Val = append(b.Val, v)
			}
		}
		b.Ptr = append(b.Ptr, int32(len(b.Idx)))
	}
	return b, nil
}

// Unpack writes the matrix row-major into w[N][K]; elements without a block
// become zero.
func (b *Block) Unpack(w []float32) error {
	if err := b.Check(); err != nil {
		return err
	}
	if len(w) != b.N*b.K {
		return fmt.Errorf("unpack blocks: room for %d values, need %d×%d", len(w), b.N, b.K)
	}
	clear(w)
	for nb := 0; nb < b.Rows(); nb++ {
		for p := int(b.Ptr[nb]); p < int(b.Ptr[nb+1]); p++ {
			for i := 0; i < b.R && nb*b.R+i < b.N; i++ {
				w[(nb*b.R+i)*b.K+int(b.Idx[p])] = b.Val[p*b.R+i]
			}
		}
	}
	return nil
}

// Check tells whether the index is sound: what came from a file is checked
// once, then kernels trust it.
func (b *Block) Check() error {
	switch {
	case b.N < 1 || b.K < 1 || b.R < 1 || b.R > 1<<16 || (Shape{b.N, b.K}).Check() != nil:
		return fmt.Errorf("block format: sizes %d×%d in blocks of %d×1", b.N, b.K, b.R)
	case len(b.Ptr) != b.Rows()+1 || b.Ptr[0] != 0 || int(b.Ptr[len(b.Ptr)-1]) != len(b.Idx):
		return fmt.Errorf("block format: row pointers do not cover the %d blocks of %d block rows", len(b.Idx), b.Rows())
	case len(b.Val) != len(b.Idx)*b.R:
		return fmt.Errorf("block format: %d values for %d blocks of %d", len(b.Val), len(b.Idx), b.R)
	}
	for nb := 0; nb < b.Rows(); nb++ {
		if b.Ptr[nb] > b.Ptr[nb+1] || int(b.Ptr[nb+1]) > len(b.Idx) {
			return fmt.Errorf("block format: row pointer %d goes backwards", nb)
		}
		last := int32(-1)
		for _, k := range b.Idx[b.Ptr[nb]:b.Ptr[nb+1]] {
			if k <= last || int(k) >= b.K {
				return fmt.Errorf("block format: block row %d has input index %d after %d (width %d)", nb, k, last, b.K)
			}
			last = k
		}
	}
	return nil
}
