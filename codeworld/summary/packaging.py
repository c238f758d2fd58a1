"""What packaging metadata declares and in which line: pyproject.toml, setup.cfg, setup.py, requirements."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from codeworld.summary import setup_files
from codeworld.summary.facts import Citation
from codeworld.summary.sources import Sources

METADATA = ("pyproject.toml", "setup.cfg", "setup.py")
_MAX_PROJECTS = 40  # of a monorepo
_ASIDE = re.compile(r"(^|/)(tests?|testing|docs?|examples?|benchmarks?|vendor|_vendor|fixtures?)/")
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_REQUIREMENTS_FILE = re.compile(
    r"(^|/)requirements([-_./][\w.-]+)?\.(txt|in)$|(^|/)requirements/[\w.-]+\.(txt|in)$"
)


@dataclass(frozen=True)
class Script:
    """A command that installing makes, or (in another group) what a plugin loader finds."""

    group: str
    name: str
    target: str
    citation: Citation


@dataclass(frozen=True)
class Dependency:
    """A distribution that is required; ``extra`` is "" when always."""

    name: str
    spec: str
    extra: str
    citation: Citation


@dataclass
class Metadata:
    """Of all projects in the repository, the outermost first."""

    names: list[tuple[str, Citation]] = field(default_factory=list)
    descriptions: list[tuple[str, Citation]] = field(default_factory=list)
    scripts: list[Script] = field(default_factory=list)
    dependencies: list[Dependency] = field(default_factory=list)
    pythons: list[tuple[str, Citation]] = field(default_factory=list)
    backends: list[tuple[str, Citation]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def read(sources: Sources) -> Metadata:
    """Everything declared in the repository's metadata."""
    found = Metadata()
    for path in project_files(sources):
        if path.endswith("pyproject.toml"):
            _pyproject(sources, path, found)
        elif path.endswith("setup.cfg"):
            _take(sources, path, setup_files.setup_cfg(sources.lines(path)), found)
        else:
            read_values = setup_files.setup_py(sources.text(path))
            if read_values is None:
                found.unreadable.append(path)
            else:
                _take(sources, path, read_values, found)
    _requirements(sources, found)
    return found


def project_files(sources: Sources) -> list[str]:
    """Metadata files, the outermost first; those of examples and tests only describe themselves."""
    paths = [
        path for path in sources.paths if path.rsplit("/", 1)[-1] in METADATA and not _ASIDE.search(path)
    ]
    return sorted(paths, key=lambda path: (path.count("/"), path))[:_MAX_PROJECTS]


def normalised(name: str) -> str:
    """A distribution's name as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_name(requirement: str) -> str:
    """The distribution that a requirement names, "" for a path or an option."""
    match = _REQUIREMENT.match(requirement)
    return match[1] if match and "://" not in requirement.split("@")[0] else ""


def toml(sources: Sources, path: str) -> dict[str, Any]:
    """A TOML file, empty when it cannot be read."""
    try:
        return tomllib.loads(sources.text(path))
    except tomllib.TOMLDecodeError:
        return {}


def locate(sources: Sources, path: str, table: str, key: str, quote: str) -> Citation | None:
    """Where ``quote`` stands as ``key`` (or below it) in ``[table]`` of a TOML file, or in the table above by the
    dotted key."""
    parent, _, last = table.rpartition(".")
    return _locate(sources, path, table, key, quote) or (
        _locate(sources, path, parent, f"{last}.{key}", quote) if parent and key else None
    )


def _locate(sources: Sources, path: str, table: str, key: str, quote: str) -> Citation | None:
    lines = sources.lines(path)
    wanted = f"{table}.{key}" if key else table
    for start, end in _tables(lines, table, wanted):
        at = start
        if key and _header(lines[start - 1]) == table:
            begins = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*(=|\.)""")
            at = next((number for number in range(start, end + 1) if begins.match(lines[number - 1])), 0)
        for number in range(at, end + 1) if at else ():
            if quote in lines[number - 1]:
                return Citation(path, number, quote)
    return None


def _tables(lines: list[str], *names: str) -> Iterator[tuple[int, int]]:
    """First and last line of each table with one of these names."""
    headers = [(number, name) for number, line in enumerate(lines, 1) if (name := _header(line))]
    for index, (number, name) in enumerate(headers):
        if name in names:
            yield number, headers[index + 1][0] - 1 if index + 1 < len(headers) else len(lines)


def _header(line: str) -> str:
    match = re.match(r"\s*\[{1,2}\s*([^\[\]=,]+?)\s*\]{1,2}\s*(#.*)?$", line)
    return re.sub(r"[\"'\s]", "", match[1]) if match else ""


def _pyproject(sources: Sources, path: str, found: Metadata) -> None:
    content = toml(sources, path)
    if not content and sources.text(path).strip():
        found.unreadable.append(path)
        return
    project, poetry = _table(content, "project"), _table(content, "tool", "poetry")
    for table, values in (("project", project), ("tool.poetry", poetry)):
        for key, into in (
            ("name", found.names),
            ("description", found.descriptions),
            ("requires-python", found.pythons),
        ):
            value = values.get(key)
            if isinstance(value, str) and (cited := locate(sources, path, table, key, value.split("\n")[0])):
                into.append((value, cited))
        for group in ("scripts", "gui-scripts"):
            _scripts(sources, path, f"{table}.{group}", group, _table(values, group), found)
    for group, entries in _table(project, "entry-points").items():
        if isinstance(entries, dict):
            _scripts(sources, path, f"project.entry-points.{group}", group, entries, found)
    for group, entries in _table(poetry, "plugins").items():
        if isinstance(entries, dict):
            _scripts(sources, path, f"tool.poetry.plugins.{group}", group, entries, found)
    backend = _table(content, "build-system").get("build-backend")
    if isinstance(backend, str) and (
        cited := locate(sources, path, "build-system", "build-backend", backend)
    ):
        found.backends.append((backend, cited))
    _pyproject_dependencies(sources, path, content, found)


def _scripts(
    sources: Sources, path: str, table: str, group: str, entries: dict[str, Any], found: Metadata
) -> None:
    parent, _, last = table.rpartition(".")
    for name, value in entries.items():
        target = value.get("reference", value.get("callable")) if isinstance(value, dict) else value
        if not isinstance(target, str):
            continue
        cited = locate(sources, path, table, name, target) or locate(sources, path, parent, last, target)
        if cited:
            found.scripts.append(Script(group, name, target, cited))


def _pyproject_dependencies(sources: Sources, path: str, content: dict[str, Any], found: Metadata) -> None:
    project, poetry = _table(content, "project"), _table(content, "tool", "poetry")
    lists = [("project", "dependencies", "", project.get("dependencies"))]
    for table, groups in (
        ("project.optional-dependencies", _table(project, "optional-dependencies")),
        ("dependency-groups", _table(content, "dependency-groups")),
    ):
        lists += [(table, group, group, values) for group, values in groups.items()]
    for table, key, extra, values in lists:
        for requirement in values if isinstance(values, list) else ():
            if isinstance(requirement, str):
                # A marker's quotes may be escaped: then the part before it is what stands in the line.
                bare = requirement.partition(";")[0].strip()
                cited = locate(sources, path, table, key, requirement) or locate(
                    sources, path, table, key, bare
                )
                _depend(found, requirement, extra, cited)
    tables = [("tool.poetry.dependencies", "", _table(poetry, "dependencies"))]
    tables.append(("tool.poetry.dev-dependencies", "dev", _table(poetry, "dev-dependencies")))
    for group, value in _table(poetry, "group").items():
        tables.append((f"tool.poetry.group.{group}.dependencies", group, _table(value, "dependencies")))
    for table, extra, entries in tables:
        for name, spec in entries.items():
            if name != "python":
                text = f"{name} {spec}" if isinstance(spec, str) else name
                _depend(found, text, extra, locate(sources, path, table, name, name))


def _depend(found: Metadata, requirement: str, extra: str, cited: Citation | None) -> None:
    name = requirement_name(requirement)
    if name and cited:
        found.dependencies.append(Dependency(name, " ".join(requirement.split()), extra, cited))


def _take(sources: Sources, path: str, values: list[setup_files.Value], found: Metadata) -> None:
    """Enter what setup.cfg or setup.py said."""
    for value in values:
        cited = Citation(path, value.line, value.text.split("\n")[0])
        if not value.text or not sources.holds(cited):
            continue
        if value.kind == "name":
            found.names.append((value.text, cited))
        elif value.kind == "description":
            found.descriptions.append((value.text, cited))
        elif value.kind == "python":
            found.pythons.append((value.text, cited))
        elif value.kind == "entry":
            name, _, target = (part.strip() for part in value.text.partition("="))
            group = {"console_scripts": "scripts", "gui_scripts": "gui-scripts"}.get(value.group, value.group)
            if target:
                found.scripts.append(Script(group, name, target, cited))
        elif value.kind == "script":
            found.scripts.append(Script("scripts", value.text.rpartition("/")[2], value.text, cited))
        elif value.kind == "requires":
            _depend(found, value.text, value.group, cited)


def _requirements(sources: Sources, found: Metadata) -> None:
    for path in sources.paths:
        if not _REQUIREMENTS_FILE.search(path) or path.count("/") > 1 or _ASIDE.search(path):
            continue
        stem = path.removesuffix(".txt").removesuffix(".in")
        extra = "" if stem == "requirements" else stem
        for number, line in enumerate(sources.lines(path), 1):
            requirement = re.sub(r"(^|\s)#.*$", "", line).strip()
            if requirement and not requirement.startswith("-"):
                _depend(found, requirement, extra or "requirements", Citation(path, number, requirement))


def _table(content: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        content = content.get(key, {}) if isinstance(content, dict) else {}
    return content if isinstance(content, dict) else {}
