"""What the user decided about completions."""

from __future__ import annotations

import msgspec


class CompletionSettings(msgspec.Struct, frozen=True):
    """``threshold``: least calibrated confidence that is shown, in [0, 1]; None = the one shipped with the weights.

    ``open_headers`` lets a line such as ``if x:`` through although its body is still to be typed, where the file does
    not parse as it is (``if x|``). It would parse with another line in its place, so this is for live typing only.
    """

    threshold: float | None = None
    in_comments: bool = False
    in_strings: bool = False
    in_words: bool = False  # between two characters of a name
    multiline: bool = False
    open_headers: bool = False
