#!/usr/bin/env python3
"""Times training steps of a BERT-base shape in one and in several processes of one thread each, on one machine.

    bench/scaling.py build/release/bin/moebert WORK [--processes 1 2] [--precision fp32 bf16] [--json OUT] [--half]
        [--sentences 16] [--each]

Every step has so many sentences of 128 tokens altogether, or with --each in every process; with --half one process also
takes steps of half as many, from which (with 16) bench/scaling_model.py knows what a step costs whatever its sentences.
WORK gets a random checkpoint and a made-up data set (450 MB), and is kept for the next time. Prints real tokens a second
(the median of the steps after the third).
"""
import argparse
import array
import json
import pathlib
import random
import shutil
import statistics
import struct
import subprocess

HIDDEN, LAYERS, FFN, VOCABULARY, POSITIONS = 768, 12, 3072, 30522, 512
TOKENS, STEPS, WARM = 128, 10, 3


def tensors():
    """Names and shapes of a classifier with two labels."""
    yield "bert.embeddings.word_embeddings.weight", [VOCABULARY, HIDDEN]
    yield "bert.embeddings.position_embeddings.weight", [POSITIONS, HIDDEN]
    yield "bert.embeddings.token_type_embeddings.weight", [2, HIDDEN]
    layer = [("attention.self.query", HIDDEN, HIDDEN), ("attention.self.key", HIDDEN, HIDDEN),
             ("attention.self.value", HIDDEN, HIDDEN), ("attention.output.dense", HIDDEN, HIDDEN),
             ("intermediate.dense", FFN, HIDDEN), ("output.dense", HIDDEN, FFN)]
    linear = [(f"bert.encoder.layer.{k}.{name}", rows, columns) for k in range(LAYERS) for name, rows, columns in layer]
    for name, rows, columns in linear + [("bert.pooler.dense", HIDDEN, HIDDEN), ("classifier", 2, HIDDEN)]:
        yield name + ".weight", [rows, columns]
        yield name + ".bias", [rows]
    norms = [f"bert.encoder.layer.{k}.{part}" for k in range(LAYERS) for part in ("attention.output", "output")]
    for name in ["bert.embeddings"] + norms:
        yield name + ".LayerNorm.weight", [HIDDEN]
        yield name + ".LayerNorm.bias", [HIDDEN]


def write_model(folder):
    folder.mkdir(parents=True)
    config = {"model_type": "bert", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 12,
              "intermediate_size": FFN, "vocab_size": VOCABULARY, "max_position_embeddings": POSITIONS,
              "type_vocab_size": 2, "hidden_act": "gelu", "id2label": {"0": "0", "1": "1"},
              "label2id": {"0": 0, "1": 1}, "problem_type": "single_label_classification"}
    (folder / "config.json").write_text(json.dumps(config))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(VOCABULARY - 5)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    noise = random.Random(1)
    block = array.array("f", (noise.gauss(0, 0.02) for _ in range(1 << 18)))
    header, offset, shapes = {}, 0, sorted(tensors())
    for name, shape in shapes:
        size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name, shape in shapes:
            count = shape[0] * (shape[1] if len(shape) > 1 else 1)
            if name.endswith("LayerNorm.weight"):
                out.write(array.array("f", [1.0] * count).tobytes())
                continue
            while count > 0:
                out.write(block[:count].tobytes())
                count -= len(block)


def write_data(file):
    noise = random.Random(2)
    rows = [" ".join(f"w{noise.randrange(20000)}" for _ in range(TOKENS - 2)) + f"\t{i % 2}" for i in range(256)]
    file.write_text("sentence1\tlabel\n" + "\n".join(rows) + "\n")


def prepare(work):
    if not (work / "model").exists():
        write_model(work / "model")
        write_data(work / "train.tsv")


def measure(moebert, work, command, processes, precision, sentences):
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    arguments = [moebert, "--nproc", str(processes), command, "--model_name_or_path", work / "model", "--train_file",
                 work / "train.tsv", "--max_seq_length", TOKENS, "--per_device_train_batch_size",
                 sentences // processes, "--max_steps", STEPS, "--logging_steps", 1, "--num_threads", 1,
                 "--output_dir", out]
    if precision != "fp32":
        arguments += ["--" + precision]
    if command == "distill":
        arguments += ["--split_method", "random"]
    subprocess.run([str(a) for a in arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = [json.loads(line) for line in (out / "train_log.jsonl").read_text().splitlines()]
    return statistics.median(line["tokens_per_second"] for line in lines[WARM:])


def measure_all(options):
    """Every case, one after the other; prints those whose speed can be compared with one process's."""
    for command in options.command:
        for precision in options.precision:
            cases = [(processes, options.sentences * (processes if options.each else 1), True)
                     for processes in options.processes]
            if options.half:
                cases.append((1, options.sentences // 2, False))
            first = None
            for processes, sentences, is_compared in cases:
                rate = measure(options.moebert, options.work, command, processes, precision, sentences)
                first = first or rate
                result = {"command": command, "precision": precision, "processes": processes, "sentences": sentences,
                          "tokens_per_second": rate, "step_seconds": sentences * TOKENS / rate}
                if is_compared:
                    result["speedup"] = rate / first
                    print("{command:9} {precision} {processes:3} processes: {tokens_per_second:8.0f} tokens/s, "
                          "{step_seconds:7.4f} s a step, {speedup:.2f} times one".format(**result), flush=True)
                yield result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moebert")
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--command", nargs="+", default=["finetune", "distill"])
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--sentences", type=int, default=16)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    prepare(options.work)
    results = list(measure_all(options))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
