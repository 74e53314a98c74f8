package energy

import (
	"fmt"
	"os"
)

// sysfs is how sources reach the file tree; tests put a tree in memory here.
type sysfs interface {
	// list names what lies in a folder, in order.
	list(dir string) ([]string, error)
	// read fills buf with the start of a file.
	read(path string, buf []byte) (int, error)
	// mode is the file's permission bits as doctor prints them ("0400"), "" if unknown.
	mode(path string) string
}

type osFiles struct{}

func (osFiles) list(dir string) ([]string, error) {
	es, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(es))
	for i, e := range es {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFiles) read(path string, buf []byte) (int, error) { return readStart(path, buf) }

func (osFiles) mode(path string) string {
	st, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%04o", st.Mode().Perm())
}
