"""Repair of what a type checker complains of: the complaint is gone and no other one is new, or nothing is offered."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from codeworld.canvas import Reject
from codeworld.repair.edits import Fix, apply
from codeworld.repair.program import Program
from codeworld.repair.type_edits import type_proposals
from codeworld.repair.verify import check
from codeworld.verify.type_check import Complaint

# What a checker says of a text; None without an answer.
Checker = Callable[[str], Sequence[Complaint] | None]

_MOST_COMPLAINTS = 5  # that are tried to repair, where nobody names one
_MOST_CHECKED = 40  # texts: a checker takes a second for each
_MOST_FIXES = 3
_STRANGE = 2.0  # cost of a fix that is as likely to be none of ours


def repair_types(
    text: str,
    complaint: Complaint,
    checker: Checker,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Fix] | Reject:
    """Fixes of ``complaint``, an error that ``checker`` reports for ``text``; best first, at most three. Reasons:
    "parse", "no-answer", "nothing-wrong", "no-candidate", "cancelled". Raises what ``checker`` raises."""
    try:
        program = Program.of(text)
    except (SyntaxError, ValueError, RecursionError):
        return Reject("parse")
    said = checker(text)
    if said is None:
        return Reject("no-answer")
    before = Counter(one.message for one in said)
    if not before[complaint.message]:
        return Reject("nothing-wrong")
    proposals = type_proposals(program, complaint)
    seen, found, tried = {text}, list[tuple[float, Fix]](), 0
    for one in proposals:
        after = apply(text, one.edits)
        passed = check(text, after) if after not in seen else Reject("known")
        if isinstance(passed, Reject):
            continue
        seen.add(after)
        if should_stop():
            return Reject("cancelled")
        tried += 1
        progress(tried, _MOST_CHECKED)
        if _is_better(before, complaint, checker(after)):
            found.append((one.cost, Fix(one.edits, after, one.kind, 0.0, (*passed, "types"))))
        if tried == _MOST_CHECKED or len(found) == _MOST_FIXES:
            break
    return _shared(found) if found else Reject("no-candidate")


def repair_complaints(
    text: str,
    checker: Checker,
    *,
    threshold: float = 0.5,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Fix] | Reject:
    """Fixes of the first complaint about ``text`` that can be repaired with confidence; see ``repair_types``."""
    said = checker(text)
    refused = Reject("no-answer") if said is None else Reject("nothing-wrong", "the type checker is content")
    for one in (said or ())[:_MOST_COMPLAINTS]:
        found = repair_types(text, one, checker, should_stop=should_stop, progress=progress)
        if not isinstance(found, Reject):
            sure = [fix for fix in found if fix.confidence >= threshold]
            if sure:
                return sure
            refused = Reject("below-threshold", f"{found[0].confidence:.2f} < {threshold:.2f}")
        elif found.reason == "cancelled":
            return found
        else:
            refused = found
    return refused


def _is_better(before: Counter[str], complaint: Complaint, after: Sequence[Complaint] | None) -> bool:
    if after is None:
        return False
    left = Counter(one.message for one in after)
    return left[complaint.message] < before[complaint.message] and not left - before


def _shared(found: Sequence[tuple[float, Fix]]) -> list[Fix]:
    """With the confidence that the costs of those which pass give them."""

    whole = sum(math.exp(-cost) for cost, _ in found) + math.exp(-_STRANGE)
    return [msgspec.structs.replace(fix, confidence=round(math.exp(-cost) / whole, 4)) for cost, fix in found]
