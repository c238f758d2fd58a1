"""A kept case as a test that a person would write: arrange, act, assert; or several as one table."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence

import msgspec

from codeworld.testgen.cases import Kept, Snapshot
from codeworld.testgen.expressions import shown
from codeworld.testgen.layout import laid_out, quoted
from codeworld.testgen.project import Style

_INLINE_CHARS = 44  # of an argument that stands in the call itself
_LEAST_ROWS = 3
_SAYS = "# Records what it does today."
_DOCUMENTED = "# As its documentation says."


class Block(msgspec.Struct, frozen=True):
    """One test function or method: its ``name``, its lines without indentation of a class, the expressions in it
    (for imports), modules that it needs, and what it was made from."""

    name: str
    lines: tuple[str, ...]
    expressions: tuple[str, ...]
    modules: tuple[str, ...]
    kept: tuple[Kept, ...]


class Writer:
    """Writes the tests of a module in a style. ``taken``: names that are in use."""

    def __init__(self, style: Style, taken: Iterable[str]) -> None:
        self._style, self._taken = style, set(taken)

    def blocks(self, kept: Sequence[Kept]) -> list[Block]:
        """All tests of one target."""
        rows = [one for one in kept if self._is_row(one)]
        same = [one for one in rows if _key(one) == _key(rows[0])] if rows else []
        tabled = same if self._style.parametrized and len(same) >= _LEAST_ROWS else []
        found = [self._table(tabled)] if tabled else []
        return found + [self._single(one) for one in kept if one not in tabled]

    # Many in one

    def _is_row(self, one: Kept) -> bool:
        seen = one.observed
        plain = seen.mode == "value" and seen.value is not None and seen.value.expr is not None
        return (
            self._style.framework == "pytest"
            and plain
            and not (one.whole or one.case.before or one.case.uses or seen.draws)
            and 'float("nan")' not in (seen.value.expr or "" if seen.value else "")
            and len(_arguments(one)) > 0
        )

    def _table(self, rows: Sequence[Kept]) -> Block:
        style = self._style
        names = [*_arguments(rows[0]), "expected"]
        name = self._name(rows[0], "")
        lines = ["@pytest.mark.parametrize("]
        quote = "'" if style.single_quotes else '"'
        lines.append(f"    ({', '.join(f'{quote}{one}{quote}' for one in names)}),")
        lines.append("    [")
        modules = {"pytest"}
        for row in rows:
            assert row.observed.value is not None
            expected = _expected(row.observed.value)
            expressions = [*_arguments(row).values(), expected]
            lines += laid_out("", f"({', '.join(expressions)})", ",", 2, style.width, style.single_quotes)
        lines += ["    ],", ")", self._head(name, names)]
        lines.append(f"    {_SAYS if any(one.case.origin != 'doctest' for one in rows) else _DOCUMENTED}")
        call = shown(rows[0].case, {one for one, _ in rows[0].case.setup} - set(names))
        values = [one.observed.value.expr for one in rows if one.observed.value is not None]
        operator = "is" if all(one in ("True", "False", "None") for one in values) else "=="
        lines.append(f"    assert {quoted(call, style.single_quotes)} {operator} expected")
        return Block(name, tuple(lines), (call, *_expressions(rows)), tuple(sorted(modules)), tuple(rows))

    # One alone

    def _single(self, one: Kept) -> Block:
        style = self._style
        name = self._name(one, _suffix(one))
        modules: set[str] = {"pytest"} if style.framework == "pytest" and one.observed.raised else set()
        lines = [f"    {_DOCUMENTED if one.case.origin == 'doctest' else _SAYS}"]
        inline = self._inline(one)
        if one.observed.draws:
            modules.add("random")
            lines.append("    random.seed(0)")
        if one.case.uses and style.framework == "unittest":
            modules |= {"tempfile", "pathlib:Path"}
            lines += ["    folder = tempfile.TemporaryDirectory()", "    self.addCleanup(folder.cleanup)"]
            lines.append("    tmp_path = Path(folder.name)")
        for variable, expression in one.case.setup:
            if variable not in inline:
                lines += laid_out(f"{variable} = ", expression, "", 1, style.width, style.single_quotes)
        for statement in one.case.before:
            lines += laid_out("", statement, "", 1, style.width, style.single_quotes)
        if len(lines) > 1:
            lines.append("")
        lines += self._act_and_assert(one, shown(one.case, inline), modules)
        fixtures = ["tmp_path"] if one.case.uses else []
        fixtures += ["capsys"] if one.whole and one.observed.printed else []
        whole = [self._head(name, fixtures), *lines]
        if any("pytest." in line for line in lines):
            modules.add("pytest")
        return Block(
            name, tuple(whole), (*_expressions([one]), one.case.call), tuple(sorted(modules)), (one,)
        )

    def _inline(self, one: Kept) -> set[str]:
        """Arguments that stand in the call: short, used once, not looked at afterwards."""
        spoken_of = " ".join(one.case.before)
        changed = one.observed.changed if one.whole else {}
        return {
            name
            for name, expression in one.case.setup
            if name not in changed
            and len(expression) <= _INLINE_CHARS
            and not re.search(rf"\b{name}\b", spoken_of)
            and len(re.findall(rf"\b{name}\b", one.case.call)) <= 2
        }

    def _head(self, name: str, arguments: Sequence[str]) -> str:
        if self._style.framework == "unittest":
            return f"def {name}(self){' -> None' if self._style.annotated else ''}:"
        if not self._style.annotated:
            return f"def {name}({', '.join(arguments)}):"
        typed = ", ".join(f"{one}: {_FIXTURES.get(one, 'Any')}" for one in arguments)
        return f"def {name}({typed}) -> None:"

    def _act_and_assert(self, one: Kept, call: str, modules: set[str]) -> list[str]:
        seen = one.observed
        if seen.raised is not None:
            lines = self._raises(one, call, modules)
        else:
            assert seen.value is not None
            lines = self._returns(one, seen.value, call, modules)
        if one.whole:
            lines += self._others(one, modules)
        return lines

    def _raises(self, one: Kept, call: str, modules: set[str]) -> list[str]:
        raised, style = one.observed.raised, self._style
        assert raised is not None
        act = {"await": f"asyncio.run({call})", "list": f"list({call})"}.get(one.observed.mode, call)
        if one.target.is_async and not one.target.is_generator:
            modules.add("asyncio")
            act = f"asyncio.run({call})"
        elif one.target.is_generator and not one.target.is_async:
            act = f"list({call})"
        matched = (
            f", match={_pattern(raised.message, modules)}" if raised.deliberate and raised.message else ""
        )
        kind = raised.type
        if style.framework == "unittest":
            function = "assertRaisesRegex" if matched else "assertRaises"
            expectation = matched.replace(", match=", ", ")
            return [
                f"    with self.{function}({kind}{expectation}):",
                f"        {quoted(act, style.single_quotes)}",
            ]
        return [
            f"    with pytest.raises({kind}{matched}):",
            *laid_out("", act, "", 2, style.width, style.single_quotes),
        ]

    def _returns(self, one: Kept, value: Snapshot, call: str, modules: set[str]) -> list[str]:
        style, mode = self._style, one.observed.mode
        if mode == "await":
            modules.add("asyncio")
            call = f"asyncio.run({call})"
        elif mode == "list":
            call = f"list({call})"
        elif mode == "first":
            modules.add("itertools")
            call = f"list(itertools.islice({call}, 50))"
        elif mode == "async for":
            modules.add("asyncio")
            collect = ["    async def collect():", f"        return [item async for item in {call}]", ""]
            return [*collect, *self._equal("asyncio.run(collect())", value, modules)]
        elif mode == "with":
            return [
                f"    with {call} as value:",
                *(f"    {line}" for line in self._equal("value", value, modules)),
            ]
        if one.whole and value.expr == "None":
            return [f"    {quoted(call, style.single_quotes)}", ""]
        few = len(call) + len(value.expr or "") < style.width - 20
        if value.expr is not None and few and not one.whole:
            return self._equal(call, value, modules)
        return [
            *laid_out("result = ", call, "", 1, style.width, style.single_quotes),
            "",
            *self._equal("result", value, modules),
        ]

    def _equal(self, actual: str, value: Snapshot, modules: set[str]) -> list[str]:
        style = self._style
        actual = quoted(actual, style.single_quotes)
        if value.expr is None:
            return self._attributes(actual, value)
        if value.expr == 'float("nan")':
            modules.add("math")
            return [self._assertion(f"math.isnan({actual})")]
        if value.expr in ("None", "True", "False"):
            if style.framework == "unittest":
                return [f"    self.assertIs({actual}, {value.expr})"]
            return [f"    assert {actual} is {value.expr}"]
        expected = _expected(value)
        if style.framework == "unittest":
            close = expected.startswith("pytest.approx(")
            function = "assertAlmostEqual" if close and value.type == "float" else "assertEqual"
            return laid_out(
                f"self.{function}({actual}, ", value.expr, ")", 1, style.width, style.single_quotes
            )
        return laid_out(f"assert {actual} == ", expected, "", 1, style.width, style.single_quotes)

    def _attributes(self, actual: str, value: Snapshot) -> list[str]:
        name = quoted(repr(value.type.rpartition(".")[2]), self._style.single_quotes)
        is_kind = (
            f"isinstance({actual}, {value.named})" if value.named else f"type({actual}).__name__ == {name}"
        )
        lines = [self._assertion(is_kind)]
        for way, expression in value.attributes.items():
            lines += self._equal(way.format(actual), Snapshot("", expression), set())
        return lines

    def _others(self, one: Kept, modules: set[str]) -> list[str]:
        """Assertions on what a call changed, printed and wrote."""
        lines: list[str] = []
        for name, value in one.observed.changed.items():
            if value.expr is not None:
                lines += self._equal(name, value, modules)
            for way, expression in value.attributes.items():
                lines += self._equal(way.format(name), Snapshot("", expression), modules)
        if one.observed.printed and self._style.framework == "pytest":
            lines += self._equal(
                "capsys.readouterr().out", Snapshot("str", repr(one.observed.printed)), modules
            )
        for path, text in one.observed.files.items():
            read = f"(tmp_path / {quoted(repr(path), self._style.single_quotes)}).read_text()"
            lines += self._equal(read, Snapshot("str", repr(text)), modules)
        return lines

    def _assertion(self, condition: str) -> str:
        return (
            f"    self.assertTrue({condition})"
            if self._style.framework == "unittest"
            else f"    assert {condition}"
        )

    def _name(self, one: Kept, suffix: str) -> str:
        target = one.target
        subject = snake(target.name)
        if target.kind == "constructor":
            subject = f"{snake(target.owner)}_holds_its_arguments" if not suffix else snake(target.owner)
        elif target.owner:
            subject = f"{snake(target.owner)}_{subject}"
        base = f"test_{subject}{suffix}"
        name, number = base, 2
        while name in self._taken:
            name, number = f"{base}_{number}", number + 1
        self._taken.add(name)
        return name


_FIXTURES = {"tmp_path": "Path", "capsys": "pytest.CaptureFixture[str]"}


def snake(name: str) -> str:
    """CamelCase and dunders as part of a function's name."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.replace(".", "_"))
    return re.sub(r"_+", "_", text.strip("_")).lower()


def _key(one: Kept) -> tuple[object, ...]:
    return one.case.call, tuple(pair for pair in one.case.setup if pair[0] not in _arguments(one))


def _arguments(one: Kept) -> dict[str, str]:
    """Without the receiver."""
    has_receiver = one.target.kind in ("method", "property")
    return dict(one.case.setup[1:] if has_receiver else one.case.setup)


def _expressions(kept: Sequence[Kept]) -> list[str]:
    found = []
    for one in kept:
        found += [expression for _, expression in one.case.setup] + [*one.case.before]
        values = [*one.observed.changed.values()] if one.whole else []
        for value in [one.observed.value, *values]:
            if value is not None:
                found += [value.expr] if value.expr is not None else [*value.attributes.values()]
                found += [value.named] if value.named and value is one.observed.value else []
    return found


def _expected(value: Snapshot) -> str:
    """With a tolerance where floats are not exactly what they look like."""
    assert value.expr is not None
    if not value.approx or _is_nested(value.expr):
        return value.expr
    numbers = re.findall(r"-?\d+\.\d+(?:e[-+]?\d+)?|-?\d+e[-+]?\d+", value.expr)
    exact = all(float(one) * 64 == int(float(one) * 64) for one in numbers if abs(float(one)) < 1e15)
    return value.expr if exact or "float(" in value.expr else f"pytest.approx({value.expr})"


def _is_nested(text: str) -> bool:
    """pytest.approx takes a number or a flat list or dict of numbers."""
    node = ast.parse(text, mode="eval").body
    inner: list[ast.expr] = []
    if isinstance(node, (ast.List, ast.Tuple)):
        inner = node.elts
    elif isinstance(node, ast.Dict):
        inner = node.values
    elif isinstance(node, (ast.Call, ast.Set)):
        return True
    return not all(isinstance(one, (ast.Constant, ast.UnaryOp)) for one in inner)


def _pattern(message: str, modules: set[str]) -> str:
    """What ``match`` gets: the message's first line, as it is where it means itself."""
    line = message.splitlines()[0][:80] if message.splitlines() else ""
    if re.escape(line).replace("\\ ", " ").replace("\\-", "-").replace("\\#", "#") == line:
        return quoted(repr(line), False)
    modules.add("re")
    return f"re.escape({quoted(repr(line), False)})"


def _suffix(one: Kept) -> str:
    """What is special about a case, in words."""
    raised, value = one.observed.raised, one.observed.value
    if raised is not None:
        return f"_raises_{snake(raised.type)}"
    for name, text in one.case.setup:
        if text in ("[]", "{}", "()", "''", "set()", "b''"):
            return f"_with_empty_{name.strip('_')}"
        if text == "None":
            return f"_without_{name.strip('_')}"
    if one.whole and one.observed.changed:
        return f"_changes_{next(iter(one.observed.changed)).strip('_')}"
    if one.whole and one.observed.printed:
        return "_prints"
    if one.case.before:
        return f"_after_{snake(one.case.before[-1].partition('(')[0].rpartition('.')[2])}"
    if value is not None and value.expr in ("None", "True", "False"):
        return f"_is_{value.expr.lower()}"
    return ""
