"""Makes the small cases beside it that ../oracle_test.go reads: python make.py FOLDER [CASE…].

Needs torch and transformers 5. Each folder holds what save_pretrained writes and what
transformers computes: logits, loss, norms of the gradients by the file's names, and the
loss before each of eight steps of AdamW.
"""
import json
import os
import sys

import torch
import transformers as tf
from safetensors.torch import load_file

out = sys.argv[1]
only = sys.argv[2:]  # names of cases, all by default


def case(name, model, labels, causal=False, **inputs):
    if only and name not in only:
        return
    torch.manual_seed(1)
    with torch.no_grad():  # random biases and norms, too; padding's row stays zero
        for k, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(torch.randn_like(p) * 0.1)
    model = model.float().train()
    folder = os.path.join(out, name)
    model.save_pretrained(folder)
    files = load_file(os.path.join(folder, "model.safetensors"))

    def saved(p):  # modules may have other names in memory than in files
        names = [k for k, v in files.items() if v.shape == p.shape and torch.equal(v, p.detach())]
        assert len(names) == 1, names
        return names[0]

    names = {k: saved(p) for k, p in model.named_parameters()}
    o = model(**inputs, labels=labels)
    o.loss.backward()
    ref = {"logits": o.logits.detach().flatten().tolist(), "loss": o.loss.item(),
           "grad_norms": {names[k]: p.grad.norm().item() for k, p in model.named_parameters() if p.grad is not None}}
    for k, v in inputs.items():
        ref[k] = v.flatten().tolist() if k == "pixel_values" else v.tolist()
    if not causal:
        ref["labels"] = labels.tolist()
    adamw = {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01}
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    losses = []
    for _ in range(8):
        opt.zero_grad()
        loss = model(**inputs, labels=labels).loss
        losses.append(loss.item())
        loss.backward()
        opt.step()
    ref["adamw"] = adamw | {"losses": losses}
    with open(os.path.join(folder, "reference.json"), "w") as f:
        json.dump(ref, f)


torch.manual_seed(0)
off = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
case("hf-vit", tf.ViTForImageClassification(tf.ViTConfig(
    hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, image_size=12, patch_size=4,
    num_channels=3, num_labels=3, **off)), torch.tensor([2, 0, 1]), pixel_values=torch.randn(3, 3, 12, 12))

ids = torch.randint(1, 40, (3, 9))
mask = torch.ones_like(ids)
mask[1, 6:], mask[2, 3:] = 0, 0
ids[mask == 0] = 0  # padding
types = torch.zeros_like(ids)
types[:, 4:] = 1
masked = ids.clone()
masked[:, ::2] = -100
masked[mask == 0] = -100
size = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, vocab_size=40,
            max_position_embeddings=16)
case("hf-bert-mlm", tf.BertForMaskedLM(tf.BertConfig(**size, **off)), masked,
     input_ids=ids, attention_mask=mask, token_type_ids=types)
case("hf-distilbert-mlm", tf.DistilBertForMaskedLM(tf.DistilBertConfig(
    dim=24, n_layers=2, n_heads=3, hidden_dim=40, vocab_size=40, max_position_embeddings=16, dropout=0.0,
    attention_dropout=0.0)), masked, input_ids=ids, attention_mask=mask)
case("hf-bert-tokens", tf.BertForTokenClassification(tf.BertConfig(**size, **off, num_labels=5)), masked.clamp(max=4),
     input_ids=ids, attention_mask=mask)
words = torch.randint(0, 40, (2, 24))
llama = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1,
             head_dim=8, vocab_size=40, max_position_embeddings=64, bos_token_id=None, eos_token_id=None)
case("hf-llama-scaled", tf.LlamaForCausalLM(tf.LlamaConfig(**llama, tie_word_embeddings=True, rope_parameters={
    "rope_type": "llama3", "rope_theta": 100.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16})), words, causal=True, input_ids=words)
case("hf-mistral-linear", tf.MistralForCausalLM(tf.MistralConfig(**llama, sliding_window=None, rope_parameters={
    "rope_type": "linear", "rope_theta": 1000.0, "factor": 2.0})), words, causal=True, input_ids=words)

# Smaller ones, each with a way of its own to scale attention's scores or to turn.
few = torch.randint(0, 20, (1, 14))
size = dict(vocab_size=20, bos_token_id=None, eos_token_id=None)
case("hf-gpt2-scores", tf.GPT2LMHeadModel(tf.GPT2Config(
    n_embd=12, n_head=2, n_layer=2, n_positions=14, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    scale_attn_by_inverse_layer_idx=True, scale_attn_weights=False, **size)), few, causal=True, input_ids=few)
turns = {
    "hf-llama-yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8, "beta_fast": 2.0},
    "hf-llama-longrope": {"rope_type": "longrope", "factor": 4.0, "original_max_position_embeddings": 8,
                          "short_factor": [1.0, 1.1, 1.2], "long_factor": [1.5, 2.5, 3.5]},
    "hf-llama-dynamic": {"rope_type": "dynamic", "factor": 2.0},
}
for name, rope in turns.items():
    case(name, tf.LlamaForCausalLM(tf.LlamaConfig(
        hidden_size=12, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        max_position_embeddings=10 if name == "hf-llama-dynamic" else 32, tie_word_embeddings=True,
        rope_parameters=rope | {"rope_theta": 100.0}, **size)), few, causal=True, input_ids=few)
words = torch.randint(1, 20, (2, 6))
case("hf-bert-mlm-untied", tf.BertForMaskedLM(tf.BertConfig(
    hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=20, vocab_size=20,
    max_position_embeddings=8, tie_word_embeddings=False, **off)), words, input_ids=words)
