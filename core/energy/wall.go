package energy

type wallPart struct{}

func openWall(Options) (*wallPart, Status, error)  { return nil, Status{}, nil }
func (w *wallPart) between(from, to int64) Reading { return Reading{} }
func (w *wallPart) source() string                 { return "" }
func (w *wallPart) boundary() string               { return "" }
func (m *Meter) wallNow() Status                   { return m.wallRow }
