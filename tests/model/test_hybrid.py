"""The hybrid language model: reading in pieces is reading at once, and nothing sees the future."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from codeworld.model.checkpoint import CheckpointError
from codeworld.model.hybrid import HybridConfig, HybridNetwork, Kind, Reading, load, save, windowed
from codeworld.model.hybrid_decoding import Decoder, first_token

KINDS: list[tuple[Kind, ...]] = [
    ("gated_delta",), ("favor",), ("gated_favor",), ("window",), ("dense",), ("gated_delta", "window"),
]  # fmt: skip
PATTERNS = pytest.mark.parametrize("pattern", KINDS, ids="-".join)


def tiny(pattern: tuple[Kind, ...], **sizes: int) -> HybridNetwork:
    torch.manual_seed(0)
    given = {
        "width": 64,
        "heads": 2,
        "kv_heads": 1,
        "linear_heads": 2,
        "head_size": 32,
        "mlp_width": 64,
    } | sizes
    config = HybridConfig(pattern=pattern, layers=3, features=32, vocabulary=300, window=24, **given)
    network = HybridNetwork(config).to_inference(torch.float32)
    for parameter in network.parameters():  # larger than at the start, so that what layers read matters
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


def some_ids(length: int, batch: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.randint(300, (batch, length), generator=torch.Generator().manual_seed(seed))


@PATTERNS
@pytest.mark.parametrize("cuts", [(1,), (24, 25), (10, 70, 71, 72), (100, 139)])
def test_reading_in_pieces_is_reading_at_once(pattern: tuple[Kind, ...], cuts: tuple[int, ...]) -> None:
    network, ids = tiny(pattern), some_ids(140)
    with torch.no_grad():
        whole, after = network(ids)
        parts, reading = [], network.empty(2)
        for first, last in zip((0, *cuts), (*cuts, 140), strict=True):
            hidden, reading = network(ids[:, first:last], reading)
            parts.append(hidden)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-3, atol=1e-4)
    assert int(reading.read) == int(after.read) == 140
    ends = zip(reading.layers, after.layers, strict=True)
    for mine, right in ((m, r) for pair in ends for m, r in zip(*pair, strict=True)):
        torch.testing.assert_close(mine, right, rtol=1e-3, atol=1e-4)


@PATTERNS
def test_token_by_token_is_reading_at_once(pattern: tuple[Kind, ...]) -> None:
    network, ids = tiny(pattern), some_ids(60)
    with torch.no_grad():
        whole, _ = network(ids)
        reading = network.empty(2)
        for t in range(60):
            hidden, reading = network(ids[:, t : t + 1], reading)
            torch.testing.assert_close(hidden[:, 0], whole[:, t], rtol=1e-3, atol=1e-4)


@PATTERNS
def test_the_future_changes_nothing_before_it(pattern: tuple[Kind, ...]) -> None:
    network, ids = tiny(pattern), some_ids(100)
    changed = torch.cat((ids[:, :63], some_ids(37, seed=2)), 1)
    with torch.no_grad():
        one, other = network(ids)[0], network(changed)[0]
    torch.testing.assert_close(other[:, :63], one[:, :63], rtol=1e-4, atol=1e-5)
    assert (one[:, 64:] - other[:, 64:]).abs().max() > 1e-2


@pytest.mark.parametrize("pattern", [KINDS[0], KINDS[1], KINDS[2], KINDS[4]], ids="-".join)
def test_what_was_read_long_ago_is_remembered(pattern: tuple[Kind, ...]) -> None:
    network = tiny(pattern)
    later = some_ids(90, seed=3)
    with torch.no_grad():
        ends = [network(torch.cat((some_ids(60, seed=s), later), 1))[0][:, -1] for s in (1, 2)]
    assert (ends[0] - ends[1]).abs().max() > 1e-4


def test_a_window_layer_sees_its_window_and_no_more() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 70, 16) for _ in range(3))
    empty = torch.zeros(2, 3, 10, 16)
    o = windowed(q, *(torch.cat((empty, part), 2) for part in (k, v)), 10, torch.tensor(0))
    i = torch.arange(70)
    mask = (i[None] <= i[:, None]) & (i[None] > i[:, None] - 10)
    right = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(o, right, rtol=1e-5, atol=1e-5)


def test_going_on_from_a_reading_leaves_it_as_it_was() -> None:
    for pattern in KINDS:
        network = tiny(pattern)
        with torch.no_grad():
            _, reading = network(some_ids(30))
            before = [part.clone() for memory in reading.layers for part in memory]
            for length in (1, 5):
                network(some_ids(length), reading)
        after = [part for memory in reading.layers for part in memory]
        assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True)), pattern


@PATTERNS
def test_every_parameter_learns(pattern: tuple[Kind, ...]) -> None:
    """The optimiser for matrices needs a gradient of each of them."""
    network = tiny(pattern).requires_grad_(True)
    ids = some_ids(80)
    logits = network.logits(network(ids[:, :-1])[0])
    F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not without


def test_states_are_float32_and_of_one_size() -> None:
    network = tiny(("gated_delta", "favor", "window")).to_inference(torch.bfloat16)
    with torch.no_grad():
        _, short = network(some_ids(40))
        hidden, long = network(some_ids(90), short)
        token, _ = network(some_ids(1), long)
    assert hidden.dtype == token.dtype == torch.bfloat16
    assert short.bytes == long.bytes
    assert {part.dtype for memory in long.layers[:2] for part in memory[1:]} == {torch.float32}


def test_a_checkpoint_computes_the_same(tmp_path: Path) -> None:
    network = tiny(("gated_delta", "favor", "window"))
    for parameter in network.parameters():
        if parameter.ndim == 2:
            parameter.data = parameter.data.bfloat16().float()
    save(network, tmp_path)
    read = load(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(read(some_ids(50))[0], network(some_ids(50))[0])
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="does not fit"):
        load(tmp_path)


@PATTERNS
def test_a_step_in_a_fixed_room_is_the_same(pattern: tuple[Kind, ...]) -> None:
    """What a GPU replays as a graph, its tensors written over in place."""
    network, ids = tiny(pattern), some_ids(50)
    with torch.no_grad():
        _, reading = network(ids[:, :40])
        fixed = Reading(reading.read, tuple(network.room(reading, 64)))
        for t in range(40, 50):
            right, reading = network(ids[:, t : t + 1], reading)
            found, fixed = network(ids[:, t : t + 1], fixed, fixed=True)
            torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-5)


@PATTERNS
def test_writing_takes_the_most_probable_token_each_time(pattern: tuple[Kind, ...]) -> None:
    network, ids = tiny(pattern), some_ids(40, batch=1)
    with torch.no_grad():
        hidden, reading = network(ids)
        first = first_token(network, hidden)
        written = Decoder(network, 64).write(reading, first, 8, ())
        assert len(written) == 8
        hidden, _ = network(torch.cat((ids, torch.tensor([written])), 1))
    assert network.logits(hidden[0, 39:-1]).argmax(-1).tolist() == written
    stopped = Decoder(network, 64).write(reading, first, 8, {written[3]})
    assert stopped == written[: written.index(written[3]) + 1]
    fixed = Decoder(network, 64, fixed=True)
    for _ in range(2):  # the second time over what the first has left behind
        assert fixed.write(reading, first, 8, ()) == written
