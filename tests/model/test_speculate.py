"""Drafting changes how fast the reader's greedy fill is found, never which one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codeworld.model import checkpoint, fill
from codeworld.model.fill import Allowed
from codeworld.model.reader import Reader
from codeworld.model.speculate import Speculation
from codeworld.model.tokenizer import CodeTokenizer

PREFIX = "def total(values):\n    result = 0\n    for value in values:\n        result += val"
SUFFIX = "\n    return result\n"


@pytest.fixture(scope="module")
def reader(tiny: Path) -> Reader:
    torch.manual_seed(2)
    network = checkpoint.load(tiny).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return Reader(network, CodeTokenizer(tiny / "tokenizer.json"), 256, 64, 64)


@pytest.mark.parametrize("one_line", [True, False])
@pytest.mark.parametrize("lengths", [(16,), (8, 16, 32)])
def test_the_path_is_the_greedy_fill(reader: Reader, one_line: bool, lengths: tuple[int, ...]) -> None:
    for prefix in (PREFIX, PREFIX + "ue", PREFIX[:-12]):
        context = reader.context(prefix, SUFFIX, "a.py")
        allowed = Allowed(reader, context.head, one_line)
        greedy, logprob = fill.decode(reader, context, allowed, 20)
        right = greedy[: len(greedy) // 2]
        for seeds in ([], [right], [[*right, 300], [301, 302]], [greedy]):
            context = reader.context(prefix, SUFFIX, "a.py")
            path = Speculation(reader, context, allowed, lengths).run(seeds, most_passes=60)
            count = min(len(path.ids), len(greedy))
            assert count >= min(len(greedy), 15)
            assert path.ids[:count] == greedy[:count]
            assert path.drafts <= path.passes
            if path.ended:
                assert path.ids == greedy
                assert path.logprob_nats == pytest.approx(logprob, abs=1e-2)


def test_seeds_get_the_probability_that_scoring_gives(reader: Reader) -> None:
    context = reader.context(PREFIX, SUFFIX, "a.py")
    allowed = Allowed(reader, context.head, one_line=True)
    seeds = [[350, 360, 370], [400], [350, 360]]
    expected = [float(s.sum()) for s in fill.score(reader, context, seeds)]
    path = Speculation(reader, context, allowed, (16,)).run(seeds, most_passes=1)
    assert path.seed_logprobs == pytest.approx(expected, abs=1e-3)


def test_a_right_seed_needs_one_pass(reader: Reader) -> None:
    """A fill that the reader would write itself, given as a seed, is recognised at once, end included."""
    context = reader.context(PREFIX, SUFFIX, "a.py")
    allowed = Allowed(reader, context.head, one_line=True)
    reader.network.embedding.weight.data[3] *= 30  # make the end of the hole likely somewhere
    try:
        greedy, _ = fill.decode(reader, context, allowed, 40)
        if len(greedy) == 40:
            pytest.fail("this network never ends: the test needs another seed")
        path = Speculation(reader, context, allowed, (16,)).run([[5, 6], greedy], most_passes=9)
    finally:
        reader.network.embedding.weight.data[3] /= 30
    assert path.ended
    assert path.passes == 1
    assert path.ids == greedy


def test_a_line_that_begins_behind_a_newline_is_drafted(reader: Reader) -> None:
    """The newline is healed into the first token, though no later one of a line may hold a newline."""
    context = reader.context("x = 1\n", "\n", "a.py")
    allowed = Allowed(reader, context.head, one_line=True)
    path = Speculation(reader, context, allowed, (16,)).run([], most_passes=4)
    assert path.first is not None
    assert reader.tokenizer.token_bytes[path.first[0]].startswith(b"\n")
    assert 0 < path.certainty <= 1


def test_a_fill_that_has_become_unlikely_is_not_finished(reader: Reader) -> None:
    context = reader.context(PREFIX, SUFFIX, "a.py")
    allowed = Allowed(reader, context.head, one_line=True)
    whole = Speculation(reader, context, allowed, (16,)).run([], 60)
    path = Speculation(reader, context, allowed, (16,)).run([], 60, whole.logprob_nats / 3)
    assert path.passes < whole.passes
    assert path.logprob_nats < whole.logprob_nats / 3
    assert path.ids == whole.ids[: len(path.ids)]


def test_a_turned_path_has_its_own_probability(reader: Reader) -> None:
    """From each second choice on it is greedy again, and its probability is what scoring it anew gives."""
    context = reader.context(PREFIX, SUFFIX, "a.py")
    allowed = Allowed(reader, context.head, one_line=False)
    speculation = Speculation(reader, context, allowed, (16,))
    path = speculation.run([], 6)
    assert len(path.turns) == len(path.ids)
    for turn in path.turns[:6]:
        other = speculation.turned(turn).run([path.ids[turn.at + 1 :]], 4)
        assert other.ids[: turn.at] == path.ids[: turn.at]
        assert other.ended or other.ids[turn.at] == turn.token != path.ids[turn.at]
        scored = fill.score(reader, context, [other.ids])[0]
        expected = scored.sum() if other.ended else scored[:-1].sum()
        assert other.logprob_nats == pytest.approx(float(expected), abs=2e-2)
