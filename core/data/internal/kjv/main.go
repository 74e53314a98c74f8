// Command kjv writes the embedded text: the New Testament in the King James
// Version, one verse a line and without the numbers of verses, gzipped.
//
//	go run ./core/data/internal/kjv -to core/data/embedded
//
// (`go generate ./core/data` does the same.) It takes what Debian's program
// `bible` prints (packages bible-kjv and bible-kjv-text 4.38) for
// mat1:1-rev22:21, cuts off the number before each verse and checks the outcome
// against its SHA-256, so it is the same text everywhere. It also brings
// SHA256SUMS up to date.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"pare/core/data/internal/sums"
)

// want is the SHA-256 of the text.
const want = "5b3ab8d5fc7ce0f82cf21d3128c15e169df48257103f9d001bef5ced0bc62ffa"

func main() {
	to := flag.String("to", "core/data/embedded", "folder to write to")
	flag.Parse()
	if err := run(*to); err != nil {
		fmt.Fprintln(os.Stderr, "kjv:", err)
		os.Exit(1)
	}
}

func run(to string) error {
	out, err := exec.Command("bible", "-f", "mat1:1-rev22:21").Output()
	if err != nil {
		return fmt.Errorf("%w: install Debian's bible-kjv and bible-kjv-text", err)
	}
	text := verses(out)
	if got := fmt.Sprintf("%x", sha256.Sum256(text)); got != want {
		return fmt.Errorf("the text's SHA-256 is %s, not %s: take bible-kjv-text 4.38", got, want)
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(to, "kjv.txt.gz"), b.Bytes(), 0o644); err != nil {
		return err
	}
	fmt.Printf("kjv.txt.gz  %d bytes of %d\n", b.Len(), len(text))
	return sums.Write(to)
}

// verses cuts "Mat1:1 " and the like off each line.
func verses(out []byte) []byte {
	var b []byte
	for line := range bytes.Lines(out) {
		_, verse, _ := bytes.Cut(line, []byte(" "))
		b = append(b, verse...)
	}
	return b
}
