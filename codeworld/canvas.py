"""The values that travel from a keystroke to an edit: request, candidate, verdict. No torch, no LSP types.

Units are in the names: ``_char`` counts Python characters (code points), ``_nats`` is a natural-log probability.
All of them are msgspec structs, so the same value is an argument, a message on the engine's socket and a line of
``--json`` output.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

Shape = Literal["line", "span"]


class Source(StrEnum):
    """Where a candidate came from."""

    VERIFIED = "verified"  # drafted by the denoiser, kept or corrected token by token by the reader
    DENOISER = "denoiser"  # denoised from an empty canvas, no reader asked
    RETRIEVED = "retrieved"  # copied from the repository
    EDITED = "edited"  # denoised from a retrieved line at partial noise
    READER = "reader"  # decoded left to right by the reader's next-token head
    GIVEN = "given"  # written by the caller, who wants to know its probability
    REVISED = "revised"  # the first of the caller's, with a token that the denoiser would rather see
    READ = "read"  # no fill: each line of the prefix, as likely as the reader finds it behind those before it


class Seed(msgspec.Struct, frozen=True):
    """A line that follows the same neighbouring lines elsewhere in the repository.

    ``order`` says which neighbours agreed: 3 = previous and next line, 2 = two previous lines, 1 = previous line.
    ``support`` of the ``total`` places with those neighbours continue with this text.
    """

    text: str
    order: int
    support: int
    total: int


class InfillRequest(msgspec.Struct, frozen=True):
    """One hole: ``prefix`` and ``suffix`` are the document's text on its two sides, already budgeted and cleared of
    secrets; ``outline`` are lines about what is beyond them (``codeworld.context.outline``; of use with a path only).
    ``shape`` "line": the fill ends before the first newline; "span": the fill may have several lines and its length is
    unknown."""

    prefix: str
    suffix: str
    path: str = ""
    shape: Shape = "line"
    seeds: tuple[Seed, ...] = ()
    max_candidates: int = 4
    steps: int = 0  # passes of the model per candidate at most; 0 = its default for the device
    alternatives: int = (
        0  # second choices that are followed as well, and candidates compared by ``joint_nats``: for
    )
    # who can wait, twice the time or so
    least_logprob_nats: float = -1e9  # a fill that has become less likely than this is not finished
    sources: tuple[Source, ...] = (Source.VERIFIED, Source.RETRIEVED)  # the others added nothing to these
    given: tuple[str, ...] = ()  # fills to score (source GIVEN); those longer than a canvas are left out
    outline: str = ""


class Candidate(msgspec.Struct, frozen=True):
    """One proposed fill and what the models think of it.

    ``logprob_nats`` is the reader's own probability of ``text`` followed by the end of the hole, summed over
    ``tokens`` tokens; ``certainty`` is the denoiser's mean probability of the tokens it revealed, in [0, 1]
    (0 when it was not asked); ``steps`` counts passes of the model. ``joint_nats``, to be compared among the candidates
    of one hole, is the reader's log-probability of the text and the beginning of the suffix, read as they stand behind
    the prefix. Of source REVISED ``logprob_nats`` is the probability of the new token against the old one, or, of the
    unchanged text, that the quality head finds no token of it wrong; of source READ that of the line's least likely
    token.
    """

    text: str
    source: Source
    logprob_nats: float
    tokens: int
    certainty: float = 0.0
    steps: int = 0
    seed: Seed | None = None
    joint_nats: float | None = None
    confidence: float = 0.0  # calibrated probability of being exactly right; set by codeworld.ranking


class InfillReply(msgspec.Struct, frozen=True):
    """Candidates, best first; empty when there is nothing to offer. Of source READ, asked for alone, they are the
    prefix's last lines in their order, as many as the reader sees."""

    candidates: tuple[Candidate, ...]
    latency_ms: float  # time in the model, queueing excluded
    device: str
    model: str


class Accept(msgspec.Struct, frozen=True, tag="accept"):
    """The candidate passed every check; ``text`` may be shorter than the candidate's (trailing repetition cut)."""

    candidate: Candidate
    text: str


class Reject(msgspec.Struct, frozen=True, tag="reject"):
    """Why nothing is shown. A refusal is a value, never an exception."""

    reason: str  # a short stable code such as "parse", "repeats-suffix", "below-threshold"
    detail: str = ""


Verdict = Accept | Reject
