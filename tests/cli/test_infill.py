from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from codeworld import cli_infill
from codeworld.backend import Model
from codeworld.canvas import Candidate, InfillReply, InfillRequest, Source
from codeworld.cli_infill import Hole
from codeworld.complete import CompletionSettings
from tests.cli.command import Codeworld

HOLES = [Hole(i, f"def f{i}(a, b):\n    return ", "\n") for i in range(6)]
SETTINGS = CompletionSettings(threshold=0.0, multiline=True)
FIELDS = ["id", "text", "accepted", "confidence", "steps", "latency_ms"]


class Scripted:
    """A model that gives one text, counts what it was asked, and fails when told to."""

    def __init__(self, text: str = "a + b", fail_at: int | None = None) -> None:
        self.text, self.fail_at, self.asked = text, fail_at, 0

    def __call__(self, request: InfillRequest) -> InfillReply:
        if self.asked == self.fail_at:
            raise KeyboardInterrupt
        self.asked += 1
        found = (Candidate(self.text, Source.DENOISER, -0.1, 3, 0.99, 2),) if self.text else ()
        return InfillReply(found, 1.0, "cpu", "fake-1")

    def model(self) -> Model:
        return Model(self, "fake-1", "cpu")


def fill(out: Path, scripted: Scripted, holes: list[Hole] = HOLES) -> cli_infill.Summary:
    return cli_infill.fill_all(holes, out, scripted.model(), settings=SETTINGS, progress=lambda done: None)


def written(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_every_hole_gets_a_record_in_order(tmp_path: Path) -> None:
    summary = fill(tmp_path / "out.jsonl", Scripted())
    records = written(tmp_path / "out.jsonl")
    assert [record["id"] for record in records] == list(range(6))
    assert list(records[0]) == FIELDS
    assert all(record["text"] == "a + b" and record["accepted"] is True for record in records)
    assert (summary.records, summary.accepted) == (6, 6)
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


@pytest.mark.parametrize("text", ["a + )", "return a"])
def test_the_best_candidate_is_written_also_when_it_is_refused(tmp_path: Path, text: str) -> None:
    fill(tmp_path / "out.jsonl", Scripted(text))
    assert all(
        record["text"] == text and not record["accepted"] for record in written(tmp_path / "out.jsonl")
    )


def test_no_candidate_is_an_empty_text(tmp_path: Path) -> None:
    fill(tmp_path / "out.jsonl", Scripted(""))
    assert all(record["text"] == "" and not record["accepted"] for record in written(tmp_path / "out.jsonl"))


class Choosing(Scripted):
    """A model that gives several texts, each less likely than the one before."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self.texts = texts

    def __call__(self, request: InfillRequest) -> InfillReply:
        found = (Candidate(t, Source.DENOISER, -0.1 - 0.2 * i, 3, 0.9, 2) for i, t in enumerate(self.texts))
        return InfillReply(tuple(found), 1.0, "cpu", "fake-1")


@pytest.mark.parametrize(
    ("texts", "best"),
    [
        (("a", "a + b"), "a + b"),  # nobody would read b
        (("a + c", "a - b"), "a - b"),  # c comes from nowhere
        (("b + a", "a + b"), "b + a"),  # nothing to choose by but the model
    ],
)
def test_what_a_fill_leaves_over_speaks_against_it(tmp_path: Path, texts: tuple[str, str], best: str) -> None:
    fill(tmp_path / "out.jsonl", Choosing(*texts), HOLES[:1])
    assert written(tmp_path / "out.jsonl")[0]["text"] == best


def test_what_is_left_over_whatever_the_fill_speaks_against_none(tmp_path: Path) -> None:
    unread = [Hole(0, f"def g(x, y, z):\n    u = 1\n\n\n{HOLES[0].prefix}", HOLES[0].suffix)]
    fill(tmp_path / "plain.jsonl", Scripted(), HOLES[:1])
    fill(tmp_path / "unread.jsonl", Scripted(), unread)
    plain, other = (written(tmp_path / f"{name}.jsonl")[0] for name in ("plain", "unread"))
    assert plain["confidence"] == other["confidence"]


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("from before\n")
    with pytest.raises(KeyboardInterrupt):
        fill(out, Scripted(fail_at=4))
    assert out.read_text() == "from before\n"
    (part,) = tmp_path.glob("*.part")
    part.write_bytes(part.read_bytes()[:-9])  # as a crash in the middle of a write leaves it
    second = Scripted()
    fill(out, second)
    assert second.asked == 3
    assert [record["id"] for record in written(out)] == list(range(6))
    assert not list(tmp_path.glob("*.part"))


def test_other_work_is_not_taken_for_the_interrupted_one(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        fill(out, Scripted(fail_at=4))
    second = Scripted()
    fill(out, second, [msgspec.structs.replace(hole, suffix="\n\n") for hole in HOLES])
    assert second.asked == 6


@pytest.mark.parametrize(
    "bad", [b"{", b'{"id": 1, "prefix": "x"}', b'{"id": 1, "prefix": 2, "suffix": ""}', b"\xff"]
)
def test_a_bad_line_is_named_and_nothing_is_written(codeworld: Codeworld, tmp_path: Path, bad: bytes) -> None:
    holes, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    holes.write_bytes(b'{"id": "a", "prefix": "x = ", "suffix": "\\n"}\n\n' + bad + b"\n")
    outcome = codeworld("infill", holes, out)
    assert (outcome.code, outcome.out) == (2, "")
    assert "in.jsonl line 3: " in outcome.err
    assert outcome.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_an_output_that_cannot_be_written_is_known_before_the_work(
    codeworld: Codeworld, tmp_path: Path
) -> None:
    holes = tmp_path / "in.jsonl"
    holes.write_bytes(b'{"id": "a", "prefix": "x = ", "suffix": "\\n"}\n')
    assert codeworld("infill", holes, tmp_path / "none" / "out.jsonl").code == 2
    assert codeworld("infill", holes, tmp_path).code == 2


@pytest.mark.usefixtures("with_tiny_model")
def test_the_command_with_a_real_model(codeworld: Codeworld, tmp_path: Path) -> None:
    holes, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    holes.write_bytes(b"".join(msgspec.json.encode(hole) + b"\n" for hole in HOLES[:3]))
    outcome = codeworld("infill", holes, out, "--no-engine", "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["records"] == 3
    records = written(out)
    assert [record["id"] for record in records] == [0, 1, 2]
    assert all(isinstance(record["text"], str) and list(record) == FIELDS for record in records)
