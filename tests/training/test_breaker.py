"""Bugs that the model would make: programs that parse and say something else, in the line that is told."""

from __future__ import annotations

import ast
import random

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Source
from codeworld.training.breaker import bugs_in

TEXT = '''def mean(xs, ys):
    """The mean."""
    total = sum(xs)
    count = len(xs)
    return total / count
'''


def infill(request: InfillRequest) -> InfillReply:
    """A model that confuses what it sees, and also writes what does not parse, is unknown, or says the same."""
    own = request.given[0]
    texts = {
        own: 0.9,
        own.replace("xs", "ys"): 0.5,
        own.replace("xs", "zs"): 0.6,
        own + "(": 0.7,
        own + "  ": 0.8,
    }
    texts |= {own.replace("total /", "total *"): 0.4, own.replace("sum", "max"): 0.001}
    found = [Candidate(text, Source.REVISED, 0.0, 1, certainty=odds) for text, odds in texts.items()]
    return InfillReply(tuple(found), 0.0, "", "")


def test_bugs_are_other_programs_with_known_names_in_one_line() -> None:
    found = [*bugs_in(TEXT, range(6), infill, random.Random(0))]
    assert {one.line for one in found} == {2, 3, 4}  # not the docstring
    for one in found:
        before, after = one.text.split("\n"), TEXT.split("\n")
        assert [at for at in range(len(after)) if before[at] != after[at]] == [one.line]
        assert ast.dump(ast.parse(one.text)) != ast.dump(ast.parse(TEXT))
        assert "zs" not in one.text
        assert one.odds in (0.4, 0.5)


def test_only_wanted_lines_are_broken() -> None:
    assert [one.line for one in bugs_in(TEXT, range(3, 4), infill, random.Random(0))] == [3]
    assert not [*bugs_in(TEXT, range(2), infill, random.Random(0))]
