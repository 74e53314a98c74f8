package sessions

import (
	"bufio"
	"errors"
	"io"
)

// errLong marks a line above maxLine; the reader stands after it.
var errLong = errors.New("line too long")

// lines reads a file line by line.
type lines struct {
	r    *bufio.Reader
	long []byte // a line larger than the reader's buffer
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, readChunk)} }

// next returns the next line without its newline, and whether it had one. It
// is good until the next call. At the end it returns io.EOF.
func (l *lines) next() (line []byte, whole bool, err error) {
	l.long = l.long[:0]
	long := false
	for {
		b, err := l.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if long = long || len(l.long)+len(b) > maxLine; !long {
				l.long = append(l.long, b...)
			}
			continue
		}
		if err != nil && err != io.EOF {
			return nil, false, err
		}
		whole = err == nil
		if whole {
			b = b[:len(b)-1]
		}
		if long || len(l.long)+len(b) > maxLine {
			return nil, whole, errLong
		}
		if len(l.long) > 0 {
			l.long = append(l.long, b...)
			b = l.long
		}
		if len(b) == 0 && !whole {
			return nil, false, io.EOF
		}
		return b, whole, nil
	}
}
