"""Texts as graphs are the sampler's, and articles go on until they are long enough."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from codeworld.model.checkpoint import BUNDLED
from codeworld.model.tokenizer import CodeTokenizer
from tests.textdiff.test_model import small
from textdiff import checkpoint
from textdiff.article import article
from textdiff.config import LENGTHS, Kind
from textdiff.denoiser import TextNetwork
from textdiff.replay import Replay
from textdiff.sampler import Dials, Sampler

SOURCES = ("text\nInstallation", "continue\nCaching\nThe cache is emptied when it is full.")


@pytest.fixture(params=[0, 8], ids=["plain", "pointed"])
def sampler(request: pytest.FixtureRequest, tmp_path: Path) -> Sampler:
    return made(tmp_path, "gaussian", request.param)


def made(folder: Path, kind: Kind, pointer_size: int) -> Sampler:
    """A random network, its texts neither empty nor endless."""
    torch.manual_seed(0)
    config = small(kind, 16384, pointer_size=pointer_size, target_tokens=64)
    network = TextNetwork(config).eval().requires_grad_(False)
    for weight in network.decoder.parameters():  # or its texts say one word
        if weight.ndim == 2:
            torch.nn.init.normal_(weight)
    checkpoint.save(network, folder, int8=False, tokenizer=BUNDLED / "tokenizer.json")
    return Sampler(
        checkpoint.load(folder).eval().requires_grad_(False), CodeTokenizer(folder / "tokenizer.json")
    )


def test_a_diffusion_graph_computes_what_the_sampler_does(sampler: Sampler) -> None:
    dials = Dials(steps=3, count=2)
    replay = Replay(sampler, dials)
    for source in SOURCES:
        found = replay.candidates(source)
        asked = sampler.read([source], [""])
        canvas = sampler.canvas(asked, LENGTHS[-1], [0, 0])
        expected = sampler.denoise(canvas, dials, replay.noise)
        assert expected is not None
        torch.testing.assert_close(replay.logprobs, expected[1], atol=1e-3, rtol=1e-3)
        assert torch.equal(replay.ids, expected[0])
        assert [one.ids for one in found] == [
            own[: len(found[i].ids)] for i, own in enumerate(expected[0].tolist())
        ]


@pytest.mark.parametrize("pointer_size", [0, 8])
def test_a_cache_writes_what_reading_again_would(tmp_path: Path, pointer_size: int) -> None:
    sampler = made(tmp_path, "autoregressive", pointer_size)
    dials = Dials(count=1, diversity=0.0)
    replay = Replay(sampler, dials)
    for source in SOURCES:
        found = sampler.sample(sampler.read([source], [""]), dials, torch.Generator().manual_seed(0))
        assert found is not None
        (cached,) = replay.candidates(source)
        assert cached.ids == found[0][0].ids
        assert len(set(cached.ids)) > 1, "too dull to compare"
        assert cached.logprob_nats == pytest.approx(found[0][0].logprob_nats, abs=1e-3)


def test_an_article_goes_on_from_its_last_paragraph_and_says_nothing_twice() -> None:
    asked: list[str] = []

    def write(source: str) -> Sequence[str]:
        asked.append(source)
        number = len(asked)
        return ["the the the", "Words that are said twice.", f"Paragraph number {number} has six words."]

    found = article(write, "Caching", 16)
    assert found == [
        "Words that are said twice.",
        "Paragraph number 2 has six words.",
        "Paragraph number 3 has six words.",
    ]
    assert asked[0] == "text\nCaching"
    assert asked[1] == "continue\nCaching\nWords that are said twice."


def test_an_article_ends_where_a_model_says_nothing() -> None:
    assert article(lambda source: ["", "…"], "Caching", 100) == []
