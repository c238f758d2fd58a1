"""Training as users start it, on tiny rows and CPUs."""

from __future__ import annotations

import json
import lzma
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from codeworld.model import checkpoint
from codeworld.training import train
from codeworld.training.optimiser import Muon

CONFIG = """
initial = "{folder}/initial"
corpus = "{folder}/corpus"
output = "{folder}/{name}"
minutes = 5
max_steps = 3
rows_per_step = 4
rows_per_pass = 1
workers = {workers}
[shape]
stream_tokens = 128
segment_tokens = 256
predicted = 300
canvas_slots = 120
[optimiser]
warm_up = 0.0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    checkpoint.tiny(folder / "initial")
    (folder / "corpus").mkdir()
    with lzma.open(folder / "corpus" / "shard-000.jsonl.xz", "wt") as shard:
        for path in sorted(Path(checkpoint.__file__).parent.glob("*.py")):
            if text := path.read_text():
                shard.write(json.dumps({"repo": "a/b", "path": path.name, "text": text}) + "\n")
    return folder


def start(folder: Path, name: str, processes: int) -> dict[str, torch.Tensor]:
    """Train in so many processes; the final weights."""
    config = folder / f"{name}.toml"
    config.write_text(CONFIG.format(folder=folder, name=name, workers=2 // processes))
    python = [sys.executable, "-m"]
    if processes > 1:
        python += ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    done = subprocess.run(
        [*python, "codeworld", "train", str(config)], capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    return checkpoint.read_tensors(folder / name / "final")


@pytest.mark.slow
def test_two_processes_train_the_same_model_as_one(folder: Path) -> None:
    one, two = start(folder, "one", 1), start(folder, "two", 2)
    before = checkpoint.load(folder / "initial").state_dict()
    for name, value in one.items():
        torch.testing.assert_close(two[name].float(), value.float(), rtol=0.02, atol=1e-4, msg=name)
        if value.ndim == 2 and name.startswith("blocks."):
            assert (value.float() - before[name]).abs().max() > 1e-4, f"{name} was not trained"
    logs = [(folder / name / "log.jsonl").read_text().splitlines() for name in ("one", "two")]
    assert len(logs[0]) == len(logs[1]) == 1
    assert json.loads(logs[0][0])["norm"] == pytest.approx(json.loads(logs[1][0])["norm"], rel=1e-3)


def test_a_run_can_be_shortened_while_it_runs(folder: Path) -> None:
    text = CONFIG.format(folder=folder, name="short", workers=0).replace(
        "rows_per_step = 4", "rows_per_step = 1"
    )
    (folder / "short.toml").write_text(text.replace("max_steps = 3", "max_steps = 100000"))
    (folder / "short").mkdir()
    (folder / "short" / "minutes").write_text("0.001")
    train.run(folder / "short.toml")
    assert (folder / "short" / "final" / "config.json").exists()
    assert len((folder / "short" / "log.jsonl").read_text().splitlines()) <= 2


def test_a_run_goes_on_from_what_it_saved(folder: Path) -> None:
    config = folder / "again.toml"
    config.write_text(CONFIG.format(folder=folder, name="again", workers=0))
    with pytest.raises(OSError, match="progress"):
        train.run(config, folder / "initial")  # no run saved this one
    train.run(config)
    saved = (folder / "again" / "final").rename(folder / "again" / "latest")
    (saved / train.PROGRESS).write_text("0.5\n")
    train.run(config, saved)
    assert float((folder / "again" / "final" / train.PROGRESS).read_text()) == pytest.approx(
        0.5 + 2 / 3, abs=1e-3
    )
    before, after = (checkpoint.read_tensors(folder / "again" / name) for name in ("latest", "final"))
    assert any((after[name] != before[name]).any() for name in after)


def test_a_step_that_cannot_be_dealt_out_is_refused(folder: Path) -> None:
    (folder / "bad.toml").write_text(CONFIG.format(folder=folder, name="bad", workers=0))
    config = train.load_config(folder / "bad.toml", train.TrainConfig)
    with pytest.raises(ValueError, match="no multiple of 3 processes"):
        train.Trainer(config, train.World(0, 3), config.shape.total)


@pytest.mark.parametrize("shape", [(12, 32), (32, 12), (16, 16)])
def test_muon_is_torchs(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    ours = [torch.nn.Parameter(torch.randn(shape)) for _ in range(3)]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    rates = {"lr": 1e-2, "momentum": 0.95, "weight_decay": 0.05}
    optimisers = (
        Muon(ours, **rates),
        torch.optim.Muon(theirs, **rates, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(shape)
            b.grad = a.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)
