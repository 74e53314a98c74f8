package train

import "pare/core/device"

// Takes is what the trainer takes of its device's memory, bytes; false: the device does
// not say.
func (t *Trainer) Takes() (n int64, ok bool) {
	parts := []any{t.bank, t.step, t.eval, t.infer}
	if t.teach != nil {
		parts = append(parts, t.teach.ex)
	}
	for _, p := range parts {
		s, ok := p.(device.Sized)
		if !ok {
			return 0, false
		}
		n += s.Takes()
	}
	return n, true
}
