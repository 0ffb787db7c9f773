#!/usr/bin/env python3
"""Writes tests/text/data: a small vocabulary, tokenizer.json, and texts with the tokens that the tokenizers package gives them.

Usage: make_golden.py (needs the tokenizers package). The texts are the same every time.
"""

import json
import pathlib
import random

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

DATA = pathlib.Path(__file__).parent / "data"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

LETTERS = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789éÉñçßøαβσςΣдЖ가각中文日本ノ\u0301\u0307\u1161\u11a8\u1100")
WORDS = "the un una cat Cat cats café İ i 10 2020 new york play aff able ffa".split()
PIECES = "##ing ##s ##ffa ##ble ##able ##aff ##é ##x中".split()
SYMBOLS = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~¿¡«»—“”‘’…。、€")

TEXTS = [
    "", " ", "the cat plays", "The CAT Plays.", "unaffable", "cafés and CAFÉ", "cafe\u0301", "İstanbul I", "straße", "ΑΣΟΣ σς",
    "中文abc日本", "x中", "가각 각", "a\u0000b\ufffdc", "a\u200bb\u00adc\ue000", "tab\there\r\nnew\u2028line\u00a0x\u3000y",
    "\u000bvt\u000cff\u0085nel", "don't stop—now…", "\"quoted\" (a) [b] {c}", "a_b-c/d\\e", "¿qué? ¡sí!", "€10 2020", "#hash ##s ##",
    "[CLS] the [MASK] cat [SEP]", "[MASK][MASK]", "[mask] [ MASK ]", "the[MASK]cat", "[UNK][PAD]", "[[MASK]]", "[MAS", "é[MASK]\u0301e",
    "a" * 100, "a" * 101, "中" * 101, "é" * 100, "é" * 101, "cat" + "a" * 99 + " cat", "q\u0328\u0301\u0316e\u0301\u0328",
    "\u0344a\u0316", "\u1e69\u0323", "A\u030a Å Å", "Ⅷ ﬁ ½", "👩‍👩‍👧 🎉 flag 🇩🇪", "नमस्ते", "สวัสดี", "שָׁלוֹם", "مَرْحَبًا", "\u1734a\u0898b",
    "\u166d\u07fd\U00011938x", "Ꮳ Ა Ɐ \u1c89 \ua7cb", "new york new  york   ", "10.5,3", "e\u0301\u0300\u0327", "play able play\u0301able",
]  # fmt: skip

PAIRS = [("the cat plays new york", "unaffable cats"), ("a", "b c d e f g h"), ("a b c d e f g h", "b"), ("", "the cat"), ("cat", "")]
LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 64]

ADDED = [
    dict(content="<left>", lstrip=True),
    dict(content="<right>", rstrip=True),
    dict(content="<both>", lstrip=True, rstrip=True),
    dict(content="cat", single_word=True),
    dict(content="Große", normalized=True),
    dict(content="<le", single_word=False),
]
ADDED_TEXTS = [
    "a <left> b <right> c <both> d", "a<left>b<right>c", "  <both>\u3000\t<left>  <right>  ", "cat cats, cat. catcat écat cat9 cat_",
    "große GROSSE GROßE GRO\u0308ßE", "a große<left>große", "<le <left <left>", "<right> <left>x", "cat", "\u00a0cat\u00a0",
]  # fmt: skip

VARIANTS = [
    dict(),
    dict(lower_case=False),
    dict(strip_accents=False),
    dict(lower_case=False, strip_accents=True),
    dict(tokenize_chinese_chars=False),
    dict(clean_text=False),
    dict(max_input_chars_per_word=3),
]


def random_texts(count):
    r = random.Random(7)
    pools = [
        lambda: r.choice(LETTERS + SYMBOLS + [" "]),
        lambda: chr(r.randrange(0x20, 0x250)),
        lambda: "e" + chr(r.randrange(0x300, 0x370)),
        lambda: chr(r.choice([r.randrange(0x370, 0xD800), r.randrange(0xE000, 0x20000)])),
        lambda: r.choice(WORDS) + r.choice(["", " "]),
    ]
    for _ in range(count):
        kinds = r.choices(pools, k=3)
        yield "".join(r.choice(kinds)() for _ in range(r.randrange(1, 14)))


def build(vocabulary, settings, added=()):
    ids = {token: i for i, token in enumerate(vocabulary)}
    most = settings.get("max_input_chars_per_word", 100)
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=most))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=settings.get("clean_text", True),
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        strip_accents=settings.get("strip_accents"),
        lowercase=settings.get("lower_case", True),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(**({"normalized": False} | token)) for token in added])
    return tokenizer


def case(tokenizer, settings, text, pair=None, max_length=None):
    if max_length is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(max_length, strategy="longest_first")
    encoding = tokenizer.encode(text, pair)
    result = dict(settings=settings, text=text, pair=pair, max_length=max_length)
    return result | dict(ids=encoding.ids, types=encoding.type_ids, offsets=encoding.offsets)


def write_cases(name, cases):
    with open(DATA / name, "w", encoding="utf-8", newline="\n") as file:
        for item in cases:
            file.write(json.dumps(item, ensure_ascii=True, separators=(",", ":")) + "\n")


def main():
    vocabulary = list(dict.fromkeys(SPECIAL + SYMBOLS + LETTERS + WORDS + PIECES + ["##" + letter for letter in LETTERS]))
    DATA.mkdir(exist_ok=True)
    (DATA / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8", newline="\n")
    more = list(random_texts(60))
    cases = []
    for i, settings in enumerate(VARIANTS):
        tokenizer = build(vocabulary, settings)
        cases += [case(tokenizer, settings, text) for text in TEXTS + (more if i < 2 else [])]
    write_cases("golden_texts.jsonl", cases)
    plain = build(vocabulary, {})
    pairs = [case(plain, {}, a, b, n) for a, b in PAIRS for n in LENGTHS]
    singles = [case(plain, {}, a, None, n) for a, _ in PAIRS for n in LENGTHS]
    write_cases("golden_truncation.jsonl", pairs + singles)
    cases = []
    for lower_case in (True, False):
        tokenizer = build(vocabulary, dict(lower_case=lower_case), ADDED)
        settings = dict(lower_case=lower_case, added=[token | dict(id=tokenizer.token_to_id(token["content"])) for token in ADDED])
        cases += [case(tokenizer, settings, text) for text in ADDED_TEXTS]
    write_cases("golden_added_tokens.jsonl", cases)
    folder = DATA / "tokenizer_json"
    folder.mkdir(exist_ok=True)
    tokenizer = build(vocabulary, dict(lower_case=False, tokenize_chinese_chars=False, max_input_chars_per_word=50), ADDED)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}\n', encoding="utf-8")
    tokens = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    write_cases("golden_tokenizer_json.jsonl", [case(tokenizer, {}, text) for text in TEXTS + ADDED_TEXTS])
    (folder / "tokens.json").write_text(json.dumps(tokens) + "\n", encoding="utf-8")


main()
