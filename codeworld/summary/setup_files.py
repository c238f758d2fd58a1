"""setup.cfg and setup.py, read and never run: literals, and names that stand for literals."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from codeworld.syntax.trees import parsed

_ROWS = {"name": "name", "description": "description", "python_requires": "python"}


class Value(NamedTuple):
    """``kind``: name, description, python, entry (``name = target`` in ``group``), script (a file), requires (of the
    extra ``group``)."""

    kind: str
    text: str
    line: int
    group: str = ""


class IniRow(NamedTuple):
    """A key of an ini file with the lines of its value, numbered."""

    section: str
    key: str
    values: tuple[tuple[str, int], ...]


def ini(lines: list[str]) -> list[IniRow]:
    """The rows of an ini file (setup.cfg, tox.ini, pytest.ini) with their line numbers, which configparser loses."""
    rows: list[tuple[str, str, list[tuple[str, int]]]] = []
    section = ""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        header = re.fullmatch(r"\[([^\]]+)\]", text)
        if header and not line[0].isspace():
            section = header[1]
        elif line[0].isspace() and rows and rows[-1][0] == section:
            rows[-1][2].append((text, number))
        elif match := re.match(r"([^=:]+?)\s*[=:]\s*(.*)$", text):
            rows.append((section, match[1].strip(), [(match[2], number)] if match[2] else []))
    return [IniRow(where, key, tuple(values)) for where, key, values in rows]


def setup_cfg(lines: list[str]) -> list[Value]:
    """What setup.cfg declares."""
    found = []
    for section, key, values in ini(lines):
        key = key.replace("-", "_")
        if section == "metadata" and key in ("name", "description"):
            found += [Value(_ROWS[key], text, line) for text, line in values[:1]]
        elif section == "options" and key == "python_requires":
            found += [Value("python", text, line) for text, line in values[:1]]
        elif section == "options" and key == "install_requires":
            found += [Value("requires", text, line) for text, line in _listed(values)]
        elif section == "options" and key == "scripts":
            found += [Value("script", text, line) for text, line in values]
        elif section == "options.extras_require":
            found += [Value("requires", text, line, key) for text, line in _listed(values)]
        elif section == "options.entry_points":
            found += [Value("entry", text, line, key) for text, line in values]
    return [value for value in found if not value.text.startswith(("file:", "attr:"))]


def _listed(values: tuple[tuple[str, int], ...]) -> Iterator[tuple[str, int]]:
    for text, line in values:
        # Semicolons separate items, too, but only where no marker can be meant.
        yield from ((item.strip(), line) for item in (text.split(",") if ">" not in text else [text]))


class _Text(NamedTuple):
    value: str
    line: int


_Literal = _Text | list["_Literal"] | dict[str, "_Literal"]


def setup_py(text: str) -> list[Value] | None:
    """What the call of ``setup`` declares; None when the file does not parse."""
    tree = parsed(text)
    if tree is None:
        return None
    names: dict[str, _Literal] = {}
    for statement in tree.body:
        _assign(statement, names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) == "setup":
            return list(_values(_keywords(node, names)))
    return []


def _assign(statement: ast.stmt, names: dict[str, _Literal]) -> None:
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return
    target, value = statement.targets[0], _literal(statement.value, names)
    if value is None:
        return
    if isinstance(target, ast.Name):
        names[target.id] = value
    elif (
        isinstance(target, ast.Subscript)
        and isinstance(target.value, ast.Name)
        and isinstance(target.slice, ast.Constant)
        and isinstance(into := names.get(target.value.id), dict)
    ):
        into[str(target.slice.value)] = value


def _literal(node: ast.expr, names: dict[str, _Literal]) -> _Literal | None:
    """The value of an expression, as far as it is made of literals."""
    if isinstance(node, ast.Constant):
        return _Text(node.value, node.lineno) if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod)):
        return _formatted(node)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        items = [_literal(item, names) for item in node.elts]
        return [item for item in items if item is not None]
    if isinstance(node, ast.Dict):
        pairs = [
            (key.value, _literal(value, names))
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant)
        ]
        return {str(key): value for key, value in pairs if value is not None}
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _literal(node.left, names), _literal(node.right, names)
        if isinstance(left, _Text):
            return left  # a requirement, to which a marker is added
        return [*(left if isinstance(left, list) else []), *(right if isinstance(right, list) else [])]
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        of = _literal(node.value, names)
        return of.get(str(node.slice.value)) if isinstance(of, dict) else None
    if isinstance(node, ast.Call) and _called(node) == "dict" and not node.args:
        return dict(_keywords(node, names))
    return None


def _keywords(call: ast.Call, names: dict[str, _Literal]) -> dict[str, _Literal]:
    """The arguments of a call that are made of literals, those of ``**settings`` included."""
    found: dict[str, _Literal] = {}
    for word in call.keywords:
        value = _literal(word.value, names)
        if word.arg is None:
            found |= value if isinstance(value, dict) else {}
        elif value is not None:
            found[word.arg] = value
    return found


def _formatted(node: ast.JoinedStr | ast.BinOp) -> _Text | None:
    """What stands before the first thing filled in: of a requirement that is its name, without the comparison."""
    first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else getattr(node, "left", None)
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return None
    text = re.split(r"[<>=!~\s]*%|[<>=!~\s]+$", first.value)[0]
    return None if " " in text else _Text(text, node.lineno)  # half a sentence says something else


def _values(keywords: dict[str, _Literal]) -> Iterator[Value]:
    for key, value in keywords.items():
        if key in _ROWS and isinstance(value, _Text):
            yield Value(_ROWS[key], value.value, value.line)
        elif key == "install_requires":
            yield from (Value("requires", one.value, one.line) for one in _texts(value))
        elif key == "scripts":
            yield from (Value("script", one.value, one.line) for one in _texts(value))
        elif key == "extras_require" and isinstance(value, dict):
            for extra, wanted in value.items():
                yield from (Value("requires", one.value, one.line, extra) for one in _texts(wanted))
        elif key == "entry_points" and isinstance(value, dict):
            for group, entries in value.items():
                yield from (Value("entry", one.value, one.line, group) for one in _texts(entries))


def _texts(value: _Literal | None) -> Iterator[_Text]:
    if isinstance(value, _Text):
        for offset, line in enumerate(value.value.split("\n")):
            if line.strip():
                yield _Text(line.strip(), value.line + offset)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))
