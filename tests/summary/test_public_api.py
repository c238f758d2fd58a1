"""What is public: what packages export and what documents name; and how the page carries all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from codeworld.summary.check import check
from codeworld.summary.documented import documents, read
from codeworld.summary.sources import Sources
from codeworld.summary.summarize import summarize
from tests.summary.repository import keys, page_of, write

PACKAGE = {
    "shop/__init__.py": "from shop.coins import Coin\n\n__all__ = ['Coin']\n",
    "shop/till/__init__.py": "from .drawer import Drawer, _lock\nfrom shop.coins import Coin\n",
    "shop/till/drawer.py": "class Drawer: ...\n\n\ndef _lock(): ...\n\n\ndef jam(): ...\n",
    "shop/rates.py": "__all__ = ['rate']\n\n\ndef rate(): ...\n\n\ndef cached(): ...\n",
    "shop/plain.py": "class Plain:\n    def run(self): ...\n\n\ndef other(): ...\n\n\nLIMIT = 3\n",
    "shop/_inner/__init__.py": "def hidden(): ...\n",
    "shop/tests/__init__.py": "def tested(): ...\n",
}


def public(root: Path) -> set[str]:
    return set(keys(summarize(root).summary, "Public API"))


def test_packages_and_modules_with_all_are_public_and_each_name_is_claimed_once(tmp_path: Path) -> None:
    write(tmp_path, PACKAGE)
    assert public(tmp_path) == {"shop.Coin", "shop.till.Drawer", "shop.rates.rate"}


@pytest.mark.parametrize(
    ("path", "text", "names"),
    [
        ("docs/api.rst", ".. module:: shop.plain\n\n.. autoclass:: Plain\n   :members:\n", {"shop.plain.Plain"}),
        ("docs/api.rst", ".. py:function:: shop.plain.other(x)\n", {"shop.plain.other"}),
        ("docs/api.rst", ".. currentmodule:: shop.plain\n.. autodata:: LIMIT\n", {"shop.plain.LIMIT"}),
        (
            "docs/api.rst",
            ".. automodule:: shop.plain\n.. autosummary::\n   :toctree: x\n\n   other\n   Plain.run\n\nLIMIT\n",
            {"shop.plain.other", "shop.plain.Plain"},
        ),
        (
            "docs/api.rst",
            ".. automodule:: shop.plain\n   :members:\n",
            {"shop.plain.other", "shop.plain.Plain"},
        ),
        ("docs/api.rst", ".. automodule:: shop.plain\n   :members: LIMIT\n", {"shop.plain.LIMIT"}),
        (
            "docs/api.rst",
            ".. autosummary::\n   :recursive:\n\n   shop\n",
            {"shop.plain.other", "shop.plain.Plain", "shop.rates.cached", "shop.till.drawer.jam"},
        ),
        (
            "docs/a.rst",
            "See :class:`~shop.plain.Plain.run` and :func:`other`, :py:func:`it <shop.rates.cached>`.\n",
            {"shop.plain.Plain", "shop.rates.cached"},
        ),
        ("docs/api.md", "::: shop.plain.Plain\n    :docstring:\n", {"shop.plain.Plain"}),
        ("docs/api.mdx", "[[autodoc]] plain.Plain\n    - all\n", {"shop.plain.Plain"}),
        ("docs/a.md", "```{eval-rst}\n```\n```{autofunction} shop.plain.other\n```\n", {"shop.plain.other"}),
        (
            "README.md",
            ">>> from shop.plain import other as o, Plain  # all\n",
            {"shop.plain.other", "shop.plain.Plain"},
        ),
        (
            "README.md",
            "from shop.plain import (\n    other,\n    LIMIT,\n)\nPlain\n",
            {"shop.plain.other", "shop.plain.LIMIT"},
        ),
        ("README.md", "from shop._inner import hidden\nfrom shop.plain import gone\n::: shop.tests.tested\n", set()),
        ("CHANGES.rst", ".. autofunction:: shop.plain.other\n", set()),
        ("docs/release/1.0.rst", ".. autofunction:: shop.plain.other\n", set()),
    ],
)  # fmt: skip
def test_documents_make_public_what_they_name_and_the_code_has(
    tmp_path: Path, path: str, text: str, names: set[str]
) -> None:
    write(tmp_path, PACKAGE | {path: text})
    assert public(tmp_path) - {"shop.Coin", "shop.till.Drawer", "shop.rates.rate"} == names


def test_tools_within_a_package_are_part_of_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        PACKAGE | {"shop/tools/__init__.py": "def mend(): ...\n", "tools/__init__.py": "def no(): ...\n"},
    )
    assert "shop.tools.mend" in public(tmp_path)
    assert not {name for name in public(tmp_path) if name.startswith("tools")}


def test_classes_that_calls_make_are_documented_with_their_module(tmp_path: Path) -> None:
    makers = "P = collections.namedtuple('P', 'x')\nQ = TypedDict('Q', {})\nr = nametuple()\n"
    write(
        tmp_path, PACKAGE | {"shop/kinds.py": makers, "d.rst": ".. automodule:: shop.kinds\n   :members:\n"}
    )
    assert {name for name in public(tmp_path) if "kinds" in name} == {"shop.kinds.P", "shop.kinds.Q"}


def test_an_all_that_is_made_when_it_runs_says_nothing(tmp_path: Path) -> None:
    made = "from .a import A\n__all__ = [n for n in globals() if not n.startswith('_')]\n"
    write(tmp_path, {"p/__init__.py": made, "p/a.py": "class A: ...\n"})
    assert public(tmp_path) == {"p.A"}


def test_what_was_masked_is_no_name(tmp_path: Path) -> None:
    names = "__all__ = [\n    'password', 'a1b2c3d4e5f6a7b8c9d0',\n    'fine',\n]\n"
    write(tmp_path, {"shop/__init__.py": names})
    assert public(tmp_path) == {"shop.password", "shop.fine"}


def test_a_documented_name_cites_its_definition_and_the_document(tmp_path: Path) -> None:
    write(tmp_path, PACKAGE | {"docs/api.rst": ".. module:: shop.plain\n\n.. autofunction:: other\n"})
    assert (
        "- function `shop.plain.other` [`shop/plain.py:5`](shop/plain.py#L5) [`docs/api.rst:3`](docs/api.rst#L3)"
        in page_of(tmp_path).split("\n")
    )


def test_an_import_that_never_closes_is_not_read_to_the_end() -> None:
    found = read(["from shop import (a,", *["x,"] * 500])
    assert found.exported
    assert max(line for _, line in found.exported) < 100


def test_a_history_of_changes_is_no_document(tmp_path: Path) -> None:
    names = (
        "docs/api.rst",
        "history.md",
        "docs/release_notes/a.md",
        "docs/releases.rst",
        "docs/newsletter.md",
    )
    write(tmp_path, dict.fromkeys(names, ""))
    assert documents(Sources(tmp_path)) == ["docs/api.rst", "docs/newsletter.md"]


MANY = {
    "many/__init__.py": "".join(f"from .one import f{n} as f{n}\n" for n in range(50))
    + "from .two import g as g\n",
    "many/one.py": "".join(f"def f{n}(): ...\n" for n in range(50)),
    "many/two.py": "def g(): ...\n",
}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    write(tmp_path / "many", MANY)
    path = tmp_path / "page.md"
    path.write_text(page_of(tmp_path / "many", to=path), encoding="utf-8")
    return path


def section(page: Path) -> list[str]:
    return page.read_text().partition("\n## Public API\n")[2].partition("\n\n")[0].split("\n")


def test_what_has_no_line_of_its_own_is_listed_by_module_with_links(page: Path) -> None:
    lines = section(page)
    assert lines[0] == "_51 names of 1 module_"
    assert lines[-2].startswith("- `many` from `.one`: [`f45`](many/many/one.py#L46), [`f46`]")
    assert lines[-2].count("](") == 10
    assert lines[-1] == "- `many` from `.two`: [`g`](many/many/two.py#L1)"
    checked = check(page, page.parent / "many")
    assert checked.stale == ()
    assert len(keys(summarize(page.parent / "many").summary, "Public API")) == 51


def reasons(page: Path) -> set[tuple[str, int, str]]:
    return {(one.path, one.line, one.reason) for one in check(page, page.parent / "many").stale}


def test_a_listed_name_that_is_offered_no_more_is_stale(page: Path) -> None:
    write(
        page.parent / "many",
        {"many/__init__.py": MANY["many/__init__.py"].replace(".two import g as g", "x import y")},
    )
    assert reasons(page) >= {("many/two.py", 1, "g is not offered there now")}


def test_a_name_more_makes_no_list_stale(page: Path) -> None:
    root = page.parent / "many"
    write(root, {"many/two.py": MANY["many/two.py"] + "def h(): ...\n", "docs/api.md": "::: many.two.h\n"})
    assert "many.two.h" in public(root)
    assert not {reason for _, _, reason in reasons(page) if "offered" in reason}


def test_a_linked_name_cannot_be_changed_unnoticed(page: Path) -> None:
    page.write_text(page.read_text().replace("[`g`]", "[`h`]"))
    assert ("many/two.py", 1, "the claim was changed") in reasons(page)


def test_a_budget_counts_the_names_that_it_leaves_out(tmp_path: Path) -> None:
    write(tmp_path, MANY)
    body = page_of(tmp_path, budget=60).split("<!--")[0].split("\n")
    shown = [line for line in body if line.startswith(("- function `many.f", "- `many` from"))]
    names = sum(max(1, line.count("](") if "from" in line else 1) for line in shown)
    assert f"_{51 - names} more: --json_" in body
