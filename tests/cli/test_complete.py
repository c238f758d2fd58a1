from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from codeworld import cli_complete
from codeworld.backend import Model
from codeworld.canvas import Accept, Candidate, InfillReply, InfillRequest, Reject, Source
from codeworld.complete import CompletionSettings
from codeworld.source import place
from tests.cli.command import Codeworld

FIELDS = ["text", "confidence", "steps", "latency_ms", "device", "model"]


def answering(*texts: str) -> Model:
    """A model that always gives these candidates."""

    def infill(request: InfillRequest) -> InfillReply:
        found = tuple(Candidate(text, Source.DENOISER, -0.1, 3, 0.99, 2) for text in texts)
        return InfillReply(found, 1.0, "cpu", "fake-1")

    return Model(infill, "fake-1", "cpu")


def test_an_accepted_candidate_is_reported_with_all_its_figures(source: Path) -> None:
    settings = CompletionSettings(threshold=0.0)
    completion, verdict = cli_complete.complete(place(f"{source}:2:12"), answering("a + b"), settings)
    assert isinstance(verdict, Accept)
    assert completion.text == "a + b"
    assert (completion.device, completion.model, completion.steps) == ("cpu", "fake-1", 2)
    assert 0 <= completion.confidence <= 1
    assert completion.latency_ms > 0


def test_what_does_not_parse_is_refused(source: Path) -> None:
    settings = CompletionSettings(threshold=0.0)
    completion, verdict = cli_complete.complete(place(f"{source}:2:12"), answering("a + )"), settings)
    assert isinstance(verdict, Reject)
    assert completion.text == ""


def test_below_the_threshold_nothing_is_offered(source: Path) -> None:
    settings = CompletionSettings(threshold=1.0)
    _, verdict = cli_complete.complete(place(f"{source}:2:12"), answering("a + b"), settings)
    assert isinstance(verdict, Reject)


def test_the_repository_around_the_file_gives_seeds(source: Path) -> None:
    (source.parent / ".git").mkdir()
    (source.parent / "other.py").write_text("def add(a, b):\n    return a + b\n\n\nprint(add(1, 2))\n")
    asked: list[InfillRequest] = []

    def infill(request: InfillRequest) -> InfillReply:
        asked.append(request)
        return InfillReply((), 1.0, "cpu", "fake-1")

    cli_complete.complete(place(f"{source}:2:12"), Model(infill, "fake-1", "cpu"), CompletionSettings())
    assert [seed.text for seed in asked[0].seeds] == ["a + b"]
    assert asked[0].path == "app.py"


def test_the_completion_is_shown_inside_its_lines(source: Path) -> None:
    where = place(f"{source}:2:12")
    settings = CompletionSettings(threshold=0.0)
    completion, verdict = cli_complete.complete(where, answering("a + b"), settings)
    assert isinstance(verdict, Accept)
    console = Console(file=io.StringIO(), width=100)
    cli_complete.show(console, where, completion, verdict)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "return a + b" in shown
    assert "ms on cpu" in shown
    assert "fake-1" in shown


@pytest.mark.usefixtures("with_tiny_model")
def test_json_has_exactly_the_contracts_fields(codeworld: Codeworld, source: Path) -> None:
    outcome = codeworld("complete", f"{source}:2:12", "--no-engine", "--json", "--threshold", "0")
    assert outcome.code in (0, 1)
    printed = json.loads(outcome.out)
    assert list(printed) == FIELDS
    assert (printed["text"] == "") == (outcome.code == 1)
    assert outcome.err.count("\n") == outcome.code


@pytest.mark.usefixtures("with_tiny_model", "runtime_dir")
def test_the_engine_process_is_started_on_demand(codeworld: Codeworld, source: Path) -> None:
    outcome = codeworld("complete", f"{source}:2:12", "--json", "--threshold", "0")
    assert outcome.code in (0, 1), outcome.err
    assert json.loads(outcome.out)["model"]


@pytest.mark.usefixtures("runtime_dir")
@pytest.mark.parametrize("how", ["--no-engine", None])
def test_an_unreadable_model_is_bad_input(
    codeworld: Codeworld, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str | None
) -> None:
    monkeypatch.setenv("CODEWORLD_MODEL", str(tmp_path / "none"))
    outcome = codeworld("complete", f"{source}:2:12", *filter(None, [how]))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert "none" in outcome.err


@pytest.mark.usefixtures("with_tiny_model")
def test_a_comment_is_left_alone(codeworld: Codeworld, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("# this is a comment\nx = 1\n")
    outcome = codeworld("complete", f"{path}:1:12", "--no-engine")
    assert outcome.code == 1
    assert outcome.err.startswith("codeworld: nothing to offer: ")
