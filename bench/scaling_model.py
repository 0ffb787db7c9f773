#!/usr/bin/env python3
"""What a step of training takes in many processes: a model, its fit to measured steps, and what it says of many GPUs.

    bench/scaling_model.py --fit SCALING_JSON
    bench/scaling_model.py [--sentences 8 32] [--base ...]

--fit reads what `bench/scaling.py --half --json` wrote, and prints the model's constants for that machine. Otherwise a table
for BERT-base on GPUs. What one GPU takes was measured (fine-tuning in bfloat16 on an H200); bandwidths and latencies between
several are assumptions.
"""
import argparse
import json
import math

GRADIENTS = 344e6  # bytes of all gradients in float32, but of the word embeddings' rows
EXCHANGES = 80     # a step, each way


def fit(file):
    with open(file) as stream:
        results = json.load(stream)
    print("| | precision | a sentence | a step beside its sentences | two processes add |")
    print("| --- | --- | ---: | ---: | ---: |")
    for command, precision in dict.fromkeys((r["command"], r["precision"]) for r in results):
        seconds = {(r["processes"], r["sentences"]): r["step_seconds"] for r in results
                   if (r["command"], r["precision"]) == (command, precision)}
        sentence = (seconds[1, 16] - seconds[1, 8]) / 8
        beside = seconds[1, 16] - 16 * sentence
        print(f"| {command} | {precision} | {sentence:.3f} s | {beside:.2f} s | "
              f"{seconds[2, 16] - 8 * sentence - beside:.2f} s |")


def step(o, n, sentences):
    """Seconds of a step in which each of n GPUs has so many sentences."""
    compute = o.base + o.sentence * sentences
    if n == 1:
        return compute
    link = o.inside if n <= o.gpus else o.between
    each_way = GRADIENTS * (n - 1) / n / link + EXCHANGES * (o.latency * math.ceil(math.log2(n)) if o.trees else
                                                             o.latency * (n - 1))
    return compute + max(0.0, each_way - 2 / 3 * compute) + each_way


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", metavar="SCALING_JSON")
    number = dict(type=float, metavar="X")
    parser.add_argument("--sentences", type=int, nargs="+", default=[8, 32], help="of 128 tokens, for every GPU")
    parser.add_argument("--base", default=20.4e-3, help="a step on one GPU beside its sentences (%(default)g s)", **number)
    parser.add_argument("--sentence", default=0.19e-3, help="more for every sentence (%(default)g s)", **number)
    parser.add_argument("--gpus", default=8, help="in a machine (%(default)g)", **number)
    parser.add_argument("--inside", default=2e11, help="bandwidth inside a machine (%(default)g bytes/s)", **number)
    parser.add_argument("--between", default=2e10, help="of a GPU to other machines (%(default)g bytes/s)", **number)
    parser.add_argument("--latency", default=3e-6, help="from a GPU to the next (%(default)g s)", **number)
    parser.add_argument("--trees", action="store_true", help="exchanges in trees instead of rings")
    o = parser.parse_args()
    if o.fit:
        return fit(o.fit)
    print("| GPUs |" + "".join(f" {s} sentences each: a step | efficiency |" for s in o.sentences))
    print("| ---: |" + " ---: | ---: |" * len(o.sentences))
    for n in (1, 8, 16, 32, 64, 128, 256):
        line = f"| {n} |"
        for sentences in o.sentences:
            seconds = step(o, n, sentences)
            line += f" {1000 * seconds:.1f} ms | {100 * step(o, 1, sentences) / seconds:.0f} % |"
        print(line)


if __name__ == "__main__":
    main()
