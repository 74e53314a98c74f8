// Package tokenizer turns text into the token ids a language model reads, and
// back. It reads the files that models are published with and gives the ids,
// offsets and decoded text that Hugging Face's library `tokenizers` gives for
// them. It imports nothing of ours.
//
// Open takes a folder or a file:
//
//   - tokenizer.json: BPE (on bytes as GPT-2 and Llama-3, with byte fallback as
//     Llama-2), WordPiece and Unigram, with their normalizers, pre-tokenizers,
//     post-processors and decoders. Whatever this package does not know in it is
//     refused by name, never skipped.
//   - vocab.json and merges.txt (or encoder.json and vocab.bpe): BPE on bytes, as
//     GPT-2 and RoBERTa were published at first.
//   - vocab.txt: WordPiece, as BERT was.
//
// tokenizer_config.json, special_tokens_map.json and added_tokens.json beside
// them give the special tokens and the side of padding where the file itself
// does not.
//
// # The way of a text
//
// Added tokens are cut out first; normalizers rewrite what is left between them;
// pre-tokenizers cut it into words; the model gives ids for each word, which it
// looks up in a bounded cache; the text is truncated; the post-processor adds
// the special tokens; padding comes last. A [text] carries for every byte the
// bytes of the original that it stands for, so offsets survive all of it.
//
// The truncation and padding sections of tokenizer.json give side, strategy and
// pad token, but not the length: a file that was saved while somebody padded to
// 128 would pad every text of everybody else. The length is in [Options].
//
// # Regular expressions
//
// The splits of GPT-2, Llama-3 and Qwen-2 are written by hand (Go's regexp has
// no lookahead); other patterns run on regexp2, a backtracking engine, with a
// bound on time and stack. What Oniguruma's syntax means and regexp2's does not
// is refused.
//
// # Where it differs from the library
//
// Letters, digits and lower case come from this Go's Unicode tables; characters
// assigned later than those may be split otherwise. BERT's classes and the normal
// forms are those of the library's own, older tables (unicodetables.go). BPE with
// byte fallback to a vocabulary that lacks some of the bytes gives the same ids,
// with offsets of the characters themselves. An added token whose id contradicts
// the vocabulary is an error, not a warning. BPE's dropout stays off.
//
// Text that is not UTF-8 is read with U+FFFD in place of each bad byte.
package tokenizer
