"""Folders tokenizer-* in the layout of the oracles, of other kinds and sizes, drawn from SEED:

    python oracles.py FOLDER SEED
    PARE_ORACLES=FOLDER go test ./core/data/tokenizer -run Oracle

Made with tokenizers 0.23.3. Refused, and meant to be: bytelevel-norm, char-delim, fixed, unigram-xlm, uniscripts, wordlevel.
"""
import sys, json, os, random, shutil, gzip
from tokenizers import *
from tokenizers import models, normalizers as N, pre_tokenizers as P, decoders as D, processors as PP, trainers as T
out, seed = sys.argv[1], int(sys.argv[2]); R = random.Random(seed)
here = os.path.dirname(os.path.abspath(__file__))
ref = json.load(open(os.path.join(here, 'tokenizer-gpt2/reference.json')))
base = [c['text'] for c in ref['cases']]
kjv = gzip.open(os.path.join(here, '../../embedded/kjv.txt.gz'), 'rt').read().splitlines()
corpus = [R.choice(kjv) for _ in range(3000)] + base * 3
sys.path.insert(0, here)
import texts as TX
extra = [t for n in dir(TX) if isinstance(getattr(TX, n), list) for t in getattr(TX, n) if isinstance(t, str)]
pieces = "a b c Z é ß ﬁ 你 好 １ ½ Ⅷ \u0301 \u200d \ufeff \u00a0 \t \n \r\n   ' . , ! ? 's 'LL -- … 🙂 👩‍👧 <s> </s> <|endoftext|> [MASK] [CLS] <mask> 12 3456 0x1F http:// @ # $ % & ی ไ हि שׁ İ ı ſ K Å".split(" ")
def rnd():
    return "".join(R.choice(pieces) + R.choice(["", "", " "]) for _ in range(R.randrange(1, 14)))
def texts():
    return base + [R.choice(kjv) for _ in range(20)] + [rnd() for _ in range(60)] + R.sample(extra, min(30, len(extra)))
def write(name, tk, pad=None):
    d = os.path.join(out, "tokenizer-" + name); shutil.rmtree(d, ignore_errors=True); os.makedirs(d); tk.save(d + "/tokenizer.json")
    cases = []
    for t in texts():
        e = tk.encode(t); w = tk.encode(t, add_special_tokens=False)
        cases.append(dict(text=t, ids=e.ids, ids_without_special=w.ids, decoded=tk.decode(e.ids), offsets=e.offsets))
    e = tk.encode("Hello, world!", R.choice(kjv)); 
    pair = None
    b = R.choice(kjv); e = tk.encode("Hello, world!", b)
    if tk.post_processor is not None: pair = dict(a="Hello, world!", b=b, ids=e.ids, type_ids=e.type_ids)
    tk.enable_truncation(8); tk.enable_padding(length=8, **(pad or {}))
    tp = [dict(text=t, ids=e.ids, attention_mask=e.attention_mask) for t in base[:10] for e in [tk.encode(t)]]
    json.dump(dict(vocab_size=tk.get_vocab_size(), cases=cases, truncate8_pad8=tp, **({"pair": pair} if pair else {})), open(d + "/reference.json", "w"))
    print(name, tk.get_vocab_size(), flush=True)
def tryit(name, f):
    try: write(name, *f()) 
    except BaseException as e: print("NOT MADE", name, repr(e)[:200])
def bpe(pre, norm=None, dec=None, post=None, size=600, special=(), train=None, **kw):
    def f():
        tk = Tokenizer(models.BPE(**kw))
        if norm: tk.normalizer = norm
        tk.pre_tokenizer = pre
        tk.train_from_iterator(corpus, T.BpeTrainer(vocab_size=size + R.randrange(300), special_tokens=list(special), show_progress=False, **(train or {})))
        if dec: tk.decoder = dec
        if post: tk.post_processor = post(tk)
        return (tk,)
    return f
ab = dict(initial_alphabet=P.ByteLevel.alphabet())
GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200 = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEP = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
def split(rx, **kw): return P.Sequence([P.Split(Regex(rx), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)])
def tmpl(single, pair, special):
    return lambda tk: PP.TemplateProcessing(single=single, pair=pair, special_tokens=[(s, tk.token_to_id(s)) for s in special])
tryit("gpt2", bpe(P.ByteLevel(add_prefix_space=False), dec=D.ByteLevel(), special=["<|endoftext|>"], train=ab))
tryit("bytelevel-prefix", bpe(P.ByteLevel(add_prefix_space=True), dec=D.ByteLevel(), special=["<s>", "</s>", "<mask>"], train=ab, post=lambda tk: PP.RobertaProcessing(("</s>", tk.token_to_id("</s>")), ("<s>", tk.token_to_id("<s>")), trim_offsets=True, add_prefix_space=True)))
tryit("roberta-notrim", bpe(P.ByteLevel(add_prefix_space=False), dec=D.ByteLevel(), special=["<s>", "</s>"], train=ab, post=lambda tk: PP.RobertaProcessing(("</s>", 1), ("<s>", 0), trim_offsets=False, add_prefix_space=False)))
tryit("llama3", bpe(split(GPT4), dec=D.ByteLevel(), special=["<|begin_of_text|>", "<|end_of_text|>"], train=ab, ignore_merges=True, post=tmpl("<|begin_of_text|> $A", "<|begin_of_text|> $A <|begin_of_text|>:1 $B:1", ["<|begin_of_text|>"])))
tryit("llama3-seq", bpe(split(GPT4), dec=D.ByteLevel(), special=["<|begin_of_text|>"], train=ab, post=lambda tk: PP.Sequence([PP.ByteLevel(trim_offsets=True), PP.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A $B:1", special_tokens=[("<|begin_of_text|>", 0)])])))
tryit("qwen2", bpe(split(QWEN), norm=N.NFC(), dec=D.ByteLevel(), special=["<|endoftext|>", "<|im_start|>"], train=ab, post=lambda tk: PP.ByteLevel(trim_offsets=False)))
tryit("o200k", bpe(split(O200), dec=D.ByteLevel(), special=["<|endoftext|>"], train=ab))
tryit("deepseek", bpe(P.Sequence([P.Split(Regex(r"\p{N}{1,3}"), "isolated"), P.Split(Regex("[一-龥぀-ゟ゠-ヿ]+"), "isolated"), P.Split(Regex(DEEP), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)]), dec=D.ByteLevel(), special=["<|endoftext|>"], train=ab))
tryit("starcoder", bpe(P.Sequence([P.Digits(individual_digits=True), P.ByteLevel(add_prefix_space=False)]), dec=D.ByteLevel(), special=["<|endoftext|>"], train=ab))
tryit("bpe-whitespace", bpe(P.Whitespace(), special=["[UNK]"], unk_token="[UNK]"))
tryit("bpe-ws-suffix", bpe(P.WhitespaceSplit(), dec=D.BPEDecoder(suffix="</w>"), special=["<unk>"], unk_token="<unk>", end_of_word_suffix="</w>", train=dict(end_of_word_suffix="</w>"), norm=N.Lowercase()))
tryit("clip", bpe(P.Sequence([P.Split(Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True), P.ByteLevel(add_prefix_space=False)]), norm=N.Sequence([N.NFC(), N.Replace(Regex(r"\s+"), " "), N.Lowercase()]), dec=D.BPEDecoder(suffix="</w>"), special=["<|startoftext|>", "<|endoftext|>"], unk_token="<|endoftext|>", end_of_word_suffix="</w>", train=dict(end_of_word_suffix="</w>", **ab), post=lambda tk: PP.RobertaProcessing(("<|endoftext|>", 1), ("<|startoftext|>", 0), trim_offsets=False, add_prefix_space=False)))
tryit("bpe-prefix", bpe(P.BertPreTokenizer(), special=["[UNK]"], unk_token="[UNK]", fuse_unk=True, continuing_subword_prefix="##", train=dict(continuing_subword_prefix="##")))
def llama2(pre=None, norm=None, dec=None, post=None, fallback=True):
    def f():
        byte = [f"<0x{i:02X}>" for i in range(256)]
        tk = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        tk.normalizer = N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")])
        small = R.sample(kjv, 400)
        tk.train_from_iterator([x[:100] for x in small], T.BpeTrainer(vocab_size=700 + R.randrange(200), special_tokens=["<unk>", "<s>", "</s>"] + byte, show_progress=False))
        j = json.loads(tk.to_str())
        j["added_tokens"] = [t for t in j["added_tokens"] if not t["content"].startswith("<0x")]
        tk = Tokenizer.from_str(json.dumps(j))
        if pre: tk.normalizer = N.Sequence([]); tk.normalizer = None; tk.pre_tokenizer = pre
        if norm: tk.normalizer = norm
        tk.decoder = dec or D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse(), D.Strip(" ", 1, 0)])
        tk.post_processor = PP.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
        return (tk,)
    return f
tryit("llama2", llama2())
tryit("llama2-metaspace", llama2(pre=P.Metaspace(prepend_scheme="first", split=False)))
tryit("llama2-never", llama2(pre=P.Metaspace(prepend_scheme="never", split=False), norm=N.Replace(" ", "▁")))
tryit("gemma", llama2(norm=N.Replace(" ", "▁"), pre=P.Split(" ", "merged_with_previous"), dec=D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse()])))
def uni(pre=None, norm=None, fallback=False, special=("<pad>", "</s>", "<unk>"), post=True, dec=None):
    def f():
        tk = Tokenizer(models.Unigram()); 
        if norm: tk.normalizer = norm
        tk.pre_tokenizer = pre or P.Metaspace()
        byte = [f"<0x{i:02X}>" for i in range(256)] if fallback else []
        tk.train_from_iterator(corpus, T.UnigramTrainer(vocab_size=700 + R.randrange(200), special_tokens=list(special) + byte, unk_token="<unk>", show_progress=False))
        j = json.loads(tk.to_str())
        if fallback:
            j["model"]["byte_fallback"] = True
            j["added_tokens"] = [t for t in j["added_tokens"] if not t["content"].startswith("<0x")]
            # scores as sentencepiece has them: 0 for bytes
        tk = Tokenizer.from_str(json.dumps(j))
        tk.decoder = dec or D.Metaspace()
        if post: tk.post_processor = PP.TemplateProcessing(single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", tk.token_to_id("</s>"))])
        return (tk,)
    return f
tryit("unigram", uni(norm=N.Sequence([N.NFKC(), N.Replace(Regex(" {2,}"), " ")])))
tryit("unigram-bytes", uni(fallback=True, dec=D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse(), D.Strip(" ", 1, 0)])))
tryit("unigram-xlm", uni(pre=P.Sequence([P.WhitespaceSplit(), P.Metaspace()]), norm=N.Sequence([N.Nmt(), N.NFKC(), N.Lowercase()])))
tryit("unigram-first", uni(pre=P.Metaspace(prepend_scheme="first"), norm=N.Sequence([N.NFKD(), N.StripAccents(), N.Strip()])))
tryit("unigram-albert", uni(norm=N.Sequence([N.Replace("``", '"'), N.Replace("''", '"'), N.NFKD(), N.StripAccents(), N.Lowercase()]), special=("<pad>", "</s>", "<unk>", "[MASK]")))
def wp(norm, pre=None, post="bert", cls=True, prefix="##", cased=False, added=(), maxc=100):
    def f():
        sp = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        tk = Tokenizer(models.WordPiece(unk_token="[UNK]", continuing_subword_prefix=prefix, max_input_chars_per_word=maxc)); tk.normalizer = norm; tk.pre_tokenizer = pre or P.BertPreTokenizer()
        tk.train_from_iterator(corpus, T.WordPieceTrainer(vocab_size=700 + R.randrange(200), special_tokens=sp, show_progress=False, continuing_subword_prefix=prefix))
        tk.decoder = D.WordPiece(prefix=prefix)
        if post == "bert": tk.post_processor = PP.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        else: tk.post_processor = PP.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
        for a in added: tk.add_tokens([a]) if not a.special else tk.add_special_tokens([a])
        return (tk, dict(pad_id=0, pad_token="[PAD]"))
    return f
tryit("bert", wp(N.BertNormalizer(), post="t"))
tryit("bert-cased", wp(N.BertNormalizer(lowercase=False)))
tryit("bert-accents", wp(N.BertNormalizer(lowercase=True, strip_accents=False, handle_chinese_chars=False, clean_text=False)))
tryit("bert-strip", wp(N.BertNormalizer(lowercase=False, strip_accents=True)))
tryit("bert-added", wp(N.BertNormalizer(), added=[AddedToken("Hello", lstrip=True), AddedToken("god", single_word=True, normalized=True), AddedToken("the ", rstrip=True, normalized=False), AddedToken("<s>", special=True, lstrip=True, rstrip=True), AddedToken("é", normalized=True)]))
tryit("bert-short", wp(N.BertNormalizer(), maxc=6))
tryit("wp-punct", wp(N.Sequence([N.NFD(), N.Lowercase(), N.StripAccents()]), pre=P.Sequence([P.Whitespace(), P.Punctuation("contiguous"), P.Digits(True)]), prefix="@@"))
def wl():
    tk = Tokenizer(models.WordLevel(unk_token="[UNK]")); tk.pre_tokenizer = P.Sequence([P.WhitespaceSplit(), P.Punctuation()]); tk.normalizer = N.Lowercase()
    tk.train_from_iterator(corpus, T.WordLevelTrainer(vocab_size=500, special_tokens=["[UNK]", "[PAD]"], show_progress=False)); return (tk,)
tryit("wordlevel", wl)
tryit("char-delim", bpe(P.CharDelimiterSplit(" "), special=["<unk>"], unk_token="<unk>"))
tryit("uniscripts", bpe(P.Sequence([P.UnicodeScripts(), P.Whitespace()]), special=["<unk>"], unk_token="<unk>"))
tryit("split-prev", bpe(P.Split(Regex(r"[aeiou]"), "merged_with_next"), special=["<unk>"], unk_token="<unk>"))
tryit("fixed", bpe(P.FixedLength(5), special=["<unk>"], unk_token="<unk>"))
tryit("bytelevel-norm", bpe(P.Split(Regex(r"\w+|[^\w\s]+|\s+"), "isolated"), norm=N.ByteLevel(), special=["<unk>"], unk_token="<unk>", dec=D.ByteLevel()))
