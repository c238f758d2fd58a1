"""A learned breaker: ``python -m codeworld.training.breaker OUT.jsonl FILE… [--most N]``.

Masks one token after the other of lines that are right and takes what the model would rather have there, where that is
another program: mistakes that somebody who writes likely code would make, unlike a token drawn at random. A row of OUT
has the broken text and the clean one, as a commit that fixes a line has them (``before``, ``after``, ``line``), so that
what is learnt or measured from mined fixes can be from these (break-it-fix-it, Yasunaga and Liang 2021). The rows of
either, through ``xz``, are a shard of the corpus like others: the trainer takes ``after`` for the file and shows the
line as it was (``codeworld.training.stream.record_of``).
"""

from __future__ import annotations

import argparse
import ast
import random
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from codeworld.canvas import Reject, Source
from codeworld.repair.edits import difference
from codeworld.repair.places import hole, line_at
from codeworld.repair.program import Program
from codeworld.repair.rank import Infill
from codeworld.repair.verify import check

_MOST_LINE_CHARS = 160
_STATEMENTS = (ast.Assign, ast.AugAssign, ast.Return, ast.If, ast.While, ast.For)  # a slip may be in
_LEAST_ODDS = 0.02  # of the wrong token against the right one: what is less likely nobody would write


class Bug(NamedTuple):
    """``text`` is broken in ``line`` (from 0). ``odds``: the denoiser's, of the wrong token against the right one."""

    text: str
    line: int
    odds: float


class LineFix(msgspec.Struct, frozen=True):
    """``line`` (from 0) of ``before`` became another line in ``after``; ``function`` is its qualified name."""

    repo: str
    commit: str
    path: str
    subject: str
    function: str
    line: int
    before: str
    after: str


def bugs_in(text: str, wanted: range, infill: Infill, chance: random.Random) -> Iterator[Bug]:
    """Bugs in simple statements of the ``wanted`` lines (from 0), each in a line of its own, in random order. Raises
    SyntaxError when ``text`` does not parse, and what ``infill`` raises."""
    program = Program.of(text)
    lines = [line for line in _lines(program) if text.count("\n", 0, line) in wanted]
    chance.shuffle(lines)
    for line in lines:
        written = _written(program, line, infill)
        if written:
            wrong, odds = chance.choices(written, weights=[odds for _, odds in written])[0]
            yield Bug(wrong, text.count("\n", 0, line), odds)


def _lines(program: Program) -> list[int]:
    """Where the statements in functions begin that a slip may be in."""
    found = set[int]()
    for function in ast.walk(program.tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                text = isinstance(getattr(node, "value", None), ast.Constant)
                if isinstance(node, _STATEMENTS) and not text and node.lineno > function.body[0].lineno:
                    found.add(program.start(node))
    return sorted(found)


def _written(program: Program, line: int, infill: Infill) -> Sequence[tuple[str, float]]:
    """Whole programs with one token of the line as the model would rather have it, with its odds."""
    text, place = program.text, line_at(program.text, line)
    own = text[place.start : place.end]
    if not own or len(own) > _MOST_LINE_CHARS:
        return []
    found = list[tuple[str, float]]()
    for one in infill(hole(text, place, (own,), (Source.REVISED,))).candidates:
        wrong = text[: place.start] + one.text + text[place.end :]
        likely = one.source == Source.REVISED and one.certainty >= _LEAST_ODDS
        if likely and difference(own, one.text) and _is_another(program, wrong):
            found.append((wrong, one.certainty))
    return found


def _is_another(program: Program, wrong: str) -> bool:
    """Whether it parses, knows its names and does not say the same."""
    if isinstance(check(program.text, wrong), Reject):
        return False
    return ast.dump(ast.parse(wrong)) != ast.dump(program.tree)


def main() -> int:
    """Append the bugs of each file."""
    parser = argparse.ArgumentParser(prog="codeworld.training.breaker", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=4, help="bugs of a file")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    from codeworld.model.infill import load

    model, encoder = load("cpu"), msgspec.json.Encoder()
    with given.out.open("ab", buffering=0) as out:
        for path in given.files:
            chance = random.Random(f"{given.seed} {path}")
            try:
                text = path.read_text(encoding="utf-8")
                found = [
                    *islice(bugs_in(text, range(text.count("\n") + 1), model.infill, chance), given.most)
                ]
            except (SyntaxError, ValueError):
                continue
            for one in found:
                row = LineFix("", "", str(path), "learned", "", one.line, one.text, text)
                out.write(encoder.encode(row) + b"\n")
            print(f"{len(found)} {path}", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
