#!/usr/bin/env python3
"""Times what checkpoints cost a training run of a BERT-base shape, and how soon a resumed run takes its next step.

    bench/saving.py build/release/bin/moebert WORK [--json OUT]

WORK is that of bench/scaling.py: a random checkpoint and a made-up data set, made when missing (450 MB), and room for two
checkpoints (2.6 GB). Prints seconds a step with and without saving, what a checkpoint adds, its share of a run that saves
every 500 steps, and from the start of the resumed program to its first step's end, beside the reading of the files alone.
"""
import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import time

import scaling

STEPS, EVERY = 30, 10


def run(moebert, work, out, arguments):
    """Runs a fine-tuning; returns its log and the moment its first new line was there."""
    log = out / "train_log.jsonl"
    before = log.stat().st_size if log.exists() else 0
    command = [moebert, "finetune", "--model_name_or_path", work / "model", "--train_file", work / "train.tsv",
               "--max_seq_length", scaling.TOKENS, "--per_device_train_batch_size", 8, "--logging_steps", 1,
               "--output_dir", out] + arguments
    with subprocess.Popen([str(a) for a in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        first = None
        while process.poll() is None and first is None:
            if log.exists() and log.stat().st_size > before:
                first = time.monotonic()
            time.sleep(0.005)
        errors = process.communicate()[1].decode()
    if process.returncode != 0:
        raise SystemExit(errors)
    return [json.loads(line) for line in log.read_text().splitlines()], first


def seconds(lines):
    return [8 * scaling.TOKENS / line["tokens_per_second"] for line in lines]


def read_all(folder):
    start = time.monotonic()
    for file in folder.iterdir():
        with open(file, "rb", buffering=0) as stream:
            while stream.read(1 << 24):
                pass
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moebert")
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    scaling.prepare(options.work)
    out = options.work / "saving"
    arguments = ["--bf16"] if options.precision == "bf16" else []
    saving = ["--save_strategy", "steps", "--save_steps", EVERY, "--save_total_limit", 2]
    shutil.rmtree(out, ignore_errors=True)
    plain, _ = run(options.moebert, options.work, out, arguments + ["--max_steps", STEPS])
    shutil.rmtree(out)
    saved, _ = run(options.moebert, options.work, out, arguments + saving + ["--max_steps", STEPS])
    # The first steps of a run are slower. After a checkpoint the steps beside which it is written are slower too.
    plain_step = statistics.median(seconds(plain)[3:])
    saved_steps = seconds(saved)
    # The first one takes memory that the next ones find.
    added = [sum(step - plain_step for step in saved_steps[first:first + EVERY]) for first in range(EVERY, STEPS, EVERY)]
    checkpoint = out / f"checkpoint-{2 * EVERY}"
    shutil.rmtree(out / f"checkpoint-{STEPS}")
    log = out / "train_log.jsonl"  # as it was when the checkpoint was written
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:2 * EVERY]))
    reading = read_all(checkpoint)
    start = time.monotonic()
    _, first = run(options.moebert, options.work, out,
                   arguments + saving + ["--resume_from_checkpoint", checkpoint, "--max_steps", STEPS])
    result = {"precision": options.precision, "step_seconds": plain_step, "checkpoint_adds_seconds": added,
              "share_at_500_steps": statistics.mean(added) / (500 * plain_step), "reading_seconds": reading,
              "resumed_first_step_seconds": first - start - plain_step}
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
