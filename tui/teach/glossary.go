package teach

// Term is a word of the screen with what it means.
type Term struct{ Word, Means string }

// glossary in the order of the alphabet.
var glossary = []Term{
	{"accuracy", "the share of samples the model gets right; of a language model, of the next tokens"},
	{"baseline", "the dense model as it was trained first: all that follows is compared with it"},
	{"batch", "samples that go through the model together in one step"},
	{"block 4×1", "4 weights under each other in one column, kept or removed together, so that a kernel can skip them"},
	{"checkpoint", "everything on disk that the run needs to go on from a point: weights, masks, optimizer, recipe"},
	{"CPU s", "seconds of processor time, summed over all cores: two cores busy for a second are two"},
	{"cubic", "a schedule of many small cuts, large at first, which leaves a quarter of the run to recover"},
	{"dense", "with all its weights"},
	{"epoch", "one pass over all training samples"},
	{"ERK", "a way to spread zeros over layers by their sizes: small layers keep more"},
	{"floor", "the lowest accuracy that is accepted; under it the run goes back and removes no more, and pauses there if the recipe asks (floor.pause)"},
	{"GPU s", "seconds on the clock while a card computes; the processor sleeps meanwhile"},
	{"J", "joule, the unit of energy: a watt for a second; 3.6 million are a kWh"},
	{"kernel", "the routine that multiplies a layer; only one that skips zeros makes them save time"},
	{"low rank", "a weight matrix written as the product of two thin ones"},
	{"mask", "which weights are removed; it stays through training, merging and export"},
	{"N:M", "at most N of M neighbouring weights are not zero; 2:4 is the one that NVIDIA's cards have kernels for"},
	{"one shot", "all zeros in one cut, then training to recover"},
	{"paired interval", "dense and pared judge the same samples, so only those on which they differ say anything of the difference; 95 % of such intervals hold the truth"},
	{"perplexity", "of a language model: among how many equally likely tokens it wavers; lower is better"},
	{"pt", "percentage point: from 88 % to 87 % is one"},
	{"score", "what says how little a weight matters, by its size (magnitude) or by gradients (SNIP, Taylor)"},
	{"step", "one batch forward, backward, and one change of the weights"},
	{"structured", "whole neurons, filters or heads are cut out: the model is smaller and dense, and gains everywhere"},
	{"test set", "samples that were used for nothing before the verdict; each further look makes it less of a test"},
	{"tier", "how joules are known: A wall meter, B hardware counter, C integrated power samples, D model of this machine, E profile only"},
	{"unstructured", "single weights are removed wherever they are: the most accurate, but few kernels gain by it"},
	{"validation set", "samples that are not trained on, used to judge on the way"},
	{"zeros", "the share of prunable weights that are removed"},
}

// Glossary are all terms.
func Glossary() []Term { return glossary }
