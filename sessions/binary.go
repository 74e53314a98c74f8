package sessions

import (
	"encoding/binary"
	"math"
	"reflect"
	"time"
)

// The index's form of a flat event: the fields in the order of the struct, integers as
// varints, numbers as eight bytes, strings by their number in the block's table. What is
// read back equals what was put in, bit for bit.

// words is the table of strings of a block.
type words struct {
	list []string
	at   map[string]uint64
}

func (w *words) of(s string) uint64 {
	n, ok := w.at[s]
	if !ok {
		if w.at == nil {
			w.at = map[string]uint64{}
		}
		n = uint64(len(w.list))
		w.at[s], w.list = n, append(w.list, s)
	}
	return n
}

// put appends the fields of v.
func (s *shape) put(b []byte, v reflect.Value, w *words) []byte {
	for i := range s.fields {
		f, x := &s.fields[i], v.Field(i)
		switch f.kind {
		case reflect.Int, reflect.Int64:
			b = binary.AppendVarint(b, x.Int())
		case reflect.Float64:
			b = putFloat(b, x.Float())
		case reflect.String:
			b = binary.AppendUvarint(b, w.of(x.String()))
		case reflect.Bool:
			if x.Bool() {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		case reflect.Pointer:
			if x.IsNil() {
				b = append(b, 0)
				continue
			}
			b = append(b, 1)
			if e := x.Elem(); e.Kind() == reflect.Float64 {
				b = putFloat(b, e.Float())
			} else {
				b = binary.AppendVarint(b, e.Int())
			}
		case reflect.Struct:
			b = f.sub.put(b, x, w)
		}
	}
	return b
}

func putFloat(b []byte, x float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
}

// putTime appends a moment of UTC.
func putTime(b []byte, t time.Time) []byte {
	return binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond()))
}

// unpack reads what put wrote. After a mistake bad is set and all it gives is zero.
type unpack struct {
	b     []byte
	words []string
	bad   bool
}

func (u *unpack) fail() { u.bad, u.b = true, nil }

func (u *unpack) bytes(n uint64) []byte {
	if n > uint64(len(u.b)) {
		u.fail()
		return nil
	}
	x := u.b[:n]
	u.b = u.b[n:]
	return x
}

func (u *unpack) uint() uint64 {
	x, n := binary.Uvarint(u.b)
	if n <= 0 {
		u.fail()
		return 0
	}
	u.b = u.b[n:]
	return x
}

func (u *unpack) int() int64 {
	x, n := binary.Varint(u.b)
	if n <= 0 {
		u.fail()
		return 0
	}
	u.b = u.b[n:]
	return x
}

func (u *unpack) float() float64 {
	if len(u.b) < 8 {
		u.fail()
		return 0
	}
	x := binary.LittleEndian.Uint64(u.b)
	u.b = u.b[8:]
	return math.Float64frombits(x)
}

func (u *unpack) byte() byte {
	if len(u.b) == 0 {
		u.fail()
		return 0
	}
	x := u.b[0]
	u.b = u.b[1:]
	return x
}

func (u *unpack) word() string {
	n := u.uint()
	if u.bad || n >= uint64(len(u.words)) {
		u.fail()
		return ""
	}
	return u.words[n]
}

func (u *unpack) time() time.Time {
	sec, ns := u.int(), u.uint()
	if ns >= 1e9 {
		u.fail()
		return time.Time{}
	}
	return time.Unix(sec, int64(ns)).UTC()
}

// get reads the fields of v.
func (s *shape) get(u *unpack, v reflect.Value) {
	for i := range s.fields {
		f, x := &s.fields[i], v.Field(i)
		switch f.kind {
		case reflect.Int, reflect.Int64:
			x.SetInt(u.int())
		case reflect.Float64:
			x.SetFloat(u.float())
		case reflect.String:
			x.SetString(u.word())
		case reflect.Bool:
			x.SetBool(u.byte() != 0)
		case reflect.Pointer:
			if u.byte() == 0 {
				continue
			}
			if x.Type().Elem().Kind() == reflect.Float64 {
				y := u.float()
				x.Set(reflect.ValueOf(&y))
			} else {
				y := u.int()
				x.Set(reflect.ValueOf(&y))
			}
		case reflect.Struct:
			f.sub.get(u, x)
		}
	}
}
