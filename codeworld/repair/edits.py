"""The values of a repair: edits, proposals, fixes. No torch, no LSP types."""

from __future__ import annotations

import re

import msgspec

_WORDS = re.compile(r"\w+|[^\w\s]")


class Edit(msgspec.Struct, frozen=True, order=True):
    """``new_text`` replaces the characters [start_char, end_char) of the text."""

    start_char: int
    end_char: int
    new_text: str


class Proposal(msgspec.Struct, frozen=True):
    """One way to change the program: edits of the original text, ascending and apart.

    ``kind`` names the operation for people and for the prior; ``cost`` is minus the log of its prior probability, up to
    a constant; ``logprob_nats`` is what the reader thinks of the changed region, relative to the other proposals for
    it.
    """

    edits: tuple[Edit, ...]
    kind: str
    cost: float
    logprob_nats: float = 0.0

    @property
    def score(self) -> float:
        """Higher is better."""
        return self.logprob_nats - self.cost


class Fix(msgspec.Struct, frozen=True):
    """A verified repair. ``text`` is the whole program after ``edits``; ``confidence`` the calibrated probability that
    it is the change that was meant, in [0, 1]; ``checks`` names what it passed: "parses", "names", "types", "tests"."""

    edits: tuple[Edit, ...]
    text: str
    kind: str
    confidence: float
    checks: tuple[str, ...] = ()


def apply(text: str, edits: tuple[Edit, ...]) -> str:
    """``text`` after ``edits``."""
    for edit in reversed(edits):
        text = text[: edit.start_char] + edit.new_text + text[edit.end_char :]
    return text


def difference(old: str, new: str) -> tuple[Edit, ...]:
    """The edits that turn ``old`` into ``new``: for each run of changed lines, its smallest changed part."""
    if old == new:
        return ()
    from difflib import SequenceMatcher

    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    starts = _offsets(before)
    edits = []
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        if b - a == d - c:  # line by line, so that what stays between two changes is left alone
            pairs = [(starts[a + i], before[a + i], after[c + i]) for i in range(b - a)]
        else:
            pairs = [(starts[a], "".join(before[a:b]), "".join(after[c:d]))]
        edits += [_smallest(*pair) for pair in pairs if pair[1] != pair[2]]
    return tuple(edits)


def size(old: str, new: str) -> int:
    """Words and signs that are no longer there or that are new, whichever are more, of each changed run."""
    from difflib import SequenceMatcher

    before, after = _WORDS.findall(old), _WORDS.findall(new)
    matched = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return sum(max(b - a, d - c) for tag, a, b, c, d in matched if tag != "equal")


def _smallest(start: int, old: str, new: str) -> Edit:
    limit = min(len(old), len(new))
    head = next((i for i in range(limit) if old[i] != new[i]), limit)
    limit -= head
    tail = next((i for i in range(limit) if old[-1 - i] != new[-1 - i]), limit)
    return Edit(start + head, start + len(old) - tail, new[head : len(new) - tail])


def _offsets(lines: list[str]) -> list[int]:
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    return starts
