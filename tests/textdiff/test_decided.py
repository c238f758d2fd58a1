"""Texts of which some tokens are decided while the others are still noise: in training, and while one is written."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
import torch

from codeworld.model.checkpoint import BUNDLED
from codeworld.model.tokenizer import CodeTokenizer
from textdiff import checkpoint
from textdiff.config import TextConfig
from textdiff.denoiser import TextNetwork
from textdiff.loss import Objective, Targets
from textdiff.sampler import Dials, Sampler, unsure

CONFIG = TextConfig(
    width=32, heads=2, kv_heads=1, head_size=16, mlp_width=64, encoder_layers=1, decoder_layers=1, vocabulary=64,
    code_size=16, source_tokens=40, target_tokens=16, decided=0.5,
)  # fmt: skip


def texts(count: int, length: int = 8) -> Targets:
    """One row of texts that are told apart by ``group``; the first token of each was given."""
    index = torch.arange(count * length)[None]
    given = index % length == 0
    return Targets(
        index % 60, index // length, index // length, index % length, (~given).float(), given
    )  # fmt: skip


def test_a_share_of_texts_has_decided_tokens_and_the_schedule_learns_from_the_others() -> None:
    torch.manual_seed(0)
    objective = Objective(TextNetwork(CONFIG), copies=1, flex=False)
    before = texts(400)
    drawn = objective._times(before)
    after, times, weight = objective._partly_decided(before, drawn)
    decided = after.given & ~before.given
    assert (after.given | ~before.given).all()
    assert (after.weight[after.given] == 0).all()
    assert (after.weight[~after.given] == 1).all()
    by_text = decided.view(400, 8)
    partly = (times != drawn).view(400, 8)
    assert (partly.all(1) | ~partly.any(1)).all()
    assert not by_text[~partly.any(1)].any()
    assert 0.4 < partly.any(1).float().mean() < 0.6
    assert (times.view(400, 8)[partly] >= CONFIG.clearest).all()
    assert 0.4 < by_text[partly.any(1)][:, 1:].float().mean() < 0.6
    assert (weight.view(400, 8)[partly] == 0).all()
    torch.testing.assert_close(weight.view(400, 8)[~partly], before.weight.view(400, 8)[~partly])


def test_steps_leave_the_unsure_to_the_next_and_none_to_no_other() -> None:
    open_ = torch.tensor([[True, True, False, True, True], [False, True, False, False, True]])
    logprobs = torch.tensor([[-1.0, -3.0, 0.0, -2.0, -4.0], [0.0, -1.0, 0.0, 0.0, -0.5]])
    assert unsure(open_, logprobs, 2).tolist() == [
        [False, True, False, False, True],
        [False, True, False, False, False],
    ]
    assert not unsure(open_, logprobs, 1).any()


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> Sampler:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("text")
    network = TextNetwork(msgspec.structs.replace(CONFIG, vocabulary=16384))
    checkpoint.save(network, folder, int8=True, tokenizer=BUNDLED / "tokenizer.json")
    return Sampler(
        checkpoint.load(folder).eval().requires_grad_(False), CodeTokenizer(folder / "tokenizer.json")
    )


def test_what_is_decided_stays_and_is_seen_by_its_id(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each step fewer tokens are noisy, and decided ones come in as they do in training, whatever their noise."""
    network = sampler.network
    seen: list[tuple[torch.Tensor, ...]] = []
    whole = network.noisy_input

    def watched(*inputs: torch.Tensor) -> torch.Tensor:
        seen.append(inputs)
        return whole(*inputs)

    monkeypatch.setattr(network, "noisy_input", watched)
    asked = sampler.read(["commit\nM a.py"], ["Add"])
    canvas = sampler.canvas(asked, 12, [0, 0])
    dials = Dials(steps=4, clearest=CONFIG.clearest)
    written = sampler.denoise(canvas, dials, torch.randn(2, 12, network.config.code_size))
    assert written is not None
    prefix = int(canvas.given[0].sum())
    counts = [int(inputs[3][0].sum()) for inputs in seen]
    assert counts[0] == prefix
    assert counts == sorted(set(counts))
    for z, gamma, guess, given, ids in seen:
        assert (ids[given] == written[0][given]).all()
        x = whole(z + 1, gamma, guess + 1, given, ids)
        expected = network.embedding(ids) + network.given
        torch.testing.assert_close(x[given], expected[given])
    assert (seen[0][1] > seen[-1][1]).all()
    assert (seen[-1][1] > network.schedule.gamma(torch.tensor(CONFIG.clearest))).all()
    seen.clear()
    sampler.denoise(canvas, Dials(steps=4), torch.randn(2, 12, network.config.code_size))
    assert all((inputs[1] == seen[0][1]).all() for inputs in seen)


def test_decided_neighbours_are_heeded(tmp_path: Path) -> None:
    """Texts of one token repeated: with it decided in some places, a network learns to write it in the others."""
    torch.manual_seed(0)
    rng = random.Random(0)
    config = msgspec.structs.replace(CONFIG, decided=1.0, clearest=0.9)
    objective = Objective(TextNetwork(config), copies=1, flex=False)
    optimiser = torch.optim.AdamW(objective.parameters(), lr=0.01)
    losses = []
    for _ in range(80):
        word = torch.tensor([rng.randrange(8, 40) for _ in range(16)]).repeat_interleave(8)[None]
        index = torch.arange(128)[None]
        batch = {
            "source_ids": torch.full((1, 16), 5), "source_doc": torch.arange(16)[None],
            "source_position": torch.full((1, 16), -1), "target_ids": word, "target_doc": index // 8,
            "target_position": index % 8, "target_weight": torch.ones(1, 128), "target_given": torch.zeros(1, 128),
            "head": torch.arange(16)[None], "length": torch.zeros(1, 16, dtype=torch.long),
        }  # fmt: skip
        loss, parts = objective(batch)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(float(parts["token"]))
    # ln 32 = 3.5 nats where nothing is known; an eighth of the tokens have no decided neighbour at all
    assert sum(losses[-10:]) / 10 < 2.0
