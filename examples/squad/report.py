#!/usr/bin/env python3
"""The table of examples/squad/run: report.py OUTPUT."""

import json
import pathlib
import sys

ROWS = {
    "teacher": "teacher (fine-tuned, dense)",
    "random-split": "random split, nothing shared, not distilled",
    "importance-split": "importance split, 256 shared, not distilled",
    "hash-random": "distilled, hash-random",
    "hash-balance": "distilled, hash-balance",
    "gate-token": "distilled, gate-token",
    "gate-sentence": "distilled, gate-sentence",
}

output = pathlib.Path(sys.argv[1])
scores = {name: json.loads((output / name / "scores" / "eval_results.json").read_text()) for name in ROWS}
exact = "eval_exact_match" if "eval_exact_match" in scores["teacher"] else "eval_exact"
print("| model | exact match | F1 | of the teacher's F1 | questions a second |\n| --- | ---: | ---: | ---: | ---: |")
for name, title in ROWS.items():
    s = scores[name]
    share = 100 * s["eval_f1"] / scores["teacher"]["eval_f1"]
    print(f"| {title} | {s[exact]:.1f} | {s['eval_f1']:.1f} | {share:.1f} % | {s['eval_samples_per_second']:.0f} |")
