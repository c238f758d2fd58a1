"""Rows of the ablations: the autoregressive twin has no canvases, a model without the AST channel no labels."""

from __future__ import annotations

import lzma
import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
import tree_sitter_python
from tree_sitter import Language, Parser

from codeworld.model import checkpoint, infill
from codeworld.model.tokenizer import EOF, PAD, CodeTokenizer
from codeworld.training.breaker import LineFix
from codeworld.training.cuts import Slip, SourceFile
from codeworld.training.pairs import IN_CANVAS, IN_FILL, Mixture, Row, RowBuilder, RowShape
from codeworld.training.stream import Files, record_of
from codeworld.training.train import Objective

SHAPE = RowShape(stream_tokens=256, segment_tokens=512, predicted=600, canvas_slots=160)


def row_of(mixture: Mixture) -> Row:
    text = Path(checkpoint.__file__).read_text()
    tree = Parser(Language(tree_sitter_python.language())).parse(text.encode())
    builder = RowBuilder(
        CodeTokenizer(checkpoint.BUNDLED / "tokenizer.json"), checkpoint.read_labels(checkpoint.BUNDLED),
        checkpoint.read_config(checkpoint.BUNDLED), SHAPE, mixture, random.Random(8),
    )  # fmt: skip
    return next(builder.rows(iter([SourceFile("checkpoint.py", text, tree)])))


def test_the_twin_has_no_canvases_and_more_holes_instead() -> None:
    ours, twin = row_of(Mixture()), row_of(Mixture(canvases=0.0))
    assert (ours.kind == IN_CANVAS).any()
    assert not (twin.kind == IN_CANVAS).any()
    assert len(twin.groups) > len(ours.groups) > 1
    assert all(canvas == suffix for canvas, suffix, _, _ in twin.groups)
    used = [i for i, _, _ in twin.predicted if i >= SHAPE.stream_tokens]
    assert used
    assert (twin.kind[used] == IN_FILL).all()


def test_without_labels_none_is_shown_or_asked_for() -> None:
    with_labels, without = row_of(Mixture()), row_of(Mixture(labels=False))
    assert with_labels.label.any()
    assert any(target >= 0 for _, target, _ in with_labels.slots)
    assert not without.label.any()
    assert without.slots
    assert all(target == -100 for _, target, _ in without.slots)


@pytest.mark.parametrize("mixture", [Mixture(), Mixture(canvases=0.0), Mixture(labels=False)])
def test_the_loss_is_finite_and_reaches_every_matrix_of_the_blocks(tmp_path: Path, mixture: Mixture) -> None:
    checkpoint.tiny(tmp_path, layers=3, loops=2)
    network = checkpoint.load(tmp_path)
    batch = {k: torch.from_numpy(v)[None] for k, v in row_of(mixture).arrays().items()}
    batch = {k: v.long() if v.dtype == torch.int32 else v for k, v in batch.items()}
    loss, parts = Objective(network, on_gpu=False)(batch)
    assert torch.isfinite(loss)
    assert all(torch.isfinite(part) for part in parts.values())
    loss.backward()
    for name, weight in network.blocks.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_an_outline_stands_before_its_part_and_is_neither_predicted_nor_cut() -> None:
    text = Path(infill.__file__).read_text()
    tree = Parser(Language(tree_sitter_python.language())).parse(text.encode())
    tokenizer = CodeTokenizer(checkpoint.BUNDLED / "tokenizer.json")
    builder = RowBuilder(
        tokenizer, checkpoint.read_labels(checkpoint.BUNDLED), checkpoint.read_config(checkpoint.BUNDLED),
        RowShape(), Mixture(path_shown=1.0, outline_shown=1.0, stream_weight=0.5), random.Random(5),
    )  # fmt: skip
    brought = ["class Seed:\n    text: str"]
    rows = list(builder.rows(iter([SourceFile("model/infill.py", text, tree, brought)])))
    assert len(rows) > 3
    outlines = 0
    for row in rows[:-1]:
        size = int(np.flatnonzero(row.ids == EOF)[0])
        said = tokenizer.decode(row.ids[:size].tolist())
        outlines += said.startswith("model/infill.py\nclass Seed:\n    text: str\n")
        shown = tokenizer.decode(row.ids[size : RowShape().stream_tokens].tolist())
        assert shown in text
        assert all(line not in shown for line in said.split("\n") if line.startswith("    def "))
        assert min(i for i, _, _ in row.predicted) == size
        for _, _, fill, end in row.groups:
            assert "import" not in tokenizer.decode(row.ids[fill:end].tolist())
    assert outlines == len(rows) - 1


def test_an_outline_of_more_tokens_than_the_row_has_room_for_is_left_out() -> None:
    """A character of some scripts is several tokens; one such file ended a run after 843 M tokens."""
    text = "".join(f"def 名字{'長' * 60}{i}(): return {i}\n" for i in range(60))
    tree = Parser(Language(tree_sitter_python.language())).parse(text.encode())
    builder = RowBuilder(
        CodeTokenizer(checkpoint.BUNDLED / "tokenizer.json"), checkpoint.read_labels(checkpoint.BUNDLED),
        checkpoint.read_config(checkpoint.BUNDLED), RowShape(), Mixture(path_shown=1.0, outline_shown=1.0),
        random.Random(5),
    )  # fmt: skip
    rows = list(builder.rows(iter([SourceFile("a.py", text, tree)])))
    assert all((row.ids[: RowShape().stream_tokens] != PAD).all() for row in rows[:-1])


def test_a_line_that_was_wrong_is_shown_as_it_was_and_to_be_mended() -> None:
    right = (
        "def total(items):\n    count = 0\n    for one in items:\n        count += one\n    return count\n"
    )
    wrong = right.replace("return count", "return items")
    row = {"repo": "a/b", "path": "a.py", "before": wrong, "after": right, "line": 4}
    record = record_of(row)
    tokenizer = CodeTokenizer(checkpoint.BUNDLED / "tokenizer.json")
    old, new = tokenizer.encode(" items")[-1], tokenizer.encode(" count")[-1]
    tree = Parser(Language(tree_sitter_python.language())).parse(record.text.encode())
    builder = RowBuilder(
        tokenizer, checkpoint.read_labels(checkpoint.BUNDLED), checkpoint.read_config(checkpoint.BUNDLED),
        SHAPE, Mixture(corrupted=0.0, slips=1.0), random.Random(8),
    )  # fmt: skip
    made = next(builder.rows(iter([SourceFile(record.path, record.text, tree, slips=record.slips)])))
    flagged = [at for at, _, is_wrong in made.slots if is_wrong == 1.0]
    assert [made.ids[at] for at in flagged] == [old]  # once in a row, and nothing else is wrong
    assert [target for at, target, _ in made.predicted if at in flagged] == [new]


def test_a_line_that_was_wrong_by_more_than_other_tokens_is_a_hole_like_others() -> None:
    right = "def total(items):\n    count = sum(items)\n    return count\n"
    record = record_of(
        {"path": "a.py", "before": "\n    x\n    return None or items\n", "after": right, "line": 2}
    )
    tree = Parser(Language(tree_sitter_python.language())).parse(record.text.encode())
    builder = RowBuilder(
        CodeTokenizer(checkpoint.BUNDLED / "tokenizer.json"), checkpoint.read_labels(checkpoint.BUNDLED),
        checkpoint.read_config(checkpoint.BUNDLED), SHAPE, Mixture(corrupted=0.0, slips=1.0), random.Random(8),
    )  # fmt: skip
    made = next(builder.rows(iter([SourceFile(record.path, record.text, tree, slips=record.slips)])))
    assert made.slips
    assert len(made.groups) > 1
    assert not any(is_wrong == 1.0 for _, _, is_wrong in made.slots)


def test_fixes_of_one_line_are_a_shard_like_others(tmp_path: Path) -> None:
    fix = LineFix(
        "a/b", "c0ffee", "a.py", "Fix it", "f", 1, "def f():\n    return 1\n", "def f():\n    return 2\n"
    )
    plain = {"repo": "a/b", "path": "b.py", "text": "x = 1\n", "brought": []}
    with lzma.open(tmp_path / "shard.jsonl.xz", "wb") as out:
        out.write(msgspec.json.encode(fix) + b"\n" + msgspec.json.encode(plain) + b"\n")
    files = {file.path: file for file, _ in zip(Files(tmp_path, 0, 1, seed=1), range(2), strict=False)}
    assert files["a.py"].text == fix.after
    assert list(files["a.py"].slips) == [Slip(1, "    return 1")]
    assert not files["b.py"].slips
