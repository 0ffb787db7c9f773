#!/usr/bin/env python3
"""Time this engine and others on the same checkpoint and text, and print one table with ratios.

  bench/peers/compare.py --script peers.py --python VENV/bin/python --model-dir DENSE --moe-dir MOE \\
      --text SST-2/dev.tsv RTE/dev.tsv --precision fp32 bf16 int8 --threads 1 2 --output peers.json

`--script` is a program with the options --model-dir --text --peer --precision --variant --threads --workload --reps
--every --max-length, which prints a JSON object for each workload with the fields that `moebert bench --json` has.
Runs take turns, `--rounds` times over, since machines change their speed: a figure is the median of the rounds. Every
run is pinned to the same processors. --every N thins ragged text out, for all alike: each Nth of its batches.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

PEERS = {  # precision -> (peer, variant); the variants that were fastest
    "fp32": [("onnxruntime", "optimized"), ("openvino", "latency"), ("ctranslate2", "sync"), ("torch", "eager")],
    "bf16": [("openvino", "latency"), ("torch", "eager")],
    "int8": [("onnxruntime", "optimized"), ("openvino", "latency"), ("openvino", "dynamic"), ("ctranslate2", "sync")],
}


def parse_args():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--script", required=True)
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--moebert", default="build/release/bin/moebert")
    p.add_argument("--model-dir", required=True, help="a dense checkpoint")
    p.add_argument("--moe-dir", nargs="*", default=[], help="its mixtures of experts; this engine alone runs them")
    p.add_argument("--text", nargs="+", default=[])
    p.add_argument("--precision", nargs="+", default=["fp32", "bf16", "int8"], choices=PEERS)
    p.add_argument("--threads", nargs="+", type=int, default=[1])
    p.add_argument("--workload", default="fixed,ragged,latency128,latency32")
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--reps", type=int, default=5)
    p.add_argument("--every", default="1")
    p.add_argument("--max-length", type=int, default=512)
    p.add_argument("--peer", nargs="*", help="only these")
    p.add_argument("--output", help="file for all results, as JSON lines")
    return p.parse_args()


def run(command, threads):
    """The JSON objects that a command prints; none, and its last line of error, when it fails."""
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    pin = lambda: os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:threads]))
    done = subprocess.run(command, capture_output=True, text=True, env=environment, preexec_fn=pin)
    if done.returncode != 0:
        print("failed:", " ".join(command), (done.stderr.strip().splitlines() or [""])[-1], file=sys.stderr)
        return []
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def commands(a, precision, threads):
    """(name, command) of everything that runs at a precision and number of threads."""
    common = ["--precision", precision, "--threads", str(threads), "--workload", a.workload, "--reps", str(a.reps)]
    text = ["--text", *a.text] if a.text else []
    for directory in [a.model_dir, *a.moe_dir]:
        yield "moebert", [a.moebert, "bench", "--json", "--model_name_or_path", directory, *text, *common,
                          "--max_seq_length", str(a.max_length), "--every", a.every]
    for peer, variant in PEERS[precision]:
        if a.peer is None or peer in a.peer:
            yield peer, [a.python, a.script, "--model-dir", a.model_dir, "--peer", peer, "--variant", variant, *text,
                         *common, "--every", a.every, "--max-length", str(a.max_length)]


def key(result):
    return (result["precision"], result["threads"], result["workload"])


def print_table(results):
    """A row for each workload and engine: speed, and ours over theirs."""
    rows = {}
    for r in results:
        rows.setdefault(key(r), {}).setdefault((r["peer"], r["variant"]), []).append(r)
    ours = lambda name: name[0] == "moebert"
    for workload, engines in rows.items():
        speed = {name: statistics.median(r["real_tokens_per_s"]["median"] for r in rs) for name, rs in engines.items()}
        best = max((s for name, s in speed.items() if not ours(name)), default=None)
        dense = speed.get(("moebert", "dense"))
        print("\n%s, %d thread%s, %s" % (workload[0], workload[1], "s" * (workload[1] > 1), workload[2]))
        print("%-28s %12s %10s %12s %12s %10s" % ("engine", "tokens/s", "ms", "x best peer", "x our dense", "error"))
        for name, value in sorted(speed.items(), key=lambda item: (not ours(item[0]), -item[1])):
            latency = statistics.median(r["latency_ms"]["median"] for r in engines[name])
            error = engines[name][0].get("max_logit_error")
            ratio = lambda unit: "%.2f" % (value / unit) if unit else ""
            print("%-28s %12.0f %10.2f %12s %12s %10s" % (" ".join(name), value, latency, ratio(best), ratio(dense),
                                                          "" if error is None else "%.2g" % error))


def main():
    a = parse_args()
    for precision in a.precision:
        for name, command in commands(a, precision, 1):
            if name != "moebert":
                subprocess.run(command + ["--prepare"], capture_output=True)
    results = []
    out = open(a.output, "w") if a.output else None
    for _ in range(a.rounds):
        for precision in a.precision:
            for threads in a.threads:
                for _, command in commands(a, precision, threads):
                    for result in run(command, threads):
                        results.append(result)
                        if out:
                            print(json.dumps(result), file=out, flush=True)
    print_table(results)


if __name__ == "__main__":
    main()
