"""A subject in the project's style: prefix, mood, capital, full stop, ticket, length."""

from __future__ import annotations

from pathlib import PurePosixPath

from textdiff.commit.diff import Diff
from textdiff.commit.facts import Facts
from textdiff.commit.kinds import FileKind, kind_of
from textdiff.commit.style import Style, inflect, is_conventional, split, ticket_of, without_ticket


def dress(subject: str, diff: Diff, facts: Facts, style: Style, *, as_written: bool) -> str:
    """``subject`` as the project would write it; "" when it does not fit into a line. One that is taken over from the
    project (``as_written``) keeps its own prefix, mood and capital."""
    subject = without_ticket(subject).strip()
    prefix, rest = split(subject) if as_written else ("", subject)
    rest = rest.rstrip(" .:;,")
    if not rest:
        return ""
    if not as_written:
        rest = _cased(inflect(rest, style.mood), style.capital)
        rest = rest if style.quotes else rest.replace("`", "")
    if style.conventional and not is_conventional(prefix):
        prefix = f"{facts.type}{_scope(diff, style)}: "
    elif not style.conventional and not as_written:
        prefix = style.prefixes.get(_only_kind(diff), "")
    rest += "." if style.full_stop else ""
    ticket = ticket_of(diff.branch) if style.ticket else ""
    form = style.ticket if ticket else ""
    before, after = (form, "") if not form.startswith(" ") else ("", form)
    whole = (
        (before.format(ticket) if before else "") + prefix + rest + (after.format(ticket) if after else "")
    )
    return whole if len(whole) <= style.limit_chars else ""


def bare(subject: str, style: Style) -> str:
    """What of a dressed subject has to be true of the diff: prefixes and tickets are the project's words."""
    return split(without_ticket(subject).strip())[1]


def _cased(text: str, capital: bool) -> str:
    first = text.split(" ", 1)[0]
    if capital:
        return text[0].upper() + text[1:] if first.isalpha() and first.islower() else text
    return text[0].lower() + text[1:] if first.isalpha() and first[1:].islower() else text


def _only_kind(diff: Diff) -> FileKind:
    """The kind of the files, that of code when they differ."""
    kinds = {kind_of(one.path) for one in diff.files}
    return kinds.pop() if len(kinds) == 1 else "code"


def _scope(diff: Diff, style: Style) -> str:
    """A scope the project has used that all code files lie in."""
    places = []
    for one in diff.files:
        pure = PurePosixPath(one.path)
        if kind_of(one.path) == "code":
            places.append({*pure.parts, pure.stem, str(pure), str(pure.parent)})
    inside = set.intersection(*places) if places else set()
    found = [scope for scope in style.scopes if scope in inside]
    return f"({found[0]})" if found else ""
