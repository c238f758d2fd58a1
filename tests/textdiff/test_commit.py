"""From what is staged to a message: facts, style, retrieval, the rule that everything named exists; and bad input."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from codeworld.canvas import Reject
from tests.textdiff.repository import Repository
from textdiff.commit import diff, facts
from textdiff.commit.compose import Message
from textdiff.commit.message import message
from textdiff.entities import Vocabulary, entities

CODE = '''
LIMIT = 3


class Box:
    def put(self, item):
        """Put it."""
        return [item] * LIMIT


def take(box, count):
    return box[:count]
'''


def written(repo: Repository) -> Message:
    found = message(repo.root)
    assert isinstance(found, Message), found
    return found


def told(repo: Repository) -> set[tuple[str, str, str]]:
    found = diff.staged(repo.root)
    assert isinstance(found, diff.Diff)
    return {(one.kind, one.what, one.name) for one in facts.understand(found).facts}


@pytest.mark.parametrize(
    ("before", "after", "fact", "subject"),
    [
        (
            "\n\ndef take",
            "\n\ndef give(box):\n    box.pop()\n\n\ndef take",
            ("added", "function", "give"),
            "Add `give` to box",
        ),
        (CODE[CODE.index("\n\ndef take") :], "\n", ("removed", "function", "take"), "Remove `take`"),
        ("def take(", "def grab(", ("renamed", "function", "grab"), "Rename `take` to `grab`"),
        ("count)", "count, start)", ("added", "parameter", "start"), "Add parameter `start` to `take`"),
        ("box, count)", "box)", ("removed", "parameter", "count"), "Remove parameter `count` from `take`"),
        ("count):", "count=1):", ("signature", "function", "take"), "Change the signature of `take` in box"),
        ("[item] *", "[item, item] *", ("body", "method", "put"), "Update `put` in `Box`"),
        ("LIMIT = 3", "LIMIT = 4", ("value", "constant", "LIMIT"), "Update `LIMIT` in box"),
        ("Put it.", "Put it in.", ("docstring", "method", "put"), "Update docstring of `put` in `Box`"),
        ("LIMIT = 3", "LIMIT = 3  # most", ("layout", "file", "box.py"), "Update comments in box.py"),
    ],
)
def test_facts_of_python(
    repo: Repository, before: str, after: str, fact: tuple[str, str, str], subject: str
) -> None:
    assert before in CODE
    repo.commit("Start", box_py=CODE)
    repo.stage("box.py", CODE.replace(before, after))
    assert fact in told(repo)
    assert written(repo).subject == subject


def test_what_moves_between_files_is_one_fact(repo: Repository) -> None:
    repo.commit("Start", a_py=CODE, b_py="x = 1\n")
    moved = CODE[CODE.index("def take") :]
    repo.stage("a.py", CODE.replace(moved, ""))
    repo.stage("b.py", "x = 1\n\n\n" + moved)
    assert ("moved", "function", "take") in told(repo)
    assert written(repo).subject == "Move `take` from a.py to b.py"


@pytest.mark.parametrize(
    ("path", "before", "after", "subject", "kind"),
    [
        ("requirements.txt", "flask==2.0.1\n", "flask==2.3.0\n", "Bump flask from 2.0.1 to 2.3.0", "build"),
        ("pkg/__init__.py", '__version__ = "1.2"\n', '__version__ = "1.3"\n', "Bump version to 1.3", "chore"),
        ("README.md", "Teh box.\n", "The box.\n", "Fix typo in README.md", "docs"),
        (
            "docs/use.md",
            "# Use\n",
            "# Use\n\n## In anger\n\nDo.\n",
            'Add section "In anger" to use.md',
            "docs",
        ),
        ("uv.lock", "a = 1\n", "a = 2\n", "Update uv.lock", "build"),
        (
            "poetry.lock",
            '[[package]]\nname = "flask"\nversion = "2.0.1"\n',
            '[[package]]\nname = "flask"\nversion = "2.3.0"\n',
            "Bump flask from 2.0.1 to 2.3.0",
            "build",
        ),
        (
            "package-lock.json",
            '{\n  "node_modules/ws": {\n    "version": "8.0.1"\n  }\n}\n',
            '{\n  "node_modules/ws": {\n    "version": "8.1.0"\n  }\n}\n',
            "Bump ws from 8.0.1 to 8.1.0",
            "build",
        ),
        (
            ".pre-commit-config.yaml",
            "- repo: https://github.com/psf/black\n  rev: v1.0.1\n",
            "- repo: https://github.com/psf/black\n  rev: v1.2.0\n",
            "Bump black from v1.0.1 to v1.2.0",
            "build",
        ),
        (
            ".github/workflows/use.yml",
            "- uses: actions/checkout@v4\n",
            "- uses: actions/checkout@v5\n",
            "Bump actions/checkout from 4 to 5",
            "ci",
        ),
        (".github/workflows/t.yml", "a: 1\n", "a: 2\n", "Update t.yml", "ci"),
        ("tests/test_a.py", "x = 1\n", "def test_it():\n    pass\n", "Add `test_it`", "test"),
        (
            "CHANGES.md",
            "# 1\n",
            "# 1\n\n- Boxes can be nested now. (#12)\n",
            "Boxes can be nested now",
            "docs",
        ),
    ],
)
def test_facts_of_other_files(
    repo: Repository, path: str, before: str, after: str, subject: str, kind: str
) -> None:
    repo.stage(path, before)
    repo.git("commit", "-q", "-m", "Start")
    repo.stage(path, after)
    found = written(repo)
    assert (found.subject, found.type) == (subject, kind)


def history(repo: Repository, subjects: list[str]) -> None:
    for number, subject in enumerate(subjects):
        repo.commit(subject, **{f"old{number}_py": f"x = {number}\n"})


def test_conventional_commits_only_where_the_project_has_them(repo: Repository) -> None:
    history(repo, [f"feat(box): thing {word}" for word in "abcdefghij"])
    repo.stage("box/new.py", "def open_box():\n    pass\n")
    assert written(repo).subject == "feat(box): add new"


def test_mood_capital_and_full_stop_are_learnt(repo: Repository) -> None:
    history(repo, [f"added thing {word}." for word in "abcdefghij"])
    repo.stage("box.py", "def open_box():\n    pass\n")
    assert written(repo).subject == "added box."


def test_the_ticket_of_the_branch(repo: Repository) -> None:
    history(repo, [f"BOX-{number}: Add thing" for number in range(10)])
    repo.git("checkout", "-q", "-b", "feature/box-77-nesting")
    repo.stage("box.py", "def open_box():\n    pass\n")
    assert written(repo).subject == "BOX-77: Add box"
    repo.git("checkout", "-q", "-b", "other")
    assert written(repo).subject == "Add box"


def test_a_past_message_is_taken_over_with_this_diffs_values(repo: Repository) -> None:
    history(repo, [f"Thing {word}" for word in "abcdefgh"])
    repo.stage("box/__version__.py", '__version__ = "1.0.0"\n')
    repo.commit("First version")
    repo.stage("box/__version__.py", '__version__ = "1.1.0"\n')
    repo.commit("Release 1.1.0 (#4)")
    repo.stage("box/__version__.py", '__version__ = "1.2.0"\n')
    found = written(repo)
    assert found.subject == "Release 1.2.0"
    assert found.phrases[0].source == "history"


def test_names_stand_between_backquotes_where_the_project_puts_them(repo: Repository) -> None:
    history(repo, [f"Thing with box_{word}" for word in "abcdefghij"])
    repo.commit("Start", box_py="def put(box):\n    return box.lid\n")
    repo.stage("box.py", "def put(box):\n    return box.lid.hinge\n")
    assert written(repo).subject == "Update put in box"
    for word in "klmnopqrstuvwxyz":
        repo.commit(f"Thing with `box_{word}`", **{f"{word}_py": "x = 1\n"})
    repo.stage("box.py", "def put(box):\n    return box.lid.hinge.axis\n")
    assert written(repo).subject == "Update `put` in box"


def test_what_is_always_said_of_a_file_is_said_again(repo: Repository) -> None:
    history(repo, [f"Thing {word}" for word in "abcdefgh"])
    for number, subject in enumerate(
        ("Note what is new", "Note what is new", "Mention boxes", "Note what is new")
    ):
        repo.commit(subject, notes_py=f"x = {number}\n")
    repo.stage("notes.py", "x = 7\n")
    found = written(repo)
    assert (found.subject, found.phrases[0].source) == ("Note what is new", "history")
    repo.stage("other.txt", "Lids.\n")
    assert written(repo).subject != "Note what is new"


def test_an_entry_of_a_changelog_to_come_is_the_message(repo: Repository) -> None:
    repo.commit("Start", a_py="x = 1\n")
    repo.stage("a.py", "x = 2\n")
    repo.stage("newsfragments/12.bugfix.md", "Boxes can be nested now. Lids too.\n")
    found = written(repo)
    assert (found.subject, found.phrases[0].source) == ("Boxes can be nested now", "changelog")


def test_a_past_message_that_says_something_else_is_not(repo: Repository) -> None:
    history(repo, [f"Thing {word}" for word in "abcdefgh"])
    repo.commit("Start", box_py="def put(box):\n    return box.lid\n")
    repo.commit("Repair the rusty hinge", box_py="def put(box):\n    return box.lid.hinge\n")
    repo.stage("box.py", "def put(box):\n    return box.lid.hinge.axis\n")
    assert written(repo).subject == "Update put in box"


def test_the_model_may_say_only_what_exists(repo: Repository) -> None:
    class Text:
        confidence = 0.9

        def __init__(self, text: str) -> None:
            self.text = text

    offered = [
        "Add `invented_name` to boxes",
        "Cut boxes in 7 pieces",
        "Boxes boxes boxes of `take`",
        "Let `take` start late",
    ]

    def writer(task: str, source: str, *, allowed: object, **more: object) -> list[Text]:
        assert source.startswith("commit\n| Start early, not late, and let it be\nM box.py\n")
        return [Text(one) for one in offered]

    repo.commit("Start early, not late, and let it be", box_py=CODE)
    repo.stage("box.py", CODE.replace("count)", "count, start)"))
    found = message(repo.root, writer)  # type: ignore[arg-type]
    assert isinstance(found, Message)
    assert (found.subject, found.phrases[0].source) == (offered[3], "writer")
    del offered[3]
    found = message(repo.root, writer)  # type: ignore[arg-type]
    assert isinstance(found, Message)
    assert found.phrases[0].source == "facts"


def test_entities() -> None:
    text = "Fix `a.b` in src/app.py and foo_bar(), from 1.2.3 to read/write 5 CPUs, setUp."
    assert list(entities(text)) == ["a.b", "src/app.py", "foo_bar", "1.2.3", "5", "setUp"]
    known = Vocabulary(["x = foo_bar(1.2.3)", "src/app.py"])
    assert known.unknown("`foo_bar` of src/app.py in 1.2.3") == []
    assert known.unknown("`foo` of src/lib.py in 1.2 and 1.2.4") == ["foo", "src/lib.py", "1.2", "1.2.4"]
    assert known.unknown("`app.py` of `lib.py`, `foo_bar(x.lib)`") == ["lib.py", "lib"]
    assert Vocabulary(["uses: a/b@v4.2.0"]).unknown("4.2.0 and v4.2.0, 4.2, 2.0") == ["4.2", "2.0"]


# Bad input


def refused(root: Path) -> str:
    found = message(root)
    assert isinstance(found, Reject)
    return found.reason


def test_nothing_is_staged(repo: Repository) -> None:
    repo.commit("Start", a_py="x = 1\n")
    repo.write("a.py", "x = 2\n")
    assert refused(repo.root) == "nothing-staged"


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert refused(tmp_path) == "no-repository"
    bare = tmp_path / "bare"
    os.system(f"git init -q --bare {bare}")
    assert refused(bare) == "no-work-tree"


def test_no_git(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert refused(repo.root) == "no-git"


def test_the_first_commit(repo: Repository) -> None:
    repo.stage("box.py", CODE)
    assert written(repo).subject == "Add box"


def test_only_binary_files(repo: Repository) -> None:
    repo.commit("Start", a_py="x = 1\n")
    repo.stage("logo.png", b"\x89PNG\0\1\2")
    assert written(repo).subject == "Add logo.png"


def test_a_name_that_is_no_utf8(repo: Repository) -> None:
    repo.commit("Start", a_py="x = 1\n")
    name = os.fsencode(repo.root) + b"/caf\xe9.txt"
    with open(name, "wb") as file:
        file.write(b"x\n")
    repo.git("add", "--", b"caf\xe9.txt")
    found = written(repo)
    assert found.subject == "Add a file"
    found.text.encode("utf-8")


def test_odd_names_and_modes(repo: Repository) -> None:
    repo.commit("Start", a_py="x = 1\n")
    repo.stage('we"ird\tné w.txt', "x\n")
    (repo.root / "a.py").chmod(0o755)
    repo.git("add", "a.py")
    assert written(repo).subject.startswith("Update ")
    repo.git("reset", "-q")
    repo.git("add", "a.py")
    assert written(repo).subject == "Change mode of a.py"


def test_a_submodule(repo: Repository, tmp_path: Path) -> None:
    repo.commit("Start", a_py="x = 1\n")
    other = Repository(tmp_path / "other")
    other.commit("Theirs", b_py="x = 1\n")
    head = other.git("rev-parse", "HEAD").strip()
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{head},libs/other")
    assert written(repo).subject == "Add submodule libs/other"


def test_detached_head(repo: Repository) -> None:
    repo.commit("Start", a_py="x = 1\n")
    repo.git("checkout", "-q", "--detach")
    repo.stage("a.py", "x = 2\n")
    assert written(repo).subject == "Update `x` in a"


def conflict(repo: Repository) -> None:
    repo.commit("Start", a_py="x = 1\n")
    repo.git("checkout", "-q", "-b", "side")
    repo.commit("Side", a_py="x = 2\n")
    repo.git("checkout", "-q", "main")
    repo.commit("Main", a_py="x = 3\n")
    repo.git("merge", "-q", "side", check=False)


def test_a_merge_keeps_gits_own_message(repo: Repository) -> None:
    conflict(repo)
    assert refused(repo.root) == "unmerged"
    repo.stage("a.py", "x = 4\n")
    found = written(repo)
    assert found.subject == "Merge branch 'side'"
    assert found.phrases[0].source == "existing"


def test_a_huge_diff_is_budgeted(repo: Repository) -> None:
    repo.commit("Start", a_py="x = 1\n")
    for number in range(20):
        repo.stage(f"data/part{number}.py", "".join(f"value_{number}_{i} = {i}\n" for i in range(5_000)))
    begin = time.monotonic()
    found = written(repo)
    assert len(found.subject) <= 72
    assert time.monotonic() - begin < 100  # not a measurement: that it ends at all
    read = diff.staged(repo.root)
    assert isinstance(read, diff.Diff)
    assert sum(one.added for one in read.files) == 100_000
    assert len(read.text()) <= 2_100_000
