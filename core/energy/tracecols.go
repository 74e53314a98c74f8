package energy

import (
	"fmt"
	"slices"
	"strings"
)

// words splits a column's name: "val_Acc (%)" is val, acc.
func columnWords(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 127)
	})
}

func hasWord(name string, any ...string) bool {
	for _, w := range columnWords(name) {
		if slices.Contains(any, w) {
			return true
		}
	}
	return false
}

// Words by which columns are found.
var (
	metricWords = []string{"accuracy", "acc", "top1", "f1", "auc", "map", "miou", "bleu", "wer", "cer", "metric", "score"}
	lowerWords  = []string{"wer", "cer", "error", "err", "loss", "perplexity", "ppl", "mse", "mae", "rmse"}
	lossWords   = []string{"loss", "perplexity", "ppl", "mse", "mae", "rmse"} // in their own unit, never a share
	higherWords = []string{"accuracy", "acc", "top1", "f1", "auc", "map", "miou", "bleu"}
	valWords    = []string{"val", "valid", "validation", "eval", "dev"}
	testWords   = []string{"test"}
	trainWords  = []string{"train", "training"}
	energyWords = []string{"energy", "joule", "joules", "consumed"}
	epochWords  = []string{"epoch", "epochs"}
	stepWords   = []string{"step", "steps", "iteration", "iterations", "iter"}
	levelWords  = []string{"target", "threshold", "level"}
	taskWords   = []string{"dataset", "task", "benchmark"}
	sumWords    = []string{"cumulative", "cum", "total", "sum"}
	eachWords   = []string{"per", "each", "delta"}
	tierWords   = []string{"tier", "quality"}
	runColumns  = []string{
		"dataset", "task", "benchmark", "network", "model", "arch", "architecture", "batch_size", "optimizer",
		"run", "run_id", "run_name", "seed", "trial", "fold", "experiment", "experiment_id", "project_name",
	}
	rateColumns = []string{"learning_rate", "lr"}
)

// units of energy in a header, as written there: mJ is not MJ.
var energyUnits = map[string]float64{
	"J": 1, "Joule": 1, "Joules": 1, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9, "mJ": 1e-3, "uJ": 1e-6, "µJ": 1e-6,
	"Wh": 3600, "kWh": 3.6e6, "MWh": 3.6e9, "mWh": 3.6,
}

// lowerUnits are the units whose meaning survives a header in lower case.
var lowerUnits = map[string]float64{"j": 1, "joule": 1, "joules": 1, "kj": 1e3, "gj": 1e9, "uj": 1e-6, "wh": 3600, "kwh": 3.6e6}

// unitOf finds the unit of energy in a column's name, in J; 0 without one. An
// ambiguous one (mj, mwh) is an error.
func unitOf(name string) (float64, error) {
	words := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(" _-.()[]{}/,:", r) })
	for i := len(words) - 1; i >= 0; i-- { // the unit stands last
		if u, ok := energyUnits[words[i]]; ok {
			return u, nil
		}
		l := strings.ToLower(words[i])
		if u, ok := lowerUnits[l]; ok {
			return u, nil
		}
		if l == "mj" || l == "mwh" {
			return 0, fmt.Errorf("%q: milli or mega? write %s in the header", name, map[string]string{"mj": "mJ or MJ", "mwh": "mWh or MWh"}[l])
		}
	}
	return 0, nil
}

// columns are the indices found in a header; −1 for none.
type columns struct {
	metric, energy, epoch, tier, task int
	step                              int   // beside the epochs
	runs                              []int // tell one run from another
	rate                              int   // does too, where the others do not suffice
	unit                              float64
}

// TraceOptions name columns instead of having them found.
type TraceOptions struct {
	Metric string   // column with the accuracy
	Energy string   // column with the energy
	By     []string // columns that tell one run from another; the first is the task
	Lower  bool     // the metric is better when lower; without it the name and the trend tell
}

// findColumns reads a header.
func findColumns(head []string, o TraceOptions) (columns, error) {
	c := columns{metric: -1, energy: -1, epoch: -1, tier: -1, task: -1, rate: -1}
	named := func(what, name string) (int, error) {
		for i, h := range head {
			if h == name {
				return i, nil
			}
		}
		return -1, fmt.Errorf("no column %q for the %s; columns are %s", name, what, strings.Join(head, ", "))
	}
	var err error
	if o.Metric != "" {
		if c.metric, err = named("metric", o.Metric); err != nil {
			return c, err
		}
	} else if c.metric = bestMetric(head); c.metric < 0 {
		return c, fmt.Errorf("no column with an accuracy: name one like accuracy, val_acc, f1 or wer, or choose it with --metric; columns are %s", strings.Join(head, ", "))
	}
	c.epoch = firstWith(head, epochWords, c.metric)
	if c.epoch < 0 {
		c.epoch = firstWith(head, stepWords, c.metric)
	}
	c.step = stepColumn(head, c.epoch)
	if o.Energy != "" {
		if c.energy, err = named("energy", o.Energy); err != nil {
			return c, err
		}
	} else if c.energy, err = findEnergy(head, c.metric); err != nil {
		return c, err
	}
	if c.energy >= 0 {
		if c.unit, err = energyUnit(head, c.energy); err != nil {
			return c, err
		}
	}
	if c.epoch < 0 && c.energy < 0 {
		return c, fmt.Errorf("no column with epochs, steps or energy; columns are %s", strings.Join(head, ", "))
	}
	c.tier = firstWith(head, tierWords, c.metric)
	if len(o.By) > 0 {
		for _, name := range o.By {
			i, err := named("runs", name)
			if err != nil {
				return c, err
			}
			c.runs = append(c.runs, i)
		}
		c.task = c.runs[0]
		return c, nil
	}
	for i, h := range head {
		n := strings.Join(columnWords(h), "_")
		switch {
		case i == c.metric || i == c.energy || i == c.epoch:
		case slices.Contains(runColumns, n):
			c.runs = append(c.runs, i)
			if c.task < 0 && slices.Contains(taskWords, n) {
				c.task = i
			}
		case slices.Contains(rateColumns, n):
			c.rate = i
		}
	}
	return c, nil
}

func firstWith(head, words []string, not int) int {
	for i, h := range head {
		if i != not && hasWord(h, words...) {
			return i
		}
	}
	return -1
}

// bestMetric prefers validation to test to unnamed to training, and then the
// words in their order.
func bestMetric(head []string) int {
	best, rank := -1, 1<<30
	for i, h := range head {
		for k, w := range metricWords {
			if !hasWord(h, w) {
				continue
			}
			r := k
			switch {
			case hasWord(h, valWords...):
			case hasWord(h, testWords...):
				r += 100
			case hasWord(h, trainWords...):
				r += 300
			default:
				r += 200
			}
			if r < rank {
				best, rank = i, r
			}
		}
	}
	return best
}

// findEnergy finds the one column with an energy; several need a choice.
func findEnergy(head []string, metric int) (int, error) {
	var all []int
	for i, h := range head {
		u, err := unitOf(h)
		if err != nil {
			return -1, err
		}
		if i != metric && (hasWord(h, energyWords...) || u > 0) {
			all = append(all, i)
		}
	}
	if i := slices.Index(head, "energy_consumed"); i >= 0 { // CodeCarbon's sum of its parts
		return i, nil
	}
	switch len(all) {
	case 0:
		return -1, nil
	case 1:
		return all[0], nil
	}
	var sums []int
	var names []string
	for _, i := range all {
		names = append(names, head[i])
		if hasWord(head[i], sumWords...) {
			sums = append(sums, i)
		}
	}
	if len(sums) == 1 {
		return sums[0], nil
	}
	return -1, fmt.Errorf("several columns with energy (%s): choose one with --energy", strings.Join(names, ", "))
}

// energyUnit is the unit of the energy column, in J. CodeCarbon's columns have
// none in their names and are in kWh.
func energyUnit(head []string, i int) (float64, error) {
	u, err := unitOf(head[i])
	if err != nil || u > 0 {
		return u, err
	}
	if slices.Contains(head, "emissions_rate") && strings.HasPrefix(head[i]+"_", "energy_consumed_") {
		return energyUnits["kWh"], nil
	}
	return 0, fmt.Errorf("column %q has no unit: write J, kJ, Wh or kWh in the header, like %s_kwh", head[i], head[i])
}
