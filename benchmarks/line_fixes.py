"""Find and repair a line without any test: ``python -m benchmarks.line_fixes [FIXES.jsonl] [--every N] [--rows FILE]``.

FIXES is of benchmarks.mine_line_fixes: fixes that people made in the held-out repositories; the text before is broken,
the text after is clean, and both are searched in the same way. Without it DebugBench's programs that parse are. What
the model says of each text goes to ``--rows`` once and is reused, so that all methods judge the same proposals and an
interrupted run goes on. A method gives every text an alarm, the score of its best proposal; its threshold is the one
that 5 % of the clean texts exceed: of one half of the fixes, and it is used on the other half.
"""

from __future__ import annotations

import argparse
import ast
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from benchmarks import results
from benchmarks.line_fixes_table import Line, Looked, Proposed, table
from benchmarks.mine_line_fixes import function_at
from benchmarks.parts import Journal, Part, add_arguments, made
from benchmarks.repair import COMPOUND, Row, debugbench, dump, load_model, save
from codeworld.repair.edits import apply, size
from codeworld.repair.places import line_at, surprise
from codeworld.repair.program import Program
from codeworld.repair.rank import Infill
from codeworld.repair.rewritings import look
from codeworld.repair.tree_edits import tree_neighbours
from codeworld.training.breaker import LineFix

_MOST_LINES = 40  # of a function
_MOST_BYTES = 60_000  # of a file
_NEIGHBOURS = 16  # of a line
_CLOSE = 3  # lines that are looked at closely: those that surprise the reader most


class Case(msgspec.Struct):
    """Lines [first, last] (from 0) are searched. ``line`` is the broken one, -1 where there may be several."""

    name: str
    group: str
    before: str
    after: str
    first: int
    last: int
    line: int


def mined_cases(path: Path) -> Iterator[Case]:
    for row in path.read_bytes().splitlines():
        one = msgspec.json.decode(row, type=LineFix)
        function = function_at(ast.parse(one.before), one.line)
        if function is None or len(one.before) > _MOST_BYTES or function[2] - function[1] >= _MOST_LINES:
            continue
        name = f"{one.commit[:12]} {one.path}:{one.line + 1}"
        yield Case(name, one.repo, one.before, one.after, function[1], function[2], one.line)


def debugbench_cases() -> Iterator[Case]:
    for number, one in enumerate(debugbench(parsing=True)):
        if one.category not in COMPOUND:
            last = min(one.text.rstrip("\n").count("\n"), 2 * _MOST_LINES)
            yield Case(f"{number} {one.category}", str(number % 6), one.text, one.solution, 0, last, -1)


def searched(case: Case, infill: Infill, model: str, *, clean: bool) -> Looked:
    """Read every line of code, and have a close look at those that surprise the reader most."""
    begin = time.process_time()
    text = case.after if clean else case.before
    right = dump(case.after)
    program = Program.of(text)
    code = sorted(
        {node.lineno - 1 for node in ast.walk(program.tree) if isinstance(node, ast.expr | ast.stmt)}
    )
    wanted = [number for number in code if case.first <= number <= case.last]
    lines = [Line(number, nats) for number, nats in surprise(text, wanted, infill).items()]
    close, proposals = sorted(lines, key=lambda one: -one.nats)[:_CLOSE], list[Proposed]()
    near: dict[int, list[tuple[str, float]]] = {}
    reachable = False
    for one in tree_neighbours(program):
        start = text.count("\n", 0, one.edits[0].start_char)
        if (
            case.first <= start <= case.last
            and "\n" not in text[one.edits[0].start_char : one.edits[-1].end_char]
        ):
            new = _line(apply(text, one.edits), start)
            near.setdefault(start, []).append((new, one.cost))
            reachable = reachable or (start == case.line and new.strip() == _line(case.after, start).strip())
    for line in sorted(close, key=lambda one: one.number):  # the reader reads on, never twice
        proposals += _closely(program, line, near.get(line.number, [])[:_NEIGHBOURS], infill)
    for one in proposals:
        one.right = not clean and _is_right(case, one, right)
    return Looked(
        case.name,
        case.group,
        clean,
        case.line,
        lines,
        proposals,
        reachable,
        time.process_time() - begin,
        model,
    )


def _is_right(case: Case, one: Proposed, right: str | None) -> bool:
    if case.line >= 0 and one.line != case.line:
        return False
    lines = case.before.split("\n")
    indent = lines[one.line][: -len(lines[one.line].lstrip()) or None]
    lines[one.line] = indent + one.text
    return dump("\n".join(lines)) == right


def _line(text: str, number: int) -> str:
    return text.split("\n")[number].strip()


def _closely(
    program: Program, line: Line, near: Sequence[tuple[str, float]], infill: Infill
) -> list[Proposed]:
    """The enumerated neighbours of a line, and what the model would write in its place; sets the line's doubt."""
    start = sum(len(one) + 1 for one in program.text.split("\n")[: line.number])
    place = line_at(program.text, start)
    own = program.text[place.start : place.end]
    seen = look(program, place, [new for new, _ in near], infill, writes=True)
    line.doubt = seen.doubt
    if own not in seen.nats:
        return []
    costs = dict(reversed(near))
    found: dict[str, Proposed] = {}
    for new in dict.fromkeys([*costs, *(one.text for one in seen.written)]):
        if new in seen.nats and new != own:
            gain = seen.nats[new] - seen.nats[own]
            found[new] = Proposed(line.number, new, costs.get(new, -1.0), gain, size(own, new))
    for one in seen.written:
        if one.text in found:
            found[one.text].unit = one.unit
            found[one.text].odds = max(found[one.text].odds, one.odds)
    return list(found.values())


def complete(rows: Sequence[Looked]) -> list[Looked]:
    """Texts whose other version has been looked at, too."""
    pairs = Counter(row.name for row in rows)
    return [row for row in rows if pairs[row.name] == 2]


def main() -> int:
    """Look at what has not been looked at, then write the tables."""
    parser = argparse.ArgumentParser(prog="benchmarks.line_fixes", description=__doc__)
    parser.add_argument("fixes", type=Path, nargs="?", help="nothing: DebugBench's programs")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--model", default="", help="whose rows are written down with --known")
    parser.add_argument("--out", type=Path, default=Path("docs/results/repair"))
    add_arguments(parser, "build/line_fixes.jsonl")
    given = parser.parse_args()
    infill, model = (None, given.model) if given.known else load_model()
    cases = list(mined_cases(given.fixes) if given.fixes else debugbench_cases())[:: given.every]
    journal = Journal(given.rows, Looked, lambda row: (row.name, row.clean, row.model), known=given.known)
    rows = []
    for number, case in Part(given.part, given.parts).of(cases):
        for clean in (False, True):
            look = partial(searched, case, infill, model, clean=clean)
            row = journal.row((case.name, clean, model), look)
            rows += [row] if row else []
        print(f"\r{number}/{len(cases)}", end="", file=sys.stderr, flush=True)
    if given.parts > 1:
        return 0  # the tables are made of all parts
    part = "mined" if given.fixes else "DebugBench, one kind of error"
    how = made(results.stamp(model), given.where)
    found = [Row("line fixes", name, part, figures, how) for name, figures in table(complete(rows))]
    for one in found:
        print(f"{one.method}: {one.figures}")
    save(given.out, found, model)
    return 0


if __name__ == "__main__":
    sys.exit(main())
