"""Roles that the model writes: the bundled one, what is dropped, and that a page with them is checked as any other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from codeworld.backend import Model, open_model
from codeworld.summary.check import check
from codeworld.summary.graph import ImportGraph
from codeworld.summary.page import render
from codeworld.summary.python_facts import read
from codeworld.summary.roles import Roles
from codeworld.summary.sources import Sources
from codeworld.summary.summarize import summarize
from codeworld.summary.written import Writer, is_faithful, marked, neighbours, without_marked
from tests.summary.repository import write

SHAPES = {
    f"shapes/{name}.py": f'"""{name.capitalize()} of a shape, in square metres."""\n\n\ndef {name}(shape): ...\n'
    for name in ("area", "border", "volume")
}
SILENT = (
    "import math\n\n\ndef circle_area(radius):\n    return math.pi * radius**2\n"
    "\n\ndef square_area(side):\n    return side * side\n"
)


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with open_model(in_process=True) as found:
        yield found


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    root = tmp_path / "shapes"
    write(root, SHAPES | {"shapes/__init__.py": "", "shapes/circle_area.py": SILENT})
    return root


def test_what_is_written_is_marked_and_the_page_still_holds(
    shapes: Path, tmp_path: Path, model: Model
) -> None:
    made = summarize(shapes, writer=Writer(model.infill, model.name))
    page = tmp_path / "page.md"
    page.write_text(render(made.summary, made.sources, to=page), encoding="utf-8")
    lines = [line for line in page.read_text().split("\n") if "_generated: " in line]
    assert lines
    assert all(line.startswith(("- `shapes.circle_area` (9 lines): defines `circle_area`, `square_area` (_generated: ",
                                "- `shapes/circle_area.py`: defines `circle_area`, `square_area` (_generated: "))
               for line in lines)  # fmt: skip
    assert check(page, shapes).stale == ()
    again = summarize(shapes, writer=Writer(model.infill, model.name))
    assert render(again.summary, again.sources, to=page) == page.read_text()
    page.write_text(re.sub(r"_generated: \w+", "_generated: Nothing", page.read_text()))
    assert {one.reason for one in check(page, shapes).stale} == {"the claim was changed"}


SHAPES_WITHOUT = ("circle_area", "a", "b", "c", "d", "e")


def test_modules_of_which_somebody_wrote_and_repositories_without_examples_are_not_asked_about(
    shapes: Path,
) -> None:
    (shapes / "shapes" / "circle_area.py").write_text('"""Circles."""\n' + SILENT)
    (shapes / "shapes" / "__init__.py").write_text('"""Shapes."""\n')

    def never(request: object) -> None:
        raise AssertionError(request)

    made = summarize(shapes, writer=Writer(never, "none"))  # type: ignore[arg-type]
    assert "generated" not in render(made.summary, made.sources)
    write(shapes, {f"shapes/{name}.py": "def f(): ...\n" for name in SHAPES_WITHOUT})
    made = summarize(shapes, writer=Writer(never, "none"))  # type: ignore[arg-type]
    assert "generated" not in render(made.summary, made.sources)


def test_the_nearest_neighbours_come_first(shapes: Path) -> None:
    write(
        shapes,
        {"other/far.py": '"""Far away from all."""\n', "shapes/deep/near.py": '"""Near to something."""\n'},
    )
    sources = Sources(shapes)
    graph = ImportGraph({path: read(sources.lines(path)) for path in sources.paths})
    assert list(neighbours(Roles(sources, graph), "shapes/circle_area.py")) == [
        "shapes/area.py", "shapes/border.py", "shapes/volume.py", "shapes/deep/near.py", "other/far.py",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "is_taken"),
    [
        ("The area of circles.", True),
        ("The area of `circle_area`.", True),
        ("The area of `triangle_area`.", False),
        ("Circles with 3 corners.", False),
        ("See https://example.org for all.", False),
        ("Circles", False),
        ("Area area of the area, area.", False),
    ],
)
def test_a_phrase_may_name_what_is_known(text: str, is_taken: bool) -> None:
    assert is_faithful(text, {"circle_area", "math"}) is is_taken


def test_marked_words_can_be_taken_out_again() -> None:
    claim = "`a.b` (3 lines): defines `x`"
    for words in ("Plain words.", r"With \_underscores\_) and (brackets).", "a_)b".replace("_", r"\_")):
        assert (
            without_marked(f"{claim}{marked(words)} (imported by 1 file)") == f"{claim} (imported by 1 file)"
        )
    assert marked("") == ""
