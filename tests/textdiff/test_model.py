"""Rows, losses, samplers and checkpoints, on networks of a few thousand weights."""

from __future__ import annotations

import json
import lzma
import random
from pathlib import Path

import msgspec
import pytest
import torch

from codeworld.errors import ModelMissing
from codeworld.model.checkpoint import BUNDLED
from codeworld.model.tokenizer import END, CodeTokenizer
from textdiff import checkpoint
from textdiff.choose import agreement, ranked
from textdiff.config import LENGTHS, Kind, TextConfig
from textdiff.denoiser import TextNetwork
from textdiff.loss import Objective, copied, target_sees
from textdiff.pointer import PointedCrossEntropy, mixed, share_of_target
from textdiff.sampler import Dials, Sampler, allotted
from textdiff.schedule import Schedule
from textdiff.stream import Mixture, Packer, Pieces, RowShape, TextRows, tokenise
from textdiff.writer import Writer, installed

KINDS: tuple[Kind, ...] = ("gaussian", "masked", "autoregressive")
SHAPE = RowShape(sources=128, targets=64, docs=8)


def small(kind: Kind, vocabulary: int = 64, pointer_size: int = 0, target_tokens: int = 16) -> TextConfig:
    return TextConfig(
        kind=kind, width=32, heads=2, kv_heads=1, head_size=16, mlp_width=64, encoder_layers=1, decoder_layers=1,
        vocabulary=vocabulary, code_size=16, source_tokens=40, target_tokens=target_tokens, pointer_size=pointer_size,
    )  # fmt: skip


def examples(count: int, vocabulary: int = 64) -> list[Pieces]:
    rng = random.Random(0)

    def ids(low: int, high: int) -> list[int]:
        return [rng.randrange(8, vocabulary) for _ in range(rng.randint(low, high))]

    return [Pieces("commit", ids(1, 1), ids(0, 4), ids(3, 30), ids(3, 12)) for _ in range(count)]


def batch(kind: Kind, mixture: Mixture | None = None) -> dict[str, torch.Tensor]:
    packer = Packer(small(kind), SHAPE, mixture or Mixture(), random.Random(1))
    row = next(packer.rows(iter(examples(60))))
    return {name: torch.from_numpy(value)[None].long() if value.dtype == "int32" else torch.from_numpy(value)[None]
            for name, value in row.items()}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_rows_keep_examples_apart(kind: Kind) -> None:
    found = batch(kind, Mixture(with_prefix=0.4, with_hole=0.4))
    docs = found["target_doc"][0]
    assert set(docs[docs >= 0].tolist()) <= set(found["source_doc"][0].tolist())
    assert (found["target_weight"][0][docs < 0] == 0).all()
    for doc in range(int(docs.max()) + 1):
        positions = found["source_position"][0][found["source_doc"][0] == doc]
        assert positions[-1] == -1
        assert int(found["head"][0, doc]) == int((found["source_doc"][0] == doc).nonzero()[0])
        ids = found["target_ids"][0][docs == doc]
        size = LENGTHS[int(found["length"][0, doc])]
        assert END in ids.tolist()[:size]
    given = found["target_given"][0].bool()
    assert (found["target_weight"][0][given] == 0).all()
    assert bool(given.any()) != (kind == "autoregressive")


def test_a_target_sees_its_source_and_its_own_copy_only() -> None:
    found = batch("gaussian")
    targets = copied(found, 2)
    sees = target_sees(found, targets, causal=False)
    sources, width = found["source_ids"].shape[1], targets.ids.shape[1]
    q, k = torch.meshgrid(torch.arange(width), torch.arange(sources + width), indexing="ij")
    zero = torch.zeros_like(q)
    seen = sees(zero, zero, q, k)
    key_doc = torch.cat((found["source_doc"], targets.doc), dim=1)[0]
    real = targets.doc[0] >= 0
    assert (key_doc[k][seen & real[:, None]] == targets.doc[0][q][seen & real[:, None]]).all()
    other_copy = (k - sources) // (width // 2) != q // (width // 2)
    assert not (seen & other_copy & (k >= sources)).any()
    causal = target_sees(found, targets, causal=True)(zero, zero, q, k)
    assert (causal == (seen & (k <= q + sources))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_steps_on_one_row_lower_the_loss(kind: Kind) -> None:
    torch.manual_seed(0)
    network = TextNetwork(small(kind))
    objective = Objective(network, copies=2, flex=False)
    found = batch(kind, Mixture(without_source=0.0))
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        loss, parts = objective(found)
        loss.backward()
        assert all(p.grad is not None for p in network.parameters())
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(float(parts["token"]))
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusion checkpoint with the real vocabulary."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("text")
    checkpoint.save(
        TextNetwork(small("gaussian", 16384)), folder, int8=True, tokenizer=BUNDLED / "tokenizer.json"
    )
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_texts_begin_as_told_and_no_noise_gives_one(folder: Path, kind: Kind) -> None:
    network = checkpoint.load(folder, kind).eval().requires_grad_(False)
    sampler = Sampler(network, CodeTokenizer(folder / "tokenizer.json"))
    asked = sampler.read(["docstring\na.py: f\ndef f(): ...", "commit\n| x\nM a.py"], ["Return the", ""])
    dials = Dials(count=3, steps=2)
    found = sampler.sample(asked, dials, torch.Generator().manual_seed(0))
    assert found is not None
    assert [len(each) for each in found] == [3, 3]
    assert all(sampler.tokenizer.decode(one.ids).startswith("Return the") for one in found[0])
    still = msgspec.structs.replace(dials, diversity=0.0, count=2)
    alone = sampler.read(["commit\nM a.py"], ["Fix the bug in the thing of the other thing that is so long"])
    texts = sampler.sample(alone, still, torch.Generator().manual_seed(0))
    assert texts is not None
    by_length: dict[int, set[str]] = {}
    for one in texts[0]:
        by_length.setdefault(len(one.ids), set()).add(str(one.ids))
    assert all(len(same) == 1 for same in by_length.values())
    assert sampler.sample(asked, dials, torch.Generator(), lambda: True) is None


def test_a_batch_writes_what_one_source_alone_would(folder: Path) -> None:
    """Padding among the sources must not be seen."""
    sampler = Sampler(checkpoint.load(folder).eval(), CodeTokenizer(folder / "tokenizer.json"))
    short, long = "commit\nM a.py", "commit\nM b.py\n" + "+x = 1\n" * 8
    together, alone = sampler.read([short, long], ["", ""]), sampler.read([short], [""])
    assert together.lengths[0] == pytest.approx(alone.lengths[0], abs=1e-5)
    tokens = alone.seen[0].keys.shape[2]
    for both, one in zip(together.seen, alone.seen, strict=True):
        torch.testing.assert_close(both.keys[:1, :, :tokens], one.keys, atol=1e-5, rtol=1e-4)
    dials = Dials(count=2, steps=2, diversity=0.0)
    generator = torch.Generator()
    first, second = sampler.sample(together, dials, generator), sampler.sample(alone, dials, generator)
    assert first is not None
    assert second is not None
    assert [one.ids for one in first[0]] == [one.ids for one in second[0]]


def test_a_pointed_loss_is_the_mixtures() -> None:
    """Against the definition, value and gradients, in chunks that do not divide the rows."""
    torch.manual_seed(0)
    hidden, weight = torch.randn(10, 6, dtype=torch.float64), torch.randn(20, 6, dtype=torch.float64)
    target, scale = torch.randint(20, (10,)), torch.rand(10, dtype=torch.float64)
    log_odds, scores = torch.randn(10, dtype=torch.float64), torch.randn(10, 7, dtype=torch.float64)
    ids, doc = torch.tensor([3, 4, 4, 5, 3, 9, 9]), torch.tensor([0, 0, 0, 0, 1, 1, 1])
    target[:4], docs = torch.tensor([4, 3, 19, 9]), torch.tensor([0, 1, 0, 1, 1, 0, 0, 0, 1, 1])
    leaves = [hidden, weight, log_odds, scores]
    for leaf in leaves:
        leaf.requires_grad_(True)
    offset = log_odds + share_of_target(scores, (ids, doc), (target, docs))
    total, _ = PointedCrossEntropy.apply(hidden, weight, target, scale, offset, 4)
    total = total + (scale * torch.nn.functional.softplus(log_odds)).sum()
    found = torch.autograd.grad(total, leaves)
    own = scores.masked_fill(doc != docs[:, None], -torch.inf)
    defined = torch.zeros((), dtype=torch.float64)
    for i in range(10):
        everywhere = mixed(
            (hidden @ weight.T)[None, i : i + 1], log_odds[None, i : i + 1], own[None, i : i + 1], ids[None]
        )
        assert everywhere.detach().exp().sum().item() == pytest.approx(1.0, abs=1e-6)
        defined = defined - scale[i] * everywhere[0, 0, target[i]]
    assert total.item() == pytest.approx(defined.item(), rel=1e-6)
    for one, other in zip(found, torch.autograd.grad(defined, leaves), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_learns_to_point(kind: Kind) -> None:
    """Targets are the source's last tokens: with a pointer they are learnt in fewer steps, by all kinds."""
    rng = random.Random(0)

    def drawn() -> Pieces:
        ids = [rng.randrange(8, 64) for _ in range(6)]
        return Pieces("commit", [5], [], ids, ids[-3:])

    ends = []
    for size in (0, 8):
        torch.manual_seed(0)
        rng.seed(0)
        network = TextNetwork(msgspec.structs.replace(small(kind), pointer_size=size))
        objective = Objective(network, copies=1, flex=False)
        packer = Packer(
            small(kind), SHAPE, Mixture(without_source=0.0, with_prefix=0, with_hole=0), random.Random(1)
        )
        rows = packer.rows(drawn() for _ in range(10**6))
        optimiser = torch.optim.AdamW(network.parameters(), lr=0.01)
        losses = []
        for _ in range(40):
            row = {name: torch.from_numpy(value)[None] for name, value in next(rows).items()}
            row = {name: value.long() if value.dtype == torch.int32 else value for name, value in row.items()}
            loss, parts = objective(row)
            loss.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            losses.append(float(parts["token"]))
        ends.append(sum(losses[-10:]))
    assert ends[1] < ends[0]


@pytest.mark.parametrize("kind", KINDS)
def test_pointing_networks_write_and_are_stored(tmp_path: Path, kind: Kind) -> None:
    torch.manual_seed(0)
    config = msgspec.structs.replace(small(kind, 16384), pointer_size=8)
    checkpoint.save(TextNetwork(config), tmp_path, int8=False, tokenizer=BUNDLED / "tokenizer.json")
    sampler = Sampler(
        checkpoint.load(tmp_path).eval().requires_grad_(False), CodeTokenizer(BUNDLED / "tokenizer.json")
    )
    asked = sampler.read(["docstring\na.py: f\ndef f(): ...", "commit\nM a.py"], ["", ""])
    found = sampler.sample(asked, Dials(count=2, steps=2), torch.Generator().manual_seed(0))
    assert found is not None
    assert all(one.logprob_nats <= 0 for each in found for one in each)


def test_lengths_get_their_shares() -> None:
    shares = [0.0, 0.5, 0.3, 0.2, 0.0, 0.0, 0.0]
    assert allotted(shares, 10, 0) == [(12, 5), (16, 3), (24, 2)]
    assert allotted(shares, 4, 20) == [(24, 4)]
    assert allotted(shares, 3, 60) == [(64, 3)]


def test_the_schedule_learns_where_the_loss_is() -> None:
    schedule = Schedule(location=1.0)
    optimiser = torch.optim.Adam(schedule.parameters(), lr=0.05)
    true = Schedule(location=3.0, scale=0.5, height=6.0)
    for _ in range(400):
        gamma = schedule.gamma(torch.rand(256))
        nats = true.height.detach() * torch.exp(-torch.exp((3.0 - gamma) / 0.5))
        schedule.misfit(gamma, nats, torch.ones(256)).backward()
        optimiser.step()
        optimiser.zero_grad()
    levels = schedule.levels(4)
    assert (levels[:-1] > levels[1:]).all()
    assert schedule.location.item() == pytest.approx(3.0, abs=0.1)


def test_the_writer_ranks_and_obeys(folder: Path, tmp_path: Path) -> None:
    writer = Writer(folder)
    written = writer.write("commit", "commit\nM a.py", prefix="Add", count=4, steps=2)
    assert written
    assert [one.confidence for one in written] == sorted((one.confidence for one in written), reverse=True)
    assert writer.write("commit", "commit\nM a.py", count=4, steps=2, allowed=lambda text: False) == []
    with pytest.raises(ModelMissing, match="no text model is installed"):
        Writer(tmp_path).write("commit", "commit\nM a.py")


def test_an_autoregressive_model_writes_its_likeliest_words(folder: Path, tmp_path: Path) -> None:
    network = checkpoint.load(folder, "autoregressive")
    checkpoint.save(network, tmp_path, int8=True, tokenizer=folder / "tokenizer.json")
    writer = Writer(tmp_path)
    found = writer.write("commit", "commit\nM a.py")
    assert found == writer.write("commit", "commit\nM a.py", count=1, diversity=0.0)
    assert len(found) == 1
    assert len(Writer(folder).write("commit", "commit\nM a.py", steps=1)) > 1


def test_features_go_on_without_weights_and_with_damaged_ones(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEWORLD_TEXT_MODEL", str(tmp_path / "none"))
    assert installed() is None
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "config.json").write_text("{")
    monkeypatch.setenv("CODEWORLD_TEXT_MODEL", str(damaged))
    assert installed() is None
    monkeypatch.setenv("CODEWORLD_TEXT_MODEL", str(folder))
    writer = installed()
    assert writer is not None
    assert writer("commit", "commit\nM a.py", count=2, steps=2, allowed=bool)


def test_temperatures_and_guidance_leave_the_posterior_alone(folder: Path) -> None:
    sampler = Writer(folder).load()
    asked = sampler.read(["commit\nM a.py"], [""])
    canvas = sampler.canvas(asked, 8, [0])
    x = torch.randn(1, 8, sampler.network.config.width)
    posterior = torch.randn(1, 8, sampler.network.config.code_size)
    bare = sampler.guided(x, canvas, None, Dials(guidance=1.0))
    both = sampler.guided(x, canvas, posterior, Dials(guidance=1.0, temperature=2.0))
    exact = posterior @ sampler.network.codebook.rows().T
    assert torch.allclose(both[..., 10:], (bare / 2 + exact)[..., 10:], atol=1e-4)


def test_the_text_that_agrees_with_the_others_comes_first() -> None:
    texts = ["add a node to the graph", "add a node to a graph", "completely different words here"]
    assert ranked(texts, [-1.0, -1.0, -1.0])[-1][0] == texts[2]
    assert agreement(["alone"], [1.0]) == [1.0]


def test_workers_read_all_of_the_shards(tmp_path: Path) -> None:
    lines = [
        json.dumps({"task": "commit", "source": f"commit\n| old\nM f{i}.py", "target": f"Change {i}"})
        for i in range(40)
    ]
    (tmp_path / "shard-000.jsonl.xz").write_bytes(lzma.compress("\n".join(lines).encode()))
    config = small("gaussian", 16384)
    rows = TextRows(tmp_path, BUNDLED / "tokenizer.json", config, SHAPE, Mixture(), 2, seed=1)
    found = next(iter(rows))
    assert found["source_ids"].shape == (2, SHAPE.sources)
    assert int(found["target_doc"].max()) >= 3
    pieces = tokenise(CodeTokenizer(BUNDLED / "tokenizer.json"), "commit\n| old\nM f.py", "Change")
    assert len(pieces.source(history=False, limit=99)) < len(pieces.source(history=True, limit=99))
