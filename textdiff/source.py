"""What the text model reads and writes, as plain text: the same functions serve training and the features.

A source is ``<task>\\n<body>``, at most SOURCE_CHARS characters, because the model reads no more than its window of
tokens. Nothing here needs torch.

- docstring: summaries of what stands around it (``| …``), ``path: qualified.name``, then the definition without its
  docstrings -> the summary
- commit: earlier subjects about the same files (``| …``), then the compacted diff -> the subject
- body: ``| subject``, then the compacted diff -> the first paragraph of the body
- text: a keyword or heading -> a paragraph;  continue: heading and paragraph -> the next paragraph
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from typing import Final, Literal

import msgspec

from codeworld.syntax.trees import parsed

Task = Literal["docstring", "commit", "body", "text", "continue"]

SOURCE_CHARS: Final = 1_100
SUMMARY_CHARS: Final = 220
HISTORY_SUBJECTS: Final = 3  # or summaries around a definition
_LINE_CHARS: Final = 120
_FILES: Final = 12

_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"'(])")
_SECTION: Final = re.compile(
    r"^\s*(:\w+|@\w+|\.\. |>>>|-{3,}|={3,}|(args|arguments|parameters|params|returns?|yields?|raises|examples?|notes?"
    r"|usage|attributes|see also|keyword arguments)\s*:?\s*$)",
    re.IGNORECASE,
)
_GENERATED: Final = re.compile(
    r"(^|/)([\w.-]*lock|package-lock\.json|[\w.-]+\.(lock|min\.js|min\.css|svg|ipynb|po|pot|snap|csv|map))$"
)


class Definition(msgspec.Struct, frozen=True):
    """A function or class as the model reads it; ``line`` is 1-based, ``docstring`` as written (None: there is
    none)."""

    kind: Literal["function", "class"]
    name: str
    line: int
    docstring: str | None
    code: str


def docstring_source(code: str, *, path: str = "", name: str = "", around: Sequence[str] = ()) -> str:
    """The source of task "docstring" for ``Definition.code`` (or any function's text without its docstring);
    ``around``: from ``summaries_around``."""
    return f"docstring\n{_told(around)}{path[-60:]}: {name}\n{code}"[:SOURCE_CHARS]


def commit_source(diff: str, history: Sequence[str] = ()) -> str:
    """The source of task "commit": a unified ``git diff`` and subjects of earlier commits about the same files, newest
    first."""
    head = f"commit\n{_told(history)}"
    return head + compact(diff, SOURCE_CHARS - len(head))


def _told(phrases: Sequence[str]) -> str:
    """What people wrote near by, a line each."""
    return "".join(f"| {phrase[:100]}\n" for phrase in phrases[:HISTORY_SUBJECTS])


def split_source(source: str) -> tuple[str, str, str]:
    """The task's line, the lines of earlier subjects (``| …``), and the rest."""
    head, _, rest = source.partition("\n")
    lines = rest.split("\n")
    count = next((i for i, line in enumerate(lines) if not line.startswith("| ")), len(lines))
    return head + "\n", "".join(line + "\n" for line in lines[:count]), "\n".join(lines[count:])


def summaries_around(found: Sequence[Definition], at: int) -> list[str]:
    """Of ``definitions``' result: the summary of what definition ``at`` is inside of, then of its nearest documented
    neighbours before and after; at most HISTORY_SUBJECTS, none twice."""
    before = [one for one in found[:at][::-1] if one.docstring]
    after = [one for one in found[at + 1 :] if one.docstring]
    outer = [one for one in before if found[at].name.startswith(one.name + ".")][:1]
    nearest = (one for pair in zip_longest(before, after) for one in pair if one is not None)
    told = (summary(one.docstring or "") for one in (*outer, *nearest))
    return list(islice(dict.fromkeys(text for text in told if " " in text), HISTORY_SUBJECTS))


def body_source(diff: str, subject: str) -> str:
    """The source of task "body": the diff under a subject that is decided."""
    head = f"body\n| {subject[:100]}\n"
    return head + compact(diff, SOURCE_CHARS - len(head))


def text_source(keyword: str, previous: str = "") -> str:
    """The source of "text" (a paragraph from a keyword) or, with the paragraph before, of "continue"."""
    if not previous:
        return f"text\n{keyword[:120]}"
    return f"continue\n{keyword[:120]}\n{previous[-(SOURCE_CHARS - 140) :]}"


def definitions(text: str, *, documented_only: bool = False) -> Iterator[Definition]:
    """Functions and classes of a file in order; nothing when it does not parse. A definition whose docstring stands on
    its header's line is left out, with ``documented_only`` (a quarter of the time) also one that has none."""
    tree = parsed(text)
    if tree is None:
        return
    yield from _walk(tree, "", text.split("\n"), documented_only)


def _walk(node: ast.AST, prefix: str, lines: list[str], documented_only: bool) -> Iterator[Definition]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = prefix + child.name
            docstring = ast.get_docstring(child, clean=False)
            wanted = docstring is not None or not documented_only
            if wanted and (code := _code(child, lines)):
                kind: Literal["function", "class"] = (
                    "class" if isinstance(child, ast.ClassDef) else "function"
                )
                yield Definition(kind, name, child.lineno, docstring, code)
            yield from _walk(child, name + ".", lines, documented_only)
        elif isinstance(child, ast.If | ast.Try | ast.With):
            yield from _walk(child, prefix, lines, documented_only)


def _code(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, lines: list[str]) -> str:
    """Its text without docstrings; "" where one stands on the header's line."""
    return _class_code(node, lines) if isinstance(node, ast.ClassDef) else _function_code(node, lines)


def _docstring_node(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.Expr | None:
    first = node.body[0] if node.body else None
    found = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return first if found and isinstance(first, ast.Expr) else None


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _function_code(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> str:
    """The function's lines, dedented, without its docstring and those of what it holds; "" on one-liners with one."""
    start, end = _first_line(node), node.end_lineno or node.lineno
    dropped: set[int] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            docstring = _docstring_node(inner)
            if docstring is not None:
                if docstring.lineno <= inner.lineno:
                    return ""
                dropped.update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    kept = [lines[i - 1] for i in range(start, end + 1) if i not in dropped and lines[i - 1].strip()]
    return textwrap.dedent("\n".join(kept))


def _class_code(node: ast.ClassDef, lines: list[str]) -> str:
    """The class's header, assignments and the signatures of its methods, dedented."""
    first = node.body[0].lineno
    if first <= node.lineno:
        return ""
    kept = [*range(_first_line(node), max(node.lineno + 1, _header_end(node)))]
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            kept += range(_first_line(item), max(item.lineno + 1, item.body[0].lineno))
        elif isinstance(item, ast.Assign | ast.AnnAssign):
            kept += range(item.lineno, min(item.lineno + 3, (item.end_lineno or item.lineno) + 1))
    texts = [lines[i - 1] for i in kept if lines[i - 1].strip() and not lines[i - 1].lstrip().startswith("#")]
    return textwrap.dedent("\n".join(texts))


def _header_end(node: ast.ClassDef) -> int:
    ends = [
        base.end_lineno or base.lineno
        for base in [*node.bases, *(keyword.value for keyword in node.keywords)]
    ]
    return max([node.lineno, *ends]) + 1


def summary(docstring: str) -> str:
    """The opening sentences of a docstring in one line, at most about SUMMARY_CHARS; "" when it opens with a
    section."""
    paragraph: list[str] = []
    for line in inspect.cleandoc(docstring).split("\n"):
        if not line.strip() or _SECTION.match(line):
            break
        paragraph.append(line)
    return sentences(" ".join(" ".join(paragraph).split()), SUMMARY_CHARS)


def sentences(text: str, limit_chars: int) -> str:
    """As many whole sentences of ``text`` as fit, at least the first."""
    kept = ""
    for sentence in _SENTENCE_END.split(text):
        longer = f"{kept} {sentence}" if kept else sentence
        if kept and len(longer) > limit_chars:
            break
        kept = longer
    return kept


def compact(diff: str, limit_chars: int) -> str:
    """A unified diff without what does not help to name it: per file a status letter, its path, the functions its hunks
    are in and the changed lines without indentation. Each file gets a fair share of ``limit_chars``."""
    parts = re.split(r"^diff --git ", diff, flags=re.MULTILINE)[1:]
    files = [_compact_file(part) for part in parts[:_FILES]]
    heads = sum(len(head) + 1 for head, _ in files)
    out: list[str] = []
    room = limit_chars - heads
    for number, (head, body) in enumerate(files):
        out.append(head)
        share = room // (len(files) - number)
        for line in body:
            if share < len(line) + 1:
                break
            out.append(line)
            share -= len(line) + 1
            room -= len(line) + 1
    if len(parts) > _FILES:
        out.append(f"… {len(parts) - _FILES} more files")
    return "\n".join(out)[:limit_chars]


def _compact_file(part: str) -> tuple[str, list[str]]:
    """(status letter and path, lines) of one file's part of a diff, which begins behind ``diff --git``."""
    path, status, body, inside, context = "", "M", list[str](), False, ""
    for line in part.split("\n"):
        if line.startswith("@@ "):
            inside, context = True, line.split("@@", 2)[2].strip()
        elif not inside:
            path, status = _header_line(line, path, status)
        elif line[:1] in ("+", "-") and line[1:].strip():
            if context:
                body.append(f"@ {context}"[:_LINE_CHARS])
                context = ""
            body.append((line[0] + line[1:].strip())[:_LINE_CHARS])
    if not path:
        path = part.split("\n", 1)[0].rpartition(" b/")[2]
    return f"{status} {path}", [] if _GENERATED.search(path) else body


def _header_line(line: str, path: str, status: str) -> tuple[str, str]:
    """Path and status after one more line of a file's header."""
    if line.startswith("new file"):
        return path, "A"
    if line.startswith("deleted file"):
        return path, "D"
    if line.startswith("rename from "):
        return line[12:] + " -> ", "R"
    if line.startswith("rename to "):
        return path + line[10:], status
    if line.startswith("Binary files"):
        return path, "B"
    if status != "R" and line.startswith(("+++ b/", "--- a/")):
        return line[6:].rstrip("\t"), status
    return path, status
