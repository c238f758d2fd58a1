"""Who finds the broken line of a program that does not parse? ``python -m benchmarks.localisers [--mined FILE…]``.

CPython's own position against the reader's surprise and, of the lines that surprise it most, the quality head's doubt.
A line is broken that the reference changes or adds something before. Programs that parse have no position; who finds
their line benchmarks.line_fixes says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from benchmarks import results
from benchmarks.parts import Journal, Part, add_arguments, made
from benchmarks.repair import COMPOUND, Row, debugbench, load_model, mined, save
from benchmarks.repair_scores import Case
from benchmarks.results import Figures, share
from codeworld.canvas import Source
from codeworld.repair.edits import difference
from codeworld.repair.localise import fault
from codeworld.repair.places import hole, line_at, surprise
from codeworld.repair.rank import Infill

_CLOSE = 3  # lines that the quality head is asked about: those that surprise the reader most


class Located(msgspec.Struct, frozen=True):
    """``broken`` lines (from 0), and the lines that a localiser names, the likeliest first."""

    programs: str
    number: int
    model: str
    lines: int
    broken: tuple[int, ...]
    position: tuple[int, ...]
    surprise: tuple[int, ...] = ()
    doubt: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[str, int, str]:
        """What a journal knows it by."""
        return self.programs, self.number, self.model


def located(key: tuple[str, int, str], case: Case, infill: Infill | None) -> Located:
    text = case.text
    edits = difference(text, case.solution)
    broken = {
        line
        for one in edits
        for line in range(text.count("\n", 0, one.start_char), text.count("\n", 0, one.end_char) + 1)
    }
    error = fault(text)
    wanted = [number for number, line in enumerate(text.split("\n")) if line.strip()]
    position = () if error is None else (error.line,)
    row = Located(*key, len(wanted), tuple(sorted(broken)), position)
    if infill is None:
        return row
    nats = surprise(text, wanted, infill)
    ordered = sorted(nats, key=lambda line: -nats[line])
    doubts = {line: _doubt(text, line, infill) for line in ordered[:_CLOSE]}
    doubted = sorted(doubts, key=lambda line: -doubts[line])
    return msgspec.structs.replace(row, surprise=tuple(ordered), doubt=tuple(doubted))


def _doubt(text: str, line: int, infill: Infill) -> float:
    """The quality head's, that some token of the line is wrong."""
    place = line_at(text, sum(len(one) + 1 for one in text.split("\n")[:line]))
    own = text[place.start : place.end]
    reply = infill(hole(text, place, (own,), (Source.REVISED,))).candidates
    return next(
        (1.0 - one.certainty for one in reply if one.source == Source.REVISED and one.text == own), 0.0
    )


def figures(rows: Sequence[Located], named: Sequence[Sequence[int]]) -> Figures:
    """Shares are of all programs."""
    within = [
        any(abs(line - other) <= 1 for line in lines[:1] for other in row.broken)
        for row, lines in zip(rows, named, strict=True)
    ]
    found: Figures = {"programs": len(rows)}
    for top in (1, 3):
        right = [not set(row.broken).isdisjoint(lines[:top]) for row, lines in zip(rows, named, strict=True)]
        found[f"line top-{top}"] = share(sum(right), len(rows))
    found["top-1 within a line"] = share(sum(within), len(rows))
    return found | {"lines to choose from": round(sum(row.lines for row in rows) / max(1, len(rows)), 1)}


def table(rows: Sequence[Located]) -> Iterator[tuple[str, Figures]]:
    yield "CPython's position", figures(rows, [row.position for row in rows])
    if any(row.surprise for row in rows):
        yield "the reader's surprise", figures(rows, [row.surprise for row in rows])
        yield "the quality head, among the most surprising", figures(rows, [row.doubt for row in rows])


def main() -> int:
    """Locate what has not been located, then write the tables."""
    parser = argparse.ArgumentParser(prog="benchmarks.localisers", description=__doc__)
    parser.add_argument(
        "--mined", type=Path, nargs="*", default=[], help="files of benchmarks.mine_syntax_errors"
    )
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--no-model", action="store_true")
    parser.add_argument("--model", default="", help="whose rows are written down with --known")
    parser.add_argument("--out", type=Path, default=Path("docs/results/repair"))
    add_arguments(parser, "build/localisers.jsonl")
    given = parser.parse_args()
    infill, model = (None, given.model) if given.known or given.no_model else load_model()
    journal = Journal(given.rows, Located, lambda row: row.key, known=given.known)
    sets = {
        "DebugBench, one kind of error": [
            case for case in debugbench(parsing=False) if case.category not in COMPOUND
        ],
        "committed by people": list(mined(given.mined)),
    }
    found = list[Row]()
    for programs, cases in sets.items():
        rows = list[Located]()
        for number, case in Part(given.part, given.parts).of(cases[:: given.every]):
            key = (programs, number, model)
            row = journal.row(key, partial(located, key, case, infill))
            rows += [row] if row else []
            print(f"\r{number}/{len(cases)}", end="", file=sys.stderr, flush=True)
        how = made(results.stamp(model), given.where)
        found += [Row("localised", name, programs, one, how) for name, one in table(rows) if rows]
    for one in found:
        print(f"{one.method}, {one.programs}: {one.figures}")
    if given.parts == 1:
        save(given.out, found, model)
    return 0


if __name__ == "__main__":
    sys.exit(main())
