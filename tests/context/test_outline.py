"""What the outline says, what it costs, and that it cannot tell what a hole held."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from codeworld import complete
from codeworld.context.budget import build_request
from codeworld.context.definitions import Definitions, definitions, imports
from codeworld.context.outline import CHARS, brought_by, outline

STORE = '''"""A store."""
LIMIT = 10

class Store(Base):
    size: int = 0

    def __init__(
        self,
        root: Path,  # where
        *,
        limit: int = LIMIT,
    ) -> None:
        self.root = root
        value = 1

    def _hidden(self): ...

    async def read(self, key: str) -> bytes:
        def inner(): ...


def open_store(root: Path) -> Store:
    return Store(root)
'''
USER = """from __future__ import annotations

import os
from pkg import open_store
from pkg.store import (
    LIMIT,  # how many
    Store as Shop,
)
from elsewhere import nothing


class Client:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.seen: set[str] = set()

    def get(self, key: str) -> bytes:
        return self.shop.read(key)

    def last(self): ...


def main() -> None: ...
"""


def put(repository: Definitions, path: str, text: str) -> None:
    repository.update(path, lambda: text)


@pytest.fixture
def repository() -> Definitions:
    found = Definitions()
    put(found, "src/pkg/store.py", STORE)
    put(found, "src/pkg/__init__.py", "from .store import open_store\n")
    put(found, "tests/copy/other/store.py", "LIMIT = 3\n")
    return found


def test_definitions_are_single_lines_with_their_owners() -> None:
    found = definitions(STORE)
    assert [(one.kind, one.name, one.owner) for one in found] == [
        ("name", "LIMIT", -1), ("class", "Store", -1), ("name", "size", 1), ("def", "__init__", 1),
        ("def", "_hidden", 1), ("def", "read", 1), ("def", "open_store", -1),
    ]  # fmt: skip
    assert found[3].text == "def __init__(self, root: Path, *, limit: int = LIMIT) -> None:"
    assert found[5].text == "async def read(self, key: str) -> bytes:"


@pytest.mark.parametrize(
    "text",
    ["", "def", "class A", "def f(", "x: dict[", "from . import (", "import", "\\\n", "class é:\n  x=1"],
)
def test_unfinished_text_is_no_error(text: str) -> None:
    definitions(text)
    imports(text)
    assert isinstance(outline(text, 0, len(text)), str)


def test_imports_are_followed_over_re_exports(repository: Definitions) -> None:
    brought = brought_by(USER, "src/app.py", repository)
    assert brought[0] == "def open_store(root: Path) -> Store:"
    assert brought[1] == "LIMIT = 10"
    assert brought[2].startswith("class Store(Base):\n    size: int = 0\n    def __init__(self, root")
    assert "_hidden" not in brought[2]
    assert "inner" not in brought[2]
    assert len(brought) == 3


def test_what_is_gone_is_not_brought(repository: Definitions) -> None:
    repository.remove("src/pkg/store.py")
    repository.remove("src/pkg/store.py")
    assert brought_by(USER, "src/app.py", repository) == []
    put(repository, "src/pkg/store.py", "LIMIT = 11\n")
    assert brought_by(USER, "src/app.py", repository) == ["LIMIT = 11"]


def test_relative_imports(repository: Definitions) -> None:
    put(repository, "src/pkg/sub/deep.py", "")
    for path, statement in (
        ("src/pkg/a.py", "from .store import LIMIT"),
        ("src/pkg/sub/deep.py", "from ..store import LIMIT"),
    ):
        assert brought_by(statement, path, repository) == ["LIMIT = 10"]
    assert brought_by("from . import open_store", "src/pkg/a.py", repository) == [
        "def open_store(root: Path) -> Store:"
    ]
    assert not brought_by("from ...... import x", "src/pkg/a.py", repository)


def test_the_class_around_the_gap_comes_first(repository: Definitions) -> None:
    start = USER.index("        return self.shop")
    end = USER.index("    def last")
    said = outline(USER, start, end - 1, brought_by(USER, "src/app.py", repository))
    assert "import os\n" in said
    assert "__future__" not in said
    assert "class Client:\n    self: shop, seen\n    def __init__(self, shop: Shop) -> None:\n" in said
    assert "    def last(self):\ndef main() -> None:\n" in said
    assert "return" not in said


@pytest.mark.parametrize("chars", [0, 40, 200, CHARS])
def test_it_keeps_to_its_budget(repository: Definitions, chars: int) -> None:
    assert len(outline(USER * 9, 0, 0, brought_by(USER, "src/app.py", repository), chars)) <= chars


def test_it_does_not_depend_on_what_is_in_the_gap(repository: Definitions) -> None:
    """Whatever stands in the hole, or is typed there, the outline is the same, unless it is an import."""
    text, chance = Path(complete.__file__).read_text(), random.Random(3)
    put(repository, "codeworld/canvas.py", "class Seed:\n    text: str\n")
    first = text.index("def prepare")
    for _ in range(50):
        start = text.rfind("\n", 0, chance.randrange(first, len(text) - 200)) + 1
        end = start + chance.randrange(200)
        other = text[:start] + "def made_up(x):\n" * chance.randrange(5) + text[end:]
        shift = len(other) - len(text)
        brought = [brought_by(t, "codeworld/complete.py", repository) for t in (text, other)]
        assert brought[0] == brought[1] == ["class Seed:\n    text: str"]
        assert outline(text, start, end, brought[0]) == outline(other, start, end + shift, brought[1])


def test_a_request_has_it_and_it_stays_while_somebody_types() -> None:
    others = Definitions()
    put(others, "pkg/store.py", STORE)
    text = "from pkg.store import Store\n" + "x = 1\n" * 900 + "def after(): ...\n"
    ask = [
        build_request(text[:at] + typed + text[at:], at + len(typed), path="a.py", repository=others)
        for at, typed in ((3_010, ""), (3_010, "y = "), (3_010, "y = Store"))
    ]
    assert {one.outline for one in ask} == {ask[0].outline}
    assert ask[0].outline.startswith("class Store(Base):")
    assert "from pkg.store import Store\n" in ask[0].outline
    assert "def after():\n" in ask[0].outline
    assert not build_request(text, 3_010, path="a.py").outline


def test_no_secret_is_told() -> None:
    secret = "ghp_" + "a1B2" * 9
    text = f'TOKEN = "{secret}"\n' + "x = 1\n" * 900
    assert secret not in build_request(text, 4_000, path="a.py", repository=Definitions()).outline
