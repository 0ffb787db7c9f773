#!/usr/bin/env python3
"""Times fine-tuning steps of a BERT-base shape in Hugging Face's transformers on a GPU: what bench/scaling.py's are held
against.

    bench/peers/train_hugging_face.py [--sentences 16] [--tokens 128] [--precision fp32 bf16 fp16] [--steps 40]

Random weights, one batch without padding, dropout 0.1, attention by PyTorch's fused kernels, PyTorch's fused AdamW,
autocast in half precision, gradients clipped. Prints real tokens a second (the median of the steps after the third).
"""
import argparse
import statistics
import time

import torch
from transformers import BertConfig, BertForSequenceClassification

WARM = 3


def steps_of(model, batch, precision, count):
    """Seconds of every step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    scaler = torch.amp.GradScaler(enabled=precision == "fp16")
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    for _ in range(count):
        torch.cuda.synchronize()
        start = time.perf_counter()
        with torch.autocast("cuda", dtype=half, enabled=half is not None):
            loss = model(**batch).loss
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        torch.cuda.synchronize()
        yield time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16", "fp16"])
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    for precision in options.precision:
        torch.manual_seed(1)
        model = BertForSequenceClassification(BertConfig(num_labels=2)).cuda().train()
        ids = torch.randint(5, 20000, (options.sentences, options.tokens), device="cuda")
        batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids),
                 "labels": torch.randint(2, (options.sentences,), device="cuda")}
        seconds = statistics.median(list(steps_of(model, batch, precision, options.steps))[WARM:])
        tokens = options.sentences * options.tokens
        print(f"{precision}: {seconds:7.4f} s a step, {tokens / seconds:8.0f} tokens/s", flush=True)


if __name__ == "__main__":
    main()
