#!/usr/bin/env python3
"""The demo's table, from what the commands left behind.

Usage: report.py table MOEBERT DATA MODELS SECONDS   measures speeds, prints the table, writes MODELS/results.json
       report.py seeds FOLDER MODELS...              the means of several results.json: FOLDER/seeds.json and seeds.md
Needs Python's standard library only.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys

ROWS = {
    "teacher": "teacher (fine-tuned, dense)",
    "split-random": "random split, nothing shared",
    "split-random-shared": "random split, 256 shared",
    "split-importance": "importance split, 256 shared",
    "moe": "distilled mixture of experts",
}
ROUNDS = 3  # of measuring speed


def command_output(*command):
    """The JSON that a command prints; its messages, which the demo has shown before, only when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"report.py: {' '.join(map(str, command))} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def evaluate(moebert, data, model):
    files = ["--validation_file", data / "validation.jsonl"]
    return command_output(moebert, "evaluate", "--model_name_or_path", model, *files)


def feed_forward_work(moebert, model):
    """Multiply-adds of all layers' feed-forward networks for one token; inspect counts each as two operations."""
    return command_output(moebert, "inspect", "--json", model)["flops_of_a_token"]["feed_forward"] // 2


def measure(moebert, data, models):
    """One row a model. The models take turns, so that whatever else the machine does meets them alike."""
    rounds = [{name: evaluate(moebert, data, models / name) for name in ROWS} for _ in range(ROUNDS)]
    return [
        {
            "name": name,
            "accuracy": rounds[0][name]["eval_accuracy"],
            "ffn_multiply_adds_per_token": feed_forward_work(moebert, models / name),
            "sentences_per_second": statistics.median(r[name]["eval_samples_per_second"] for r in rounds),
        }
        for name in ROWS
    ]


def write(path, text):
    scratch = path.with_name(path.name + ".new")
    scratch.write_text(text, encoding="utf-8")
    os.replace(scratch, path)


def cells(row):
    return (
        ROWS[row["name"]],
        f"{100 * row['accuracy']:.1f} %",
        f"{row['ffn_multiply_adds_per_token']:,}",
        f"{row['sentences_per_second']:.0f}",
    )


HEAD = ("model", "accuracy", "FFN multiply-adds a token", "sentences a second")


def print_table(rows):
    lines = [HEAD, *map(cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    for line in lines:
        print("  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:]))]))


def table(moebert, data, models, seconds):
    rows = measure(moebert, data, models)
    results = {
        "rows": rows,
        "validation_examples": evaluate(moebert, data, models / "teacher")["eval_samples"],
        "seconds_from_fine_tuning_to_distilled": int(seconds),
        "cores": len(os.sched_getaffinity(0)),
    }
    write(models / "results.json", json.dumps(results, indent=2) + "\n")
    print_table(rows)
    print(f"\nFine-tuning to distilling took {int(seconds) // 60}:{int(seconds) % 60:02} minutes.")
    print(f"Every figure of the table is in {models / 'results.json'}")


def mean_row(rows):
    mean = {key: statistics.fmean(row[key] for row in rows) for key in ("accuracy", "sentences_per_second")}
    return {**rows[0], **mean}


def markdown(runs, means):
    names = list(runs)
    lines = [
        f"| {HEAD[0]} | {HEAD[1]}, mean | {' | '.join(names)} | {HEAD[2]} | {HEAD[3]} |",
        "| --- |" + " ---: |" * (len(names) + 3),
    ]
    for i, mean in enumerate(means):
        label, accuracy, work, speed = cells(mean)
        each = " | ".join(cells(run["rows"][i])[1] for run in runs.values())
        lines.append(f"| {label} | {accuracy} | {each} | {work} | {speed} |")
    return "\n".join(lines) + "\n"


def seeds(folder, *models):
    runs = {m.name: json.loads((m / "results.json").read_text(encoding="utf-8")) for m in models}
    means = [mean_row([run["rows"][i] for run in runs.values()]) for i in range(len(ROWS))]
    write(folder / "seeds.json", json.dumps({"means": means, "runs": runs}, indent=2) + "\n")
    write(folder / "seeds.md", markdown(runs, means))
    print_table(means)
    print(f"\nEach seed's figures too: {folder / 'seeds.json'}, as a table {folder / 'seeds.md'}")


def main():
    kind, paths = sys.argv[1], sys.argv[2:]
    if kind == "table":
        moebert, data, models, seconds = paths
        table(moebert, pathlib.Path(data), pathlib.Path(models), seconds)
    else:
        seeds(*map(pathlib.Path, paths))


main()
