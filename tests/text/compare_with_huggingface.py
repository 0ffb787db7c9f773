#!/usr/bin/env python3
"""Compares `moebert tokenize` with the tokenizers package, token for token, and prints the speed of both.

Usage: compare_with_huggingface.py path/to/moebert [--random N] [--seed S]
Texts: every line, cell and JSON string below MOEBERT_SHARED/data (default: ../shared beside the repository), every code point,
N lines of random Unicode, and N pairs of these texts cut to 24 tokens; with the cased and the uncased vocabulary. Needs the tokenizers package. Exit code 1 when anything differs.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
sys.dont_write_bytecode = True

from reference_tokenizer import SPECIAL, reference_models, shared_data  # noqa: E402

PAIR_LENGTH = 24


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def texts_below(folder):
    found = set()
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".json":
            found.update(strings(json.loads(file.read_text(encoding="utf-8"))))
        elif file.suffix in (".tsv", ".txt", ".md"):
            for line in file.read_text(encoding="utf-8").split("\n"):
                found.add(line)
                found.update(line.split("\t"))
    return sorted({line for text in found for line in text.split("\n")})


ALPHABETS = [
    lambda r: chr(r.randrange(0x20, 0x7F)),
    lambda r: r.choice("abcdefgh ABCDEFGH"),
    lambda r: r.choice(" \t\r\x0b\x0c\x1c\x85\u00a0\u2003\u3000\u200b\u2028"),
    lambda r: chr(r.randrange(0x01, 0x300)).replace("\n", " "),
    lambda r: "e" + chr(r.randrange(0x300, 0x370)) + chr(r.randrange(0x300, 0x370)),
    lambda r: chr(r.randrange(0x370, 0x3000)),
    lambda r: chr(r.randrange(0x3000, 0xD800)),
    lambda r: chr(r.randrange(0xE000, 0x10000)),
    lambda r: chr(r.randrange(0x10000, 0x20000)),
    lambda r: chr(r.randrange(0x20000, 0x110000)),
    lambda r: r.choice(SPECIAL + ["[mask]", "[ MASK]", "[CLS", "##ing", "unaffable", "İstanbul", "ΑΣΟΣ", "가각힣", "ﬁn"]),
    lambda r: r.choice("abcé中") * r.randrange(90, 110),
]


def random_line(r):
    kinds = r.choices(ALPHABETS, k=r.randrange(1, 5))
    return "".join(r.choice(kinds)(r) for _ in range(r.randrange(0, 40)))


def every_code_point():
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and c != 0x0A]
    for i in range(0, len(points), 16):
        yield " ".join(chr(c) for c in points[i : i + 16])
        yield "".join("a" + chr(c) + "\u0316" for c in points[i : i + 16])


def random_pairs(r, texts, count):
    """Two texts, of which the first has no tab, with a tab between."""
    return [r.choice(texts).replace("\t", " ") + "\t" + r.choice(texts) for _ in range(count)]


def run_ours(program, folder, lines, flags):
    with tempfile.TemporaryDirectory() as scratch:
        source, target = pathlib.Path(scratch, "in"), pathlib.Path(scratch, "out")
        source.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        start = time.perf_counter()
        with source.open("rb") as stdin, target.open("wb") as stdout:
            command = [program, "tokenize", "--model_name_or_path", folder, *flags]
            subprocess.run(command, stdin=stdin, stdout=stdout, check=True)
        seconds = time.perf_counter() - start
        return target.read_text(encoding="utf-8").split("\n")[:-1], seconds


def run_reference(tokenizer, lines, pairs):
    if pairs:
        tokenizer.enable_truncation(PAIR_LENGTH, strategy="longest_first")
        lines = [tuple(line.split("\t", 1)) for line in lines]
    else:
        tokenizer.no_truncation()
    seconds, tokens = 0.0, 0
    for i in range(0, len(lines), 1000):
        start = time.perf_counter()
        encodings = tokenizer.encode_batch(lines[i : i + 1000])
        seconds += time.perf_counter() - start
        tokens += sum(len(encoding.ids) for encoding in encodings)
        yield from ((encoding, seconds, tokens) for encoding in encodings)


def compare(program, folder, tokenizer, lines, title):
    pairs = title.endswith("pairs")
    flags = ["--pairs", "--max_seq_length", str(PAIR_LENGTH)] if pairs else []
    ours, our_seconds = run_ours(program, folder, lines, flags)
    if len(ours) != len(lines):
        sys.exit(f"{title}: {len(lines)} lines in, {len(ours)} out")
    differences, seconds, tokens = 0, 0.0, 0
    for line, answer, (encoding, seconds, tokens) in zip(lines, ours, run_reference(tokenizer, lines, pairs)):
        expected = {"input_ids": encoding.ids, "tokens": encoding.tokens, "offsets": [list(o) for o in encoding.offsets]}
        if pairs:
            expected["token_type_ids"] = encoding.type_ids
        if json.loads(answer) != expected:
            differences += 1
            if differences <= 5:
                print(f"different: {line!r}\n  ours     {answer}\n  expected {json.dumps(expected, ensure_ascii=False)}")
    print(
        f"{title}: {len(lines)} lines, {tokens} tokens, {differences} differences; million tokens a second: "
        f"{tokens / our_seconds / 1e6:.2f} (start and JSON included), tokenizers {tokens / seconds / 1e6:.2f}"
    )
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--random", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    data = shared_data()
    r = random.Random(arguments.seed)
    inputs = {
        "data": texts_below(data),
        "code points": list(every_code_point()),
        "random": [random_line(r) for _ in range(arguments.random)],
    }
    inputs["pairs"] = random_pairs(r, inputs["data"] + inputs["random"], arguments.random)
    differences = 0
    for name, tokenizer, folder in reference_models(data):
        for title, lines in inputs.items():
            differences += compare(arguments.program, folder, tokenizer, lines, f"{name}, {title}")
    sys.exit(1 if differences else 0)


main()
