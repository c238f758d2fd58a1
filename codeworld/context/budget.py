"""What of a document a model reads: as much around the hole as it can use, and no secrets."""

from __future__ import annotations

import msgspec

from codeworld.canvas import InfillRequest, Seed, Shape
from codeworld.context.secrets import has_secret, is_masked, mask

PREFIX_CHARS = 6_000
SUFFIX_CHARS = 2_000
JUMP_CHARS = 2_000  # the prefix starts at such a multiple, so that typing does not move it and cached states stay valid
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
) -> InfillRequest:
    """The request for the hole at ``cursor_char`` (clamped) of ``text``.

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
        seeds=tuple(seed for seed in seeds if not has_secret(seed.text) and not is_masked(seed.text)),
        steps=steps,
    )
    return (
        request if max_candidates is None else msgspec.structs.replace(request, max_candidates=max_candidates)
    )


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
