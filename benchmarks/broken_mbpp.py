"""MBPP solutions broken by random token edits: another name, number or operator, as the breaker finds them elsewhere
in the data. It knows nothing of the repair engine's neighbours."""

from __future__ import annotations

import ast
import gzip
import io
import random
import re
import sys
import tempfile
import tokenize
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from codeworld.repair.lexer import tokens
from codeworld.repair.verify import Judge
from codeworld.testgen.observing import Observing, calls_of
from codeworld.testgen.project import place_of
from codeworld.testgen.screening import Screen, examples_of
from codeworld.verify.project_tests import ProjectTests
from codeworld.verify.trace import Trace

_EXAMPLE = re.compile(r"^\s*>>> .*\n.*\n", re.MULTILINE)  # docstrings show the tests that are to be hidden
_OPERATORS = ["+", "-", "*", "//", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or", "in", "not in"]


class Broken(msgspec.Struct):
    """A program that fails the ``visible`` tests."""

    text: str
    visible: str
    hidden: str

    def trace(self, text: str) -> Trace:
        """What each visible assert runs of ``text``, as a project's own pytest tests."""
        with self.project() as tests:
            return tests.trace(text)

    @contextmanager
    def project(self) -> Iterator[ProjectTests]:
        """The visible asserts as the pytest tests of a project with the program as its one module."""
        name, *asserts = self.visible.split("\n")
        called = name.removeprefix("candidate = ")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "solution.py")
            path.write_text(self.text)
            tests = [
                f"def test_{i}():\n    {one.replace('candidate(', f'{called}(')}\n"
                for i, one in enumerate(asserts)
            ]
            Path(folder, "test_solution.py").write_text("\n".join(["from solution import *", *tests]))
            command = f"{sys.executable} -m pytest -q -p no:asyncio -p no:lsp"
            yield ProjectTests(path, Path(folder), command, wall_s=20.0)

    @contextmanager
    def observing(self) -> Iterator[tuple[Observing, Screen | None]]:
        """What programs do when called as the visible asserts call them, and on inputs like those; and whether what
        these asserts expect is what they return."""
        name, *_ = self.visible.removeprefix("candidate = ").split("\n")
        shown = self.visible.replace("candidate(", f"{name}(")
        calls = [node for node in ast.walk(ast.parse(shown)) if isinstance(node, ast.Call)]
        own = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == name]
        examples = [*examples_of(shown, {name})]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "solution.py")
            path.write_text(self.text)
            place = place_of(path, Path(folder))
            yield Observing(place, calls_of(self.text, own)), Screen(place, examples) if examples else None


def broken_program(
    text: str,
    name: str,
    asserts: list[str],
    judge_by: Callable[[str], Judge],
    edits: int,
    visible_tests: int = 1,
) -> Broken | None:
    """A solution broken; None where that is not possible. All have three tests: of their half, one is visible, or
    two."""
    chance = random.Random(f"{edits} {name}")
    visible, hidden = _suite(asserts[:visible_tests], name), _suite(asserts, name)
    for _ in range(8):
        broken = _broken(text, edits, chance)
        if broken is None:
            continue
        if not judge_by(visible)([broken])[0] and judge_by(hidden)([text])[0]:
            return Broken(broken, visible, hidden)
    return None


def incomplete_program(
    text: str, name: str, asserts: list[str], judge_by: Callable[[str], Judge]
) -> Broken | None:
    """A solution with one statement left out: a simple one, or an ``if`` of two lines (a guard)."""
    chance = random.Random(f"incomplete {name}")
    visible, hidden = _suite(asserts[: max(1, len(asserts) // 2)], name), _suite(asserts, name)
    for broken in _incomplete(text, chance):
        if not judge_by(visible)([broken])[0] and judge_by(hidden)([text])[0]:
            return Broken(broken, visible, hidden)
    return None


def _incomplete(text: str, chance: random.Random) -> list[str]:
    lines = text.splitlines(keepends=True)
    found = []
    for block in (getattr(node, "body", None) for node in ast.walk(ast.parse(text))):
        for node in block if isinstance(block, list) and len(block) > 1 else ():
            end = node.end_lineno or node.lineno
            guard = isinstance(node, ast.If) and not node.orelse and end - node.lineno == 1
            simple = isinstance(
                node, ast.Assign | ast.AugAssign | ast.Return | ast.Expr | ast.Break | ast.Continue
            )
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if (guard or simple) and not docstring:
                found.append("".join(lines[: node.lineno - 1] + lines[end:]))
    chance.shuffle(found)
    return found


def damaged(text: str, number: int) -> str:
    """One to three tokens left out, doubled or swapped with the next one: most of these do not parse."""
    chance = random.Random(number)
    for _ in range(chance.randint(1, 3)):
        found = tokens(text, 0, len(text))
        if len(found) < 3:
            break
        at = chance.randrange(len(found) - 1)
        one, other = found[at], found[at + 1]
        new = chance.choice(["", one.text * 2, other.text + text[one.end_char : other.start_char] + one.text])
        end = other.end_char if new.endswith(one.text) and new.startswith(other.text) else one.end_char
        text = text[: one.start_char] + new + text[end:]
    return text


def solutions_of(folder: Path) -> Iterator[tuple[str, str, list[str]]]:
    """(program, name of its function, asserts) of each MBPP task."""
    seen = set()
    with gzip.open(folder / "mbpp_infilling_dev.jsonl.gz", "rt") as lines:
        for line in lines:
            row = msgspec.json.decode(line)
            if row["kind"] != "single" or row["source_id"] in seen:
                continue
            seen.add(row["source_id"])
            text = _EXAMPLE.sub("", row["prompt"] + row["canonical_solution"] + row["suffix"])
            asserts = [
                ast.unparse(node) for node in ast.walk(ast.parse(row["test"])) if isinstance(node, ast.Assert)
            ]
            if len(asserts) > 1:
                yield text, row["entry_point"], asserts


def _suite(asserts: list[str], name: str) -> str:
    return "\n".join([f"candidate = {name}", *asserts])


def _broken(text: str, edits: int, chance: random.Random) -> str | None:
    for _ in range(edits):
        tokens = [
            token
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type in (tokenize.NAME, tokenize.NUMBER, tokenize.OP)
            and not token.line.lstrip().startswith("def ")
        ]
        changeable = [token for token in tokens if _others(token, tokens)]
        if not changeable:
            return None
        token = chance.choice(changeable)
        text = _replaced(text, token, chance.choice(_others(token, tokens)))
        try:
            ast.parse(text)
        except SyntaxError:
            return None
    return text


def _others(token: tokenize.TokenInfo, tokens: list[tokenize.TokenInfo]) -> list[str]:
    """What may stand in a token's place."""
    if token.string in _OPERATORS:
        return [one for one in _OPERATORS if one != token.string]
    if token.type == tokenize.NUMBER and token.string.isdigit():
        value = int(token.string)
        return [str(value + 1), str(abs(value - 1)), str(2 * value + 3)]
    if token.type == tokenize.NAME and token.string.isidentifier():
        names = {one.string for one in tokens if one.type == tokenize.NAME and not _is_keyword(one.string)}
        return [] if _is_keyword(token.string) else sorted(names - {token.string})
    return []


def _is_keyword(word: str) -> bool:
    import keyword

    return keyword.iskeyword(word)


def _replaced(text: str, token: tokenize.TokenInfo, new: str) -> str:
    lines = text.splitlines(keepends=True)
    row, start, end = token.start[0] - 1, token.start[1], token.end[1]
    lines[row] = lines[row][:start] + new + lines[row][end:]
    return "".join(lines)
