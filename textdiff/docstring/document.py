"""Docstrings for a module's text: which are missing or have become false, and the edits that put them right; the face
of this package. Nothing but docstrings is ever changed; the result must parse to the same tree without them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Literal

import msgspec

from codeworld.canvas import Reject
from codeworld.repair import edits
from codeworld.repair.edits import Edit
from textdiff.docstring import styles
from textdiff.docstring.project import Project
from textdiff.docstring.skeleton import Builder
from textdiff.docstring.styles import Style
from textdiff.docstring.understand import Source, Target, literal, read
from textdiff.docstring.update import update
from textdiff.phrase import Phrase, Writer

_HEADER = re.compile(r"^(#!.*|[ \t]*#.*|[ \t]*)$")


class Offer(msgspec.Struct, frozen=True):
    """A new or updated docstring: ``docstring`` as it will stand between the quotes, the edit that puts it there, the
    phrases with where they came from, and (of an update) what was false."""

    qualname: str
    kind: Literal["new", "update"]
    line: int
    docstring: str
    edit: Edit
    phrases: tuple[Phrase, ...]
    changes: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True):
    """``style``: the project's when None; ``summary``: the user's own words for a single target; ``private``: also
    what only the module itself uses; ``path``: the module's in the project, which the model is told."""

    style: Style | None = None
    summary: str = ""
    private: bool = False
    path: str = ""


def offers(
    text: str,
    *,
    project: Project | None = None,
    before: str | None = None,
    qualname: str | None = None,
    settings: Settings = Settings(),
    writer: Writer | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Offer] | Reject:
    """What to write, in the order of the text; never an empty list: there is a reason. ``before`` is an older version
    of the module, which tells what a docstring was about; ``qualname`` chooses one target ("" is the module)."""
    source = read(text)
    if isinstance(source, Reject):
        return source
    project = project or Project()
    project.learn(source)
    old = read(before) if before is not None else None
    earlier = {} if old is None or isinstance(old, Reject) else {one.qualname: one for one in old.targets}
    chosen = [one for one in source.targets if _is_chosen(one, qualname, settings)]
    if not chosen:
        return Reject("no-such-name", f"there is no {qualname}" if qualname else "nothing is defined")
    style = settings.style or project.style()
    made: list[Offer | Reject] = []
    for target in chosen:
        if should_stop():
            return Reject("cancelled")
        made.append(_offer(source, target, project, earlier.get(target.qualname), style, settings, writer))
    found = _harmless(source, [one for one in made if isinstance(one, Offer)])
    if found:
        return found
    refused = next(
        (one for one in made if isinstance(one, Reject)), Reject("unsafe", "the program would change")
    )
    return (
        refused
        if qualname is not None
        else Reject("nothing-missing", "every docstring that is certain is there")
    )


def apply(text: str, made: list[Offer]) -> str:
    """The text with the docstrings."""
    return edits.apply(text, tuple(sorted((one.edit for one in made), key=lambda edit: edit.start_char)))


def at_line(text: str, line: int, *, within: bool = False) -> Target | Reject:
    """What may be documented at a line (from 0): the definition whose head or docstring is there; ``within``: the
    innermost one around it, wherever the line stands in it."""
    source = read(text)
    if isinstance(source, Reject):
        return source
    for target in reversed(source.targets):
        body = getattr(target.node, "body", None)
        if target.kind == "module" or not body:
            continue
        documented = target.docstring is not None
        last = (body[0].end_lineno or 0) - 1 if documented else max(body[0].lineno - 2, target.line)
        if within:
            last = (body[-1].end_lineno or 0) - 1
        if target.line <= line <= last:
            return target
    return Reject("nothing-here", "no function or class is here")


def _is_chosen(target: Target, qualname: str | None, settings: Settings) -> bool:
    if qualname is not None:
        return target.qualname == qualname
    if target.name == "__init__" and target.docstring is None:
        return False  # the class's docstring tells how to make one
    return settings.private or target.public


def _offer(
    source: Source,
    target: Target,
    project: Project,
    before: Target | None,
    style: Style,
    settings: Settings,
    writer: Writer | None,
) -> Offer | Reject:
    if target.docstring is not None:
        return _updated(source, target, before, style)
    builder = Builder(source, target, project, writer, settings.summary, settings.path)
    content = builder.content(style)
    if isinstance(content, Reject):
        return content
    inserted = _insertion(source, target)
    if isinstance(inserted, Reject):
        return inserted
    at, end, lead, indent, tail = inserted
    rows = styles.render(content, style, indent)
    newline = _newline(source.text)
    body = newline.join(rows) + (newline + indent if len(rows) > 1 else "")
    edit = Edit(at, end, lead + style.quote + body + style.quote + tail)
    return Offer(target.qualname, "new", target.line, body, edit, tuple(builder.used))


def _updated(source: Source, target: Target, before: Target | None, style: Style) -> Offer | Reject:
    where = literal(source, target)
    if where is None:
        return Reject("not-one-literal", "the docstring is made of several strings")
    found = update(where.raw, target, before, style, _newline(source.text))
    if not found.changes:
        return Reject("up-to-date", "the docstring says nothing that the code contradicts")
    start = where.start_char + len(where.prefix) + len(where.quote)
    edit = Edit(start, start + len(where.raw), found.raw)
    used = (Phrase("docstring", "", "existing"), *found.phrases)
    return Offer(target.qualname, "update", target.line, found.raw, edit, used, found.changes)


def _newline(text: str) -> str:
    found = re.search(r"\r\n|\n|\r", text)
    return found[0] if found else "\n"


def _insertion(source: Source, target: Target) -> tuple[int, int, str, str, str] | Reject:
    """Where a docstring goes: [start, end) that it replaces (blanks only), what comes before its quotes, the
    indentation of its lines, what comes after it."""
    newline = _newline(source.text)
    body = getattr(target.node, "body", [])
    if target.kind == "module":
        return _of_module(source, newline)
    first = body[0]
    decorators = getattr(first, "decorator_list", [])
    row = min([first.lineno, *(one.lineno for one in decorators)]) - 1
    start = source.char(first.lineno, first.col_offset)
    line = source.lines[row]
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    if row > target.line and (decorators or source.text[source.starts[row] : start].strip() == ""):
        above = _comments_above(source, row, target)
        at = source.starts[above]
        while not source.lines[above].strip():
            above += 1
        defines = isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        gap = newline if target.kind == "class" or defines else ""
        return at, source.starts[above], indent, indent, newline + gap
    # On the line of the "def" itself, or behind another statement: the body goes to a line of its own.
    head = source.lines[target.line]
    outer = head[: len(head) - len(head.lstrip(" \t"))]
    inner = outer + _unit(source)
    colon = source.text.rfind(":", 0, start)
    if source.text[colon + 1 : start].strip():
        return Reject("odd-layout", "the body begins in an unusual place")
    gap = newline if target.kind == "class" else ""
    return colon + 1, start, newline + inner, inner, newline + gap + inner


def _comments_above(source: Source, row: int, target: Target) -> int:
    """The first row of the comments right above the body's first statement: a docstring stands before them."""
    end_of_head = _end_of_head(source, target)
    while row - 1 > end_of_head and (
        source.lines[row - 1].lstrip(" \t").startswith("#") or not source.lines[row - 1].strip()
    ):
        row -= 1
    return row


def _end_of_head(source: Source, target: Target) -> int:
    """The row of the colon that ends a signature."""
    node = target.node
    inside: list[ast.AST] = []
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = node.args
        inside = [*ast.walk(arguments), *([node.returns] if node.returns else [])]
    elif isinstance(node, ast.ClassDef):
        inside = [*node.bases, *node.keywords]
    rows = [getattr(one, "end_lineno", None) or 0 for one in inside]
    row = max([target.line + 1, *rows]) - 1
    while row < len(source.lines) - 1 and not re.search(r":\s*(#.*)?$", source.lines[row]):
        row += 1
    return row


def _of_module(source: Source, newline: str) -> tuple[int, int, str, str, str] | Reject:
    """After the comments at the top (interpreter, encoding, licence)."""
    row = 0
    last = 0
    while row < len(source.lines) and _HEADER.match(source.lines[row]):
        row += 1
        if row <= len(source.lines) and source.lines[row - 1].strip():
            last = row
    if row >= len(source.lines):
        return Reject("empty", "the module is empty")
    at = source.starts[last]
    return at, at, newline if last else "", "", newline + ("" if not source.lines[last].strip() else newline)


def _unit(source: Source) -> str:
    indents = {line[: len(line) - len(line.lstrip(" \t"))] for line in source.lines if line.strip()}
    if any(one.startswith("\t") for one in indents):
        return "\t"
    return min((one for one in indents if len(one) > 1), key=len, default="    ")


def _harmless(source: Source, made: list[Offer]) -> list[Offer]:
    """Those that change nothing but their own docstrings: all at once, or else one by one."""
    bare = _bare(source.text)
    if made and _is_same(source, made, bare):
        return made
    return [one for one in made if _is_same(source, [one], bare)] if len(made) > 1 else []


def _is_same(source: Source, made: list[Offer], bare: str | None) -> bool:
    text = apply(source.text, made)
    after = read(text)
    if isinstance(after, Reject) or _bare(text) != bare:
        return False
    touched = {one.qualname for one in made}
    return all(
        (now.docstring is not None) if now.qualname in touched else (now.docstring == was.docstring)
        for now, was in zip(after.targets, source.targets, strict=True)
    )


def _bare(text: str) -> str | None:
    """The syntax tree without docstrings, as text."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] if isinstance(first.value.value, str) else node.body
    return ast.dump(tree)
