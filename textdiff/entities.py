"""Which words of a prose text name something (identifiers, paths, numbers, versions), and whether that thing exists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_QUOTED = re.compile(r"`+([^`]+)`+")
_TOKEN = re.compile(r"[\w./\\@:+*-]*\w[\w./\\@+*-]*(?:\(\))?")
_EDGE = ".,:;!?-/\\+*@"
_WORD = re.compile(r"[^\W\d]+(?:[-'][^\W\d]+)*")  # letters only, perhaps hyphenated: prose
_INNER_CAPITAL = re.compile(r"[a-z][A-Z]")
_PIECES = re.compile(r"\w+")
_NAME = re.compile(r"[^\W\d]\w*")
_TAG = re.compile(r"v(\d\w*)")  # of a version, which is said with its v and without


def entities(text: str) -> Iterator[str]:
    """What ``text`` names: everything in backquotes, and words that no prose has (digits, underscores, inner dots,
    slashes or capitals, a call's parentheses)."""
    for quoted in _QUOTED.findall(text):  # a name, a path or dotted name as a whole, or code
        whole = _NAME.fullmatch(quoted) or _TOKEN.fullmatch(quoted)
        yield from (quoted.removesuffix("()").strip(_EDGE),) if whole else _NAME.findall(quoted)
    for match in _TOKEN.finditer(_QUOTED.sub(" ", text)):
        token = match[0]
        called = token.endswith("()")
        token = token.removesuffix("()").strip(_EDGE)
        if not token:
            continue
        if called or _INNER_CAPITAL.search(token) or not _WORD.fullmatch(token):
            yield from _apart(token)


def _apart(token: str) -> Iterator[str]:
    """A slash between two plain words is an "or", and an apostrophe ends a name: neither is part of one."""
    if "/" in token and all(_WORD.fullmatch(part) for part in token.split("/")):
        yield from (part for part in token.split("/") if _INNER_CAPITAL.search(part))
        return
    yield token


class Vocabulary:
    """What exists: the given texts (code, diffs, lists of paths) hold it as a whole word."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = [text for text in texts if text]
        self._pieces = {piece for text in self._texts for piece in _PIECES.findall(text)}
        self._pieces |= {tag[1] for piece in self._pieces if (tag := _TAG.fullmatch(piece))}

    def knows(self, entity: str) -> bool:
        """Whether ``entity`` exists."""
        pieces = _PIECES.findall(entity)
        if not all(piece in self._pieces for piece in pieces):
            return False
        if pieces == [entity] or not pieces:
            return True
        tag = "v?" if entity[0].isdigit() else ""
        whole = re.compile(rf"(?<![\w.]){tag}{re.escape(entity)}(?!\w|\.\d)")
        return any(entity in text and whole.search(text) for text in self._texts)

    def unknown(self, text: str) -> list[str]:
        """What ``text`` names and nothing knows."""
        return [entity for entity in entities(text) if not self.knows(entity)]

    def allows(self, text: str) -> bool:
        """Whether everything that ``text`` names exists."""
        return not self.unknown(text)
