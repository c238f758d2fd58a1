"""What the rest of a project knows: its style, docstrings of methods that are overridden, how parameters
are described."""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from codeworld import git
from codeworld.canvas import Reject
from codeworld.context.ignore import IgnoreRules
from codeworld.source import MAX_BYTES
from textdiff.docstring import sections, styles
from textdiff.docstring.styles import Style
from textdiff.docstring.understand import Source, Target, read

BUDGET_BYTES = 1_500_000  # about a second; the files nearest to the one in question come first
_AGREE = 2  # functions that describe a parameter in the same words


class Project:
    """Facts of the sources it has been shown; ``learn`` them, then ask."""

    def __init__(self, width: int = 88) -> None:
        self._width = width
        self._seen: set[int] = set()
        self._docstrings: list[str] = []
        self._methods: dict[tuple[str, str], str] = {}
        self._parameters: dict[str, Counter[str]] = defaultdict(Counter)

    def learn(self, source: Source) -> None:
        """Take note of a module; of the same text once."""
        if hash(source.text) in self._seen:
            return
        self._seen.add(hash(source.text))
        for target in source.targets:
            if target.docstring is None:
                continue
            self._docstrings.append(target.docstring)
            if target.owner:
                self._methods.setdefault((target.owner, target.name), target.docstring)
            names = {one.name.lstrip("*") for one in target.parameters}
            for item in sections.parse(target.docstring).items("parameters"):
                for name in names & set(item.names):
                    if item.text:
                        self._parameters[name][item.text] += 1

    def texts(self) -> list[str]:
        """All docstrings."""
        return self._docstrings

    def style(self) -> Style:
        """The style of most docstrings."""
        return styles.detect(self._docstrings, width=self._width)

    def overridden(self, target: Target, bases: Iterable[str]) -> str:
        """The docstring of the method that a method overrides, by the names of its class's bases; "" for none."""
        for base in bases:
            found = self._methods.get((base.partition("[")[0].rpartition(".")[2], target.name))
            if found:
                return found
        return ""

    def described(self, name: str) -> str:
        """How other functions describe a parameter of this name, where most of those that do agree; else ""."""
        counts = self._parameters.get(name.lstrip("*"))
        if not counts:
            return ""
        text, count = counts.most_common(1)[0]
        return text if count >= _AGREE and 2 * count > counts.total() else ""


def around(
    path: Path, root: Path, rules: IgnoreRules, should_stop: Callable[[], bool] = lambda: False
) -> Project:
    """The project as seen from a file, which is not read: its folder first, then the others, within a budget of
    bytes."""
    project = Project(_width(root))
    left = BUDGET_BYTES
    for folder in dict.fromkeys((path.parent, *path.parents)):
        if not folder.is_relative_to(root):
            break
        for file in sorted(folder.rglob("*.py") if folder != path.parent else folder.glob("*.py")):
            if should_stop() or left <= 0:
                return project
            if file == path or (folder != path.parent and file.parent == path.parent):
                continue
            source = load(file, rules)
            if source is not None:
                project.learn(source)
                left -= len(source.text)
    return project


def of(paths: Iterable[Path], root: Path, rules: IgnoreRules) -> Project:
    """A whole project, as seen by a run over all of its files."""
    project = Project(_width(root))
    for path in paths:
        source = load(path, rules)
        if source is not None:
            project.learn(source)
    return project


def load(file: Path, rules: IgnoreRules) -> Source | None:
    """A readable, parsable module; None for any other file."""
    try:
        if not rules.allows(file) or file.is_symlink() or not 0 < file.stat().st_size <= MAX_BYTES:
            return None
        found = read(file.read_text(encoding="utf-8", errors="strict"))
    except (OSError, UnicodeDecodeError):
        return None
    return None if isinstance(found, Reject) else found


def committed(path: Path, root: Path) -> str | None:
    """The file as it was committed last; None for one that never was, or outside of a repository."""
    try:
        name = path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return None
    done = git.run(root, "show", f"HEAD:./{name}", timeout_s=10)
    return done.out.decode("utf-8", "replace") if done.code == 0 else None


def _width(root: Path) -> int:
    """The line length that the project's formatter keeps."""
    try:
        tools = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError):
        return 88
    for tool in ("ruff", "black"):
        found = tools.get(tool, {}).get("line-length")
        if isinstance(found, int) and 40 <= found <= 200:
            return found
    return 88
