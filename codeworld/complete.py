"""From a cursor to a completion: the one pipeline of the command line and the language server.

Nothing here reads a clock, a file or a socket beyond what is passed in: ``prepare`` says what to ask the engine, the
caller asks it, ``choose`` says what of the reply is shown. A refusal is a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from codeworld import ranking
from codeworld.canvas import Accept, Candidate, InfillReply, InfillRequest, Reject, Seed, Shape, Verdict
from codeworld.context.budget import build_request
from codeworld.context.ignore import IgnoreRules
from codeworld.context.retrieval import RepositoryIndex
from codeworld.context.secrets import mask
from codeworld.syntax.document import Snapshot
from codeworld.syntax.position import LINE_END
from codeworld.verify.checks import verify
from codeworld.verify.settings import CompletionSettings

__all__ = ["CompletionSettings", "choose", "continuations", "prepare"]

# Of 84 lines of held-out repositories that the model thought less likely, one was right; they took the longest to make.
_LEAST_LOGPROB_NATS = -6.0
_SEED_LINES = 4  # of a retrieved block, where several lines are asked for


def prepare(
    snapshot: Snapshot,
    cursor_char: int,
    *,
    path: str,
    index: RepositoryIndex | None,
    rules: IgnoreRules | None,
    settings: CompletionSettings,
) -> InfillRequest | Reject:
    """What to ask the engine for the hole at ``cursor_char``, or why nothing is asked.

    ``path`` is relative to the root of ``index`` and ``rules``; either may be None where there is no repository.
    Reasons: "bad-position", "ignored", "in-word", "in-comment", "in-string".
    """
    if not 0 <= cursor_char <= len(snapshot.text):
        return Reject("bad-position", f"character {cursor_char} of {len(snapshot.text)}")
    refusal = _wrong_place(snapshot, cursor_char, settings)
    if refusal is not None:
        return refusal
    if rules is not None and path and not rules.allows(Path(path)):
        return Reject("ignored", path)
    request = build_request(
        snapshot.text,
        cursor_char,
        path=path,
        seeds=_seeds(snapshot, cursor_char, path, index, settings),
        shape=_shape(settings),
        repository=index.definitions if index is not None and path else None,
    )
    if settings.threshold is None and not settings.multiline:
        request = msgspec.structs.replace(request, least_logprob_nats=_LEAST_LOGPROB_NATS)
    return request


def choose(
    snapshot: Snapshot,
    cursor_char: int,
    reply: InfillReply,
    settings: CompletionSettings,
    doubt: Callable[[str], float] = lambda _: 0.0,
) -> Verdict:
    """The best candidate that passes every check, or why there is none. ``doubt``: see ``ranking.rank``.

    Without one, the reason is that of the most confident candidate; "no-candidate" when the reply is empty, and
    "below-threshold" when nobody would trust it.
    """
    ranked = ranking.rank(reply.candidates, shape=_shape(settings), doubt=doubt)
    threshold = ranking.DEFAULT_THRESHOLD if settings.threshold is None else settings.threshold
    first_refusal: Reject | None = None
    for candidate in ranked:
        verdict = _judge(snapshot, cursor_char, candidate, threshold, settings)
        if isinstance(verdict, Accept):
            return verdict
        first_refusal = first_refusal or verdict
    return first_refusal or Reject("no-candidate")


def continuations(snapshot: Snapshot, cursor_char: int, text: str) -> Iterator[tuple[Snapshot, int]]:
    """The holes to expect once ``text`` is accepted: right behind it and, at the end of a line, below."""
    accepted, end = snapshot.edited(cursor_char, cursor_char, text), cursor_char + len(text)
    yield accepted, end
    if not accepted.line_after(end):
        indent = accepted.indentation(accepted.row_at(end))
        if text.endswith(":"):
            indent += accepted.indent_unit
        below = accepted.newline + indent
        yield accepted.edited(end, end, below), end + len(below)


def _shape(settings: CompletionSettings) -> Shape:
    return "span" if settings.multiline else "line"


def _judge(
    snapshot: Snapshot, cursor_char: int, candidate: Candidate, threshold: float, settings: CompletionSettings
) -> Verdict:
    if candidate.confidence < threshold:
        return Reject("below-threshold", f"{candidate.confidence:.2f} < {threshold:.2f}")
    return verify(snapshot, cursor_char, candidate, settings)


def _wrong_place(snapshot: Snapshot, cursor_char: int, settings: CompletionSettings) -> Reject | None:
    around = snapshot.text[max(0, cursor_char - 1) : cursor_char + 1]
    if len(around) == 2 and f"_{around}".isidentifier() and cursor_char > 0 and not settings.in_words:
        return Reject("in-word")
    place = snapshot.place(cursor_char)
    if place == "comment" and not settings.in_comments:
        return Reject("in-comment")
    if place == "string" and not settings.in_strings:
        return Reject("in-string")
    return None


def _seeds(
    snapshot: Snapshot,
    cursor_char: int,
    path: str,
    index: RepositoryIndex | None,
    settings: CompletionSettings,
) -> tuple[Seed, ...]:
    if index is None:
        return ()
    row = snapshot.row_at(cursor_char)
    # A seed may be the end of a line whose start says that it is a secret.
    lines = LINE_END.split(mask(snapshot.text))
    return index.seeds(
        lines[:row],
        snapshot.line_before(cursor_char),
        lines[row + 1 :],
        exclude=path,
        max_lines=_SEED_LINES if settings.multiline else 1,
    )
