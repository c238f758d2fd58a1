"""What of a document a model reads: as much around the hole as it can use, and no secrets."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from codeworld.canvas import InfillRequest, Seed, Shape
from codeworld.context.definitions import Definitions
from codeworld.context.outline import brought_by, outline
from codeworld.context.secrets import has_secret, is_masked, mask

PREFIX_CHARS = 6_000
SUFFIX_CHARS = 2_000
JUMP_CHARS = 2_000  # the prefix starts at such a multiple, so that typing does not move it and cached states stay valid
OUTLINE_JUMP_CHARS = 500
_OUTLINED_CHARS = 60_000  # on each side: so that a file of a megabyte costs a keystroke no more than others
_READ_CHARS = 1_250  # before the cursor, at least, next to an outline
_MARGIN_CHARS = 4_000  # a key block that begins or ends outside of what is read is still a key block


def build_request(
    text: str,
    cursor_char: int,
    *,
    path: str,
    seeds: tuple[Seed, ...] = (),
    shape: Shape = "line",
    max_candidates: int | None = None,
    steps: int = 0,
    repository: Definitions | None = None,
) -> InfillRequest:
    """The request for the hole at ``cursor_char`` (clamped) of ``text``; with ``repository``, the definitions of the
    other files, it has an outline.

    The prefix is at most PREFIX_CHARS and begins at a line start, the suffix at most SUFFIX_CHARS and ends at a line
    end (inside a line only where one line is longer than that). Line ends become LF. Seeds that hold a secret, also a
    masked one, are left out. ``max_candidates`` None means the default of InfillRequest.
    """
    cursor_char = min(max(cursor_char, 0), len(text))
    start, end = _prefix_start(text, cursor_char), _suffix_end(text, cursor_char)
    margin_start = max(0, start - _MARGIN_CHARS)
    # Masked in one piece: a secret may stand on both sides of the cursor. The length stays, so offsets hold.
    masked = mask(text[margin_start : end + _MARGIN_CHARS])
    request = InfillRequest(
        prefix=_with_lf(masked[start - margin_start : cursor_char - margin_start]),
        suffix=_with_lf(masked[cursor_char - margin_start : end - margin_start]),
        path=path,
        shape=shape,
        outline="" if repository is None else _outline(text, cursor_char, path, repository),
        seeds=tuple(seed for seed in seeds if not has_secret(seed.text) and not is_masked(seed.text)),
        steps=steps,
    )
    return (
        request if max_candidates is None else msgspec.structs.replace(request, max_candidates=max_candidates)
    )


def _outline(text: str, cursor_char: int, path: str, repository: Definitions) -> str:
    """Of what is certainly not read, whatever the device; it stays as it is while the cursor moves a little."""
    start = max(0, (cursor_char - _READ_CHARS) // OUTLINE_JUMP_CHARS * OUTLINE_JUMP_CHARS)
    start = text.rfind("\n", 0, start) + 1
    end = min(len(text), -(-cursor_char // OUTLINE_JUMP_CHARS) * OUTLINE_JUMP_CHARS)
    first, last = max(0, start - _OUTLINED_CHARS), end + _OUTLINED_CHARS
    brought = brought_by(text[first:last], path, repository)
    return _outlined(text[first:start], text[end:last], tuple(brought))


@lru_cache(maxsize=16)  # documents; typing changes neither part
def _outlined(before: str, after: str, brought: tuple[str, ...]) -> str:
    return mask(_with_lf(outline(before + after, len(before), len(before), brought)))


def _prefix_start(text: str, cursor_char: int) -> int:
    if cursor_char <= PREFIX_CHARS:
        return 0
    least = -(-(cursor_char - PREFIX_CHARS) // JUMP_CHARS) * JUMP_CHARS
    line_start = text.find("\n", least - 1, cursor_char) + 1
    return line_start or least


def _suffix_end(text: str, cursor_char: int) -> int:
    most = cursor_char + SUFFIX_CHARS
    if most >= len(text):
        return len(text)
    return text.rfind("\n", cursor_char, most) + 1 or most


def _with_lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
