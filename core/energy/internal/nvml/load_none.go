//go:build static || !((linux || windows) && (amd64 || arm64))

package nvml

import "errors"

// Open says that this build loads no library.
func Open(...string) (API, error) {
	return nil, errors.New("this build loads no libraries (built with the tag static, or for a system without NVML)")
}
