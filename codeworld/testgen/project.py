"""How a project tests: framework, folder, names and style, and the file that tests a module already."""

from __future__ import annotations

import ast
import os
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from codeworld.context.ignore import IgnoreRules
from codeworld.testgen.execution import Place

Framework = Literal["pytest", "unittest"]

_IS_TEST = re.compile(r"test_\w+\.py|\w+_tests?\.py|tests?\.py")
_READ_FILES = 40
_MOST_FILES = 20_000


class Style(msgspec.Struct, frozen=True):
    """How tests are written here. ``width``: characters of a line."""

    framework: Framework = "pytest"
    annotated: bool = False
    parametrized: bool = True
    single_quotes: bool = False
    width: int = 88


class Home(msgspec.Struct, frozen=True):
    """Where a module's tests go: a file that is there (``text`` is its content) or a new one (None)."""

    path: Path
    text: str | None
    style: Style
    python_path: str = ""  # what the project does not set itself, relative to its root
    own_options: bool = True  # False: pytest does not take those of the project here


def place_of(file: Path, root: Path, changed: dict[Path, str] | None = None) -> Place:
    """How the module in ``file`` is imported: by its packages, from the folder that holds the outermost."""
    file, root = file.resolve(), root.resolve()
    folder, parts = file.parent, [file.stem]
    while folder != root and any((one / "__init__.py").exists() for one in (folder, folder.parent)):
        parts.insert(0, folder.name)
        folder = folder.parent
    if len(parts) > 1 and parts[-1] == "__init__":
        parts.pop()
    paths = tuple(dict.fromkeys((str(folder), str(root))))
    return Place(file, root, ".".join(parts), paths, interpreter(root), changed or {})


def interpreter(root: Path) -> str:
    """The project's own Python, where it has one in a usual place; else this one."""
    for name in (".venv", "venv", ".env", "env"):
        found = root / name / "bin" / "python"
        if found.exists():
            return str(found)
    active = os.environ.get("VIRTUAL_ENV")
    if active and (Path(active) / "bin" / "python").exists():
        return str(Path(active) / "bin" / "python")
    return sys.executable


def shadows_library(root: Path) -> bool:
    """Whether what lies in the root is imported instead of modules of Python's library, where the root comes first."""
    names = {one.stem for one in root.iterdir() if one.suffix == ".py" or (one / "__init__.py").exists()}
    return not names.isdisjoint(sys.stdlib_module_names - {"__main__", "test", "tests"})


def home_of(place: Place, has_pytest: bool) -> Home:
    """Where and how to write. A file that tests the module is extended; else a new one, named as others here are."""
    files = [*_test_files(place.root)]
    twin = _twin(place, files)
    nearest = sorted(files, key=lambda one: -_shared(one, place.file))[:_READ_FILES]
    style = _style([twin] if twin else [], nearest, place.root, has_pytest)
    python_path = os.path.relpath(place.paths[0], place.root)
    if python_path == "." or _configured_path(place.root):
        python_path = ""
    if twin is not None:
        return Home(twin, _read(twin), style, python_path)
    return Home(_new_file(place, files), None, style, python_path)


def _test_files(root: Path) -> Iterator[Path]:
    rules = IgnoreRules.for_root(root)
    seen = 0
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(one for one in folders if not one.startswith(".") and rules.allows(here / one))
        seen += len(names)
        if seen > _MOST_FILES:
            return
        yield from (
            here / one for one in sorted(names) if _IS_TEST.fullmatch(one) and rules.allows(here / one)
        )


def _twin(place: Place, files: list[Path]) -> Path | None:
    """By name first, and then by what it imports."""
    stem = place.file.stem
    parent = place.file.parent.name
    if stem == "__init__":
        stem = parent
    names = [f"test_{stem}.py", f"{stem}_test.py", f"{stem}_tests.py", f"test_{parent}_{stem}.py"]
    imported = re.compile(
        rf"^\s*(?:from\s+{re.escape(place.module)}\s+import|import\s+{re.escape(place.module)}\b)", re.M
    )
    named = [one for one in files if one.name in names and one != place.file]
    if named:
        best = max(named, key=lambda one: (_imports(one, imported), _shared(one, place.file)))
        if _imports(best, imported) or (len(named) == 1 and _is_unambiguous(place)):
            return best
    if "." not in place.module:
        return None
    package = place.module.rpartition(".")[0]  # some test a package at a time
    of_package = re.compile(
        rf"^\s*(?:from\s+{re.escape(package)}(?:\.\w+)?\s+import|import\s+{re.escape(package)}\b)", re.M
    )
    together = [one for one in files if one.name in (f"test_{parent}.py", f"{parent}_test.py")]
    for one in together:
        if _imports(one, of_package):
            return one
    importing = [one for one in files[:400] if _imports(one, imported)]
    return importing[0] if len(importing) == 1 else None


def _is_unambiguous(place: Place) -> bool:
    """Whether the module's file name alone says which module is meant."""
    return sum(1 for _ in place.root.rglob(place.file.name)) == 1


def _imports(path: Path, pattern: re.Pattern[str]) -> bool:
    return bool(pattern.search(_read(path)))


def _shared(one: Path, other: Path) -> int:
    """Names of folders that both paths have: tests mirror what they test."""
    return len(set(one.parts[:-1]) & set(other.parts[:-1]))


def _new_file(place: Place, files: list[Path]) -> Path:
    suffixed = sum(one.stem.endswith(("_test", "_tests")) for one in files) * 2 > len(files)
    stem = place.file.parent.name if place.file.stem == "__init__" else place.file.stem
    stem = stem.strip("_")
    folder = _folder(place, files)
    name = f"{stem}_test.py" if suffixed else f"test_{stem}.py"
    if any(one.name == name for one in files):  # pytest takes two files of one name for the same module
        stem = f"{place.file.parent.name}_{stem}"
        name = f"{stem}_test.py" if suffixed else f"test_{stem}.py"
    return folder / name


def _folder(place: Place, files: list[Path]) -> Path:
    if not files:
        return place.root / "tests"
    beside = [one for one in files if one.parent == place.file.parent]
    if beside:
        return place.file.parent
    for parent in place.file.parents:
        for name in ("tests", "test"):
            if (parent / name).is_dir() and any(one.is_relative_to(parent / name) for one in files):
                return _mirrored(parent / name, place)
        if parent == place.root:
            break
    return Counter(one.parent for one in files).most_common(1)[0][0]


def _mirrored(tests: Path, place: Place) -> Path:
    """The folder in ``tests`` that is called as the module's package is, where there is one."""
    parts = place.module.split(".")[:-1]
    for at in range(len(parts)):
        if (tests / Path(*parts[at:])).is_dir():
            return tests / Path(*parts[at:])
    return tests


def _style(own: list[Path], near: list[Path], root: Path, has_pytest: bool) -> Style:
    texts = [_read(one) for one in (own or near)]
    around = [_read(one) for one in near]
    text, whole = "\n".join(texts), "\n".join(around)
    framework: Framework = "pytest"
    if not has_pytest:
        framework = "unittest"
    elif texts:
        classes = len(re.findall(r"^class \w+\(.*TestCase\b.*\):", text, re.M))
        functions = len(re.findall(r"^(?:async )?def test_|^class Test\w*:|\bpytest\.", text, re.M))
        framework = "unittest" if classes > functions or (classes and not functions) else "pytest"
    defined = len(re.findall(r"^\s*(?:async )?def test_\w+\(", whole, re.M))
    annotated = len(re.findall(r"^\s*(?:async )?def test_\w+\(.*\) -> None:", whole, re.M))
    single, double = whole.count("'"), whole.count('"')
    return Style(
        framework=framework,
        annotated=annotated * 2 > defined,
        parametrized=not defined or "parametrize" in whole,
        single_quotes=single > 2 * double,
        width=_width(root),
    )


def _width(root: Path) -> int:
    config = _toml(root)
    tools = config.get("tool", {})
    for name in ("ruff", "black"):
        found = tools.get(name, {}).get("line-length")
        if isinstance(found, int) and 60 <= found <= 200:
            return found
    return 88


def _configured_path(root: Path) -> bool:
    """Whether pytest is told where modules are."""
    config = _toml(root).get("tool", {}).get("pytest", {})
    if config.get("ini_options", {}).get("pythonpath") or config.get("pythonpath"):
        return True
    return any(
        re.search(r"^\s*pythonpath\s*=", _read(root / name), re.M)
        for name in ("pytest.ini", "setup.cfg", "tox.ini")
    )


def _toml(root: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()  # line ends as they are
    except (OSError, UnicodeDecodeError):
        return ""


def bound_names(text: str) -> dict[str, str]:
    """What a test file binds at its top: names to what they stand for, ``module:name`` for imports, "" for others."""
    found: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom):
            found |= {one.asname or one.name: f"{node.module}:{one.name}" for one in node.names}
        elif isinstance(node, ast.Import):
            for one in node.names:
                name = one.asname or one.name.split(".")[0]
                found[name] = f"{one.name if one.asname or '.' not in one.name else name}:"
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[node.name] = ""
        elif isinstance(node, ast.Assign):
            found |= {
                one.id: "" for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)
            }
    return found
