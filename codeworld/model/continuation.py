"""Going on where nothing follows: the reader's stream, left to right, until the block that it is in ends.

A hole with text on both sides ends where that text begins. Without a suffix nothing says so, and a fill, learnt between
the two, stops after a statement or never; the reader as a plain language model knows how functions end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import torch
from torch import Tensor

from codeworld.model.fill import Allowed
from codeworld.model.reader import SEGMENT, Context, Reader, Stopped, never
from codeworld.model.speculate import Turn
from codeworld.model.tokenizer import END, EOF

MOST_TOKENS = SEGMENT - 1


class Continuation(msgspec.Struct):
    """What follows a prefix: ``ids`` begin with the healed token, ``text`` is what stands behind what is typed.
    ``turns`` are its second choices."""

    ids: list[int]
    logprob_nats: float
    text: str = ""
    turns: list[Turn] = []


@torch.inference_mode()
def go_on(
    reader: Reader, context: Context, line_before: str, most: int, should_stop: Callable[[], bool] = never,
    turn: Turn | None = None, path: Sequence[int] = (), least_logprob_nats: float = -torch.inf,
) -> Continuation:  # fmt: skip
    """Greedy continuation of the prefix in ``context``, or the one that leaves ``path`` at ``turn``; what ``path`` was
    read with must still lie in the reader's memory up to there. It stops where it gets less likely than that.
    ``line_before`` is the prefix's last line. Raises Stopped."""
    tokens, typed = reader.tokenizer.token_bytes, len(context.head)
    found = Continuation([*path[: turn.at], turn.token], turn.logprob_nats) if turn else Continuation([], 0.0)
    first, later = _allowed(reader, context)
    written = b"".join(tokens[token] for token in found.ids)
    ended = bool(found.ids) and found.ids[-1] == EOF
    for i in range(len(found.ids), min(most, MOST_TOKENS)):
        text = written[typed:].decode("utf-8", "replace")
        if ended or (written and block_end(line_before, text) is not None):
            break
        if found.logprob_nats < least_logprob_nats:
            break
        if should_stop():
            raise Stopped
        hidden = reader.follow(context, found.ids[-1] if i else reader.prefix_ids[-1], i)
        logprobs = reader.network.logits(hidden).float().log_softmax(-1) + (later if i else first)
        (best, other), (token, second) = (part.tolist() for part in logprobs.flatten().topk(2))
        found.turns.append(Turn(i, second, found.logprob_nats + other))
        found.logprob_nats += best
        found.ids.append(token)
        written += tokens[token]
        ended = token == EOF
    if ended:
        found.ids.pop()
    text = written[typed:].decode("utf-8", "replace")
    found.text = text[: block_end(line_before, text)]
    return found


def others(
    reader: Reader, context: Context, line_before: str, greedy: Continuation, count: int, margin_nats: float, most: int,
    should_stop: Callable[[], bool] = never,
) -> list[Continuation]:  # fmt: skip
    """Continuations that leave the greedy one at its ``count`` least certain choices, while they are no more than
    ``margin_nats`` less likely. Raises Stopped."""
    least = greedy.logprob_nats - margin_nats
    turns = sorted(greedy.turns, key=lambda turn: -turn.logprob_nats)[:count]
    # The last turn first: it leaves in the reader's memory what the earlier ones need.
    turns = sorted((turn for turn in turns if turn.logprob_nats >= least), key=lambda turn: -turn.at)
    made = [go_on(reader, context, line_before, most, should_stop, turn, greedy.ids, least) for turn in turns]
    return [one for one in made if one.logprob_nats >= least]


def _allowed(reader: Reader, context: Context) -> tuple[Tensor, Tensor]:
    """Biases of the first token and of the later ones: a stream ends with the file, not with a hole."""
    allowed = Allowed(reader, context.head, one_line=False)
    later = allowed.bias(first=False).clone()
    later[END], later[EOF] = -torch.inf, 0.0
    return allowed.bias(first=True) if context.head else later, later


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
