"""How to install, run and test: commands that the repository's own configuration and documents give."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from codeworld.summary.facts import Citation
from codeworld.summary.packaging import toml
from codeworld.summary.setup_files import ini
from codeworld.summary.sources import Sources
from codeworld.syntax.trees import parsed

Command = tuple[str, Citation]

_DOCUMENT = re.compile(
    r"(README|INSTALL(?:ATION)?|CONTRIBUTING|DEVELOP\w*|HACKING)(\.(md|rst|txt))?$", re.IGNORECASE
)
_INSTALL = re.compile(
    r"(?:(?:python3? -m |uv )?pip3? install|uv (?:add|sync)|uv tool install|pipx install|conda install|"
    r"poetry (?:add|install)|pdm (?:add|install)|brew install)\s+\S.*"
)
_TEST = re.compile(
    r"(?:\S+=\S+ )*(?:(?:\S+/)?python3? -m |\S*coverage run (?:-\S+ )*-m |uv run (?:--\S+ )*|poetry run |hatch run )?"
    r"(?:pytest|py\.test|unittest|tox|nox|nose2)(?=\s|$)(?! --version)[^<>{}]*|"
    r"(?:python3? setup\.py|make|hatch) (?:test|check)(?=\s|$)[^<>]*"
)
_PROMPT = re.compile(r"^\s*(?:[$%>#] |\(\S+\) ?\$ |>>> )?`{0,3}")
_TASKS = ("tool.poe.tasks", "tool.pdm.scripts", "tool.taskipy.tasks", "tool.rye.scripts", "tool.pixi.tasks")


def documents(sources: Sources) -> list[str]:
    """Files for people that come with the repository, the README first."""
    found = [
        path for path in sources.paths if path.count("/") <= 1 and _DOCUMENT.match(path.rsplit("/", 1)[-1])
    ]
    found = [path for path in found if "/" not in path or path.startswith((".github/", "docs/", "doc/"))]
    return sorted(found, key=lambda path: ("readme" not in path.lower(), path.count("/"), path))


def install_commands(sources: Sources) -> list[Command]:
    """Commands in README and the like that install something."""
    return _unique([one for path in documents(sources) for one in _commands(sources, path, _INSTALL)])


def test_commands(sources: Sources) -> list[Command]:
    """Commands that run the tests: from task files first, then documents, then continuous integration."""
    found = [*_make(sources), *_tox(sources), *_nox(sources), *_pyproject(sources), *_scripts(sources)]
    for path in documents(sources):
        found += _commands(sources, path, _TEST)
    for path in sources.paths:
        if re.match(r"\.github/workflows/[^/]+\.ya?ml$|\.gitlab-ci\.yml$|\.travis\.yml$|\.ci/", path):
            found += _commands(sources, path, _TEST)
    return _unique(found)


def _commands(sources: Sources, path: str, pattern: re.Pattern[str]) -> list[Command]:
    found = []
    for number, line in enumerate(sources.lines(path), 1):
        text = re.sub(r"^\s*(?:- )?(?:run:|script:|-)\s*", "", line)
        text = _PROMPT.sub("", text, count=1).strip()
        match = pattern.match(text)
        is_whole = match is None or text[match.end() :][:1] not in (
            "<",
            ">",
            "{",
            "}",
        )  # a template is no command
        is_code = (
            bool(match)
            and is_whole
            and (line[:1].isspace() or "`" in line or _is_fenced(sources, path, number))
        )
        if match and is_code:
            command = match[0].split("`")[0].split(" # ")[0].rstrip(" \\;")
            found.append((command, Citation(path, number, command)))
            continue
        for quoted in re.findall(r"`([^`]+)`", line):
            if pattern.fullmatch(quoted.strip("$ ")) and " " in quoted.strip():
                found.append((quoted.strip("$ "), Citation(path, number, quoted.strip("$ "))))
    return [one for one in found if sources.holds(one[1])]


def _is_fenced(sources: Sources, path: str, line: int) -> bool:
    fences = sum(text.lstrip().startswith("```") for text in sources.lines(path)[: line - 1])
    return fences % 2 == 1 or not path.endswith(".md")


def _make(sources: Sources) -> Iterator[Command]:
    for path in ("Makefile", "makefile", "GNUmakefile", "justfile", "Justfile"):
        runner = "just" if "just" in path.lower() else "make"
        found = []
        for number, line in enumerate(sources.lines(path), 1):
            match = re.match(r"((?:unit|run)?[-_]?tests?(?:[-_]\w+)?|check)\b[^:=]*:(?!=)", line)
            if match:
                found.append((f"{runner} {match[1]}", Citation(path, number, match[1])))
        yield from sorted(found, key=lambda one: one[0].split()[1] not in ("test", "tests"))


def _tox(sources: Sources) -> Iterator[Command]:
    for path in ("tox.ini", "setup.cfg"):
        prefix = "tox:" if path == "setup.cfg" else ""
        for section, key, values in ini(sources.lines(path)):
            if section.startswith(f"{prefix}testenv") and key == "commands":
                environment = section.partition("testenv:")[2]
                for text, line in values:
                    if re.search(r"\b(pytest|py\.test|unittest|nose\w*|test)\b", text):
                        command = f"tox -e {environment}" if environment else "tox"
                        yield command, Citation(path, line, text)
                        break
    cited = sources.cite("pyproject.toml", "[tool.tox")
    if cited:
        yield "tox", cited


def _nox(sources: Sources) -> Iterator[Command]:
    tree = parsed(sources.text("noxfile.py"))
    for node in tree.body if tree else ():
        if isinstance(node, ast.FunctionDef) and "test" in node.name and node.decorator_list:
            yield f"nox -s {node.name}", Citation("noxfile.py", node.lineno, node.name)


def _pyproject(sources: Sources) -> Iterator[Command]:
    content = toml(sources, "pyproject.toml")
    for name in _TASKS:
        table = content
        for part in name.split("."):
            table = table.get(part, {}) if isinstance(table, dict) else {}
        for task in table if isinstance(table, dict) else ():
            cited = sources.cite("pyproject.toml", task) if "test" in task else None
            if cited:
                yield f"{name.split('.')[1].removesuffix('py')} run {task}", cited
    for path, quote in (
        ("pyproject.toml", "[tool.pytest"),
        ("pytest.ini", "[pytest]"),
        ("tox.ini", "[pytest]"),
        ("setup.cfg", "[tool:pytest]"),
    ):
        if cited := sources.cite(path, quote):
            yield "pytest", cited


def _scripts(sources: Sources) -> Iterator[Command]:
    for path in (
        "scripts/test",
        "script/test",
        "scripts/test.sh",
        "scripts/tests",
        "runtests.py",
        "run_tests.sh",
        "test.sh",
    ):
        if path in sources:
            for number, line in enumerate(sources.lines(path), 1):
                if re.search(r"\b(pytest|unittest|tox|nox)\b", line):
                    yield path, Citation(path, number, line.strip())
                    break


def _unique(commands: list[Command]) -> list[Command]:
    found: dict[str, Citation] = {}
    for command, cited in commands:
        found.setdefault(" ".join(command.split()), cited)
    return list(found.items())
