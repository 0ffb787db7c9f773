"""Writes small well-formed inputs for the fuzzers to start from: make_seeds.py FOLDER makes FOLDER/<fuzzer>/."""
import io
import gzip
import json
import pathlib
import pickle
import struct
import sys
import zipfile


def put(folder, name, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def safetensors():
    header = json.dumps({
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
        "b": {"dtype": "I64", "shape": [1], "data_offsets": [8, 16]},
    }).encode()
    return struct.pack("<Q", len(header)) + header + bytes(16)


def torch_file():
    tensor = (b"ctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI10\ntQI1\n"
              b"(I3\nI2\nt(I1\nI4\ntI00\nccollections\nOrderedDict\n)RtR")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", b"(S'a'\n" + tensor + b"d.")
        archive.writestr("archive/data/0", bytes(40))
        archive.writestr("archive/byteorder", b"little")
    return content.getvalue()


def model_config():
    return json.dumps({
        "model_type": "bert", "architectures": ["BertForSequenceClassification"], "vocab_size": 97, "hidden_size": 32,
        "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 40,
        "id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 0, "yes": 1}, "layer_norm_eps": 1e-12,
        "moebert": {"num_experts": 4, "expert_size": 16, "shared_size": 8, "route_method": "hash-random"},
    }).encode()


def safetensors_of_scores():
    source = {"model_digest": "0", "task": "t", "split": "train", "examples": 3, "rank": 0, "world_size": 1,
              "merged_from": []}
    header = json.dumps({
        "__metadata__": {"source": json.dumps(source)},
        "importance": {"dtype": "F64", "shape": [1, 2], "data_offsets": [0, 16]},
    }).encode()
    return struct.pack("<Q", len(header)) + header + struct.pack("<dd", 0.5, 0.25)


def tokenizer_json():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "w1", "w2", "un", "##aff", "##able", ",", "!"]
    added = {"id": 12, "content": "[x]", "single_word": False, "lstrip": False, "rstrip": True, "normalized": False,
             "special": True}
    return json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [added],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {token: i for i, token in enumerate(tokens)}},
    }).encode()


def tokenizer_config():
    token = {"content": "[x]", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
             "special": True}
    config = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True, "model_max_length": 512,
              "tokenizer_class": "BertTokenizer", "added_tokens_decoder": {"9": token}}
    special = {"unk_token": "[UNK]", "cls_token": {"content": "[CLS]"}, "additional_special_tokens": ["[x]"]}
    return b"\xfe".join(json.dumps(part).encode() for part in (config, special, {"[y]": 10}))


def squad(text="b c", start=2):
    question = {"id": "1", "question": "what?", "answers": [{"text": text, "answer_start": start}]}
    return {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": "a b c", "qas": [question]}]}]}


def squad_row():
    return {"id": "1", "question": "what?", "context": "a b c", "answers": {"text": ["b"], "answer_start": [2]}}


def environments():
    yield {"WORLD_SIZE": 4, "RANK": 2, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 2, "MASTER_ADDR": "h", "MASTER_PORT": 29500,
           "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": 1}
    yield {"SLURM_STEP_NUM_TASKS": 4, "SLURM_PROCID": 1, "SLURM_LOCALID": 1, "SLURM_NTASKS_PER_NODE": 2,
           "SLURM_STEP_TASKS_PER_NODE": "2(x2)", "SLURM_NODEID": 0, "SLURM_STEP_NODELIST": "node[03-04]",
           "SLURM_JOB_ID": 7}
    yield {"OMPI_COMM_WORLD_SIZE": 2, "OMPI_COMM_WORLD_RANK": 1, "OMPI_COMM_WORLD_LOCAL_RANK": 1,
           "OMPI_COMM_WORLD_LOCAL_SIZE": 2}


def unigrams():
    model = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["\u2581a", -1.5], ["b", -2]]}
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    return json.dumps({"model": model, "pre_tokenizer": metaspace}).encode()


def all_seeds():
    index = json.dumps({"metadata": {"total_size": 4}, "weight_map": {"a": "a-1-of-1"}}).encode()
    state = {"settings": {"seed": 1}, "global_step": 2, "loss": 0.5, "loss_scale": [1.0, 0], "window": {"steps": 1}}
    sums = {"trainer_state.json": "00", "optimizer.safetensors": "00", "config.json": "00"}
    rows = [{"sentence1": "a b", "sentence2": "c", "label": "x"}, {"label": 1, "text": None, "idx": [1]}]
    lines = "\n".join(json.dumps(row) for row in rows)
    yield "safetensors", safetensors()
    yield "torch_file", torch_file()
    yield "model_config", model_config()
    for protocol in range(6):
        value = {"importance": [[1.5, 0.25]], "idx": [(1, 0), 300, 70000, 2**40], "x": [None, True, "\u00fc\n"]}
        yield "pickle", pickle.dumps(value, protocol)
        yield "importance", pickle.dumps({"importance": [[1.5, 0.25]], "idx": [[1, 0]]}, protocol)
        yield "hash_list", pickle.dumps([0, 1, 2, 3], protocol)
    yield "importance", safetensors_of_scores()
    yield "json", b'{"a": [1, -2, 0.5e3, true, null, "\\u00fc"], "b": {"c": {}}}'
    yield "vocabulary", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nw1\nun\n##aff\n\u4e2d\n".encode()
    yield "tokenizer_json", tokenizer_json()
    yield "tokenizer_json", unigrams()
    yield "tokenizer_config", tokenizer_config()
    yield "text", "w1 \u00e9a\tb\u4e2d, x!\nno tab\n\u0130\u03a3\u200d\n".encode()
    yield "csv", b'sentence1,sentence2,label\r\n"a ""b"", c",d,x\r\ne,"f\ng",y\r\n'
    yield "csv", b'text;label\r\n\r\n"a;b";x\r\n'
    yield "tsv", b"sentence1\tsentence2\tlabel\na\tb\t0\nc\td\t1\n"
    yield "tsv", b'text\tlabel\n"a ""b"""\tx\n'
    yield "gzip", gzip.compress(b"text,label\na,x\n") * 2
    yield "tsv", b"index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n0\t" \
                 b"a\tb\tc\t0\td\te\tf\tg\t5.000\n"
    yield "tsv", b"Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t1\t2\ta\tb\n"
    yield "tsv", b"x\t1\t\tA sentence.\nx\t0\t*\tAnother.\n"
    yield "json_rows", lines.encode()
    yield "json_rows", json.dumps(rows).encode()
    yield "json_rows", json.dumps({"data": rows}).encode()
    yield "json_rows", json.dumps({"text": ["a", "b"], "label": [0, 1]}).encode()
    yield "json_rows", json.dumps({"text": {"0": "a", "1": "b"}, "label": {"0": [0], "1": "x"}}).encode()
    for content in (squad(), squad(start=0), {"data": [squad_row()]}, squad_row()):
        yield "squad", json.dumps(content).encode()
    yield "squad", b"what?\ta b c\n"
    yield "predictions", b'{"1": "a b", "2": ""}'
    yield "predictions", b'{"1": 0.5, "2": -1}'
    yield "recipe", b'{"learning_rate": 1e-5, "report_to": ["none"], "bf16": true, "x": null}'
    yield "recipe", b'# a recipe\n[Training]\nlearning_rate = 1e-5\nreport_to = []\na.b = "c\\n"\nd = 1979-05-27\n'
    yield "weight_index", index
    yield "prepared", safetensors()
    yield "training_checkpoint", json.dumps(state).encode()
    yield "training_checkpoint", json.dumps(sums).encode()
    yield "training_log", b'{"event": "train", "step": 1, "loss": 0.5}\n{"event": "eval", "step": 4}\n{"ev'
    for variables in environments():
        yield "environment", b"\xfe".join(f"{name}={value}".encode() for name, value in variables.items())
    yield "c_interface", b"\xff\1\1\12\1\36\1\1" + b"\xfe".join([b"a b", b"c, a.", b"b", b"c a b a"])


seeds = pathlib.Path(sys.argv[1])
for number, (fuzzer, content) in enumerate(all_seeds()):
    put(seeds / f"fuzz_{fuzzer}", f"seed{number}", content)
