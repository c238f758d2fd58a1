"""What cannot be used is one clear line on stderr and exit code 2, and nothing is written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.command import Codeworld

HOLE = b'{"id": "a", "prefix": "x = ", "suffix": "\\n"}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with one file of each kind that is wrong."""
    (tmp_path / "good.py").write_text("x = 1\ny = 2\n")
    (tmp_path / "notes.txt").write_text("x = 1\n")
    (tmp_path / "binary.py").write_bytes(b"\x7fELF\x00\x01\x02")
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'\n")
    (tmp_path / "large.py").write_bytes(b"x = 1\n" * 1_700_000)  # 10 MB
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "holes.jsonl").write_bytes(HOLE)
    (tmp_path / "no-json.jsonl").write_bytes(HOLE + b"{nonsense\n")
    (tmp_path / "large.jsonl").write_bytes(b"[" * 1_000_000)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(codeworld: Codeworld, folder: Path, *arguments: str, says: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    outcome = codeworld(*arguments)
    assert (outcome.code, outcome.out) == (2, ""), outcome
    assert outcome.err.startswith("codeworld: ")
    assert outcome.err.count("\n") == 1
    assert says in outcome.err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("missing.py:1:1", "No such file"),
        ("notes.txt:1:1", "not a Python file"),
        ("binary.py:1:1", "binary"),
        ("latin.py:1:1", "not text"),
        ("large.py:1:1", "larger than"),
        ("folder.py:1:1", "is a directory"),
        ("good.py:9:1", "there is no line 9"),
        ("good.py:1:99", "there is no column 99"),
        ("good.py:0:1", "there is no line 0"),
        ("good.py", "is not FILE:LINE:COLUMN"),
    ],
)
def test_complete(codeworld: Codeworld, folder: Path, where: str, says: str) -> None:
    refused(codeworld, folder, "complete", where, says=says)
    refused(codeworld, folder, "complete", where, "--json", says=says)


@pytest.mark.parametrize(
    ("holes", "out", "says"),
    [
        ("missing.jsonl", "out.jsonl", "No such file"),
        ("folder.py", "out.jsonl", "directory"),
        ("no-json.jsonl", "out.jsonl", "no-json.jsonl line 2: "),
        ("binary.py", "out.jsonl", "binary.py line 1: "),
        ("large.jsonl", "out.jsonl", "large.jsonl line 1: "),
        ("holes.jsonl", "missing/out.jsonl", "cannot be written"),
        ("holes.jsonl", "folder.py", "cannot be written"),
    ],
)
def test_infill(codeworld: Codeworld, folder: Path, holes: str, out: str, says: str) -> None:
    refused(codeworld, folder, "infill", holes, out, says=says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["eval", "--holes", "missing.jsonl", "--out", "result"], "missing.jsonl: No such file"),
        (["eval", "--holes", "no-json.jsonl", "--out", "result"], "cannot be read"),
        (["train", "folder.py"], "folder.py: Is a directory"),
        (["train", "missing.toml"], "missing.toml does not exist"),
        (["train", "good.py"], "good.py: "),
        (
            ["train", "corpus", "--manifest", "missing.tsv", "--mirrors", ".", "--out", "corpus"],
            "missing.tsv: No such file",
        ),
    ],
)
def test_eval_and_train(codeworld: Codeworld, folder: Path, arguments: list[str], says: str) -> None:
    refused(codeworld, folder, *arguments, says=says)


def _no_folder(model: Path) -> None:
    shutil.rmtree(model)


def _no_weights(model: Path) -> None:
    for path in model.glob("*.safetensors"):
        path.unlink()


def _damaged_weights(model: Path) -> None:
    for path in model.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])


def _weights_of_another_size(model: Path) -> None:
    config = model / "config.json"
    config.write_text(
        config.read_text().replace('"width":32', '"width":64').replace('"width": 32', '"width": 64')
    )


def _no_config(model: Path) -> None:
    (model / "config.json").write_text("[]")


def _no_tokenizer(model: Path) -> None:
    (model / "tokenizer.json").write_text("{}")


@pytest.mark.parametrize("engine", [True, False])
@pytest.mark.parametrize(
    "damage",
    [_no_folder, _no_weights, _damaged_weights, _weights_of_another_size, _no_config, _no_tokenizer],
)
@pytest.mark.usefixtures("runtime_dir")
def test_a_model_that_cannot_be_read(
    codeworld: Codeworld,
    folder: Path,
    tiny_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    damage: object,
    engine: bool,
) -> None:
    model = tmp_path_factory.mktemp("model") / "damaged"
    shutil.copytree(tiny_model, model)
    damage(model)  # type: ignore[operator]
    monkeypatch.setenv("CODEWORLD_MODEL", str(model))
    how = [] if engine else ["--no-engine"]
    refused(codeworld, folder, "complete", "good.py:1:5", *how, says=str(model))
    refused(codeworld, folder, "infill", "holes.jsonl", "out.jsonl", *how, says=str(model))
