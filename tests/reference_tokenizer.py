"""BERT's tokenizer as the tokenizers package (Hugging Face) makes it from a vocab.txt, on one thread: what the comparisons
take as right.
"""

import json
import os
import pathlib
import sys
import tempfile

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: E402

SPECIAL = ["[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"]


def shared_data():
    """MOEBERT_SHARED/data, by default of the folder `shared` beside the repository."""
    root = pathlib.Path(__file__).resolve().parents[1]
    data = pathlib.Path(os.environ.get("MOEBERT_SHARED", root.parent / "shared")) / "data"
    if not data.is_dir():
        sys.exit(f"{data} is missing: set MOEBERT_SHARED to the folder that holds data/")
    return data


def reference_models(data):
    """The name of each vocabulary, its tokenizer, and a folder that our program reads it from."""
    for name, lower_case in (("bert-base-uncased", True), ("bert-base-cased", False)):
        vocabulary = data / "vocab" / name / "vocab.txt"
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "vocab.txt").write_bytes(vocabulary.read_bytes())
            pathlib.Path(folder, "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower_case}))
            yield name, reference_tokenizer(vocabulary, lower_case), folder


def reference_tokenizer(vocabulary, lower_case):
    ids = {token: i for i, token in enumerate(vocabulary.read_text(encoding="utf-8").split("\n")[:-1])}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower_case)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    return tokenizer
