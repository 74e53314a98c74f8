package hf

import (
	"encoding/json"
	"fmt"
)

// Config are the fields of config.json that shape a model. Absent fields are zero.
type Config struct {
	ModelType string            `json:"model_type"`
	Archs     []string          `json:"architectures"`
	Labels    map[string]string `json:"id2label"`
	Problem   string            `json:"problem_type"`
	Pad       *int              `json:"pad_token_id"`
	EOS       json.RawMessage   `json:"eos_token_id"` // a number, or a list of them
	Tied      *bool             `json:"tie_word_embeddings"`
	Vocab     int               `json:"vocab_size"`

	// GPT-2.
	Width     int     `json:"n_embd"`
	Heads     int     `json:"n_head"`
	Layers    int     `json:"n_layer"`
	Places    int     `json:"n_positions"`
	Inner     int     `json:"n_inner"`
	Eps       float32 `json:"layer_norm_epsilon"`
	Act       string  `json:"activation_function"`
	ScaleAttn *bool   `json:"scale_attn_weights"`
	ByLayer   bool    `json:"scale_attn_by_inverse_layer_idx"`
	CrossAttn bool    `json:"add_cross_attention"`

	// Llama and its relatives.
	Hidden        int     `json:"hidden_size"`
	Intermediate  int     `json:"intermediate_size"`
	HiddenLayers  int     `json:"num_hidden_layers"`
	AttnHeads     int     `json:"num_attention_heads"`
	KVHeads       int     `json:"num_key_value_heads"`
	HeadDim       int     `json:"head_dim"`
	RMSEps        float32 `json:"rms_norm_eps"`
	HiddenAct     string  `json:"hidden_act"`
	MaxPositions  int     `json:"max_position_embeddings"`
	RopeTheta     float64 `json:"rope_theta"`
	RopeScaling   *Rope   `json:"rope_scaling"`
	Rope          *Rope   `json:"rope_parameters"`
	AttnBias      bool    `json:"attention_bias"`
	MLPBias       bool    `json:"mlp_bias"`
	SlidingWindow int     `json:"sliding_window"`
	UseWindow     *bool   `json:"use_sliding_window"`

	// BERT and ViT, beside the sizes above.
	Types     int     `json:"type_vocab_size"`
	NormEps   float32 `json:"layer_norm_eps"`
	PosKind   string  `json:"position_embedding_type"`
	IsDecoder bool    `json:"is_decoder"`

	// DistilBERT.
	Dim        int    `json:"dim"`
	DimHeads   int    `json:"n_heads"`
	DimLayers  int    `json:"n_layers"`
	DimInner   int    `json:"hidden_dim"`
	Activation string `json:"activation"`

	// ViT.
	Image    sides `json:"image_size"`
	Patch    sides `json:"patch_size"`
	Channels int   `json:"num_channels"`
	QKVBias  *bool `json:"qkv_bias"`
}

// sides are the height and width of an image: one number in files, or two.
type sides struct{ H, W int }

// UnmarshalJSON reads one number, or a list of two.
func (s *sides) UnmarshalJSON(b []byte) error {
	var both []int
	if err := json.Unmarshal(b, &s.H); err == nil {
		s.W = s.H
		return nil
	}
	if err := json.Unmarshal(b, &both); err != nil || len(both) != 2 {
		return fmt.Errorf("%s is no size of an image: one number, or two in a list", b)
	}
	s.H, s.W = both[0], both[1]
	return nil
}

// Rope describes rotary positions.
type Rope struct {
	Theta    float64 `json:"rope_theta"`
	Type     string  `json:"rope_type"`
	Old      string  `json:"type"` // of older files
	Factor   float64 `json:"factor"`
	Low      float64 `json:"low_freq_factor"`
	High     float64 `json:"high_freq_factor"`
	Original int     `json:"original_max_position_embeddings"`
	Partial  float64 `json:"partial_rotary_factor"`

	// Of yarn and longrope.
	Longer    *float64  `json:"attention_factor"`
	Fast      float64   `json:"beta_fast"`
	Slow      float64   `json:"beta_slow"`
	MScale    float64   `json:"mscale"`
	MScaleAll float64   `json:"mscale_all_dim"`
	Truncate  *bool     `json:"truncate"`
	Short     []float64 `json:"short_factor"`
	Long      []float64 `json:"long_factor"`
}
