package teach

import "pare/core/event"

// Claim is what the field says of saving energy, with what is known of it. No text
// of pare quotes one without the other.
type Claim struct {
	Stage  event.Stage // where it matters
	Said   string
	By     string
	Known  string
	Source string
}

// claims in the order in which they come up.
var claims = []Claim{
	{
		event.Baseline, "about half of the electricity of training buys the last 2 or 3 points of accuracy", "MIT News",
		"testable, and shown here for every run; in public traces the last step of accuracy took a median 40 to 67 % of the epochs on 5 of 6 tasks",
		"summary_train.csv of Zeus (NSDI 2023), 377 runs",
	},
	{
		event.Configure, "sparsity saves 30–60 % of the energy, pruning 40–50 %, low rank 30–40 %", "typical ranges in articles",
		"it hangs on the kernels: where none of them skips zeros the saving is 0 %",
		"the layers pane and the verdicts of stage 5 say it for every layer here",
	},
	{
		event.Configure, "80–90 % of single weights can go, but hardware does not know how to use it", "common wisdom",
		"true of GPUs; on a CPU with kernels that skip zeros a training step of 784-300-100-10 at 90 % was 4.2 times as fast",
		"pare bench train measures it here; core/device/cpu/PERFORMANCE.md",
	},
	{
		event.Configure, "2:4 sparsity runs up to 2.8 times as fast on an A100", "NVIDIA",
		"the hardware's peak is 2 times; on one H100 products of 8192×8192×8192 were 1.5 times as fast with 0.64 of the joules, a GPT of width 4096 took 24 to 27 % less of both in inference, a training step of a Llama shape 6 % fewer joules, with 2:4 both ways 11 %",
		"measured by pare, with cuSPARSELt and a kernel of its own: core/device/cuda/PERFORMANCE.md",
	},
	{
		event.Configure, "beyond about 70 % zeros accuracy falls off", "common wisdom",
		"small nets that train on go further: after 95 % in one cut LeNet-300-100 was 1.8 points under dense with 2 epochs behind it and 0.1 with 26; at 98 % 2.0 with 36, cut step by step 1.3",
		"core/prune/ACCURACY.md; lottery tickets: arXiv:1803.03635; gradual cuts: arXiv:1710.01878",
	},
	{
		event.Configure, "structured pruning took MobileBERT from 110 to 25 million parameters at 97 % of the accuracy", "vendor text",
		"MobileBERT is a smaller network taught by BERT, not a pruned one; measured structured results are 2–3.6 times (nn_pruning) and 2–12 times (CoFi); here a small vision transformer kept 99 % at 4.8 times fewer parameters, a small BERT 77 % at 5 times",
		"the papers of MobileBERT, nn_pruning and CoFi; core/prune/ACCURACY.md",
	},
	{
		event.Configure, "LoRA on BERT-base: 187 to 118 kWh, −37 %, accuracy kept", "NVIDIA",
		"on one H100 a step by LoRA took 24 % fewer joules of the card than the full one, in PyTorch 13 %; on a Llama shape 36 and 39 %",
		"pare bench card measures it; core/device/cuda/PERFORMANCE.md",
	},
	{
		event.Configure, "structured pruning with LoRA: −63 % on Llama-2-7B", "article",
		"of the joules of a step it holds on a Llama shape of 8 layers with half of heads and FFN cut (−64 % on one H100), not on BERT-base (−53 %); accuracy is another matter: a small GPT with two thirds cut lost 4.3 points",
		"core/device/cuda/PERFORMANCE.md, core/prune/ACCURACY.md",
	},
	{
		event.Sparsify, "iterative magnitude pruning of GPT-2: −42 % energy of training, −0.8 % accuracy", "University of Michigan, as quoted",
		"no code and no table was found behind it; tried on GPT-2's shape: no fewer seconds, −38 % joules between bands that overlap, −2.9 points; LeNet-300-100 with gradual cuts: −42 % CPU seconds at −0.7 points",
		"core/device/cuda/PERFORMANCE.md, core/prune/ACCURACY.md",
	},
	{
		event.Sparsify, "BERT-base with the TensorFlow toolkit: −41 % energy of training", "users on GitHub, as quoted",
		"that toolkit trains with masks on dense kernels, which skip nothing; no evidence was found",
		"tensorflow/model-optimization, source",
	},
	{
		event.Validate, "pruning adds 5–15 % to development time; 2–4 weeks for a team", "article",
		"the reason for a workbench: here it is minutes, and the run's own bill is on the screen",
		"the ledger of this run",
	},
	{
		event.Deploy, "hardware for sparsity: A100, Blackwell", "NVIDIA",
		"that is 2:4 alone; other patterns gain only where a kernel skips them, which the verdict says layer by layer",
		"NVIDIA's data sheets; pare hw list",
	},
	{
		event.Deploy, "the EU AI Act asks for energy figures", "EU",
		"Annex XI: energy known or estimated; the form of the code of practice: MWh with two significant figures",
		"AI Act, Annex XI; GPAI code of practice, July 2025",
	},
}

// Claims are those that matter at a stage.
func Claims(s event.Stage) []Claim {
	var out []Claim
	for _, c := range claims {
		if c.Stage == s {
			out = append(out, c)
		}
	}
	return out
}
