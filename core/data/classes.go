package data

import "fmt"

// classes names the classes of a source whose labels are raw, each once, and gives
// the class of each: by LabelMap, in the order of Classes, else numbers by size and
// other names by alphabet. bad is a label that is none of Classes, or −1.
func (o Options) classes(raw []string) (names []string, class []int32, bad int) {
	mapped := make([]string, len(raw))
	seen := make(map[string]bool, len(raw))
	for i, r := range raw {
		if to, ok := o.LabelMap[r]; ok {
			r = to
		}
		mapped[i], seen[r] = r, true
	}
	names = sorted(seen)
	if o.Classes != nil {
		names = append([]string(nil), o.Classes...)
	}
	at := make(map[string]int32, len(names))
	for c, name := range names {
		at[name] = int32(c)
	}
	class = make([]int32, len(raw))
	for i, m := range mapped {
		c, ok := at[m]
		if !ok {
			return names, nil, i
		}
		class[i] = c
	}
	return names, class, -1
}

// labelled is a set whose samples have one label each, in the order of the source.
type labelled struct {
	name   string   // of the source, for messages
	raw    []string // different labels, as the source writes them
	labels []int32  // [N], indices of raw
	from   []uint8  // [N], the part that the source puts a sample in; nil: all in training
	what   string   // a sample in words
}

// deal names the classes and gives every sample its part: parts that the source has
// are kept, others are dealt out of its training samples.
func (d *Data) deal(l *labelled, o Options) (labels []int32, part []uint8, err error) {
	names, class, bad := o.classes(l.raw)
	switch {
	case bad >= 0:
		return nil, nil, fmt.Errorf("%s: the label %s is none of the recipe's classes %s", l.name, short(l.raw[bad]), list(names))
	case len(names) == 0:
		return nil, nil, fmt.Errorf("%s: has no sample", l.name)
	case len(names) == 1:
		return nil, nil, fmt.Errorf("%s: every %s has the label %s: there is nothing to tell apart with one class", l.name, l.what, short(names[0]))
	}
	d.Classes = names
	labels = make([]int32, len(l.labels))
	for i, r := range l.labels {
		labels[i] = class[r]
	}
	part, few, err := d.parts(labels, l.from, l.what, o)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", l.name, err)
	}
	if few >= 0 {
		return nil, nil, fmt.Errorf("%s: class %s has too few %ss: it needs one for each of training, validation and test: add some, or remove the class", l.name, short(names[few]), l.what)
	}
	return labels, part, nil
}

// parts gives every sample its part: where the source puts it (from, which it changes),
// or, if that has no validation or test, dealt out of its training samples. few is a class
// that has not enough for that, or −1. what is a sample in words.
func (d *Data) parts(labels []int32, from []uint8, what string, o Options) (part []uint8, few int, err error) {
	val, test, err := o.shares()
	if err != nil {
		return nil, -1, err
	}
	if from == nil {
		part, few = split(labels, len(d.Classes), val, test, o.Seed)
		return part, few, nil
	}
	var own [3]bool
	var of []int32 // labels of what is dealt out
	for i, p := range from {
		own[p] = true
		if p == inTrain {
			of = append(of, labels[i])
		}
	}
	if !own[inTrain] {
		return nil, -1, fmt.Errorf("has no training %ss", what)
	}
	for _, p := range []struct {
		part int
		of   *float64
	}{{inVal, &val}, {inTest, &test}} {
		if own[p.part] {
			*p.of = 0
			d.Notes = append(d.Notes, partNames[p.part]+": as the source has it")
		} else {
			d.Notes = append(d.Notes, fmt.Sprintf("%s: %g %% of the training %ss, stratified by class", partNames[p.part], 100**p.of, what))
		}
	}
	dealt, few := split(of, len(d.Classes), val, test, o.Seed)
	if few >= 0 {
		return nil, few, nil
	}
	k := 0
	for i, p := range from {
		if p == inTrain {
			from[i] = dealt[k]
			k++
		}
	}
	return from, -1, nil
}
