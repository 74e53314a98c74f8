package hf

// Task is what a model of a folder gives.
type Task string

// Tasks. The labels that train a model are of its samples, of their tokens, or the
// tokens themselves.
const (
	CausalLM           Task = "causal language model" // scores for the next token, at each token
	MaskedLM           Task = "masked language model" // scores for the token itself, at each token
	SequenceClassifier Task = "sequence classifier"   // one class for a sequence
	TokenClassifier    Task = "token classifier"      // one class for each token
	BareEncoder        Task = "bare encoder"          // a vector for each token, without a head
	ImageClassifier    Task = "image classifier"      // one class for an image
)

// Task reads the model's task from config.json, or from its tensors if that says
// nothing.
func (d *Dir) Task() (Task, error) {
	b := &builder{d: d, c: &d.Config}
	switch d.Config.ModelType {
	case "bert":
		return b.standing("cls.predictions.bias")
	case "distilbert":
		return b.standing("vocab_transform.weight")
	case "vit":
		return ImageClassifier, nil
	}
	return CausalLM, nil
}
