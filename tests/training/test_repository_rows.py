"""Whole repositories as rows, and the hybrid trained on them as users start it."""

from __future__ import annotations

import json
import lzma
from itertools import islice, pairwise
from pathlib import Path

import pytest
import torch

from codeworld.model import checkpoint, hybrid
from codeworld.model.tokenizer import EOF, CodeTokenizer
from codeworld.training import repository_rows, train_hybrid
from codeworld.training.repository_rows import Pieces, RepositoryRows, Stage, file_tokens, length_at

CONFIG = """
initial = "{initial}"
corpus = "{folder}/corpus"
output = "{folder}/runs"
minutes = 5
max_steps = 16
rows_per_step = 2
rows_per_pass = 1
row_tokens = 512
workers = 0
curriculum = [{{tokens = 128, share = 0.5}}, {{tokens = 512, share = 0.5}}]
[optimiser]
matrix_rate = 2e-2
other_rate = 2e-2
[models.mixed]
pattern = ["gated_delta", "favor", "window"]
layers = 3
width = 64
heads = 2
kv_heads = 2
linear_heads = 2
head_size = 32
features = 32
mlp_width = 96
window = 64
"""
TOKENIZER = checkpoint.BUNDLED / "tokenizer.json"
STAGES = (Stage(128, 0.5), Stage(512, 0.5))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hybrid")
    (folder / "corpus").mkdir()
    root = Path(checkpoint.__file__).parents[1]
    with lzma.open(folder / "corpus" / "shard-000.jsonl.xz", "wt") as shard:
        for repo in ("context", "model"):
            for path in sorted((root / repo).glob("*.py")):
                record = {"repo": repo, "path": f"codeworld/{repo}/{path.name}", "text": path.read_text()}
                shard.write(json.dumps(record | {"brought": []}) + "\n")
    return folder


def rows(folder: Path, total: int = 8, seed: int = 0, **world: int) -> RepositoryRows:
    return RepositoryRows(folder / "corpus", TOKENIZER, 1, 512, STAGES, total, seed, **world)


def test_the_curriculum_grows() -> None:
    assert [length_at(p, STAGES) for p in (0, 0.49, 0.5, 0.99, 1, 1.2)] == [128, 128, 512, 512, 512, 512]


def test_batches_have_one_number_of_tokens_at_every_length(folder: Path) -> None:
    shapes = [tuple(batch["ids"].shape) for batch in islice(rows(folder), 9)]
    assert shapes == [(4, 129)] * 4 + [(1, 513)] * 5


def test_a_row_that_cannot_be_cut_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="no multiple of 384"):
        RepositoryRows(folder / "corpus", TOKENIZER, 1, 512, (Stage(384, 1.0),), 8, 0)


def test_sequences_are_the_files_of_a_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Joined again they are the piece, EOF first, and what is imported stands before it."""
    monkeypatch.setattr(repository_rows, "STREAMS", 1)
    tokenizer = CodeTokenizer(TOKENIZER)
    files = next(iter(Pieces(folder / "corpus", 0, 1, 0)))
    right = [EOF, *(i for path, text in files for i in file_tokens(tokenizer, path, text))]
    batches = [batch["ids"] for batch in islice(rows(folder, total=1), 6)]
    read = torch.cat([batch[:, :-1].flatten() for batch in batches]).tolist()
    assert read == right[: len(read)]
    assert all(int(a[-1, -1]) == int(b[0, 0]) for a, b in pairwise(batches))
    order = [path for path, _ in files]
    repo = "model" if "codeworld/model/hybrid.py" in order else "context"
    before, after = {
        "model": ("checkpoint.py", "hybrid.py"), "context": ("definitions.py", "reading_order.py")
    }[repo]  # fmt: skip
    assert order.index(f"codeworld/{repo}/{before}") < order.index(f"codeworld/{repo}/{after}")


def test_workers_share_the_pieces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository_rows, "PIECE_CHARS", 10_000)
    whole = {tuple(path for path, _ in piece) for piece in islice(Pieces(folder / "corpus", 0, 1, 0), 12)}
    parts = [
        {tuple(path for path, _ in piece) for piece in islice(Pieces(folder / "corpus", part, 3, 0), 3)}
        for part in range(3)
    ]
    assert not (parts[0] & parts[1])
    assert not (parts[0] & parts[2])
    assert not (parts[1] & parts[2])
    assert all(part & whole for part in parts)


def test_training_lowers_the_loss_and_can_be_gone_on_with(folder: Path) -> None:
    config = folder / "config.toml"
    config.write_text(CONFIG.format(folder=folder, initial=checkpoint.BUNDLED))
    train_hybrid.main([str(config), "--model", "mixed"])
    log = [json.loads(line) for line in (folder / "runs/mixed/log.jsonl").read_text().splitlines()]
    final = hybrid.load(folder / "runs/mixed/final")
    assert log[0]["token"] == pytest.approx(9.7, abs=0.3)  # log 16384: nothing is known yet
    batch = next(iter(rows(folder, total=1, seed=5)))
    with torch.no_grad():
        loss, parts = train_hybrid.Objective(final, False)({"ids": batch["ids"].long()})
    assert float(loss) < 8.5
    assert abs(float(parts["late"]) - float(loss)) < 2
    config.write_text(CONFIG.format(folder=folder, initial=folder / "runs/mixed/final"))
    train_hybrid.main([str(config), "--model", "mixed", "--output", str(folder / "on"), "--max-steps", "1"])
    log = [json.loads(line) for line in (folder / "on/mixed/log.jsonl").read_text().splitlines()]
    assert log[0]["token"] < 8.5


def test_an_unknown_model_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = folder / "other.toml"
    config.write_text(CONFIG.format(folder=folder, initial=checkpoint.BUNDLED))
    with pytest.raises(SystemExit):
        train_hybrid.main([str(config), "--model", "none"])
    assert "has no model none: mixed" in capsys.readouterr().err
