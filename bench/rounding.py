#!/usr/bin/env python3
"""How far a precision's rounding moves a classifier's logits from float32's, on a file of texts.

    bench/rounding.py --model_name_or_path teacher moe --test_file validation.jsonl [--precision int8 bf16]

Logits are told from the probabilities that `moebert predict` prints, less their mean, which probabilities don't tell.
"""
import argparse
import json
import math
import subprocess


def logits(program, model, file, precision):
    command = [program, "predict", "--model_name_or_path", model, "--test_file", file, "--precision", precision]
    for line in subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
        values = [math.log(p) for p in json.loads(line)["probabilities"].values()]
        yield [v - sum(values) / len(values) for v in values]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--moebert", default="build/release/bin/moebert")
    p.add_argument("--model_name_or_path", nargs="+", required=True)
    p.add_argument("--test_file", required=True, help="csv, tsv or jsonl, as moebert predict reads it")
    p.add_argument("--precision", nargs="+", default=["int8"], choices=["int8", "bf16"])
    a = p.parse_args()
    print("| model | precision | root mean square | largest of a text: the middle | 9 of 10 within | 99 of 100 within | most "
          "| other label |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for model in a.model_name_or_path:
        exact = list(logits(a.moebert, model, a.test_file, "fp32"))
        for precision in a.precision:
            moved = list(logits(a.moebert, model, a.test_file, precision))
            errors = [[x - y for x, y in zip(*pair)] for pair in zip(exact, moved)]
            squares = [e * e for row in errors for e in row]
            largest = sorted(max(map(abs, row)) for row in errors)
            within = [largest[int(share * (len(largest) - 1))] for share in (0.5, 0.9, 0.99, 1.0)]
            flips = sum(x.index(max(x)) != y.index(max(y)) for x, y in zip(exact, moved))
            print(f"| {model} | {precision} | {math.sqrt(sum(squares) / len(squares)):.4f} | "
                  + " | ".join(f"{w:.4f}" for w in within) + f" | {flips} |")


if __name__ == "__main__":
    main()
