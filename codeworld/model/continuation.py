"""Going on where nothing follows: the reader's stream, left to right, until the block that it is in ends.

A hole with text on both sides ends where that text begins. Without a suffix nothing says so, and a fill, learnt between
the two, stops after a statement or never; the reader as a plain language model knows how functions end.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from codeworld.model.fill import Allowed
from codeworld.model.reader import SEGMENT, Context, Reader, Stopped, never
from codeworld.model.tokenizer import END, EOF

MOST_TOKENS = SEGMENT - 1


@torch.inference_mode()
def go_on(
    reader: Reader, context: Context, line_before: str, most: int, should_stop: Callable[[], bool] = never
) -> tuple[list[int], str, float]:
    """Greedy continuation of the prefix in ``context``: its ids (beginning with the healed token), its text behind
    what is typed and its log-probability. ``line_before`` is the prefix's last line. Raises Stopped."""
    tokens = reader.tokenizer.token_bytes
    ids: list[int] = []
    written, total = b"", 0.0
    last = reader.prefix_ids[-1]
    allowed = Allowed(reader, context.head, one_line=False)
    later = allowed.bias(first=False).clone()
    later[END], later[EOF] = -torch.inf, 0.0  # a stream ends with the file, not with a hole
    first = allowed.bias(first=True) if context.head else later
    for i in range(min(most, MOST_TOKENS)):
        if should_stop():
            raise Stopped
        hidden = reader.follow(context, last, i)
        logprobs = reader.network.logits(hidden).float().log_softmax(-1) + (later if i else first)
        last = int(logprobs.argmax())
        total += float(logprobs[last])
        if last == EOF:
            break
        ids.append(last)
        written += tokens[last]
        if block_end(line_before, written[len(context.head) :].decode("utf-8", "replace")) is not None:
            break
    text = written[len(context.head) :].decode("utf-8", "replace")
    return ids, text[: block_end(line_before, text)], total


def next_indentation(prefix: str) -> str:
    """What the next line begins with where ``prefix`` ends with a newline (else nothing): the indentation of the last
    line with text, and a step more behind a colon."""
    if not prefix.endswith("\n"):
        return ""
    last = next((line for line in reversed(prefix.splitlines()) if line.strip()), "")
    indent = last[: len(last) - len(last.lstrip())]
    return indent + ("    " if last.rstrip().endswith(":") else "")


def block_end(line_before: str, text: str) -> int | None:
    """Where in ``text``, which continues the line ``line_before``, a line begins that is indented less than the first
    line with text in it; None while there is none."""
    lines = (line_before + text).splitlines(keepends=True)
    at, own = -len(line_before), None
    for line in lines:
        stripped = line.lstrip(" \t")
        if stripped.strip():
            indent = len(line) - len(stripped)
            if own is None:
                own = indent
            elif indent < own:
                return at
        at += len(line)
    return None
