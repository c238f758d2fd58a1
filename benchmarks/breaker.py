"""Are the model's own mistakes more like people's than enumerated ones? ``python -m benchmarks.breaker FIXES.jsonl``.

FIXES is of benchmarks.mine_line_fixes. In the text after each fix, somewhere in the same function, one bug is made by
the learned breaker (codeworld.training.breaker) and one by an enumerated neighbour of the tree, drawn at random. Of the
three, the person's, the learned and the enumerated one: how much more surprising the reader finds the broken line than
the line as it was meant, whether it is the most surprising one of its function, and how many words change.
"""

from __future__ import annotations

import argparse
import ast
import random
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec

from benchmarks import results
from benchmarks.line_fixes import Case, mined_cases
from benchmarks.parts import Journal, Part, add_arguments, made
from benchmarks.repair import Row, load_model, save
from benchmarks.results import Figures, quantile, share
from codeworld.canvas import Reject
from codeworld.repair.edits import apply, size
from codeworld.repair.places import surprise
from codeworld.repair.program import Program
from codeworld.repair.rank import Infill
from codeworld.repair.tree_edits import tree_neighbours
from codeworld.repair.verify import check
from codeworld.training.breaker import bugs_in


class Seen(msgspec.Struct, frozen=True):
    """How the reader sees a bug: nats per token of its line, less those of the right line; its place among the
    ``lines`` of its function by surprise, from 0; words that change."""

    more_nats: float
    place: int
    lines: int
    words: int


class Made(msgspec.Struct, frozen=True):
    """The bugs of one function by the ways they were made, none where one of the ways made nothing."""

    name: str
    model: str
    bugs: dict[str, Seen]


def seen(before: str, after: str, line: int, first: int, last: int, infill: Infill) -> Seen | None:
    """None where the reader does not read so far."""
    tree = ast.parse(before)
    code = {node.lineno - 1 for node in ast.walk(tree) if isinstance(node, ast.expr | ast.stmt)}
    nats = surprise(before, [one for one in code if first <= one <= last], infill)
    meant = surprise(after, [line], infill)
    if line not in nats or line not in meant:
        return None
    place = sorted(nats, key=lambda one: -nats[one]).index(line)
    words = size(before.split("\n")[line], after.split("\n")[line])
    return Seen(nats[line] - meant[line], place, len(nats), words)


def enumerated(case: Case, chance: random.Random) -> tuple[str, int] | None:
    """The text with a random neighbour of its tree, of one line of the function, and the line."""
    program = Program.of(case.after)
    found = []
    for one in tree_neighbours(program):
        start, end = one.edits[0].start_char, one.edits[-1].end_char
        line = case.after.count("\n", 0, start)
        inside = case.first < line <= case.last and "\n" not in case.after[start:end]
        if inside and "\n" not in "".join(edit.new_text for edit in one.edits):
            found.append((one, line))
    chance.shuffle(found)
    for one, line in found:
        text = apply(case.after, one.edits)
        if not isinstance(check(case.after, text), Reject):
            return text, line
    return None


def made_in(case: Case, infill: Infill, model: str) -> Made:
    """One bug of each way, compared where all ways make one that the reader reads."""
    chance = random.Random(case.name)
    learned = next(bugs_in(case.after, range(case.first, case.last + 1), infill, chance), None)
    other = enumerated(case, chance)
    if learned is None or other is None:
        return Made(case.name, model, {})
    ways = {
        "made by people": (case.before, case.line),
        "learned": (learned.text, learned.line),
        "enumerated": other,
    }
    found = {
        name: one
        for name, (text, line) in ways.items()
        if (one := seen(text, case.after, line, case.first, case.last, infill))
    }
    return Made(case.name, model, found if len(found) == len(ways) else {})


def figures(found: Sequence[Seen]) -> Figures:
    more = [one.more_nats for one in found]
    return {
        "bugs": len(found),
        "more surprising than the right line": share(sum(one > 0 for one in more), len(more)),
        "nats more, p25": round(quantile(more, 0.25), 2),
        "nats more, p50": round(quantile(more, 0.5), 2),
        "nats more, p75": round(quantile(more, 0.75), 2),
        "most surprising line": share(sum(one.place == 0 for one in found), len(found)),
        "among the first three": share(sum(one.place < 3 for one in found), len(found)),
        "lines to choose from": round(sum(one.lines for one in found) / max(1, len(found)), 1),
        "words that change, p50": quantile([float(one.words) for one in found], 0.5),
    }


def main() -> int:
    """Write the three rows."""
    parser = argparse.ArgumentParser(prog="benchmarks.breaker", description=__doc__)
    parser.add_argument("fixes", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--model", default="", help="whose rows are written down with --known")
    parser.add_argument("--out", type=Path, default=Path("docs/results/repair"))
    add_arguments(parser, "build/breaker.jsonl")
    given = parser.parse_args()
    infill, model = (None, given.model) if given.known else load_model()
    journal = Journal(given.rows, Made, lambda row: (row.name, row.model), known=given.known)
    cases = list(mined_cases(given.fixes))[:: given.every]
    found = []
    for number, case in Part(given.part, given.parts).of(cases):
        one = journal.row((case.name, model), partial(made_in, case, infill, model))
        found += [one] if one and one.bugs else []
        print(f"\r{number}/{len(cases)}", end="", file=sys.stderr, flush=True)
    if given.parts > 1:
        return 0  # the table is made of all parts
    how = made(results.stamp(model), given.where)
    rows = []
    for name in ("made by people", "learned", "enumerated"):
        own = figures([one.bugs[name] for one in found])
        rows.append(Row("breaker", f"bugs {name}", "functions with a mined fix", own, how))
        print(f"{name}: {own}")
    save(given.out, rows, model)
    return 0


if __name__ == "__main__":
    sys.exit(main())
