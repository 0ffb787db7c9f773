#!/usr/bin/env python3
"""Compares `moebert tokenize --task_name squad` with what Hugging Face's run_qa makes of SQuAD's questions by the tokenizers
package: windows, ids, segments, offsets and spans. Prints the speed of both on one core.

Usage: compare_with_huggingface.py path/to/moebert
Questions: dev-v1.1.json and dev-v2.0.json below MOEBERT_SHARED/data/SQuAD (default: ../shared beside the repository), with
the cased and the uncased vocabulary. Needs the tokenizers package. Exit code 1 when anything differs.
"""

import argparse
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
sys.dont_write_bytecode = True

from reference_tokenizer import reference_models, shared_data  # noqa: E402

SHAPES = [(384, 128), (128, 32)]  # max_seq_length, doc_stride
BATCH = 1000  # as datasets.map calls run_qa's functions


def answer_place(question, context):
    """[begin, end) of the first answer in characters, () for no answer; None where the file doesn't say, or says it wrongly
    and the text is in the context not once."""
    if question.get("is_impossible") or question.get("answers") == []:
        return ()
    if "answers" not in question:
        return None
    text, start = question["answers"][0]["text"], question["answers"][0]["answer_start"]
    if context[start : start + len(text)] != text:
        start = context.find(text)
        if start < 0 or start != context.rfind(text):
            return None
    return start, start + len(text)


def read_questions(file):
    for article in json.loads(file.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                place = answer_place(question, paragraph["context"])
                yield question["id"], question["question"].lstrip(), paragraph["context"], place


def span(offsets, sequence_ids, place):
    """As run_qa's prepare_train_features; but there the start of an answer that begins with the window's last token is the
    [SEP] (or the last [PAD]) behind it, whose offset is (0, 0)."""
    if not place:
        return 0, 0
    start_char, end_char = place
    first, last = 0, len(sequence_ids) - 1
    while sequence_ids[first] != 1:
        first += 1
    while sequence_ids[last] != 1:
        last -= 1
    if offsets[first][0] > start_char or offsets[last][1] < end_char:
        return 0, 0
    size = last + 1  # len(offsets) in run_qa
    while first < size and offsets[first][0] <= start_char:
        first += 1
    while offsets[last][1] >= end_char:
        last -= 1
    return first - 1, last + 1


def run_reference(tokenizer, questions, seconds):
    """For each window what should be printed; appends to `seconds` what a batch took."""
    for i in range(0, len(questions), BATCH):
        batch, windows = questions[i : i + BATCH], []
        start = time.perf_counter()
        encodings = tokenizer.encode_batch([(question, context) for _, question, context, _ in batch])
        for (question_id, *_, place), encoding in zip(batch, encodings):
            for window in (encoding, *encoding.overflowing):
                offsets, sequence_ids = window.offsets, window.sequence_ids
                position = None if place is None else span(offsets, sequence_ids, place)
                windows.append((question_id, window.ids, window.type_ids, offsets, sequence_ids, position))
        seconds.append(time.perf_counter() - start)
        yield from (as_printed(*window) for window in windows)


def as_printed(question_id, ids, type_ids, offsets, sequence_ids, position):
    shown = [list(offset) if sequence == 1 else None for offset, sequence in zip(offsets, sequence_ids)]
    line = {"id": question_id, "input_ids": ids, "token_type_ids": type_ids, "offsets": shown}
    return line if position is None else line | dict(zip(("start_position", "end_position"), position))


def run_ours(program, folder, file, shape, target):
    flags = ["--validation_file", file, "--max_seq_length", str(shape[0]), "--doc_stride", str(shape[1])]
    with target.open("wb") as stdout:
        command = [program, "tokenize", "--model_name_or_path", folder, "--task_name", "squad", "--statistics", *flags]
        said = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, check=True, text=True).stderr
    return float(re.search(r"([0-9.]+) s,", said)[1])


def too_long(tokenizer, questions, shape):
    """The ids of those that leave so little room that the tokenizers package refuses to cut their context."""
    tokenizer.no_truncation()
    encodings = tokenizer.encode_batch([question for _, question, _, _ in questions], add_special_tokens=False)
    return {q[0] for q, encoding in zip(questions, encodings) if shape[0] - 3 - len(encoding.ids) <= shape[1]}


def show_difference(ours, expected):
    print(f"different: a window of question {(expected or ours)['id']}")
    for key in sorted(ours.keys() | expected.keys()):
        if ours.get(key) != expected.get(key):
            print(f"  {key}\n    ours     {ours.get(key)}\n    expected {expected.get(key)}")


def compare(program, folder, tokenizer, file, shape, title):
    questions = list(read_questions(file))
    skipped = too_long(tokenizer, questions, shape)
    tokenizer.enable_truncation(shape[0], stride=shape[1], strategy="only_second")
    seconds, count, differences = [], 0, 0
    reference = run_reference(tokenizer, [question for question in questions if question[0] not in skipped], seconds)
    with tempfile.TemporaryDirectory() as scratch:
        target = pathlib.Path(scratch, "out")
        our_seconds = run_ours(program, folder, file, shape, target)
        with target.open(encoding="utf-8") as lines:
            ours = (window for window in map(json.loads, lines) if window["id"] not in skipped)
            for window, expected in itertools.zip_longest(ours, reference, fillvalue={}):
                count += 1
                if window != expected:
                    differences += 1
                    if differences <= 5:
                        show_difference(window, expected)
    print(
        f"{title}: {len(questions)} questions, {len(skipped)} of them skipped, {count} windows, {differences} differences; "
        f"windows a second, without reading and printing: {count / our_seconds:.0f}, run_qa's way {count / sum(seconds):.0f}"
    )
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    arguments = parser.parse_args()
    data = shared_data()
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])  # the program inherits it
    differences = 0
    for name, tokenizer, folder in reference_models(data):
        for file, shape in itertools.product(("dev-v1.1.json", "dev-v2.0.json"), SHAPES):
            title = f"{name}, {file}, {shape[0]}/{shape[1]}"
            differences += compare(arguments.program, folder, tokenizer, data / "SQuAD" / file, shape, title)
    sys.exit(1 if differences else 0)


main()
