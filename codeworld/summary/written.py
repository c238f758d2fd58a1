"""Roles that the code model writes where nobody wrote one: it goes on after what is said of the module's neighbours.

It reads, of each neighbour, a comment with the path and the names it defines, and its role as a docstring; then the
same comment of the module and three quotes. What it writes is marked as generated and is dropped when the model is not
sure, when it names what neither the module nor a path of the repository has, or when it only repeats a neighbour; where
most modules have no docstring it is not asked. What that is worth, on modules of repositories that it was not trained
on: docs/results/summary_roles.md.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Callable

from codeworld.canvas import InfillReply, InfillRequest
from codeworld.summary.cache import TextCache
from codeworld.summary.roles import Roles, mentions

_NEIGHBOURS = 6
LEAST_SHARE = 0.5  # of the product's modules with a docstring
_NAMES_CHARS = 100
_PASSES = 48
_MIN_WORDS = 2
_OFTEN = 4  # a model that says a word so many times goes round in circles
LEAST_NATS = -1.0  # a token, mean; chosen on modules other than those of the benchmark
_MARK = " (_generated: {}_)"
_MARKED = re.compile(r" \(_generated: .*?(?<!\\)_\)")

Infill = Callable[[InfillRequest], InfillReply]


class Writer:
    """Writes one role at a time; what ``model`` once wrote of the same is taken from the cache, so that a page can be
    made again. ``infill`` may raise what it likes: it is not caught here."""

    def __init__(self, infill: Infill, model: str) -> None:
        self._infill = infill
        self._model = model
        self._cache = TextCache("roles")

    def write(self, roles: Roles, path: str) -> str:
        """What the module at ``path`` is for, "" when that is not known well enough."""
        if roles.documented_share < LEAST_SHARE:
            return ""  # with few examples it makes things up
        said = neighbours(roles, path)
        request = asking(roles, path, said)
        key = f"{self._model}\n{request.prefix}"
        text = self._cache.find(key)
        if text is None:
            text, nats = self.draft(request)
            is_sure = nats >= LEAST_NATS and text not in said.values()
            text = text if is_sure and is_faithful(text, known_to(roles, path)) else ""
            self._cache.store(key, text)
        return text

    def draft(self, request: InfillRequest) -> tuple[str, float]:
        """What the model says whatever it is worth, and its log-probability a token in nats (a mean)."""
        for candidate in self._infill(request).candidates[:1]:
            if candidate.text.strip() and candidate.steps < _PASSES:  # else it has not come to an end
                return candidate.text.strip(), candidate.logprob_nats / max(candidate.tokens, 1)
        return "", -float("inf")


def asking(roles: Roles, path: str, said: dict[str, str]) -> InfillRequest:
    """A docstring to be filled in after those that are ``said`` of the neighbours, the nearest last."""
    shown = [f'{_heading(roles, near)}"""{role}"""\n\n' for near, role in reversed(said.items())]
    prefix = f'{"".join(shown)}{_heading(roles, path)}"""'
    return InfillRequest(prefix=prefix, suffix='"""\n\n', path=path, steps=_PASSES, max_candidates=1)


def marked(markdown: str) -> str:
    """Words as the page shows them."""
    return _MARK.format(markdown) if markdown else ""


def without_marked(claim: str) -> str:
    """The claim without what was generated."""
    return _MARKED.sub("", claim)


def known_to(roles: Roles, path: str) -> set[str]:
    """The names that may be named: those in the module's source and in the paths of the repository."""
    return set(re.findall(r"\w+", f"{roles.sources.text(path)} {' '.join(roles.sources.paths)}"))


def is_faithful(text: str, known: set[str]) -> bool:
    """Whether a phrase is one and all that it names is known; numbers and addresses are names, too."""
    named = [*mentions(text), *re.findall(r"\d+", text)]
    often = Counter(re.findall(r"\w{4,}", text.lower()))
    is_sentence = len(text.split()) >= _MIN_WORDS and max(often.values(), default=0) < _OFTEN
    return is_sentence and "://" not in text and all(name in known for name in named)


def _heading(roles: Roles, path: str) -> str:
    return f"# {path}: {', '.join(one.name for one in roles.public(path))[:_NAMES_CHARS]}\n"


def neighbours(roles: Roles, path: str) -> dict[str, str]:
    """What the nearest modules with a docstring say of themselves, the nearest first."""
    folders = path.split("/")[:-1]

    def distance(other: str) -> tuple[int, int, str]:
        theirs = other.split("/")[:-1]
        pairs = enumerate(zip(folders, theirs, strict=False))
        shared = next((n for n, (a, b) in pairs if a != b), min(len(folders), len(theirs)))
        return -shared, abs(len(folders) - len(theirs)), other

    files = roles.graph.files
    others = [one for one in files if one != path and files[one].doc and one not in roles.graph.aside]
    return {other: files[other].doc for other in heapq.nsmallest(_NEIGHBOURS, others, key=distance)}
