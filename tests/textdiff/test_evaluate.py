"""A checkpoint's loss on texts, seen or not."""

from __future__ import annotations

import lzma
import math
from pathlib import Path

import msgspec
import pytest
import torch

from codeworld.model.checkpoint import BUNDLED
from codeworld.model.tokenizer import CodeTokenizer
from textdiff.config import LENGTHS, TextConfig
from textdiff.denoiser import TextNetwork
from textdiff.evaluate import measure, read
from textdiff.predict import Question
from textdiff.sampler import Dials, Sampler

SIZES = {"width": 64, "heads": 2, "kv_heads": 1, "head_size": 32, "mlp_width": 96, "code_size": 32}
QUESTIONS = [
    Question("commit", "r", str(number), "commit\nM a.py", f"Fix the bug in part {number}")
    for number in range(6)
]


def test_read(tmp_path: Path) -> None:
    more = [msgspec.structs.replace(one, task="docstring") for one in QUESTIONS[:2]]
    lines = b"\n".join(msgspec.json.encode(one) for one in [*QUESTIONS, *more])
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.xz"
    plain.write_bytes(lines)
    packed.write_bytes(lzma.compress(lines))
    found = read(plain, 3)
    assert [one.place for one in found["commit"]] == ["0", "2", "4"]
    assert len(found["docstring"]) == 2
    assert read(packed, 3) == found


def test_a_network_that_is_not_listened_to() -> None:
    torch.manual_seed(0)
    network = (
        TextNetwork(TextConfig(encoder_layers=1, decoder_layers=1, **SIZES)).eval().requires_grad_(False)
    )
    sampler = Sampler(network, CodeTokenizer(BUNDLED / "tokenizer.json"))
    settings = [Dials(guidance=g, temperature=t) for g, t in ((1.0, 1e9), (0.5, 1e9), (1.0, 1e-2))]
    found, lengths = measure(sampler, QUESTIONS[:2], settings)
    plain, half, loud = found
    assert plain.nats == pytest.approx(half.nats, abs=1e-3)  # the posterior alone, whatever the guidance
    assert plain.nats < math.log(network.config.vocabulary)  # which knows more than nothing,
    assert loud.nats > plain.nats  # and more than random weights that are sure of themselves
    assert lengths["1"] == pytest.approx(math.log(len(LENGTHS)), abs=1e-3)  # a head of zeros
