"""Expressions on lines of a given width, as formatters lay them out."""

from __future__ import annotations

import ast

_INDENT = "    "


def quoted(text: str, single: bool) -> str:
    """The expression with its strings in the project's quotes, where that needs no escapes."""
    if single or "'" not in text:
        return text
    tree = ast.parse(text, mode="eval")
    lines = text.encode().splitlines(keepends=True)
    if len(lines) != 1:
        return text
    line = lines[0]
    inside = {one for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for one in ast.walk(node)}
    for node in sorted(
        (
            n
            for n in ast.walk(tree)
            if isinstance(n, ast.Constant) and isinstance(n.value, (str, bytes)) and n not in inside
        ),
        key=lambda one: -one.col_offset,
    ):
        start, end = node.col_offset, node.end_col_offset or 0
        literal = line[start:end]
        quote = literal.find(b"'")
        if quote < 0 or literal[:quote].strip(b"b") or b'"' in literal or not literal.endswith(b"'"):
            continue
        line = line[:start] + literal[:quote] + b'"' + literal[quote + 1 : -1] + b'"' + line[end:]
    return line.decode()


def laid_out(before: str, expression: str, after: str, indent: int, width: int, single: bool) -> list[str]:
    """Lines of ``before`` + expression + ``after``, broken at the brackets of the expression where it is too long."""
    text = quoted(expression, single)
    space = _INDENT * indent
    if len(space + before + text + after) <= width or "\n" in text:
        return [f"{space}{before}{text}{after}"]
    node = ast.parse(expression, mode="eval").body
    parts = _parts(node)
    if parts is None:
        return [f"{space}{before}{text}{after}"]
    opening, items, closing = parts
    lines = [f"{space}{before}{opening}"]
    for prefix, item in items:
        key, colon, rest = prefix.rpartition(": ")
        before = f"{quoted(key, single)}{colon}{rest}" if colon else prefix
        lines += laid_out(before, item, ",", indent + 1, width, single)
    return [*lines, f"{space}{closing}{after}"]


def _parts(node: ast.expr) -> tuple[str, list[tuple[str, str]], str] | None:
    """What is before, between and behind an expression's brackets; None for one without."""
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)) and node.elts:
        brackets = {ast.List: "[]", ast.Tuple: "()", ast.Set: "{}"}[type(node)]
        return brackets[0], [("", ast.unparse(one)) for one in node.elts], brackets[1]
    if isinstance(node, ast.Dict) and node.keys and all(node.keys):
        pairs = [
            (f"{ast.unparse(key)}: " if key else "", ast.unparse(value))
            for key, value in zip(node.keys, node.values, strict=True)
        ]
        return "{", pairs, "}"
    if isinstance(node, ast.Call) and (node.args or node.keywords):
        arguments = [("", ast.unparse(one)) for one in node.args]
        arguments += [(f"{one.arg}=" if one.arg else "**", ast.unparse(one.value)) for one in node.keywords]
        return f"{ast.unparse(node.func)}(", arguments, ")"
    return None
