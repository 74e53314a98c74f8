package hwprofiles

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"
)

//go:embed *.toml
var embedded embed.FS

// builtinFile begins Profile.File of an embedded profile.
const builtinFile = "built in: "

const maxFile = 1 << 20 // bytes; a profile is a few kilobytes

// parse reads one profile. An empty name in the file becomes stem.
func parse(data []byte, stem, file string) (Profile, error) {
	p := Profile{Name: stem}
	d := toml.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		var strict *toml.StrictMissingError
		var at *toml.DecodeError
		switch {
		case errors.As(err, &strict) && len(strict.Errors) > 0:
			row, _ := strict.Errors[0].Position()
			return Profile{}, fmt.Errorf("%s:%d: unknown field %q", file, row, strings.Join(strict.Errors[0].Key(), "."))
		case errors.As(err, &at):
			row, _ := at.Position()
			field := ""
			if k := at.Key(); len(k) > 0 {
				field = strings.Trim(strconv.Quote(strings.Join(k, ".")), `"`) + ": "
			}
			return Profile{}, fmt.Errorf("%s:%d: %s%s", file, row, field, plainError(at.Error()))
		}
		return Profile{}, fmt.Errorf("%s: %w", file, err)
	}
	if err := p.validate(); err != nil {
		return Profile{}, fmt.Errorf("%s: %w", file, err)
	}
	p.File = file
	return p, nil
}

var goType = regexp.MustCompile(`^cannot decode TOML (\w+) into (?:struct field \S+ of type |a Go value of type )(\S+)$`)

// plainError says what the TOML library found, without Go's names for types.
func plainError(s string) string {
	s = strings.TrimPrefix(s, "toml: ")
	m := goType.FindStringSubmatch(s)
	if m == nil {
		return s
	}
	want := "a table like { value = 1.5, source = \"where it is from\" }"
	switch {
	case strings.HasPrefix(m[2], "[]"):
		want = "a list"
	case strings.HasPrefix(m[2], "int"):
		want = "a whole number"
	case strings.HasPrefix(m[2], "float"):
		want = "a number"
	case m[2] == "string":
		want = "text in quotes"
	case m[2] == "bool":
		want = "true or false"
	}
	return fmt.Sprintf("is of TOML type %s, want %s", m[1], want)
}

// builtin holds the embedded profiles in order of name. They are parsed once; a
// broken one is a bug that the package's tests catch, and is reported by Check.
var builtin = sync.OnceValues(func() ([]Profile, error) {
	files, err := embedded.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var ps []Profile
	var errs []error
	for _, f := range files {
		data, err := embedded.ReadFile(f.Name())
		if err == nil {
			var p Profile
			if p, err = parse(data, stem(f.Name()), builtinFile+f.Name()); err == nil {
				ps = append(ps, p)
			}
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return ps, errors.Join(errs...)
})

func stem(file string) string { return strings.TrimSuffix(filepath.Base(file), ".toml") }

// UserDir is the folder of a person's own profiles: pare/hw under
// $XDG_CONFIG_HOME, or under the system's configuration folder when that is not
// set. Empty when the system has neither.
func UserDir() string {
	if d := os.Getenv("XDG_CONFIG_HOME"); d != "" {
		return filepath.Join(d, "pare", "hw")
	}
	d, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(d, "pare", "hw")
}

// readUser reads every profile of UserDir. The map holds, by file stem, the
// error of each file that could not be used. A missing folder is no error.
func readUser() ([]Profile, map[string]error) {
	dir := UserDir()
	if dir == "" {
		return nil, nil
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return nil, map[string]error{"": fmt.Errorf("hardware profiles: %w", err)}
	}
	var ps []Profile
	bad, from := map[string]error{}, map[string]string{}
	for _, f := range files {
		if f.IsDir() || !strings.HasSuffix(f.Name(), ".toml") {
			continue
		}
		path := filepath.Join(dir, f.Name())
		p, err := readFile(path)
		if err != nil {
			bad[stem(path)] = err
			continue
		}
		if first, ok := from[p.Name]; ok {
			bad[stem(path)] = fmt.Errorf("%s: name %q is taken by %s", path, p.Name, first)
			continue
		}
		from[p.Name] = path
		ps = append(ps, p)
	}
	return ps, bad
}

func readFile(path string) (Profile, error) {
	if st, err := os.Stat(path); err != nil { // a pipe in the folder must not hang us
		return Profile{}, err
	} else if !st.Mode().IsRegular() {
		return Profile{}, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return Profile{}, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Profile{}, fmt.Errorf("%s: %w", path, err)
	}
	if len(data) > maxFile {
		return Profile{}, fmt.Errorf("%s: larger than %d bytes, not a profile", path, maxFile)
	}
	return parse(data, stem(path), path)
}

// all merges built-in and user profiles; the user's win by name.
func all() ([]Profile, map[string]error) {
	ps, _ := builtin()
	out := slices.Clone(ps)
	user, bad := readUser()
	for _, u := range user {
		if i := slices.IndexFunc(out, func(p Profile) bool { return p.Name == u.Name }); i >= 0 {
			out[i] = u
		} else {
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b Profile) int { return strings.Compare(a.Name, b.Name) })
	return out, bad
}

// List returns every usable profile in order of name: the built-in ones and
// those of UserDir. Files that cannot be used are left out; Check names them.
func List() []Profile {
	ps, _ := all()
	return ps
}

// Check returns the errors of all profile files that cannot be used, joined,
// each naming its file and what to change; nil when all is well.
func Check() error {
	_, err := builtin()
	_, bad := readUser()
	errs := []error{err}
	for _, k := range sortedKeys(bad) {
		errs = append(errs, bad[k])
	}
	return errors.Join(errs...)
}

// Load returns the profile of that name. The error names those that are called
// alike, or what is wrong with the user's file of that name.
func Load(name string) (Profile, error) {
	ps, bad := all()
	if err := bad[name]; err != nil {
		return Profile{}, fmt.Errorf("hardware profile %q: %w", name, err)
	}
	names := make([]string, len(ps))
	for i, p := range ps {
		if p.Name == name {
			p.Why = "named"
			return p.billable(ps), nil
		}
		names[i] = p.Name
	}
	if err := bad[""]; err != nil {
		return Profile{}, fmt.Errorf("hardware profile %q: %w", name, err)
	}
	if near := slices.DeleteFunc(names, func(n string) bool { return !alike(n, name) }); len(near) > 0 && len(near) < 10 {
		return Profile{}, fmt.Errorf("hardware profile %q is not known; did you mean %s? (`pare hw list` shows all)", name, strings.Join(near, ", "))
	}
	return Profile{}, fmt.Errorf("hardware profile %q is not known: `pare hw list` shows all; your own go to %s", name, UserDir())
}

// alike says whether one of two names holds the other, or both begin with the same word.
func alike(a, b string) bool {
	words := func(s string) []string {
		return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return strings.ContainsRune("-_ ", r) })
	}
	x, y := words(a), words(b)
	if len(x) == 0 || len(y) == 0 {
		return false
	}
	v, w := strings.Join(x, "-"), strings.Join(y, "-")
	return x[0] == y[0] || strings.Contains(v, w) || strings.Contains(w, v)
}

func sortedKeys[V any](m map[string]V) []string {
	ks := make([]string, 0, len(m))
	for k := range m {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}
