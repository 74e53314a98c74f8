package cuda

import (
	"errors"
	"fmt"
	"maps"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

// Large products are timed with several algorithms, and the fastest is taken: which one
// that is may change from process to process, and with it the last bits of a run. So
// choices are told to the run, which gives them back when it is resumed (device.Chooser);
// what no run knows yet is taken from this machine's file (machine.go), else timed.

// choices are those of a run, and the products that are ready by them.
type choices struct {
	known    map[string]string // by what they are for
	told     func(device.Chosen) error
	news     device.Chosen // since it was told last
	said     map[string]bool
	products map[product]*held
	ran      bool // a step, with what is known
}

// product is a product of a plan, dense or with a 2:4 weight.
type product struct {
	cu.Product
	lib cu.Sparse // of a 2:4 one, nil: dense
}

// held is a product that plans use.
type held struct {
	cu.Prepared
	users int
}

func newChoices(known map[string]string, told func(device.Chosen) error) *choices {
	c := &choices{known: map[string]string{}, told: told, said: map[string]bool{}, products: map[product]*held{}}
	maps.Copy(c.known, known)
	return c
}

// Chooses is the card's name and the version of its library of products.
func (d Device) Chooses() string {
	return fmt.Sprintf("%s, cublasLt %s", d.info.Name, d.blas.Version())
}

// Keeping is the device of a run that knows some choices.
func (d Device) Keeping(known map[string]string, told func(device.Chosen) error) device.Device {
	d.choices = newChoices(known, told)
	return d
}

// knows reports whether the run has made a choice.
func (c *choices) knows(what string) bool {
	_, ok := c.known[what]
	return ok
}

// say keeps a line for whoever is told, once.
func (c *choices) say(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !c.said[text] {
		c.said[text] = true
		c.news.Said = append(c.news.Said, text)
	}
}

// choose makes something that a choice by the clock goes into: by what the run knows,
// else as it was made on this machine before, else anew. with makes it by a choice; anew
// makes both, and says whether the choice is good for other runs as well.
func choose[T any](d Device, what string, with func(choice string) (T, error), anew func() (made T, choice string, lasting bool, err error)) (T, error) {
	c := d.choices
	if k, ok := c.known[what]; ok {
		made, err := with(k)
		if refused(err) {
			err = fmt.Errorf("%w: %s on %s: %w", device.ErrKept, what, d.Chooses(), err)
		}
		return made, err
	}
	if k, ok := d.machine.known[what]; ok {
		made, err := with(k)
		if err == nil {
			c.note(what, k)
			return made, nil
		}
		if !refused(err) {
			return made, err
		}
		c.say("a choice for %s that %s holds is refused and made anew: %v", d.Chooses(), d.machine.file, err)
	}
	made, choice, lasting, err := anew()
	if err != nil {
		return made, err
	}
	c.note(what, choice)
	if lasting {
		d.machine.add(what, choice)
	}
	return made, nil
}

// refused reports whether a library did not take a choice; the card is well.
func refused(err error) bool {
	return err != nil && !errors.Is(err, cu.ErrLost) && !errors.Is(err, cu.ErrOutOfMemory) && !errors.Is(err, cu.ErrClosed)
}

func (c *choices) note(what, choice string) {
	c.known[what] = choice
	if c.news.Choices == nil {
		c.news.Choices = map[string]string{}
	}
	c.news.Choices[what] = choice
}

// settle keeps what was chosen, in the machine's file and by the run, before it takes effect.
func (d Device) settle() error {
	c := d.choices
	if err := d.machine.keep(); err != nil {
		c.say("choices of algorithms cannot be kept for other runs: %v", err)
	}
	if c.told == nil {
		c.news.Choices = nil
		return nil
	}
	if len(c.news.Choices)+len(c.news.Said) == 0 {
		return nil
	}
	if err := c.told(c.news); err != nil {
		return err
	}
	c.news = device.Chosen{}
	return nil
}

// prepare is a product that is ready, for the run that is recorded, which lets it go.
func (e *exec) prepare(p cu.Product) (cu.Prepared, error) {
	return e.hold(product{Product: p}, func() (cu.Prepared, error) { return e.dev.prepared(p) })
}

// hold is a product that is ready, made if no plan has it yet.
func (e *exec) hold(p product, make func() (cu.Prepared, error)) (cu.Prepared, error) {
	all := e.dev.choices.products
	h := all[p]
	if h == nil {
		q, err := make()
		if err != nil {
			return nil, err
		}
		h = &held{Prepared: q}
		all[p] = h
	}
	if !e.products[p] {
		e.products[p] = true
		h.users++
	}
	return h.Prepared, nil
}

// prepared finds a product's algorithm.
func (d Device) prepared(p cu.Product) (cu.Prepared, error) {
	return choose(d, p.Key(), func(algo string) (cu.Prepared, error) { return d.blas.PrepareWith(p, algo) },
		func() (cu.Prepared, string, bool, error) {
			q, err := d.blas.Prepare(p)
			if err != nil {
				return nil, "", false, err
			}
			m, ok := q.(interface{ Makeshift() bool })
			return q, q.Algo(), !ok || !m.Makeshift(), nil
		})
}

// letGo gives back the products that no other run uses.
func (e *exec) letGo(products map[product]bool) error {
	var err error
	for p := range products {
		h := e.dev.choices.products[p]
		if h.users--; h.users > 0 {
			continue
		}
		if p.lib != nil {
			err = firstError(err, p.lib.Release(h.Prepared))
		} else {
			err = firstError(err, e.dev.blas.Release(h.Prepared))
		}
		delete(e.dev.choices.products, p)
	}
	clear(products)
	return err
}
