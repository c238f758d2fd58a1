"""The summary of a function, class or module: from the model where there is one, else only where the code is certain.

Where nothing is certain the slot stays empty, and nothing is offered.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

from textdiff.docstring.understand import Source, Target, walk
from textdiff.docstring.usage import code, is_local
from textdiff.docstring.verbs import VERBS, imperative
from textdiff.phrase import Phrase

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_COMMENT = re.compile(r"^\s*#+:?\s?(?P<text>.*?)\s*$")
_PRAGMA = re.compile(
    r"^(noqa|type:|pragma|pylint|fmt:|isort|TODO|FIXME|XXX|HACK|mypy|ruff|nosec|!|-\*-|region|endregion)",
    re.IGNORECASE,
)
_PROSE = re.compile(r"^[A-Za-z][\w ,'()/\-`.:;\"]+$")
_RULER = re.compile(r"^[\W_]*$")
_QUESTIONS = {
    "is": "is",
    "has": "has",
    "can": "can",
    "should": "should",
    "was": "was",
    "are": "are",
    "does": "does",
}
_TOO_LONG = 110
_LEAST_WORDS = 3


def certain(source: Source, target: Target) -> Iterator[Phrase]:
    """Summaries that need no model, the most trusted first."""
    for origin, text in (
        ("language", _of_language(target)),
        ("comment", _of_comment(source, target)),
        ("name", _of_name(target)),
        ("body", _of_body(target)),
    ):
        if text:
            yield Phrase("summary", sentence(text), origin)


def sentence(text: str) -> str:
    """A capital at the start, one full stop at the end."""
    text = " ".join(text.split()).rstrip(" .:;,")
    first = text.split(" ", 1)[0]
    capital = text[0].upper() + text[1:] if first.islower() and first.isalpha() else text
    return capital if capital.endswith(("!", "?")) else f"{capital}."


def words(name: str) -> list[str]:
    """The words of an identifier, in lower case but for acronyms."""
    if not name.isascii():
        return [word.lower() for word in name.split("_") if word]
    found = _WORDS.findall(name)
    return [
        word if word.isupper() and len(word) > 1 and not name.isupper() else word.lower() for word in found
    ]


def _of_language(target: Target) -> str:
    """What Python itself says about its special methods."""
    name = target.name
    if target.kind not in ("method", "property") or not (name.startswith("__") and name.endswith("__")):
        return ""
    if name == "__init__":
        return "Initialize self"
    if name in ("__enter__", "__aenter__"):
        return "Enter the runtime context"
    if name in ("__exit__", "__aexit__"):
        return "Exit the runtime context"
    for owner in (object, list, dict, int, float, type(iter([])), type(lambda: 0), builtins.set):
        text = getattr(getattr(owner, name, None), "__doc__", None) or ""
        first = text.strip().split("\n")[-1 if text.startswith("__") else 0].strip()
        if (
            first
            and first.split(" ")[0].rstrip("s").lower() in VERBS | {"return", "implement"}
            and "." in first[-1:]
        ):
            return first
    return ""


def _of_comment(source: Source, target: Target) -> str:
    """One comment right above the definition, or alone at the top of its body, if it is a sentence."""
    if target.kind == "module":
        return ""
    decorators = getattr(target.node, "decorator_list", [])
    first = min([target.line, *(one.lineno - 1 for one in decorators)])
    text = _comment(source.lines, first - 1)
    if not text:
        body = getattr(target.node, "body", None)
        if body and body[0].lineno - 1 - 1 > target.line:
            text = _comment(source.lines, body[0].lineno - 2)
    return text


def _comment(lines: list[str], row: int) -> str:
    """The comment of one line; "" where it is one of several, or no sentence about what follows."""
    here = _COMMENT.match(lines[row]) if 0 <= row < len(lines) else None
    if here is None or (row > 0 and _COMMENT.match(lines[row - 1])):
        return ""
    text = here["text"]
    if _PRAGMA.match(text) or _RULER.match(text) or not _PROSE.match(text) or len(text) > _TOO_LONG:
        return ""
    first = text.split()[0]
    third = first.lower().removesuffix("s")
    verb = third if third in VERBS else first.lower()
    if verb not in VERBS or len(text.split()) < _LEAST_WORDS:
        return ""
    return " ".join([verb, *text.split()[1:]])


def _of_name(target: Target) -> str:
    """What the name says: verb and object, question, property, class."""
    parts = words(target.name)
    if not parts or any(part.isdigit() or len(part) == 1 for part in parts) or len(parts) > 8:
        return ""
    rest = " ".join(parts[1:])
    if target.kind == "class":
        return f"{parts[0].capitalize() if parts[0].islower() else parts[0]} {rest}" if len(parts) > 1 else ""
    if any(".setter" in one for one in target.decorators):
        return f"Set the {' '.join(parts)}"
    if target.kind == "property":
        asked = parts[0] in _QUESTIONS and rest
        return f"Return whether it {' '.join(parts)}" if asked else f"Return the {' '.join(parts)}"
    if parts[0] in _QUESTIONS and rest and target.returns in ("", "bool") and target.returns_value:
        only = (
            target.parameters[0].name.lstrip("*") if len(target.parameters) == 1 and not target.owner else ""
        )
        return f"Check whether {f'``{only}``' if only else 'it'} {_QUESTIONS[parts[0]]} {rest}"
    if parts[0] in ("to", "as") and rest and target.returns_value:
        return f"Return {'this' if target.owner else 'the argument'} as {rest}"
    if parts[0] == "on" and rest:
        return f"Handle {rest}"
    if parts[0] in VERBS and rest:
        return f"{imperative(parts[0])} {rest}"
    return f"Return the {' '.join(parts)}" if target.returns_value and len(parts) > 1 else ""


def _of_body(target: Target) -> str:
    """A literal description of what a body does, or of what a module or class holds."""
    if target.kind == "module":
        return _of_module(target)
    if target.kind == "class":
        return (
            f"A {code(target.bases[0])}"
            if len(target.bases) == 1 and code(target.bases[0])
            else f"A {target.name}"
        )
    returned = [
        one.value for one in walk(target.node) if isinstance(one, ast.Return) and one.value is not None
    ]
    value = ast.unparse(returned[0]) if len(returned) == 1 else ""
    if code(value) and not is_local(target, value):
        return f"Return {code(value)}"
    body = [one for one in getattr(target.node, "body", []) if not _is_text(one)]
    if len(body) == 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Call):
        callee = code(ast.unparse(body[0].value.func))
        return f"Call {callee}" if callee else ""
    return _of_verb(target) or ("Do nothing" if len(body) == 1 and isinstance(body[0], ast.Pass) else "")


def _of_verb(target: Target) -> str:
    """A name that is a verb alone: what it acts on is its only parameter, or else the object."""
    verb = words(target.name)
    if len(verb) != 1 or verb[0] not in VERBS:
        return ""
    required = [one.name for one in target.parameters if not one.default and not one.name.startswith("*")]
    if len(target.parameters) == len(required) == 1:
        return f"{imperative(verb[0])} ``{required[0]}``"
    return f"{imperative(verb[0])} this ``{target.owner}``" if target.owner and not target.parameters else ""


def _of_module(target: Target) -> str:
    names = [
        one.name
        for one in getattr(target.node, "body", [])
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not one.name.startswith("_")
    ]
    if not names:
        return ""
    shown = [f"``{name}``" for name in names[:3]]
    text = " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
    return f"Define {text}{' and more' if len(names) > 3 else ''}"


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
