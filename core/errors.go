package core

import "errors"

// isFull reports whether an error came from a full disk.
func isFull(err error) bool { return errors.Is(err, ErrFull) }
