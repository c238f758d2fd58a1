"""The reader's incremental passes compute what training computes over a whole row."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import tree_sitter_python
from torch import Tensor
from tree_sitter import Language, Parser

from codeworld.model import checkpoint, fill
from codeworld.model.network import Network, rotary, rotate
from codeworld.model.reader import Context, Reader, never
from codeworld.model.tokenizer import END, CodeTokenizer
from codeworld.training.cuts import SourceFile
from codeworld.training.mask import dense_mask
from codeworld.training.pairs import IN_CANVAS, Mixture, Row, RowBuilder, RowShape

TYPED = Path(checkpoint.__file__).read_text()
SHAPE = RowShape(stream_tokens=256, segment_tokens=512, predicted=600, canvas_slots=160)


@pytest.fixture(scope="module", params=[(2, 1), (3, 3)], ids=["plain", "recursive"])
def folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    layers, loops = request.param
    checkpoint.tiny(folder, layers=layers, loops=loops)
    return folder


@pytest.fixture(scope="module")
def network(folder: Path) -> Network:
    torch.manual_seed(1)
    network = checkpoint.load(folder).eval().requires_grad_(False)
    for parameter in network.parameters():  # untrained gains and zero heads would hide mistakes
        parameter.data += 0.2 * torch.randn_like(parameter)
    return network


@pytest.fixture(scope="module")
def row(folder: Path, network: Network) -> Row:
    text = Path(checkpoint.__file__).read_text()
    source = SourceFile(
        "checkpoint.py", text, Parser(Language(tree_sitter_python.language())).parse(text.encode())
    )
    tokenizer = CodeTokenizer(folder / "tokenizer.json")
    builder = RowBuilder(
        tokenizer, checkpoint.read_labels(folder), network.config, SHAPE, Mixture(), random.Random(3)
    )
    return next(builder.rows(iter([source])))


@pytest.fixture(scope="module")
def hidden(network: Network, row: Row) -> Tensor:
    batch = {k: torch.from_numpy(v)[None].long() for k, v in row.arrays().items() if v.dtype == np.int32}
    mask = dense_mask(batch)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)

    x = network.embed(batch["ids"], batch["label"], batch["kind"] == IN_CANVAS)
    return network(x, batch["position"], lambda _: attend)[0]


def context_of(reader: Reader, row: Row, group: int) -> Context:
    """The reader's memory as it stands for the hole ``group``."""
    canvas, behind, filled, _ = row.groups[group]
    suffix = row.ids[behind:filled].tolist()
    start, limit = int(row.start[canvas]), int(row.limit[canvas])
    with torch.inference_mode():
        reader._read_prefix(row.ids[start:limit].tolist(), never)
        base, at, length = reader.room - len(suffix), reader.suffix_tokens, limit - start
        reader._read(suffix, 0, base, base)
        delta = torch.tensor([length + reader.config.suffix_gap])
        cos, sin = rotary(delta, reader.config.head_size, reader.config.rope_base)
        reader.keys[:, :, at - len(suffix) : at] = rotate(
            reader.keys[:, :, base : reader.room].clone(), cos, sin
        )
        reader.values[:, :, at - len(suffix) : at] = reader.values[:, :, base : reader.room].clone()
    return Context(at - len(suffix), at + length, length, b"")


def test_canvas_and_fill_agree_with_training(
    folder: Path, network: Network, row: Row, hidden: Tensor
) -> None:
    reader = Reader(network, CodeTokenizer(folder / "tokenizer.json"), 1024, 256, 128)
    assert len(row.groups) >= 3
    for group, (begin, behind, fill_begin, end) in enumerate(row.groups):
        context = context_of(reader, row, group)
        canvas, filled = np.arange(begin, behind), np.arange(fill_begin, end)
        ids, labels = (torch.from_numpy(a[canvas])[None].long() for a in (row.ids, row.label))
        x = network.embed(ids, labels, torch.ones_like(ids, dtype=torch.bool))
        ours = reader.segment(context, x, torch.from_numpy(row.position[canvas]), None)
        torch.testing.assert_close(ours, hidden[torch.from_numpy(canvas)], rtol=1e-3, atol=1e-4)
        tokens = row.ids[filled].tolist()[1:]
        scored = fill.score(reader, context, [tokens, tokens[:1]])[0]
        expected = network.logits(hidden[torch.from_numpy(filled)]).log_softmax(-1)
        expected = expected.gather(1, torch.tensor([*tokens, END])[:, None])[:, 0]
        torch.testing.assert_close(scored, expected, rtol=1e-3, atol=1e-4)


def test_nothing_leaks_from_the_hole(folder: Path, network: Network, row: Row) -> None:
    """Change every stream token from a hole's start on: its suffix, canvas and fill states stay as they were."""
    batch = {k: torch.from_numpy(v)[None].long() for k, v in row.arrays().items() if v.dtype == np.int32}
    mask = dense_mask(batch)

    def states(ids: Tensor) -> Tensor:
        x = network.embed(ids, batch["label"], batch["kind"] == IN_CANVAS)
        return network(
            x,
            batch["position"],
            lambda _: lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True),
        )[0]

    before = states(batch["ids"])
    for begin, _, _, end in row.groups:
        members = np.arange(begin, end)
        limit = int(row.limit[members].max())
        changed = batch["ids"].clone()
        changed[0, limit : SHAPE.stream_tokens] = 100
        changed[0, SHAPE.stream_tokens : begin] = 101
        changed[0, end:] = 101
        torch.testing.assert_close(states(changed)[members], before[members], rtol=1e-4, atol=1e-5)


def test_typing_extends_the_memory_to_the_same_state(folder: Path, network: Network) -> None:
    text = Path(fill.__file__).read_text()
    reader = Reader(network, CodeTokenizer(folder / "tokenizer.json"), 256, 64, 64)
    for end in range(1200, 1260, 7):
        reader.context(text[:end], text[end:], "fill.py")
    fresh = Reader(network, reader.tokenizer, 256, 64, 64)
    assert reader.context(text[:1260], text[1260:], "fill.py") == fresh.context(
        text[:1260], text[1260:], "fill.py"
    )
    torch.testing.assert_close(reader.keys[:, :, :192], fresh.keys[:, :, :192], rtol=1e-3, atol=1e-4)


def test_passes_of_fixed_shapes_are_the_same_passes(network: Network, folder: Path) -> None:
    """The form that CUDA graphs replay, against the plain one: reading, going on, scoring, and an edit further up."""
    tokenizer = CodeTokenizer(folder / "tokenizer.json")
    plain, fixed = (Reader(network, tokenizer, 256, 64, 64, static=static) for static in (False, True))
    for prefix in (TYPED[:200], TYPED[:203], TYPED[:60], TYPED[:30] + "#" + TYPED[30:220], "x"):
        fills = [tokenizer.encode("value + 1"), tokenizer.encode("other(")]
        contexts = [reader.context(prefix, TYPED[240:400], "a.py") for reader in (plain, fixed)]
        assert contexts[0] == contexts[1]
        for ours, theirs in zip(*(fill.score(r, contexts[0], fills) for r in (plain, fixed)), strict=True):
            assert torch.allclose(ours, theirs, atol=2e-4)
