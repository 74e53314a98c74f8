package deploy

import (
	"encoding/binary"
	"fmt"

	"pare/core/graph"
	"pare/core/model/safetensors"
	"pare/core/tensor"
)

// A pared parameter NAME of a packed file is stored in one of two ways.
//
//	blocks of 4×1   NAME.blocks  F32 [blocks, 4]     values, see tensor.Block
//	                NAME.index   U16 or I32 [blocks] input index of each block
//	                NAME.rows    I32 [⌈N/4⌉+1]       first block of each block row
//	single zeros    NAME.values  F32 [kept]          kept values, row-major order
//	                NAME.mask    U8  [⌈n/8⌉]         bit i = element i is kept
//
// Blocks are used when the mask consists of whole blocks.

const blockRows = 4

func pack(p *graph.Param) ([]safetensors.Tensor, error) {
	if len(p.Shape) < 2 {
		return nil, fmt.Errorf("only weights of two and more axes are packed, this is %v", p.Shape)
	}
	n, k := p.Shape[0], p.Shape[1:].Len()
	if wholeBlocks(p.Mask, n, k) {
		b, err := tensor.PackBlock(positiveZeros(p.Data), n, k, blockRows, p.Mask)
		if err != nil {
			return nil, err
		}
		index := safetensors.FromInt32(p.Name+".index", []int{len(b.Idx)}, b.Idx)
		if k <= 1<<16 {
			index = safetensors.Tensor{Name: p.Name + ".index", DType: "U16", Shape: []int{len(b.Idx)}}
			for _, x := range b.Idx {
				index.Data = binary.LittleEndian.AppendUint16(index.Data, uint16(x))
			}
		}
		return []safetensors.Tensor{
			safetensors.FromFloat32(p.Name+".blocks", []int{b.Blocks(), blockRows}, b.Val), index,
			safetensors.FromInt32(p.Name+".rows", []int{len(b.Ptr)}, b.Ptr),
		}, nil
	}
	kept := make([]float32, 0, p.Mask.Count())
	for i, v := range positiveZeros(p.Data) {
		if p.Mask.Kept(i) {
			kept = append(kept, v)
		}
	}
	bits := p.Mask.Bytes()
	return []safetensors.Tensor{
		safetensors.FromFloat32(p.Name+".values", []int{len(kept)}, kept),
		safetensors.FromUint8(p.Name+".mask", []int{len(bits)}, bits),
	}, nil
}

func unpack(f *safetensors.File, p *graph.Param) error {
	if len(p.Shape) < 2 {
		return fmt.Errorf("missing from the file: %s", again)
	}
	n, k := p.Shape[0], p.Shape[1:].Len()
	if t, ok := f.Get(p.Name + ".blocks"); ok {
		return unpackBlocks(f, p, t, n, k)
	}
	values, ok := f.Get(p.Name + ".values")
	bits, ok2 := f.Get(p.Name + ".mask")
	if !ok || !ok2 {
		return fmt.Errorf("missing from the file: %s", again)
	}
	x, err := values.Float32()
	if err != nil {
		return err
	}
	raw, err := bits.Uint8s()
	if err != nil {
		return err
	}
	m := tensor.MaskFromBytes(raw, n*k)
	if m == nil || m.Count() != len(x) {
		return fmt.Errorf("its mask does not fit: %d bytes for %d elements and %d kept values: %s", len(raw), n*k, len(x), again)
	}
	p.Data = make([]float32, n*k)
	j := 0
	for i := range p.Data {
		if m.Kept(i) {
			p.Data[i] = x[j]
			j++
		}
	}
	p.Mask = m
	return nil
}

func unpackBlocks(f *safetensors.File, p *graph.Param, t *safetensors.Tensor, n, k int) error {
	b := &tensor.Block{N: n, K: k, R: blockRows}
	var err error
	if b.Val, err = t.Float32(); err != nil {
		return err
	}
	for _, x := range []struct {
		name string
		to   *[]int32
	}{{".index", &b.Idx}, {".rows", &b.Ptr}} {
		t, ok := f.Get(p.Name + x.name)
		if !ok {
			return fmt.Errorf("%s%s is missing from the file: %s", p.Name, x.name, again)
		}
		v, err := t.Int64s()
		if err != nil {
			return err
		}
		*x.to = make([]int32, len(v))
		for i, y := range v {
			if y < 0 || y > 1<<31-1 {
				return fmt.Errorf("%s%s holds %d, which is no index: %s", p.Name, x.name, y, again)
			}
			(*x.to)[i] = int32(y)
		}
	}
	if err := b.Check(); err != nil {
		return fmt.Errorf("%w: %s", err, again)
	}
	p.Data = make([]float32, n*k)
	if err := b.Unpack(p.Data); err != nil {
		return err
	}
	m := tensor.NewMask(n * k)
	clear(m.Bits)
	for nb := 0; nb < b.Rows(); nb++ {
		for _, j := range b.Idx[b.Ptr[nb]:b.Ptr[nb+1]] {
			for i := nb * blockRows; i < min(nb*blockRows+blockRows, n); i++ {
				m.Keep(i*k + int(j))
			}
		}
	}
	p.Mask = m
	return nil
}

// wholeBlocks reports whether the mask keeps or drops whole blocks.
func wholeBlocks(m *tensor.Mask, n, k int) bool {
	for nb := 0; nb < n; nb += blockRows {
		for j := 0; j < k; j++ {
			for i := nb + 1; i < min(nb+blockRows, n); i++ {
				if m.Kept(i*k+j) != m.Kept(nb*k+j) {
					return false
				}
			}
		}
	}
	return true
}
