"""Runs single normalizers, pre-tokenizers and decoders of Hugging Face's
`tokenizers` on hard texts, for TestComponents.

    python3 components.py 5 > components.jsonl         (what is kept here)
    python3 components.py 200 all > FILE              (all of Unicode too)
    PARE_TOKENIZER_COMPONENTS=FILE go test -run TestComponents ./core/data/tokenizer
"""
import json
import random
import sys

import texts
import tokenizers

RE = lambda r: {"Regex": r}
ST = lambda s: {"String": s}
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT4O = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

GLM4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"

bert = lambda **k: {"type": "BertNormalizer", **{"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False, **k}}
NORMALIZERS = [
    *[{"type": t} for t in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")],
    bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True), bert(lowercase=True, strip_accents=None),
    {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Prepend", "prepend": "▁"},
    {"type": "Replace", "pattern": ST(" "), "content": "▁"}, {"type": "Replace", "pattern": RE(" {2,}"), "content": " "},
    {"type": "Replace", "pattern": RE(r"\s+$"), "content": ""}, {"type": "Replace", "pattern": RE(r"(?<=\w)'(?=\w)"), "content": "’"},
    {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}]},
]
split = lambda p, b="Isolated", invert=False: {"type": "Split", "pattern": p, "behavior": b, "invert": invert}
PRE_TOKENIZERS = [
    split(RE(GPT2)), split(RE(GPT4 % "{1,3}")), split(RE(GPT4 % "")), split(RE(GPT4O)), split(RE(DEEPSEEK)), split(RE(GLM4)),
    *[split(RE(r"\w+"), b, i) for b in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous") for i in (False, True)],
    split(ST("a"), "Isolated"), split(RE(r"[一-龥぀-ゟ゠-ヿ]+")), split(RE(r"\d"), "Contiguous"), split(RE(r"\p{N}{1,3}")), split(RE(r"^.")), split(RE(r"\b")), split(RE(r"[\w'’]+")), split(RE(r"\W")), split(RE(r"(?<!\d)\d+(?!\d)")),
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    *[{"type": t} for t in ("Whitespace", "WhitespaceSplit", "BertPreTokenizer")],
    *[{"type": "Punctuation", "behavior": b} for b in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")],
    *[{"type": "Digits", "individual_digits": b} for b in (False, True)],
    *[{"type": "Metaspace", "replacement": "▁", "prepend_scheme": p, "split": s} for p in ("always", "first", "never") for s in (False, True)],
    {"type": "Metaspace", "replacement": "▁", "str_rep": "▁", "add_prefix_space": True},
    {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}]},
    {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
]
DECODERS = [
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "WordPiece", "prefix": "##", "cleanup": True}, {"type": "WordPiece", "prefix": "##", "cleanup": False},
    {"type": "BPEDecoder", "suffix": "</w>"}, {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True},
    {"type": "Strip", "content": " ", "start": 0, "stop": 1}, {"type": "Replace", "pattern": ST("▁"), "content": " "},
    {"type": "Replace", "pattern": RE("a+"), "content": "b"},
    {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": ST("▁"), "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
]
TOKENS = ["▁the", "the", "##ing", "ing", "a</w>", "</w>", "<0xE2>", "<0x96>", "<0x81>", "<0x41>", "<0xF0>", "<0xe2>", "Ġ", "Ġa", "Ã©", "ðŁĻĤ", "ðŁ", "Ļ",
          "é", "日本", " ", "  a  ", ".", "!", "'", "n't", "'s", "do", "not", "'re", "<s>", "▁", "▁▁", "aaa", "Ċ", "ÿ", "í", "ł", "âĢ"]


def tokenizer(section, config):
    return tokenizers.Tokenizer.from_str(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
        "post_processor": None, "decoder": None, "model": {"type": "BPE", "vocab": {}, "merges": []}, section: config}))


def put(section, config, text, want):
    print(json.dumps({"section": section, "config": config, "text": text, "want": want}, ensure_ascii=False, separators=(",", ":")))


def main():
    n = int(sys.argv[1])
    r = random.Random(5)
    for i, c in enumerate(NORMALIZERS):
        run = tokenizer("normalizer", c).normalizer
        for s in texts.mixed(i, n, 10) + (list(texts.code_points()) if len(sys.argv) > 2 else []):
            put("normalizer", c, s, run.normalize_str(s))
    for i, c in enumerate(PRE_TOKENIZERS):
        run = tokenizer("pre_tokenizer", c).pre_tokenizer
        for s in texts.mixed(i + 100, n, 10) + (list(texts.code_points()) if len(sys.argv) > 2 else []):
            put("pre_tokenizer", c, s, [[w, *at] for w, at in run.pre_tokenize_str(s)])
    for c in DECODERS:
        run = tokenizer("decoder", c).decoder
        for _ in range(n):
            ts = r.choices(TOKENS, k=r.randrange(1, 12))
            put("decoder", c, ts, run.decode(ts))


if __name__ == "__main__":
    main()
