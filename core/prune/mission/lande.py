"""The language identifier lande and texts for it, for lande.toml.

    npm pack lande@1.0.10 && tar xzf lande-1.0.10.tgz
    apt-get install debian-faq debian-faq-{fr,de,it,nl,ru,ja}
    python3 lande.py package /usr/share/doc/debian/FAQ lande

writes lande/lande.onnx, a net 620-120-50 of shares of n-grams, and lande/faq, a folder of
train.csv and test.csv: the first and the second half of the paragraphs of each language's
FAQ, each cut to 200 characters. It prints what the net knows of the second half as it comes.
Needs numpy and onnx.
"""

import base64
import csv
import gzip
import json
import os
import re
import sys
import unicodedata
from collections import Counter

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

CODES = {"en": "eng", "fr": "fra", "de": "deu", "it": "ita", "nl": "nld", "ru": "rus", "ja": "jpn"}


def exported(path):
    """The JSON behind `export default` of a module."""
    with open(path, encoding="utf-8") as f:
        return json.loads(f.read().split("export default", 1)[1].strip().rstrip(";"))


def decode(text):
    """toygrad's encoder.js at precision f8: 1SCALE|BYTES, (byte − 127) / scale."""
    if text[0] != "1":
        raise SystemExit(f"weights begin with {text[:1]!r}: this reads one byte a weight, as in lande 1.0.10")
    scale, data = text[1:].split("|")
    return (np.frombuffer(base64.b64decode(data), np.uint8).astype(np.float32) - 127) / np.float32(scale)


def normal(text):
    """lande's getNormalized: letters, marks and spaces, in lower case, a space at each end."""
    text = re.sub("-+", " ", text)
    text = "".join(c for c in text if c.isspace() or unicodedata.category(c)[0] in "LM")
    return " " + re.sub(r"\s{2,}", " ", text).lower().strip() + " "


def features(text, grams):
    """Shares of the listed n-grams among those of as many characters: [620]."""
    text, out = normal(text), []
    for n, name in enumerate(["unigrams", "bigrams", "trigrams", "quadgrams"], 1):
        seen = Counter(text[i : i + n] for i in range(len(text) - n + 1))
        total = max(sum(seen.values()), 1)
        out += [seen[g] / total for g in grams[name]]
    return out


def paragraphs(path):
    """The paragraphs of a text with 40 letters or more in their first 200 characters."""
    with gzip.open(path, "rt", encoding="utf-8") as f:
        for p in re.split(r"\n\s*\n", f.read()):
            p = re.sub(r"\s+", " ", p).strip()[:200]
            if sum(c.isalpha() for c in p) >= 40:
                yield p


def main(package, faq, out):
    at = lambda name: os.path.join(package, "standalone", name)
    with open(at("t50-ngrams.js"), encoding="utf-8") as f:
        grams = dict(zip(["unigrams", "bigrams", "trigrams", "quadgrams"], json.loads("[" + ",".join(re.findall(r"\[.*?\]", f.read(), re.S)) + "]")))
    langs = exported(at("t50-langs.js"))
    w = []
    for layer in exported(at("t50-options.js"))["layers"]:
        if layer["type"] == "dense":
            w.append((np.stack([decode(r) for r in layer["_filters"]]), decode(layer["_biases"])))
    os.makedirs(os.path.join(out, "faq"), exist_ok=True)

    nodes, params, x = [], [], "ngrams"
    for i, (weight, bias) in enumerate(w, 1):
        params += [numpy_helper.from_array(weight, f"fc{i}.weight"), numpy_helper.from_array(bias, f"fc{i}.bias")]
        y = "logits" if i == len(w) else f"fc{i}"
        nodes.append(helper.make_node("Gemm", [x, f"fc{i}.weight", f"fc{i}.bias"], [y], name=f"fc{i}", transB=1))
        if i < len(w):
            nodes.append(helper.make_node("Relu", [y], [f"relu{i}"], name=f"relu{i}"))
            x = f"relu{i}"
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "lande", [info("ngrams", TensorProto.FLOAT, ["N", w[0][0].shape[1]])], [info("logits", TensorProto.FLOAT, ["N", len(langs)])], params)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), os.path.join(out, "lande.onnx"))

    rows = {"train": [], "test": []}
    for short, code in CODES.items():
        ps = list(paragraphs(os.path.join(faq, f"debian-faq.{short}.txt.gz")))
        for i, p in enumerate(ps):
            rows["train" if i < len(ps) // 2 else "test"].append(features(p, grams) + [code])
    for name, r in rows.items():
        with open(os.path.join(out, "faq", name + ".csv"), "w", newline="") as f:
            c = csv.writer(f)
            c.writerow([f"g{i}" for i in range(w[0][0].shape[1])] + ["label"])
            c.writerows([f"{v:.6g}" for v in x[:-1]] + x[-1:] for x in r)
    x = np.array([r[:-1] for r in rows["test"]], np.float32)
    for i, (weight, bias) in enumerate(w):
        x = x @ weight.T + bias
        if i < len(w) - 1:
            x = np.maximum(x, 0)
    right = np.array([langs[k] == r[-1] for k, r in zip(x.argmax(1), rows["test"])])
    print(f"{len(rows['train'])} paragraphs to train, {len(rows['test'])} to test; as it comes {100 * right.mean():.2f} % of these are right")
    print("classes =", json.dumps(langs))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
