from __future__ import annotations

from pathlib import Path

import pytest

from codeworld.canvas import Seed
from codeworld.context.outline import brought_by
from codeworld.context.retrieval import RepositoryIndex, Symbol
from tests.planted import PLANTED

A = """\
import os


def read(path):
    with open(path) as file:
        return file.read()


class Reader:
    LIMIT = 3
"""


def index(**files: str) -> RepositoryIndex:
    made = RepositoryIndex()
    for path, text in files.items():
        made.update(path, text)
    return made


def seeds(
    made: RepositoryIndex, document: str, *, exclude: str = "here", max_lines: int = 1
) -> tuple[Seed, ...]:
    """``document`` has the cursor at "|", at the end of its line."""
    before, after = document.split("|")
    *above, typed = before.split("\n")
    return made.seeds(above, typed, after.split("\n")[1:], exclude=exclude, max_lines=max_lines)


def texts(found: tuple[Seed, ...]) -> list[str]:
    return [seed.text for seed in found]


def test_line_between_the_same_neighbours_comes_first() -> None:
    made = index(a="x = 1\ngood()\ny = 2\n", b="x = 1\nother()\n", c="x = 1\nother()\n")
    assert seeds(made, "x = 1\n|\ny = 2\n") == (Seed("good()", 3, 1, 1), Seed("other()", 1, 2, 4))


def test_a_place_with_both_neighbours_counts_for_each_of_them_too() -> None:
    made = index(a="x = 1\ngood()\ny = 2\n")
    assert seeds(made, "x = 1\n|\n") == (Seed("good()", 1, 1, 1),)
    assert seeds(made, "|\ny = 2\n") == (Seed("good()", 1, 1, 1),)


def test_two_previous_lines_beat_one() -> None:
    made = index(a="p\nx = 1\ngood()\n", b="q\nx = 1\nother()\n", c="r\nx = 1\nother()\n")
    assert seeds(made, "p\nx = 1\n|")[0] == Seed("good()", 2, 1, 1)


def test_only_what_remains_to_be_typed_of_lines_that_start_so() -> None:
    made = index(a="x = 1\nreturn value\n", b="x = 1\nraise Error\n", c="x = 1\nret\n")
    assert texts(seeds(made, "x = 1\nret|")) == ["urn value"]


def test_a_line_with_no_equal_neighbour_still_offers_its_own_end() -> None:
    made = index(a="one\nself.assertEqual(a, b)\n", b="two\nself.assertEqual(a, b)\n")
    assert seeds(made, "new\n    self.assertE|\n") == (Seed("qual(a, b)", 0, 2, 2),)


def test_the_document_itself_is_searched_but_not_its_copy_in_the_index() -> None:
    made = index(here="x = 1\nsecret_of_the_hole()\n")
    assert seeds(made, "x = 1\n|\n") == ()
    assert texts(seeds(made, "x = 1\ntwice()\nx = 1\n|\nz\n")) == ["twice()"]


def test_the_hole_does_not_join_the_lines_on_its_sides() -> None:
    assert seeds(RepositoryIndex(), "x = 1\n|\ny = 2\n") == ()


def test_blank_lines_are_no_neighbours() -> None:
    made = index(a="x = 1\n\n\ngood()\n\ny = 2\n")
    assert seeds(made, "x = 1\n\n|\n\n\ny = 2\n")[0].order == 3


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("", "        good()"), ("    ", "    good()"), ("        ", "good()"), ("            ", None)],
)
def test_indentation_is_carried_over_relative_to_the_neighbour(typed: str, expected: str | None) -> None:
    made = index(a="if x:\n    good()\n")
    assert texts(seeds(made, f"def f():\n    if x:\n{typed}|\n")) == ([expected] if expected else [])


def test_tabs_stay_tabs() -> None:
    made = index(a="def f():\n\tif x:\n\t\tgood()\n")
    assert texts(seeds(made, "\tif x:\n|\n")) == ["\t\tgood()"]


def test_several_lines_only_where_asked_for() -> None:
    made = index(a="try:\n    one()\n    if two:\n        three()\nfinally:\n")
    hole = "    try:\n        |\n    finally:\n"
    assert seeds(made, hole, max_lines=4)[0] == Seed("one()\n        if two:\n            three()", 3, 1, 1)
    assert all("\n" not in text for text in texts(seeds(made, hole)))


def test_update_replaces_and_remove_forgets() -> None:
    made = index(a="x = 1\nold()\n", b="x = 1\nother()\n")
    made.update("a", "x = 1\nnew()\n")
    assert sorted(texts(seeds(made, "x = 1\n|"))) == ["new()", "other()"]
    assert texts(seeds(made, "q\nol|")) == []
    made.remove("b")
    made.remove("never there")
    made.update("a", None)
    assert seeds(made, "x = 1\n|") == ()
    assert len(made) == 0


def test_lines_that_come_back_count_once() -> None:
    made = index(a="x = 1\nold()\n")
    for _ in range(3):
        assert seeds(made, "q\nol|") == (Seed("d()", 0, 1, 1),)
        made.update("a", "x = 1\n")
        assert seeds(made, "q\nol|") == ()
        made.update("a", "x = 1\nold()\n")


def test_incremental_updates_equal_a_fresh_index() -> None:
    made, fresh = RepositoryIndex(), RepositoryIndex()
    for version in range(30):
        for path in ("a", "b", "c"):
            made.update(
                path, "\n".join(f"line {(version * k + len(path)) % 7}" for k in range(20)) + f"\n{path}"
            )
            if version == 29:
                fresh.update(path, "\n".join(f"line {(29 * k + 1) % 7}" for k in range(20)) + f"\n{path}")
    for k in range(7):
        assert seeds(made, f"line {k}\n|\nline {(k + 1) % 7}") == seeds(
            fresh, f"line {k}\n|\nline {(k + 1) % 7}"
        )


def test_symbols() -> None:
    made = index(**{"pkg/a.py": A, "b.py": "async def reader(): pass\nREAD: int = 1\nread == 2\n"})
    assert made.symbols("read") == (Symbol("read", "pkg/a.py", 4), Symbol("reader", "b.py", 1))
    assert [symbol.line for symbol in made.symbols("READ")] == [2]
    assert made.symbols("", limit=2) == made.symbols("")[:2]
    assert made.symbols("file") == ()


class OnlyB:
    def allows(self, path: Path) -> bool:
        return path.name != "a.py" and path.name != "hidden"


def test_build_reads_what_the_rules_allow(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "hidden").mkdir()
    for name in ("pkg/a.py", "pkg/b.py", "hidden/b.py", "notes.txt"):
        (tmp_path / name).write_text(f"x = 1\n{name[0]}()\n")
    (tmp_path / "latin.py").write_bytes("x = 'é'\n".encode("latin-1"))
    done: list[tuple[int, int]] = []
    made = RepositoryIndex.build(tmp_path, OnlyB(), progress=lambda at, total: done.append((at, total)))
    assert "pkg/b.py" in made
    assert len(made) == 1
    assert done[-1] == (2, 2)


def test_no_secret_is_kept() -> None:
    made = index(**{one.name: f"before()\n{one.source}after()\n" for one in PLANTED})
    kept = repr(vars(made))
    assert "client.connect(" in kept
    assert [one.name for one in PLANTED if one.secret in kept] == []
    made.update("token", PLANTED[0].source)
    assert PLANTED[0].secret not in repr(vars(made))


def test_build_stops_when_asked(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("x = 1\n")
    assert len(RepositoryIndex.build(tmp_path, OnlyB(), should_stop=lambda: True)) == 0


def test_the_definitions_are_those_of_the_files_as_they_are_now() -> None:
    index = RepositoryIndex()
    index.update(
        "pkg/store.py", "class Store:\n\n    def get(self, key: str) -> bytes:\n        return b''\n"
    )
    index.update("app.py", "from pkg.store import Store, open_store\n")
    said = lambda: brought_by("from pkg.store import Store, open_store\n", "app.py", index.definitions)  # noqa: E731
    assert said() == ["class Store:\n    def get(self, key: str) -> bytes:"]
    index.update("pkg/store.py", "def open_store(root):\n    return root\n")
    assert said() == ["def open_store(root):"]
    index.remove("pkg/store.py")
    assert said() == []
