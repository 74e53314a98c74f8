"""Texts that are hard on tokenizers: used by reference.py and components.py."""
import random
import unicodedata

SCRAPS = [
    "Hello, world!", " the quick brown fox", "don't", "I'LL we'Ve 'S it'ſ", "naïve café", "e\u0301 a\u0323\u0302 q\u0302\u0323",
    "日本語", "テキスト", "한국어 \u1112\u1161\u11ab", "中文字符", "🙂", "👩\u200d👩\u200d👧", "🇩🇪", "שלום", "مرحبا", "हिन्दी", "ไทย", "क्ष",
    " ", "  ", "   ", "      ", "\t", "\n", "\n\n", "\r\n", " \n ", "\u00a0", "\u3000", "\u2003", "\u200b", "\ufeff", "\u0085",
    "1234567890", "3.14159", "Ⅷ", "½", "٣٤", "x²", "ﬁ", "ŉ", "ǆ", "İI", "ß", "ẞ", "Σίσυφος", "ΌΣ", "Ａｂｃ", "ｶﾞ", "㌀", "\ufdfa",
    "\x00", "\x01", "\x7f", "\ufffd", "\u00ad", "\u0378", "\ue000", "\U0001f9ff", "▁", "▁▁a", "_", "__init__", "Ġ", "</w>", "##a",
    "...", "!!!", "—", "“quotes”", "$€^`~|<>+=", "http://x.y/z?a=b&c=d#e", "def f(x):\n    return x**2  # code\n", "<s>", "[MASK]",
    "<|endoftext|>", "<unk>", "<0x41>", "aaaaaaaaaaaaaaaaaaaa", "Zürich", "\u0344", "\u1e9b\u0323", "\u0958", "\u2126", "\uac00\u11a8",
]


def known(c):
    return unicodedata.category(chr(c)) not in ("Cn", "Cs")


def mixed(seed, n, most):
    """n texts of up to `most` scraps and random characters."""
    r = random.Random(seed)
    out = []
    for _ in range(n):
        s = ""
        for _ in range(r.randrange(1, most + 1)):
            k = r.random()
            if k < 0.7:
                s += r.choice(SCRAPS)
            elif k < 0.8:
                s += r.choice(SCRAPS)[::-1]
            elif k < 0.9:
                s += "".join(chr(r.randrange(32, 127)) for _ in range(r.randrange(1, 6)))
            else:
                c = r.choice([r.randrange(0x100), r.randrange(0x3000), r.randrange(0xd800), r.randrange(0xe000, 0x20000)])
                s += chr(c) if known(c) else "?"
        out.append(s)
    return out


def code_points():
    """Every character that this Python knows, between letters and by itself."""
    block = 64
    for at in range(0, 0x110000, block):
        cs = [chr(c) for c in range(at, at + block) if known(c)]
        if cs and (at < 0xF0000 or at % 0x1000 == 0):
            yield "a" + "b".join(cs) + " " + " ".join(cs)
