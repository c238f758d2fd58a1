from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Seed, Source
from codeworld.ranking import packaged_weights
from codeworld.training import evaluate, holes, report
from codeworld.training.evaluate import Generation
from codeworld.training.execution import run_programs
from codeworld.training.holes import Hole
from codeworld.training.scoring import score_text, similarity

CODE = '''"""Module docstring
over two lines."""
import os  # a comment


def first(value):
    """Docstring."""
    text = """two
    lines"""
    return os.path.join(value, text)


def second(value):
    result = os.path.join(value, "second")
    return result
'''


def test_code_lines_are_no_comments_docstrings_or_multi_line_strings() -> None:
    lines = CODE.split("\n")
    assert [lines[number].strip()[:9] for number in holes.code_lines(CODE)] == [
        "def first", "return os", "def secon", "result = ", "return re",
    ]  # fmt: skip
    assert holes.code_lines("def broken(:\n  '''") == []


def drawn(seed: int = 1, **counts: int) -> list[Hole]:
    files = [(f"pkg/{name}.py", CODE.replace("second", name)) for name in ("second", "third", "fourth")]
    return list(holes.repository_holes("owner/name", files, counts, seed))  # type: ignore[arg-type]


def test_holes_put_back_together_give_the_file() -> None:
    found = drawn(rest=5, line=4, block=3)
    assert sorted({hole.kind for hole in found}) == ["block", "line", "rest"]
    assert len(found) == len({hole.id for hole in found}) == 12
    for hole in found:
        name = Path(hole.path).stem
        assert hole.prefix + hole.target + hole.suffix == CODE.replace("second", name)
        assert len(hole.target.strip()) >= holes.MIN_TARGET_CHARS
        assert hole.shape == ("span" if hole.kind == "block" else "line")
        assert hole.suffix.startswith("\n")
        typed = hole.prefix.rpartition("\n")[2]
        assert bool(typed.strip()) == (hole.kind == "rest")


def test_holes_are_the_same_every_time_and_differ_by_seed() -> None:
    assert drawn(rest=4, line=4) == drawn(rest=4, line=4)
    assert drawn(rest=4, line=4) != drawn(seed=2, rest=4, line=4)


def test_seeds_do_not_see_the_hole() -> None:
    unique = [("a.py", "x = 1\nonly_here_and_nowhere_else()\ny = 2\n")]
    for hole in holes.repository_holes("o/n", unique, {"line": 1, "rest": 1}, 3):
        assert hole.seeds == ()


def test_request_shows_neither_target_nor_its_length() -> None:
    assert not {"target", "id", "kind"} & set(InfillRequest.__struct_fields__)
    hole = drawn(line=1)[0]
    assert hole.target not in hole.request().prefix.rpartition("\n")[2]


def test_scores_of_text() -> None:
    assert score_text("a = 1  ", "a = 1").exact
    two = score_text("a = 1\nb", "a = 1\nc")
    assert (two.exact, two.first_line) == (False, True)
    assert score_text("", "abc").similarity == 0


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("kitten", "sitting", 3),
        ("", "abc", 3),
        ("abc", "abc", 0),
        ("ab" * 80, "ba" * 80, 2),
        ("flaw", "lawn", 2),
    ],
)
def test_similarity_is_one_minus_relative_edit_distance(one: str, other: str, distance: int) -> None:
    assert similarity(one, other) == pytest.approx(1 - distance / max(len(one), len(other)))
    assert similarity(other, one) == similarity(one, other)


def test_programs_are_judged_by_reaching_their_end() -> None:
    found = run_programs(
        {
            "right": "assert 1 + 1 == 2",
            "wrong": "assert 1 + 1 == 3",
            "syntax": "x =",
            "leaves": "raise SystemExit(0)",
            "escapes": "import os; os._exit(0)",
            "sleeps": "import time; time.sleep(60)",
            "reads": "input()",
            "prints": "print('passed' * 100)",
            "hungry": "x = bytearray(1 << 40)",
        },
        jobs=2,
        timeout_s=1.0,
    )
    assert found == {
        "right": "passed", "wrong": "failed", "syntax": "failed", "leaves": "failed", "escapes": "failed",
        "sleeps": "timeout", "reads": "failed", "prints": "passed", "hungry": "failed",
    }  # fmt: skip


def test_programs_leave_nothing_behind_for_the_next() -> None:
    program = "import os\nassert not os.listdir('.')\nopen('left', 'w').close()\nimport builtins\n"
    program += "assert not hasattr(builtins, 'left')\nbuiltins.left = 1"
    assert set(run_programs({str(k): program for k in range(4)}, jobs=1).values()) == {"passed"}


def hole(number: int, repo: str, seeds: tuple[Seed, ...] = ()) -> Hole:
    return Hole(f"{repo}/{number}", "line", "line", "x = 1\n", "\n", f"target {number}", repo, "a.py", seeds)


def told(request: InfillRequest) -> InfillReply:
    """A model whose reader is always right and whose denoiser never is."""
    number = request.seeds[0].text
    return InfillReply(
        (
            Candidate(f"target {number}", Source.READER, -0.1, 3),
            Candidate("nonsense", Source.DENOISER, -9.0, 3, certainty=0.2),
            Candidate(number, Source.RETRIEVED, -8.0, 3, seed=request.seeds[0]),
        ),
        latency_ms=2.0,
        device="cpu",
        model="told",
    )


SET = [hole(k, f"repo{k % 3}", (Seed(str(k), 1, 1, 1),)) for k in range(45)]


def test_every_system_has_its_row() -> None:
    rows = {row.system: row for row in evaluate.evaluate(told, SET) if row.kind == "line"}
    assert rows["reader alone"].exact == rows["all together"].exact == 1.0
    assert rows["denoiser alone"].exact == rows["copying alone"].exact == rows["as served"].exact == 0.0
    assert "edited copies alone" not in rows
    assert rows["reader alone"].shown == rows["reader alone"].right_among_shown == 1.0
    assert rows["denoiser alone"].shown == 0.0
    assert rows["reader alone"].calibration_error < 0.1


def test_copying_alone_needs_no_model() -> None:
    rows = evaluate.evaluate(None, SET)
    assert {row.system for row in rows} == {"copying alone"}


def test_calibration_error() -> None:
    score = score_text("x", "x"), score_text("x", "y")
    judged = [report.Judged(score[k % 2], 0.9, True) for k in range(40)]
    assert report.Row.of("s", "k", judged).calibration_error == pytest.approx(0.4)
    assert report.Row.of("s", "k", [report.Judged(score[0], None, False)]).answered == 0


def test_command_line_writes_tables_and_a_ranking(tmp_path: Path) -> None:
    encode = msgspec.json.encode
    (tmp_path / "holes.jsonl").write_bytes(b"\n".join(encode(each) for each in SET) + b"\n")
    made = evaluate.generate(told, SET)
    (tmp_path / "made.jsonl").write_bytes(b"\n".join(encode(each) for each in made) + b"\n")
    test = {
        "task_id": "t",
        "prompt": "def f():\n",
        "suffix": "",
        "test": "def check(f): assert f() == 1",
        "entry_point": "f",
    }
    (tmp_path / "tests.jsonl").write_text(json.dumps(test) + "\n")
    (tmp_path / "mbpp.jsonl").write_bytes(
        encode(Hole("t", "single", "span", "def f():\n", "", "    return 1\n"))
    )
    answer = Generation(
        "t", tuple(Candidate("    return 1\n", s, -1.0, 3) for s in (Source.DENOISER, Source.VERIFIED))
    )
    (tmp_path / "mbpp_made.jsonl").write_bytes(encode(answer))
    out = tmp_path / "results" / "completion"
    names = ("holes", "generations", "mbpp-holes", "mbpp-generations", "mbpp-tests")
    files = ("holes", "made", "mbpp", "mbpp_made", "tests")
    options = [
        word
        for name, file in zip(names, files, strict=True)
        for word in (f"--{name}", f"{tmp_path / file}.jsonl")
    ]
    code = evaluate.main(
        [*options, "--out", str(out), "--fit", str(tmp_path / "ranking.json"), "--machine", "here"]
    )
    assert code == 0
    page = out.with_suffix(".md").read_text()
    assert "- machine: here" in page
    assert "- model: told" in page
    assert "| denoiser alone | 100.0 |" in page
    assert "p50 2 ms" in page
    whole = json.loads(out.with_suffix(".json").read_bytes())
    assert whole["pass_at_1"]["as served"] == {"single": 1.0}
    fitted = msgspec.json.decode((tmp_path / "ranking.json").read_bytes(), type=type(packaged_weights()))
    assert fitted.fitted["model"] == "told"
