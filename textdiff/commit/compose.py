"""From a diff to a message: candidates from the changelog, the project's history, the facts and, where there is one,
the model; dressed in the project's style; refused where a name, path or number does not exist."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from textdiff.commit import templates
from textdiff.commit.diff import Diff
from textdiff.commit.dress import bare, dress
from textdiff.commit.facts import ChangeType, Facts, understand
from textdiff.commit.history import bag_of_diff
from textdiff.commit.retrieve import Index, adapt, holds_for, parts
from textdiff.commit.style import Style
from textdiff.entities import Vocabulary
from textdiff.phrase import Phrase, Writer, best
from textdiff.source import HISTORY_SUBJECTS, commit_source

_NEIGHBOURS = 8
_NEAR = 0.35  # similarity from which the words of a past commit are worth more than plain facts
_BODY_CHARS = 72
_ENOUGH = 8  # past commits; fewer are no habit


class Message(msgspec.Struct, frozen=True):
    """A commit message. ``phrases`` says where each slot's text came from; ``type`` is the kind of change, empty where
    git itself has written the message. ``note`` says what was not done, and why."""

    subject: str
    body: str
    type: ChangeType | None
    phrases: tuple[Phrase, ...]
    note: str = ""

    @property
    def text(self) -> str:
        """As git stores it."""
        return f"{self.subject}\n\n{self.body}\n" if self.body else f"{self.subject}\n"


@dataclass(frozen=True)
class Around:
    """What is known around a diff: past commits, their style, the paths of all files, and what plays which part in a
    past commit (``retrieve.parts`` of it)."""

    index: Index
    style: Style
    paths: str
    parts_of: Callable[[str], dict[str, str]]


def compose(diff: Diff, around: Around, writer: Writer | None = None, patch: str = "") -> Message:
    """The message of a diff. There always is one: that files were updated is true, and names nothing. ``patch``: the
    diff as git shows it, for the writer."""
    facts = understand(diff)
    known = Vocabulary([diff.text(), around.paths, diff.branch])
    for source, subject in _candidates(diff, facts, around, known, writer, patch):
        dressed = dress(subject, diff, facts, around.style, as_written=source == "history")
        if dressed and known.allows(bare(dressed, around.style)):
            break
    else:  # what comes before a subject may have used up its length
        source, dressed = "facts", "Update files"
    body = _body(diff, facts, known, around.style)
    phrases = [Phrase("subject", dressed, source), *([Phrase("body", body, "facts")] if body else [])]
    note = "" if around.style.latin else "the project's messages are not in English; this one may be"
    return Message(dressed, body, facts.type, tuple(phrases), note)


def _candidates(
    diff: Diff, facts: Facts, around: Around, known: Vocabulary, writer: Writer | None, patch: str
) -> Iterator[tuple[str, str]]:
    """(source, subject) in order of trust."""
    enough = around.style.seen >= _ENOUGH
    if enough and (
        habit := around.index.habit(path for one in diff.files for path in (one.path, one.old_path) if path)
    ):
        yield "history", habit
    entries = facts.of("changelog")
    if len(entries) == 1 and around.style.latin:
        yield "changelog", entries[0].name
    if enough:
        yield from (("history", one) for one in _from_history(diff, facts, around))
    if writer is not None and patch:  # worse than what people wrote, and asked only where that does not fit
        earlier = around.index.about((one.path for one in diff.files), HISTORY_SUBJECTS)

        def words() -> list[str]:
            return [diff.text(), *around.index.subjects]

        phrase = best(writer, "commit", commit_source(patch, earlier), allowed=known.allows, words=words)
        if phrase:
            yield "writer", phrase
    yield from (("facts", one) for one in templates.subjects(diff, facts))


def _from_history(diff: Diff, facts: Facts, around: Around) -> Iterator[str]:
    bag, words = bag_of_diff(diff)
    here = Vocabulary([text for one in diff.files for text in (one.path, one.old_path, *one.gone, *one.come)])
    ours, holds = parts(diff, facts), holds_for(diff, facts)
    for one in around.index.nearest(bag, _NEIGHBOURS):
        if one.similarity < _NEAR:
            return
        subject = adapt(
            one.past, around.parts_of(one.past.commit), ours, words, here, holds, around.index.habits
        )
        if subject:
            yield subject


def _body(diff: Diff, facts: Facts, known: Vocabulary, style: Style) -> str:
    """Further facts, where the project writes bodies (or has not written enough to tell)."""
    if style.seen and not style.bodies:
        return ""
    lines = [line for line in templates.body(diff, facts) if known.allows(line)]
    wrapped = [
        textwrap.wrap(
            f"- {line[0].upper()}{line[1:]}",
            _BODY_CHARS,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines
    ]
    return "\n".join(row for rows in wrapped for row in rows)
