package cu

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The cache keeps what NVRTC made in files named by all that went into it. A file is
// the image behind its own hash, so that a torn or changed one is compiled again.
// Without a folder for it, or with a full disk, nothing is kept.

// cacheFiles is how many images stay; the least recently used go.
const cacheFiles = 64

const cacheEnd = ".cubin"

// cacheDir is where images are kept, "": nowhere.
func cacheDir() string {
	d, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(d, "pare", "cuda")
}

// cacheKey hashes what an image follows from.
func cacheKey(version string, archs, options []string, name, source string) string {
	h := sha256.New()
	for _, s := range [][]string{{version}, archs, options, {name, source}} {
		fmt.Fprintf(h, "%q\n", s)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// cached is the image of a key, nil: none.
func cached(key string) []byte {
	dir := cacheDir()
	if dir == "" {
		return nil
	}
	file := filepath.Join(dir, key+cacheEnd)
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	if len(b) <= sha256.Size {
		return nil
	}
	image := b[sha256.Size:]
	if sum := sha256.Sum256(image); !bytes.Equal(sum[:], b[:sha256.Size]) {
		return nil
	}
	touch(file)
	return image
}

// keep writes an image aside and renames it, so that no reader sees half of one.
func keep(key string, image []byte) {
	dir := cacheDir()
	if dir == "" || os.MkdirAll(dir, 0o755) != nil {
		return
	}
	f, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return
	}
	sum := sha256.Sum256(image)
	_, err = f.Write(append(sum[:], image...))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil || os.Rename(f.Name(), filepath.Join(dir, key+cacheEnd)) != nil {
		_ = os.Remove(f.Name()) // the disk is full or the folder gone: nothing is kept
		return
	}
	trim(dir, key+cacheEnd)
}

// trim drops the least recently used images beyond the limit, though not the one just
// written, and what writers that were killed left.
func trim(dir, written string) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	type entry struct {
		name string
		used int64
	}
	var images []entry
	for _, e := range list {
		if e.Name() == written {
			continue
		}
		if fi, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), cacheEnd) {
			images = append(images, entry{e.Name(), fi.ModTime().UnixNano()})
		} else if err == nil && strings.HasPrefix(e.Name(), "new-") && old(fi.ModTime()) {
			_ = os.Remove(filepath.Join(dir, e.Name())) // another's cleaning may be first
		}
	}
	slices.SortFunc(images, func(a, b entry) int { return int(min(max(b.used-a.used, -1), 1)) })
	for _, e := range images[min(len(images), cacheFiles-1):] {
		_ = os.Remove(filepath.Join(dir, e.name)) // likewise
	}
}

// touch marks a file as used now.
func touch(file string) {
	now := time.Now()
	_ = os.Chtimes(file, now, now) // a cache that may not be written still serves
}

// old says that a file was left by a writer that is gone.
func old(t time.Time) bool { return time.Since(t) > time.Hour }
