"""Scores of fills: exactness and edit similarity where the right text is known, pass@1 where tests are."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import msgspec

from codeworld.training.execution import run_programs


class TextScore(msgspec.Struct, frozen=True):
    """Agreement with the right text, white space at line ends aside.

    ``exact``: the whole hole; ``first_line``: the first line of the fill equals the first line of the right text;
    ``similarity``: 1 - edit distance / length of the longer one, in [0, 1].
    """

    exact: bool
    first_line: bool
    similarity: float


def is_right(text: str, target: str) -> bool:
    """Exactly right, white space at line ends aside."""
    return _lines(text) == _lines(target)


def score_text(text: str, target: str) -> TextScore:
    """Compare a fill with the right text; "" stands for no fill."""
    got, wanted = _lines(text), _lines(target)
    return TextScore(got == wanted, got[0] == wanted[0], similarity("\n".join(got), "\n".join(wanted)))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def similarity(one: str, other: str) -> float:
    """1 - Levenshtein distance / length of the longer text; 1.0 for two empty ones."""
    longer = max(len(one), len(other))
    return 1 - _distance(one, other) / longer if longer else 1.0


def _distance(one: str, other: str) -> int:
    """Levenshtein distance by Myers' bit-parallel algorithm: a column of the matrix is two integers."""
    if not one:
        return len(other)
    where: dict[str, int] = {}
    for at, character in enumerate(one):
        where[character] = where.get(character, 0) | 1 << at
    mask, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    plus, minus, distance = mask, 0, len(one)
    for character in other:
        equal = where.get(character, 0)
        diagonal = (((equal & plus) + plus) ^ plus) | equal | minus
        up, down = minus | ~(diagonal | plus) & mask, plus & diagonal
        distance += bool(up & last) - bool(down & last)
        up, down = up << 1 | 1, down << 1
        plus, minus = (down | ~(diagonal | up)) & mask, up & diagonal & mask
    return distance


class Test(msgspec.Struct, frozen=True):
    """An item of an infilling benchmark; ``check(entry_point)`` of ``test`` raises when the program is wrong."""

    task_id: str
    prompt: str
    suffix: str
    test: str
    entry_point: str

    def program(self, fill: str) -> str:
        """What is run to judge ``fill``."""
        return f"{self.prompt}{fill}{self.suffix}\n{self.test}\ncheck({self.entry_point})\n"


def read_tests(path: Path) -> dict[str, Test]:
    """Tests by task id from a JSONL file, gzipped or not."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    tests = [msgspec.convert(json.loads(line), Test) for line in content.splitlines()]
    return {test.task_id: test for test in tests}


def outcomes(
    fills: Mapping[tuple[str, str], str], tests: Mapping[str, Test], *, jobs: int = 0, timeout_s: float = 5.0
) -> dict[tuple[str, str], str]:
    """Outcome ("passed", "failed" or "timeout") for each (system, task id) → fill; equal programs run once."""
    programs = {key: tests[key[1]].program(fill) for key, fill in fills.items()}
    distinct = {program: program for program in programs.values()}
    found = run_programs(distinct, jobs=jobs, timeout_s=timeout_s)
    return {key: found[program] for key, program in programs.items()}
