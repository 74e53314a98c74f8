"""Folders hf-* and peft-* in the layout of the oracles, of other sizes, heads and ways to turn, drawn from SEED:

    python oracles.py FOLDER SEED [PART OF A NAME]
    PARE_ORACLES=FOLDER go test ./core/model/hf ./core/model/peft -run Oracle

Made with torch 2.15, transformers 5.24, peft 0.21. Refused, and meant to be: hf-*-beyond, sequences that the model was not
made for (but for the dynamic ones); hf-*-window, sequences beyond a sliding window; peft-dora and peft-embed.
"""
import json, os, sys, random, shutil
import torch, transformers as tf
from safetensors.torch import load_file
torch.set_num_threads(1)
out, seed = sys.argv[1], int(sys.argv[2])
only = sys.argv[3] if len(sys.argv) > 3 else ""
R = random.Random(seed)

def names_of(model, folder):
    import glob
    files = {}
    for f in glob.glob(os.path.join(folder, "*.safetensors")):
        files.update(load_file(f))
    names = {}
    for k, p in model.named_parameters():
        n = [a for a, v in files.items() if v.shape == p.shape and torch.equal(v.float(), p.detach())]
        if k in n: n = [k]
        assert len(n) == 1, (k, n)
        names[k] = n[0]
    return names

def adam(model, f, lr=1e-3, wd=0.01):
    opt = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr, betas=(.9, .999), eps=1e-8, weight_decay=wd)
    losses = []
    for _ in range(8):
        opt.zero_grad(); loss = f(); losses.append(loss.item()); loss.backward(); opt.step()
    return {"lr": lr, "betas": [.9, .999], "eps": 1e-8, "weight_decay": wd, "dropout": 0.0, "losses": losses}

def case(name, *a, **k):
    try: case_(name, *a, **k)
    except Exception as e:
        print('NOT MADE', name, repr(e)[:300].replace(chr(10),' '), flush=True); shutil.rmtree(os.path.join(out, name), ignore_errors=True)

def case_(name, make, labels, dtype=None, shard=None, noise=0.1, mutate=None, **inputs):
    if only and only not in name: return
    torch.manual_seed(seed + sum(map(ord, name)))
    model = make().float()
    if noise:
        with torch.no_grad():
            for k, p in model.named_parameters():
                if p.dim() == 1: p.add_(torch.randn_like(p) * noise)
    folder = os.path.join(out, name)
    shutil.rmtree(folder, ignore_errors=True)
    if dtype:
        with torch.no_grad():
            for p in model.parameters(): p.copy_(p.to(dtype).float())
        m2 = make().to(dtype); m2.load_state_dict({k: v.to(dtype) for k, v in model.state_dict().items()})
        m2.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    else:
        model.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    if mutate: mutate(folder)
    names = names_of(model, folder)
    model.train()
    o = model(**inputs, labels=labels)
    o.loss.backward()
    ref = {"kind": "made", "logits_shape": list(o.logits.shape), "logits": o.logits.detach().flatten().tolist(), "loss": o.loss.item(),
           "grad_norms": {names[k]: p.grad.norm().item() for k, p in model.named_parameters() if p.grad is not None}}
    for k, v in inputs.items():
        ref[k] = v.flatten().tolist() if k == "pixel_values" else v.tolist()
    ref["labels"] = labels.tolist()
    ref["adamw"] = adam(model, lambda: model(**inputs, labels=labels).loss)
    json.dump(ref, open(os.path.join(folder, "reference.json"), "w"))
    print(name, flush=True)

def ids(V, B, T, lo=0):
    return torch.tensor([[R.randrange(lo, V) for _ in range(T)] for _ in range(B)])

no = dict(bos_token_id=None, eos_token_id=None)
# --- as the originals, other sizes
def gpt2(name, B=2, T=None, V=None, **kw):
    h = kw.pop("n_head", R.choice([1, 2, 3, 5, 7])); d = kw.pop("d", R.choice([2, 6, 8, 10, 16, 20]))
    V = V or R.choice([37, 61, 129, 200]); P = R.choice([40, 64, 77]); T = T or R.randrange(2, 38)
    x = ids(V, B, T)
    cfg = dict(n_embd=h * d, n_head=h, n_layer=R.choice([1, 2, 4]), n_positions=P, vocab_size=V, resid_pdrop=0., embd_pdrop=0., attn_pdrop=0., **no) | kw
    case(name, lambda: tf.GPT2LMHeadModel(tf.GPT2Config(**cfg)), x, input_ids=x)
def llama(name, cls=tf.LlamaForCausalLM, conf=tf.LlamaConfig, B=2, T=None, dtype=None, shard=None, noise=0.1, hmul=None, mutate=None, **kw):
    kv = R.choice([1, 2, 3]); g = R.choice([1, 2, 3, 4]); d = R.choice([2, 4, 6, 10, 12, 16])
    V = R.choice([37, 61, 129, 200]); T = T or R.randrange(2, 38)
    x = ids(V, B, T)
    cfg = dict(hidden_size=hmul or kv * g * d, num_attention_heads=kv * g, num_key_value_heads=kv, intermediate_size=R.choice([20, 33, 48, 100]),
               num_hidden_layers=R.choice([1, 2, 3]), vocab_size=V, max_position_embeddings=64, tie_word_embeddings=R.random() < .5, **no)
    if hmul: cfg["head_dim"] = d
    cfg |= kw
    case(name, lambda: cls(conf(**cfg)), x, dtype=dtype, shard=shard, noise=noise, mutate=mutate, input_ids=x)
def rope(kind, **kw): return dict(rope_parameters={"rope_type": kind, "rope_theta": R.choice([100., 10000., 5e5]), **kw})
qwen = dict(cls=tf.Qwen2ForCausalLM, conf=tf.Qwen2Config)
mistral = dict(cls=tf.MistralForCausalLM, conf=tf.MistralConfig)
off = dict(hidden_dropout_prob=0., attention_probs_dropout_prob=0.)
def bertkw(**kw):
    h = R.choice([1, 2, 3, 5]); d = R.choice([2, 6, 8, 10, 16])
    return dict(hidden_size=h * d, num_attention_heads=h, num_hidden_layers=R.choice([1, 2, 3]), intermediate_size=R.choice([20, 33, 48]),
                vocab_size=R.choice([40, 61, 104, 130]), max_position_embeddings=R.choice([40, 64]), **off) | kw
def dkw(**kw):
    h = R.choice([1, 2, 3, 5]); d = R.choice([2, 6, 8, 10, 16])
    return dict(dim=h * d, n_heads=h, n_layers=R.choice([1, 2, 3]), hidden_dim=R.choice([20, 33, 48]), vocab_size=R.choice([40, 61, 104]),
                max_position_embeddings=R.choice([40, 64]), dropout=0., attention_dropout=0., seq_classif_dropout=0.) | kw
def enc(name, cls, conf, cfg, kind="seq", B=3, T=None, masked=False, types=False, K=3, **kw):
    T = T or R.randrange(2, 38); V = cfg["vocab_size"]
    x = ids(V, B, T, 1 if masked else 0)
    inp = {"input_ids": x}
    if masked:
        m = torch.ones_like(x)
        for i in range(1, B): m[i, R.randrange(1, T + 1):] = 0
        x[m == 0] = 0; inp["attention_mask"] = m
    if types:
        t = torch.zeros_like(x); t[:, T // 2:] = 1; inp["token_type_ids"] = t
    if kind == "seq": y = torch.tensor([R.randrange(K) for _ in range(B)]); cfg = cfg | {"num_labels": K}
    elif kind == "tok":
        y = torch.tensor([[R.randrange(K) for _ in range(T)] for _ in range(B)]); cfg = cfg | {"num_labels": K}
        if masked: y[m == 0] = -100
    else:
        y = x.clone(); y[:, 1::2] = -100
        if masked: y[m == 0] = -100
    case(name, lambda: cls(conf(**cfg)), y, **kw, **inp)

for i in range(3): gpt2(f"hf-gpt2-{i}")
gpt2("hf-gpt2-untied", tie_word_embeddings=False)
gpt2("hf-gpt2-inner-relu", n_inner=21, activation_function="relu")
gpt2("hf-gpt2-gelu", activation_function="gelu", layer_norm_epsilon=1e-3)
gpt2("hf-gpt2-noscale", scale_attn_weights=False)
gpt2("hf-gpt2-inverse", scale_attn_by_inverse_layer_idx=True, n_layer=3)
gpt2("hf-gpt2-long", T=40, B=1)
for i in range(3): llama(f"hf-llama-{i}")
llama("hf-llama-tied", tie_word_embeddings=True); llama("hf-llama-untied", tie_word_embeddings=False)
llama("hf-llama-bias", attention_bias=True, mlp_bias=True)
llama("hf-llama-headdim", hmul=28, num_attention_heads=4, num_key_value_heads=2, head_dim=10)
llama("hf-llama-linear", **rope("linear", factor=3.0))
llama("hf-llama-dynamic", **rope("dynamic", factor=2.0))
llama("hf-llama-dynamic-beyond", T=40, **(rope("dynamic", factor=2.0) | dict(max_position_embeddings=20)))
llama("hf-llama-beyond", T=40, max_position_embeddings=20)
llama("hf-llama-llama3", **rope("llama3", factor=4., low_freq_factor=1., high_freq_factor=4., original_max_position_embeddings=16))
llama("hf-llama-yarn", **rope("yarn", factor=4., original_max_position_embeddings=16))
llama("hf-llama-yarn2", **rope("yarn", factor=8., original_max_position_embeddings=8, beta_fast=16., beta_slow=2., attention_factor=1.3))
llama("hf-llama-yarn3", **rope("yarn", factor=2., original_max_position_embeddings=32, mscale=0.8, mscale_all_dim=0.5, truncate=False))
def longrope(d): return rope("longrope", factor=4.0, original_max_position_embeddings=16, short_factor=[1. + .1 * i for i in range(d // 2)], long_factor=[1.5 + .5 * i for i in range(d // 2)])
llama("hf-llama-longrope-short", T=12, hmul=24, num_attention_heads=3, num_key_value_heads=1, head_dim=8, **longrope(8))
llama("hf-llama-longrope-long", T=30, hmul=24, num_attention_heads=3, num_key_value_heads=1, head_dim=8, **longrope(8))
llama("hf-llama-bf16", dtype=torch.bfloat16); llama("hf-llama-f16-shards", dtype=torch.float16, shard="8KB")
llama("hf-llama-gelu", hidden_act="gelu_pytorch_tanh"); llama("hf-llama-eps", rms_norm_eps=1e-3)
def oldrope(folder):  # as files before transformers 5 say it
    p = os.path.join(folder, "config.json"); c = json.load(open(p)); r = c.pop("rope_parameters")
    c["rope_theta"] = r.pop("rope_theta"); r["type"] = r.pop("rope_type"); c["rope_scaling"] = r; json.dump(c, open(p, "w"))
llama("hf-llama-old-linear", mutate=oldrope, **rope("linear", factor=3.0))
llama("hf-llama-old-yarn", mutate=oldrope, **rope("yarn", factor=4., original_max_position_embeddings=16))
for i in range(2): llama(f"hf-mistral-{i}", sliding_window=None, **mistral)
llama("hf-mistral-window", T=30, sliding_window=7, **mistral); llama("hf-mistral-wide", T=20, sliding_window=50, **mistral)
for i in range(3): llama(f"hf-qwen2-{i}", **qwen)
llama("hf-qwen2-tied", tie_word_embeddings=True, **qwen)
llama("hf-qwen2-window", T=30, use_sliding_window=True, sliding_window=5, max_window_layers=1, num_hidden_layers=3, **qwen)
llama("hf-qwen2-yarn", **qwen, **rope("yarn", factor=4., original_max_position_embeddings=16))
bert, dist = tf.BertConfig, tf.DistilBertConfig
for i in range(3): enc(f"hf-bert-{i}", tf.BertForSequenceClassification, bert, bertkw(), K=R.choice([2, 4, 7]))
enc("hf-bert-masked", tf.BertForSequenceClassification, bert, bertkw(), masked=True, types=True)
enc("hf-bert-relu", tf.BertForSequenceClassification, bert, bertkw(hidden_act="relu", layer_norm_eps=1e-5))
enc("hf-bert-gelunew", tf.BertForSequenceClassification, bert, bertkw(hidden_act="gelu_new", type_vocab_size=1))
enc("hf-bert-mlm", tf.BertForMaskedLM, bert, bertkw(), kind="mlm", masked=True)
enc("hf-bert-mlm-untied", tf.BertForMaskedLM, bert, bertkw(tie_word_embeddings=False), kind="mlm")
enc("hf-bert-tok", tf.BertForTokenClassification, bert, bertkw(), kind="tok", K=4)
enc("hf-bert-one", tf.BertForSequenceClassification, bert, bertkw(), T=1)
for i in range(3): enc(f"hf-distilbert-{i}", tf.DistilBertForSequenceClassification, dist, dkw(), K=R.choice([2, 4, 7]))
enc("hf-distilbert-masked", tf.DistilBertForSequenceClassification, dist, dkw(), masked=True)
enc("hf-distilbert-sin", tf.DistilBertForSequenceClassification, dist, dkw(sinusoidal_pos_embds=True, activation="relu"))
enc("hf-distilbert-mlm", tf.DistilBertForMaskedLM, dist, dkw(), kind="mlm")
enc("hf-distilbert-tok", tf.DistilBertForTokenClassification, dist, dkw(), kind="tok", masked=True)
def vit(name, K=4, B=3, **kw):
    h = R.choice([1, 2, 3]); d = R.choice([4, 6, 8])
    cfg = dict(hidden_size=h * d, num_attention_heads=h, num_hidden_layers=2, intermediate_size=R.choice([20, 33]), image_size=12, patch_size=R.choice([3, 4, 6]), num_channels=R.choice([1, 3]), num_labels=K, **off) | kw
    i, p = cfg["image_size"], cfg["patch_size"]
    hw = i if isinstance(i, (list, tuple)) else (i, i)
    case(name, lambda: tf.ViTForImageClassification(tf.ViTConfig(**cfg)), torch.tensor([R.randrange(K) for _ in range(B)]), pixel_values=torch.randn(B, cfg["num_channels"], *hw))
for i in range(2): vit(f"hf-vit-{i}")
vit("hf-vit-nobias", qkv_bias=False); vit("hf-vit-rect", image_size=[8, 12], patch_size=[4, 3]); vit("hf-vit-relu", hidden_act="relu", layer_norm_eps=1e-5)
# adapters
from peft import LoraConfig, get_peft_model
def lora(name, *a, **k):
    try: lora_(name, *a, **k)
    except Exception as e: print('NOT MADE', name, repr(e)[:300].replace(chr(10),' '), flush=True); shutil.rmtree(os.path.join(out, name), ignore_errors=True)

def lora_(name, base, cls, lr=2e-3, **kw):  # at 1e-2 float32 and float64 part by 2e-3 of the loss within eight steps
    if only and only not in name: return
    torch.manual_seed(seed + sum(map(ord, name)))
    m = cls.from_pretrained(os.path.join(out, base)).float()
    ref0 = json.load(open(os.path.join(out, base, "reference.json")))
    x = torch.tensor(ref0["input_ids"])
    m = get_peft_model(m, LoraConfig(lora_dropout=0., task_type="CAUSAL_LM", **kw))
    with torch.no_grad():
        for k, p in m.named_parameters():
            if "lora_" in k: p.copy_(torch.randn_like(p) * .1)
    folder = os.path.join(out, name); shutil.rmtree(folder, ignore_errors=True); m.save_pretrained(folder)
    m.train(); o = m(input_ids=x, labels=x)
    ref = {"base": base, "input_ids": x.tolist(), "loss": o.loss.item(), "logits_shape": list(o.logits.shape), "logits": o.logits.detach().flatten().tolist(),
           "trainable": sum(p.numel() for p in m.parameters() if p.requires_grad)}
    ref["adamw"] = adam(m, lambda: m(input_ids=x, labels=x).loss, lr, 0.0)
    json.dump(ref, open(os.path.join(folder, "reference.json"), "w")); print(name, flush=True)
L, G = tf.LlamaForCausalLM, tf.GPT2LMHeadModel
lora("peft-llama-0", "hf-llama-0", L, r=3, lora_alpha=5, target_modules=["q_proj", "v_proj"])
lora("peft-llama-all", "hf-llama-untied", L, r=2, lora_alpha=8, target_modules="all-linear")
lora("peft-llama-rs", "hf-llama-1", L, r=4, lora_alpha=8, use_rslora=True, target_modules=["gate_proj", "o_proj"])
lora("peft-llama-rank", "hf-llama-2", L, r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], rank_pattern={"q_proj": 2}, alpha_pattern={"down_proj": 3})
lora("peft-llama-layers", "hf-llama-bias", L, r=2, lora_alpha=8, target_modules=["q_proj", "up_proj"], layers_to_transform=[0])
lora("peft-gpt2", "hf-gpt2-0", G, r=3, lora_alpha=6, target_modules=["c_attn", "c_fc"], fan_in_fan_out=True)
lora("peft-qwen2", "hf-qwen2-0", tf.Qwen2ForCausalLM, r=3, lora_alpha=6, target_modules=["k_proj", "v_proj"])
lora("peft-mistral", "hf-mistral-0", tf.MistralForCausalLM, r=3, lora_alpha=6, target_modules=["q_proj"])
lora("peft-dora", "hf-llama-0", L, r=3, lora_alpha=5, use_dora=True, target_modules=["q_proj", "v_proj"])
lora("peft-bias", "hf-llama-bias", L, r=3, lora_alpha=5, bias="lora_only", target_modules=["q_proj", "v_proj"])
lora("peft-head", "hf-llama-untied", L, r=3, lora_alpha=5, target_modules=["q_proj", "lm_head"])
lora("peft-embed", "hf-llama-untied", L, r=3, lora_alpha=5, target_modules=["q_proj", "embed_tokens"])
lora("peft-save", "hf-llama-untied", L, r=3, lora_alpha=5, target_modules=["q_proj"], modules_to_save=["lm_head"])
