"""What is imported is read first; what is near is chosen first and read last."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from codeworld.context.definitions import Modules
from codeworld.context.ignore import IgnoreRules
from codeworld.context.reading_order import by_imports, chosen, kept_order, ranked, readable

FILES = {
    "app/main.py": "from app import models\nfrom .views import index\nimport json, app.settings as s\n",
    "app/views.py": "from app.models import Book\nfrom . import texts\n",
    "app/models.py": "from .base import *\n",
    "app/base.py": "import os\n",
    "app/texts.py": "TITLE = 'books'\n",
    "app/settings.py": "DEBUG = True\n",
    "app/__init__.py": "",
    "tests/test_views.py": "from app.views import index\n",
    "scripts/other.py": "print('nothing of the app')\n",
}
EDGES = [
    ("app/main.py", "app/models.py"), ("app/main.py", "app/views.py"), ("app/main.py", "app/settings.py"),
    ("app/views.py", "app/models.py"), ("app/views.py", "app/texts.py"), ("app/models.py", "app/base.py"),
    ("tests/test_views.py", "app/views.py"),
]  # fmt: skip


def test_imports_are_resolved_to_files() -> None:
    modules = Modules(FILES)
    found = {(path, other) for path, text in FILES.items() for other in modules.imported(path, text)}
    assert found == set(EDGES)
    modules.remove("app/texts.py")
    assert modules.imported("app/views.py", FILES["app/views.py"]) == ["app/models.py", "app/__init__.py"]


@pytest.mark.parametrize("seed", range(5))
def test_what_a_file_imports_stands_before_it(seed: int) -> None:
    roots = list(FILES)
    random.Random(seed).shuffle(roots)
    order = by_imports(FILES, roots)
    assert sorted(order) == sorted(FILES)
    assert all(order.index(imported) < order.index(path) for path, imported in EDGES)


def test_circles_end() -> None:
    files = {"a.py": "import b\n", "b.py": "import c\n", "c.py": "import a\n"}
    assert by_imports(files, ["a.py"]) == ["c.py", "b.py", "a.py"]


def test_near_files_come_first() -> None:
    order = ranked("app/main.py", FILES, recent=["scripts/other.py", "tests/test_views.py"])
    direct, further = {"app/models.py", "app/views.py", "app/settings.py"}, {"app/base.py", "app/texts.py"}
    assert set(order[:3]) == direct
    assert set(order[3:5]) == further
    assert order[5:] == ["scripts/other.py", "tests/test_views.py", "app/__init__.py"]


def test_of_files_that_nothing_connects_the_similar_one_is_nearer() -> None:
    files = {
        "open.py": "invoice_total = customer_rate * weekly_hours\n",
        "z/like.py": "weekly_hours = customer_rate\n",
        "z/unlike.py": "something = different_entirely\n",
    }
    assert ranked("open.py", files) == ["z/like.py", "z/unlike.py"]


def test_the_budget_takes_the_nearest_and_reads_them_last() -> None:
    nearest = ["app/base.py", "app/texts.py", "app/models.py"]
    assert chosen("app/views.py", FILES, 60, len) == ["app/settings.py", "app/__init__.py", *nearest]
    everything = chosen("app/views.py", FILES, 10_000, len)
    assert sorted(everything) == sorted(set(FILES) - {"app/views.py"})
    present = [(path, imported) for path, imported in EDGES if "app/views.py" not in (path, imported)]
    assert all(everything.index(imported) < everything.index(path) for path, imported in present)
    assert everything[-1] == "app/texts.py"  # near, and nothing but the open file needs it
    assert chosen("app/views.py", FILES, 0, len) == ["app/__init__.py"]


def test_what_has_not_changed_keeps_its_place() -> None:
    before = {"c.py": "1", "a.py": "2", "gone.py": "3", "b.py": "4"}
    files = {"a.py": "other", "b.py": "4", "c.py": "1", "new.py": "5"}
    assert kept_order(before, files, ["a.py", "b.py", "new.py", "c.py"]) == ["c.py", "b.py", "a.py", "new.py"]


def test_ignored_files_and_secrets_are_not_read(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("build/\n")
    (tmp_path / ".codeworldignore").write_text("private.py\n")
    (tmp_path / "build").mkdir()
    for name in ("build/made.py", "private.py", "seen.py"):
        (tmp_path / name).write_text("x = 1\n")
    key = "AKIA" + "IOSFODNN7" + "ABCDEFG"
    (tmp_path / "keys.py").write_text(f'AWS_KEY = "{key}"\n')
    (tmp_path / "latin.py").write_bytes(b"# \xe9\n")
    found = readable(tmp_path, IgnoreRules.for_root(tmp_path))
    assert sorted(found) == ["keys.py", "seen.py"]
    assert key not in found["keys.py"]
    assert readable(tmp_path, IgnoreRules.for_root(tmp_path), lambda: True) == {}
