"""The checks that a candidate passes before anybody sees it: an ordered list of small functions.

Each takes a ``Case`` and returns it, perhaps with a better text, or a ``Reject``. Order matters: what changes the text
comes before what judges it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence

import msgspec

from codeworld.canvas import Accept, Candidate, Reject, Verdict
from codeworld.context import secrets
from codeworld.syntax.document import Snapshot
from codeworld.verify.indentation import fit_indentation
from codeworld.verify.parsing import Piece, count_errors, is_beyond_repair, parses, pieces, stands_alone
from codeworld.verify.repetition import cuts_of_line, cuts_of_lines, is_telling
from codeworld.verify.settings import CompletionSettings

# Control characters, what a broken decoder writes, and characters that make code look like other code.
_UNPRINTABLE = re.compile(
    r"[^\S \t\r\n]|[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufffd]"
)
_LOOP = re.compile(r"(?P<unit>.{8,}?)(?P=unit){2}", re.DOTALL)


class Case(msgspec.Struct, frozen=True):
    """``text`` would be inserted at ``cursor_char`` of ``snapshot``; nothing is replaced."""

    snapshot: Snapshot
    cursor_char: int
    text: str
    settings: CompletionSettings

    def with_text(self, text: str) -> Case:
        """The same hole, another fill."""
        return Case(self.snapshot, self.cursor_char, text, self.settings)

    @property
    def line_before(self) -> str:
        """The cursor's line up to the cursor."""
        return self.snapshot.line_before(self.cursor_char)

    @property
    def line_after(self) -> str:
        """The cursor's line from the cursor on."""
        return self.snapshot.line_after(self.cursor_char)


def verify(
    snapshot: Snapshot, cursor_char: int, candidate: Candidate, settings: CompletionSettings
) -> Verdict:
    """Put a candidate through CHECKS. ``Accept.text`` is what to insert; see Reject.reason for the codes in use."""
    case = Case(snapshot, cursor_char, candidate.text, settings)
    for check in CHECKS:
        checked = check(case)
        if isinstance(checked, Reject):
            return checked
        case = checked
    return Accept(candidate, case.text)


def place(case: Case) -> Case | Reject:
    """Code only, unless the user asks for prose. Reasons: "in-comment", "in-string"."""
    where = case.snapshot.place(case.cursor_char)
    if where == "comment" and not case.settings.in_comments:
        return Reject("in-comment")
    if where == "string" and not case.settings.in_strings:
        return Reject("in-string")
    return case


def shape(case: Case) -> Case:
    """A fill of one line ends before its first line end; one of several has the document's line ends."""
    text = re.sub(r"\r\n?", "\n", case.text)
    if not case.settings.multiline:
        return case.with_text(text.partition("\n")[0])
    return case.with_text(text.replace("\n", case.snapshot.newline))


def printable(case: Case) -> Case | Reject:
    """Nothing invisible. Reason: "unprintable"."""
    found = _UNPRINTABLE.search(case.text)
    return Reject("unprintable", f"U+{ord(found[0]):04X}") if found else case


def trim(case: Case) -> Case | Reject:
    """No whitespace at the end of a line, and something left. Reason: "empty"."""
    text = re.sub(r"[ \t]+(?=\r?\n)", "", case.text)
    if not case.line_after.strip():
        text = text.rstrip()
    return case.with_text(text) if text.strip() else Reject("empty")


def indentation(case: Case) -> Case | Reject:
    """Tabs or spaces as the document has them, at levels that it has. Reason: "indentation"."""
    text = fit_indentation(case.snapshot, case.cursor_char, case.text)
    return Reject("indentation") if text is None else case.with_text(text)


def repeated_suffix(case: Case) -> Case | Reject:
    """What follows the cursor is not offered again: it is cut off the fill's end. Reason: "repeats-suffix".

    Where the repeated part is punctuation, as in ``foo(|)`` and ``bar()``, the whole fill may be meant: then the first
    of the cuts that parses is right, the longest first.
    """
    rest = case.line_after
    if rest.strip():
        row = case.snapshot.row_at(case.cursor_char) + 1 + case.text.count("\n")
        cuts = cuts_of_line(case.text, case.snapshot.text[case.cursor_char : case.snapshot.line_start(row)])
    else:
        cuts = cuts_of_lines(case.line_before, case.text, _lines_after(case))
    repeated = case.text[cuts[0] :] if cuts else ""
    if not repeated:
        return case
    for end in cuts:
        shorter = case.text[:end] if rest.strip() else case.text[:end].rstrip()
        if shorter.strip() and not isinstance(parse(case.with_text(shorter)), Reject):
            return case.with_text(shorter)
    return Reject("repeats-suffix", repeated.strip()) if is_telling(repeated) else case


def repeated_prefix(case: Case) -> Case | Reject:
    """Not the line above again. Reason: "repeats-prefix"."""
    row = case.snapshot.row_at(case.cursor_char)
    above = next((line for r in range(row - 1, -1, -1) if (line := case.snapshot.line(r)).strip()), "")
    first, line_end, _ = case.text.partition(case.snapshot.newline)
    line = case.line_before + first + ("" if line_end else case.line_after)
    return (
        Reject("repeats-prefix", line.strip())
        if is_telling(line) and line.rstrip() == above.rstrip()
        else case
    )


def loop(case: Case) -> Case | Reject:
    """Not the same thing over and over, as small models do when they are lost. Reason: "repeats-itself"."""
    found = _LOOP.search(case.text + case.snapshot.newline)
    return Reject("repeats-itself", found["unit"].strip()) if found and is_telling(found["unit"]) else case


def secret(case: Case) -> Case | Reject:
    """No credential, whole or completed, and none of the masks that stand for one. Reason: "secret"."""
    if secrets.is_masked(case.text):
        return Reject("secret", "a masked literal")
    before = case.line_before
    start, end = len(before), len(before) + len(case.text)
    found = secrets.find(before + case.text + case.line_after)
    return Reject("secret") if any(first < end and last > start for first, last in found) else case


def parse(case: Case) -> Case | Reject:
    """The file parses afterwards. Reason: "parse".

    More exactly: tree-sitter sees no more errors than before, and CPython takes every piece of the file, but for pieces
    that were broken already and cannot have to do with the hole: the same before and after, not next to anything that
    changed, and without a bracket or quote that could belong to a partner elsewhere, unless the lines above the hole
    are broken for good. So a file that parses with *any* line in the hole still does. Without CPython's word (another
    language) only tree-sitter is asked.
    """
    after = case.snapshot.edited(case.cursor_char, case.cursor_char, case.text)
    if count_errors(after) <= count_errors(case.snapshot) and _is_sound(case, after):
        return case
    opens = case.settings.open_headers and case.text.endswith(":") and not case.line_after.strip()
    if opens and not all(parses(piece) for _, piece in pieces(case.snapshot)):
        end = case.cursor_char + len(case.text)
        if _is_sound(case, after.edited(end, end, " pass")):
            return case
    return Reject("parse")


def _is_sound(case: Case, after: Snapshot) -> bool:
    if after.language != "python":
        return True
    new = [piece for _, piece in pieces(after)]
    broken = [at for at, piece in enumerate(new) if not parses(piece)]
    if not broken:
        return True
    starts, old = zip(*pieces(case.snapshot), strict=True)
    hole = bisect_right(starts, case.snapshot.to_byte(case.cursor_char)) - 1
    unchanged = min(hole, _common(old, new))
    shared = min(len(old) - hole - 1, len(new) - unchanged, _common(old[::-1], new[::-1]))
    after_change = len(new) - shared
    # The neighbours of what changed must be sound too, so that nothing reaches from the hole to a broken piece.
    if any(unchanged - 1 <= at <= after_change for at in broken):
        return False
    above = case.snapshot.text[: case.cursor_char - len(case.line_before)]
    return all(stands_alone(new[at]) for at in broken) or is_beyond_repair(above)


def _common(one: Sequence[Piece], other: Sequence[Piece]) -> int:
    """How many pieces two documents have in common from the start."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _lines_after(case: Case) -> list[str]:
    """The next lines that are not blank, as many as the fill has."""
    snapshot, wanted = case.snapshot, case.text.count("\n") + 1
    found: list[str] = []
    for row in range(snapshot.row_at(case.cursor_char) + 1, snapshot.line_count):
        line = snapshot.line(row)
        if line.strip():
            found.append(line)
        if len(found) == wanted:
            break
    return found


CHECKS: tuple[Callable[[Case], Case | Reject], ...] = (
    place,
    shape,
    printable,
    trim,
    indentation,
    repeated_suffix,
    repeated_prefix,
    loop,
    secret,
    parse,
)
