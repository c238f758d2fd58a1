"""How a repository writes its subjects, learnt from the last few hundred: length, capital, mood, full stop, prefixes,
tickets, language. Nothing is a convention here unless the project keeps it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

import msgspec

from textdiff.commit.history import Past
from textdiff.commit.kinds import FileKind

MAX_CHARS = 72  # git's own tools cut longer subjects
_LEAST_CHARS = 50
_USUAL = 0.5  # a habit is what more than half of the subjects do
_FEW = 8  # subjects that say nothing about habits
_CONVENTIONAL = re.compile(
    r"^(feat|fix|docs?|tests?|refactor|style|build|ci|chore|perf|revert)(\([^)]*\))?!?: +"
)
_PREFIX = re.compile(r"^(\[[\w ./-]{2,20}\]:?|[A-Z][A-Z/]{1,11}:|[\w./-]{2,24}:) +")
_NAME = re.compile(r"`|\w_\w|[a-z][A-Z]|\w\(\)")  # of code, in a subject
_TICKET = re.compile(r"(?:(?<=^)|(?<=[\s\[(]))([A-Z][A-Z0-9]{1,9}-\d+)\b")
_TICKET_WITH_BRACKETS = re.compile(
    r"^[\[(]?[A-Z][A-Z0-9]{1,9}-\d+[\])]?:?\s+|\s*[\[(]?\b[A-Z][A-Z0-9]{1,9}-\d+[\])]?$"
)
_BRANCH_TICKET = re.compile(r"(?:^|[/_-])([A-Za-z][A-Za-z0-9]{1,9}-\d+)(?=$|[/_-])")

Mood = Literal["base", "past", "third"]
# Verbs of our templates and the commonest of others: base form, past, third person.
VERBS = {
    base: (base, past, third)
    for base, past, third in (
        ("add", "added", "adds"),
        ("allow", "allowed", "allows"),
        ("bump", "bumped", "bumps"),
        ("change", "changed", "changes"),
        ("delete", "deleted", "deletes"),
        ("drop", "dropped", "drops"),
        ("fix", "fixed", "fixes"),
        ("improve", "improved", "improves"),
        ("make", "made", "makes"),
        ("move", "moved", "moves"),
        ("refactor", "refactored", "refactors"),
        ("remove", "removed", "removes"),
        ("rename", "renamed", "renames"),
        ("replace", "replaced", "replaces"),
        ("support", "supported", "supports"),
        ("update", "updated", "updates"),
        ("use", "used", "uses"),
    )
}
_ORDER: tuple[Mood, ...] = ("base", "past", "third")
_MOODS = {form: mood for forms in VERBS.values() for form, mood in zip(forms, _ORDER, strict=True)}


class Style(msgspec.Struct, frozen=True):
    """``quotes``: names of code stand between backquotes; ``prefixes``: what the project puts before subjects, by kind
    of the touched files; ``conventional``: types of conventional commits; ``ticket``: where a ticket's id goes ("" for
    nowhere), with ``{}`` for it."""

    limit_chars: int = MAX_CHARS
    capital: bool = True
    full_stop: bool = False
    mood: Mood = "base"
    conventional: bool = False
    scopes: tuple[str, ...] = ()
    prefixes: dict[str, str] = {}
    ticket: str = ""
    bodies: bool = False
    quotes: bool = True
    latin: bool = True
    seen: int = 0


def learn(history: Sequence[Past]) -> Style:
    """The style of ``history``; git's own advice where it is too short to tell."""
    subjects = [one.subject for one in history if one.subject]
    if len(subjects) < _FEW:
        return Style(seen=len(subjects))
    bare = [_PREFIX.sub("", _CONVENTIONAL.sub("", subject)) for subject in subjects]
    bare = [subject for subject in bare if subject]
    letters = [subject[0] for subject in bare if subject[0].isalpha()]
    moods = Counter(_MOODS[word] for one in bare if (word := one.split()[0].lower()) in _MOODS)
    lengths = sorted(map(len, subjects))
    return Style(
        limit_chars=min(MAX_CHARS, max(_LEAST_CHARS, lengths[int(0.95 * (len(lengths) - 1))])),
        capital=_share(letters, str.isupper) >= _USUAL,
        full_stop=_share(subjects, lambda one: one.endswith(".")) > _USUAL,
        mood=moods.most_common(1)[0][0] if moods else "base",
        conventional=_share(subjects, _CONVENTIONAL.match) > _USUAL,
        scopes=tuple(
            dict.fromkeys(m[2][1:-1] for one in subjects if (m := _CONVENTIONAL.match(one)) and m[2])
        ),
        prefixes=_prefixes(history),
        ticket=_ticket(subjects),
        bodies=_share(history, lambda one: one.has_body) > _USUAL,
        quotes=_share([one for one in bare if _NAME.search(one)], lambda one: "`" in one) > _USUAL,
        latin=_share("".join(subjects), lambda one: one.isascii() or not one.isalpha()) > 0.8,
        seen=len(subjects),
    )


def split(subject: str) -> tuple[str, str]:
    """The prefix of a subject (conventional, or the project's own) and the rest."""
    found = _CONVENTIONAL.match(subject) or _PREFIX.match(subject)
    return (found[0], subject[found.end() :]) if found else ("", subject)


def is_conventional(prefix: str) -> bool:
    """Whether a prefix is one of conventional commits."""
    return _CONVENTIONAL.match(prefix) is not None


def without_ticket(subject: str) -> str:
    """A subject without the ids of tickets and what held them."""
    return _TICKET_WITH_BRACKETS.sub("", subject)


def ticket_of(branch: str) -> str:
    """The id of a ticket that a branch is named after; "" for none."""
    found = _BRANCH_TICKET.search(branch)
    return found[1].upper() if found else ""


def inflect(subject: str, mood: Mood) -> str:
    """``subject``, which begins with a verb in its base form, in another mood."""
    first, space, rest = subject.partition(" ")
    forms = VERBS.get(first.lower())
    if forms is None:
        return subject
    return forms[_ORDER.index(mood)] + space + rest


def _share(items: Sequence[object] | str, test: object) -> float:
    found = [bool(test(one)) for one in items]  # type: ignore[operator]
    return sum(found) / max(len(found), 1)


def _prefixes(history: Sequence[Past]) -> dict[str, str]:
    """The prefix that most subjects about one kind of file have; "" is none."""
    used: dict[FileKind, Counter[str]] = defaultdict(Counter)
    for past in history:
        prefix = "" if _CONVENTIONAL.match(past.subject) else split(past.subject)[0]
        for kind in past.kinds if len(past.kinds) == 1 else ():
            used[kind][prefix] += 1
    found: dict[str, str] = {}
    for kind, counts in used.items():
        prefix, count = counts.most_common(1)[0]
        if prefix and count > _USUAL * counts.total() and count >= 3:
            found[kind] = prefix
    return found


def _ticket(subjects: Sequence[str]) -> str:
    """How tickets are written: "{}: ", "[{}] ", "{} " before the subject, or " ({})" after it."""
    forms: Counter[str] = Counter()
    for subject in subjects:
        found = _TICKET.search(subject)
        if found is None:
            continue
        before, after = subject[: found.start()], subject[found.end() :]
        if not before.strip("[("):
            forms[before + "{}" + re.match(r"[\])]?:?\s*", after)[0]] += 1  # type: ignore[index]
        elif not after.strip("])"):
            forms[" " + before[-1:].strip() + "{}" + after] += 1
    if not forms:
        return ""
    form, count = forms.most_common(1)[0]
    return form if count > _USUAL * len(subjects) else ""
