#!/usr/bin/env python3
"""Makes train.jsonl, validation.jsonl and sentences.txt of the demo from the data wheel's files.

Usage: make_data.py questions|movies SOURCE FOLDER
Needs Python's standard library only. A text goes to validation.jsonl when the first byte of the SHA-1 of its lower-cased
form is below 38 (15 %), so the division depends on nothing but the text. Duplicates are removed first: otherwise the
validation set would hold sentences that the model was trained on.
"""

import hashlib
import json
import os
import pathlib
import sys

VALIDATION_BELOW = 38  # of 256


def read_questions(source):
    """Lines `COARSE:fine text`: the label is the coarse type of the answer."""
    for line in source.read_text(encoding="utf-8").splitlines():
        kind, text = line.split(" ", 1)
        yield text.strip(), kind.split(":")[0]


def read_movies(source):
    """Lines `id<TAB>rating<TAB>text` under a header, ratings -4 to 4: those near 0 say neither yes nor no and are left out."""
    for line in source.read_text(encoding="utf-8").splitlines()[1:]:
        _, rating, text = line.split("\t", 2)
        if abs(float(rating)) >= 0.5:
            yield text.strip(), "positive" if float(rating) > 0 else "negative"


READERS = {"questions": read_questions, "movies": read_movies}


def without_duplicates(examples):
    first = {}
    for text, label in examples:
        first.setdefault(text.lower(), (text, label))
    return list(first.values())


def is_validation(text):
    return hashlib.sha1(text.lower().encode("utf-8")).digest()[0] < VALIDATION_BELOW


def write(path, lines):
    """Whole or not at all: a run that is stopped leaves no half file under the final name."""
    scratch = path.with_name(path.name + ".new")
    with scratch.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(line + "\n" for line in lines)
    os.replace(scratch, path)


def main():
    kind, source, folder = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    examples = list(READERS[kind](source))
    different = without_duplicates(examples)
    parts = {"train": [], "validation": []}
    for text, label in different:
        row = {"sentence1": text, "label": label}
        parts["validation" if is_validation(text) else "train"].append(json.dumps(row, ensure_ascii=False))
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        write(folder / f"{name}.jsonl", rows)
    labels = sorted({label for _, label in different})
    print(
        f"{len(examples)} labelled texts, {len(different)} different; {len(parts['train'])} to train on, "
        f"{len(parts['validation'])} to validate on; labels: {' '.join(labels)}"
    )


main()
