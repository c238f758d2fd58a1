"""What the code model is asked for a docstring, and what of its answer is taken."""

from __future__ import annotations

import ast
from collections.abc import Callable

import msgspec

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Source
from textdiff.code_writer import PASSES, CodeWriter, asking
from textdiff.source import commit_source, docstring_source

CODE = (
    "@cached\ndef area(self, scale: dict = {'a': 1}) -> float:  # square metres\n    return self.w * self.h"
)
SOURCE = docstring_source(CODE, path="a.py", name="Box.area", around=["A box.", "Return the width."])


def infill(text: str, steps: int = 3) -> Callable[[InfillRequest], InfillReply]:
    """A model that always writes the same, at half a nat a token."""
    candidate = Candidate(text=text, source=Source.VERIFIED, logprob_nats=-2.0, tokens=4, steps=steps)
    return lambda request: InfillReply(candidates=(candidate,), model="", device="cpu", latency_ms=0.0)


def test_the_hole_is_between_the_quotes_and_what_is_told_first_stands_last() -> None:
    request = asking(SOURCE)
    assert request is not None
    filled = request.prefix + "Return the area." + request.suffix
    functions = [node for node in ast.parse(filled).body if isinstance(node, ast.FunctionDef)]
    assert [(one.name, ast.get_docstring(one)) for one in functions] == [
        ("other", "Return the width."), ("other", "A box."), ("area", "Return the area."),
    ]  # fmt: skip
    bare = functions[-1]
    bare.body = bare.body[1:]
    assert ast.dump(bare) == ast.dump(ast.parse(CODE).body[0])


def test_only_the_summary_of_an_answer_that_ends_is_taken() -> None:
    written = CodeWriter(infill("Return the area.\n\n    Args:\n        scale: it"))
    found = written("docstring", SOURCE, allowed=bool)
    assert [(one.text, one.confidence) for one in found] == [("Return the area.", 0.6065)]
    assert written("docstring", SOURCE, allowed=lambda text: False) == []
    assert written("commit", commit_source(""), allowed=bool) == []
    assert CodeWriter(infill("Return the area of", PASSES)).draft(SOURCE) is None
    assert CodeWriter(infill("")).draft(SOURCE) is None


def test_nothing_is_asked_about_half_a_header() -> None:
    def never(request: InfillRequest) -> InfillReply:
        raise AssertionError(msgspec.structs.asdict(request))

    assert CodeWriter(never).draft(docstring_source("def area(self,", path="a.py", name="area")) is None
