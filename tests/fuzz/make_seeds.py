"""Writes small well-formed inputs for the fuzzers to start from: make_seeds.py FOLDER makes FOLDER/<fuzzer>/."""
import io
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


seeds = pathlib.Path(sys.argv[1])
put(seeds / "fuzz_safetensors", "seed", safetensors())
put(seeds / "fuzz_torch_file", "seed", torch_file())
put(seeds / "fuzz_model_config", "seed", model_config())
for protocol in range(6):
    value = {"importance": [[1.5, 0.25]], "idx": [(1, 0), 300, 70000, 2**40], "x": [None, True, "\u00fc\n"]}
    put(seeds / "fuzz_pickle", f"protocol{protocol}", pickle.dumps(value, protocol))
