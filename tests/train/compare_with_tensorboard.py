#!/usr/bin/env python3
"""Trains a tiny model with --report_to tensorboard and reads the event file back with the tensorboard package: every
number of train_log.jsonl must be there, at its step, in float32.

Usage: compare_with_tensorboard.py path/to/moebert
Needs the tensorboard package. Exit code 1 when anything differs.
"""

import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

MODEL = pathlib.Path(__file__).resolve().parents[1] / "parity" / "fixtures" / "cls3" / "dense"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(92))]  # the model's 97 tokens


def train(program, folder):
    model = folder / "model"
    shutil.copytree(MODEL, model)
    (model / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    rows = [f"w{i} w{3 * i % 92} w{7 * i % 92}\t{i % 3}" for i in range(40)]
    data = folder / "data.tsv"
    data.write_text("sentence1\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
    options = "--max_steps 9 --logging_steps 1 --evaluation_strategy steps --eval_steps 4 --report_to tensorboard"
    paths = {
        "--model_name_or_path": model,
        "--train_file": data,
        "--validation_file": data,
        "--max_seq_length": 16,
        "--output_dir": folder / "out",
    }
    command = [program, "finetune", *options.split(), *(str(part) for pair in paths.items() for part in pair)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "out"


def float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def logged(output):
    """(tag, step, value) of every number in train_log.jsonl."""
    for line in (output / "train_log.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        group, step = row.pop("event"), row.pop("step")
        for name, value in row.items():
            if isinstance(value, (int, float)):
                yield f"{group}/{name}", step, float32(value)


def read_back(output):
    accumulator = EventAccumulator(str(output / "runs"), size_guidance={"scalars": 0})
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    return {(tag, event.step, event.value) for tag in tags for event in accumulator.Scalars(tag)}


def main():
    with tempfile.TemporaryDirectory() as scratch:
        output = train(sys.argv[1], pathlib.Path(scratch))
        ours, theirs = set(logged(output)), read_back(output)
    for entry in sorted(ours ^ theirs):
        print("only in", "train_log.jsonl:" if entry in ours else "the event file:", *entry)
    print(f"event file: {len(ours)} numbers logged, {len(theirs)} read back, {len(ours ^ theirs)} differ")
    sys.exit(1 if ours != theirs or not ours else 0)


main()
