"""A close look at one place: how likely it is as it stands and changed, and what the model would write there.

The model masks one token after the other (the denoiser says what it would rather see, the quality head what is wrong),
the expressions around the token that it doubts most, and the whole line; what it then fills in is drafted by the
denoiser and verified by the reader. All texts are of the whole place, so that their probabilities compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from codeworld.canvas import Candidate, Source
from codeworld.repair.edits import difference
from codeworld.repair.places import Place, hole, parts_at
from codeworld.repair.program import Program
from codeworld.repair.rank import Infill

_SECOND = 1  # choice beside the model's first
_PASSES = 6  # of the model for one of them: what takes more is no small change
_PARTS = 1  # expressions that are masked


class Rewriting(NamedTuple):
    """``text`` in the place, written by masking a "token", a "part" or the "line"; ``odds`` are the denoiser's, of a
    new token against the old one, 0 for the others."""

    text: str
    unit: str
    odds: float = 0.0


class Look(NamedTuple):
    """``nats``: the reader's log-probability of each text, ``own`` (the place as it is) among them unless it is a gap
    or longer than a canvas. ``doubt``: the quality head's, that some token of it is wrong."""

    nats: dict[str, float]
    written: list[Rewriting]
    doubt: float


def look(program: Program, place: Place, given: Sequence[str], infill: Infill, *, writes: bool) -> Look:
    """``given`` are other texts for the place; ``writes``: whether the model writes its own. Raises what ``infill``
    raises."""
    text = program.text
    own = text[place.start : place.end]
    asked = tuple(dict.fromkeys([own, *given] if own else given))
    sources = (Source.GIVEN,)
    if writes:
        sources = (Source.GIVEN, Source.VERIFIED, *(() if place.is_gap else (Source.REVISED,)))
    request = hole(text, place, asked, sources)
    if writes:
        request = msgspec.structs.replace(request, shape="line", alternatives=_SECOND, steps=_PASSES)
    reply = infill(request).candidates
    nats = {one.text: one.logprob_nats for one in reply}
    written = [_rewriting(one) for one in reply if one.source != Source.GIVEN and _says_more(one.text, own)]
    revised = [one for one in reply if one.source == Source.REVISED]
    doubt = next((1.0 - one.certainty for one in revised if one.text == own), 0.0)
    others = sorted((one for one in revised if one.text != own), key=lambda one: -one.certainty)
    if others:
        parts = _parts(program, place, others[0].text, infill)
        new = tuple({one.text for one in parts} - nats.keys())
        if new:
            scored = infill(hole(text, place, new, (Source.GIVEN,))).candidates
            nats |= {one.text: one.logprob_nats for one in scored}
        written += [one for one in parts if one.text in nats]
    return Look(nats, written, doubt)


def _parts(program: Program, place: Place, revised: str, infill: Infill) -> list[Rewriting]:
    """The place with an expression written anew: one of those around the first change that the denoiser would make."""
    text, own = program.text, program.text[place.start : place.end]
    char = place.start + difference(own, revised)[0].start_char
    found = dict[str, Rewriting]()
    for part in parts_at(program, place, char, _PARTS):
        request = msgspec.structs.replace(
            hole(text, part, (), (Source.VERIFIED,)), shape="line", alternatives=_SECOND, steps=_PASSES
        )
        for one in infill(request).candidates:
            whole = text[place.start : part.start] + one.text + text[part.end : place.end]
            if one.source == Source.VERIFIED and one.text.strip() and _says_more(whole, own):
                found.setdefault(whole, Rewriting(whole, "part"))
    return list(found.values())


def _rewriting(one: Candidate) -> Rewriting:
    if one.source == Source.REVISED:
        return Rewriting(one.text, "token", one.certainty)
    return Rewriting(one.text, "line")


def _says_more(text: str, own: str) -> bool:
    return bool(text.strip()) and text != own
