"""Encodes hard texts with Hugging Face's `tokenizers`, for TestReference.

    python3 reference.py FOLDER [FILE ...]
    PARE_TOKENIZERS=FOLDER go test -run TestReference ./core/data/tokenizer

FOLDER holds a folder for each tokenizer (tokenizer.json, or encoder.json and
vocab.bpe, or vocab.txt); each gets a reference.jsonl. The FILEs are further texts.
"""
import glob
import json
import os
import sys

import texts
import tokenizers


def load(d):
    if os.path.exists(d + "/tokenizer.json"):
        t = tokenizers.Tokenizer.from_file(d + "/tokenizer.json")
    elif os.path.exists(d + "/encoder.json"):
        t = tokenizers.ByteLevelBPETokenizer(d + "/encoder.json", d + "/vocab.bpe", trim_offsets=False)
        t.add_special_tokens(["<|endoftext|>"])
        t.post_processor = tokenizers.processors.ByteLevel(trim_offsets=False)
    else:
        t = tokenizers.BertWordPieceTokenizer(d + "/vocab.txt")
    t.no_truncation()
    t.no_padding()
    return t


all_texts = texts.mixed(1, 3000, 12) + texts.mixed(2, 200, 200) + list(texts.code_points())
for name in sys.argv[2:]:
    s = open(name, encoding="utf-8", errors="replace").read()
    all_texts += [s[i : i + 20000] for i in range(0, len(s), 20000)]
for d in sorted(glob.glob(sys.argv[1] + "/*/")):
    t = load(d)
    with open(d + "/reference.jsonl", "w") as out:
        for s in all_texts:
            e = t.encode(s)
            line = {"text": s, "ids": e.ids, "offsets": e.offsets, "decoded": t.decode(e.ids)}
            out.write(json.dumps(line) + "\n")
    print(d, t.get_vocab_size(), len(all_texts), "texts,", sum(len(s.encode()) for s in all_texts), "bytes")
