package event

// Samples are a few of the test set, for a person to look at: what the pared model gets
// wrong, and of a language model how it goes on with a text, and how the dense one does.
type Samples struct {
	Split string   `json:"split"` // test
	Wrong int      `json:"wrong"` // of the pared model
	Lost  int      `json:"lost"`  // of these the dense model is right about
	Won   int      `json:"won"`   // the dense model is wrong, the pared one right
	Rows  int      `json:"rows,omitempty"`
	Cols  int      `json:"cols,omitempty"`
	List  []Sample `json:"list"` // of the wrong ones, those that were lost first
	Said  []Said   `json:"said"`
}

// Sample is one that the pared model gets wrong.
type Sample struct {
	Row   int    `json:"row"`
	Label string `json:"label"`
	Dense string `json:"dense"` // what it said
	Now   string `json:"now"`
	// Grey is the picture, 0…255, Rows×Cols of Samples, made smaller where it is larger;
	// Text is what is no picture, cut to a few lines.
	Grey []byte `json:"grey"`
	Text string `json:"text,omitempty"`
}

// Said is a beginning from the test set and what the models go on with, always taking
// the likeliest token.
type Said struct {
	Row   int    `json:"row"`
	Given string `json:"given"`
	Truth string `json:"truth"` // as the text goes on
	Dense string `json:"dense"`
	Now   string `json:"now"`
}
