"""Expressions for inputs of a given shape: boundary values, literals of the program, and random ones.

Values of one call are made at one ``Scale``: programs compare their inputs with each other, and numbers, lengths and
letters drawn from the same few are what makes them meet.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from codeworld.testgen.shapes import ANY, NONE, Shape, of_text

_DEEPEST = 4
_SUBCLASS = 0.25  # of the instances: a base class alone may lack what it needs
_KNOWN = 0.3  # of the inputs, where somebody wrote some
_OBJECTS = 0.8  # if these are objects, which nothing else is like
_CALL = re.compile(r"[\w.]+\(")
_LARGEST = 12  # length of a list that the program may ask for, as a board of eight by eight
_ALPHABETS = (
    "ab",
    "abc",
    "01",
    "0123456789",
    "()",
    "aA1 _-.",
    "abcdefghij",
    "+-*/() 123",
    "([{}])",
    "a,b;c d",
)
_FLOATS = ("0.0", "1.0", "-1.0", "0.5", "2.5", "-3.75", "100.0", "0.1")
_STRINGS = (
    "''",
    "'a'",
    "'hello world'",
    "'Hello, World!'",
    "'  padded  '",
    "'12'",
    "'-1'",
    "'a b c'",
    "'ünïcode'",
)
_FIXED: dict[str, tuple[str, ...]] = {
    "none": ("None",),
    "bool": ("False", "True"),
    "complex": ("0j", "(1+2j)"),
    "path": ("tmp_path / 'file.txt'", "tmp_path"),
    "decimal": ("Decimal('0')", "Decimal('1.5')", "Decimal('-2.25')"),
    "fraction": ("Fraction(0, 1)", "Fraction(1, 2)", "Fraction(-3, 4)"),
    "uuid": ("uuid.UUID(int=0)", "uuid.UUID(int=1)"),
    "datetime": ("datetime.datetime(2024, 2, 29, 12, 30)", "datetime.datetime(1999, 12, 31, 23, 59, 59)"),
    "date": ("datetime.date(2024, 2, 29)", "datetime.date(1999, 12, 31)"),
    "time": ("datetime.time(0, 0)", "datetime.time(23, 59, 59)"),
    "timedelta": ("datetime.timedelta(0)", "datetime.timedelta(days=1, seconds=30)"),
    "pattern": ("re.compile('a+')", "re.compile('')"),
    "type": ("int", "str", "dict"),
    "binary io": ("io.BytesIO(b'')", "io.BytesIO(b'one\\ntwo\\n')"),
}


class Pool(msgspec.Struct, frozen=True):
    """What the program and the repository offer: numbers, strings and bytes as values, whole expressions by
    parameter, and by parameter calls that change what such an expression makes."""

    numbers: tuple[int, ...] = ()
    floats: tuple[float, ...] = ()
    strings: tuple[str, ...] = ()
    alphabet: str = ""  # single letters that the program compares with
    by_name: dict[str, tuple[str, ...]] = {}
    changes: dict[str, tuple[str, ...]] = {}


class Scale(msgspec.Struct, frozen=True):
    """What one call's values are drawn from."""

    low: int
    high: int
    length: int
    alphabet: str
    order: str = ""  # of lists of numbers: "", "sorted", "distinct", "permutation"


class Maker:
    """Makes expressions. ``describe`` tells what a class's name stands for, ``inferred`` what its constructor's
    parameters without annotation take."""

    def __init__(
        self,
        chance: random.Random,
        pool: Pool,
        describe: Callable[[str], Mapping[str, Any]],
        inferred: Callable[[str], Mapping[str, Shape]] = lambda name: {},
    ) -> None:
        self.chance, self.pool = chance, pool
        self._describe, self._inferred = describe, inferred
        self._sizes = [one for one in pool.numbers if 2 <= one <= _LARGEST]
        self._known: dict[str, Mapping[str, Any]] = {}

    def scale(self) -> Scale:
        """Another one for each call."""
        pick = self.chance.choice
        low, high = pick(
            ((0, 1), (0, 3), (1, 4), (0, 5), (1, 9), (-3, 3), (-10, 10), (0, 20), (1, 100), (-100, 100))
        )
        own = self.pool.alphabet
        alphabet = own if own and self.chance.random() < 0.5 else pick(_ALPHABETS)
        if own and self.chance.random() < 0.3:
            alphabet = own + pick(_ALPHABETS)
        order = pick(("", "", "", "", "sorted", "distinct", "permutation"))
        length = pick((0, 1, 2, 2, 3, 3, 4, 4, 5, 6, 8, 10))
        if self._sizes and self.chance.random() < 0.15:
            length = pick(self._sizes)
        return Scale(low, high, length, alphabet, order)

    def make(self, shape: Shape, scale: Scale, name: str = "", depth: int = 0) -> str:
        """An expression of this shape; ``name`` is the parameter's, whose known values are used now and then."""
        known = self.pool.by_name.get(name, ()) if depth == 0 else ()
        made_up = any(one.kind == "namespace" for one in (shape, *shape.of))
        share = _OBJECTS if any(_CALL.match(one) for one in known) else _KNOWN
        if known and (made_up or self.chance.random() < share):
            return self.chance.choice(known)
        if shape.kind in _FIXED:
            return self.chance.choice(_FIXED[shape.kind])
        if shape.kind in ("int", "float", "str", "char", "bytes", "any", "text io"):
            return self._scalar(shape.kind, scale, name, depth)
        if shape.kind == "union":
            return self.make(self._one_of(shape.of), scale, name, depth)
        if shape.kind == "literal":
            return self.chance.choice(shape.options)
        if shape.kind == "object":
            return self._object(shape, scale, depth)
        if shape.kind == "callable":
            return self._callable(shape, scale)
        if shape.kind == "namespace":
            return self._namespace(shape, scale, depth)
        return self._container(shape, scale, depth)

    def can_make(self, shape: Shape, depth: int = 0) -> bool:
        """Whether there is a way to a value of this shape."""
        if shape.kind == "union":
            return any(self.can_make(one, depth) for one in shape.of)
        if shape.kind != "object":
            return True
        known = self.known(shape.name)
        if known["kind"] == "alias":
            of = of_text(known["text"])
            return of != shape and depth <= _DEEPEST and self.can_make(of, depth + 1)
        needed = [of_text(one) for _, one, required, _ in known.get("parameters", ()) if required and one]
        return (
            known["kind"] != "unknown"
            and depth <= _DEEPEST
            and all(self.can_make(o, depth + 1) for o in needed)
        )

    def _one_of(self, shapes: Sequence[Shape]) -> Shape:
        """None is tried seldom: one call with it is enough."""
        shapes = [one for one in shapes if self.can_make(one)] or shapes
        return self.chance.choice([one for one in shapes for _ in range(1 if one == NONE else 3)])

    def _scalar(self, kind: str, scale: Scale, name: str, depth: int = 0) -> str:
        pick, luck = self.chance.choice, self.chance.random()
        if kind == "int":
            return repr(self.integer(scale))
        if kind == "float":
            if self.pool.floats and luck < 0.2:
                return repr(pick(self.pool.floats))
            return pick(_FLOATS) if luck < 0.5 else repr(round(self.chance.uniform(scale.low, scale.high), 2))
        if kind == "char":
            return repr(pick(scale.alphabet or "a"))
        if kind == "bytes":
            return repr(self.text(scale).encode())
        if kind == "text io":
            lines = "".join(f"{self.text(scale)}\n" for _ in range(scale.length % 4))
            return f"io.StringIO({lines!r})"
        if kind == "any":
            other = pick(("int", "int", "str", "str", "float", "list"))
            return self.make(Shape(other, (Shape("int"),) if other == "list" else ()), scale, name, 1)
        if depth > 1 and luck < 0.8:
            return repr(pick(scale.alphabet or "a"))  # grids hold single letters
        if luck < 0.12 and depth == 0:
            return pick(_STRINGS)
        return repr(self.text(scale))

    def integer(self, scale: Scale) -> int:
        """Mostly at the scale, now and then a number of the program or next to one."""
        luck = self.chance.random()
        if self.pool.numbers and luck < 0.2:
            return self.chance.choice(self.pool.numbers) + self.chance.choice((0, 0, 0, 1, -1))
        if luck < 0.25 and scale.low < 0:
            return self.chance.choice((0, -1, 2**31 - 1, -(2**31), 10**9))
        return self.chance.randint(scale.low, scale.high)

    def text(self, scale: Scale) -> str:
        """A string of the program, or letters of the scale's alphabet."""
        if self.pool.strings and self.chance.random() < 0.3:
            return self.chance.choice(self.pool.strings)
        length = self.chance.choice((scale.length, scale.length, self.chance.randint(0, scale.length + 2)))
        return "".join(self.chance.choice(scale.alphabet) for _ in range(length))

    def _container(self, shape: Shape, scale: Scale, depth: int) -> str:
        of = shape.of or (Shape("int"),)
        if shape.kind == "fixed tuple":
            return _tuple([self.make(one, scale, "", depth + 1) for one in of])
        if shape.kind == "dict":
            pairs = [
                (self.make(of[0], scale, "", depth + 1), self.make(of[-1], scale, "", depth + 1))
                for _ in range(min(scale.length, 4))
            ]
            return f"{{{', '.join(f'{key}: {value}' for key, value in dict(pairs).items())}}}"
        if shape.kind == "range":
            return f"range({scale.length})"
        elements = self._elements(of[0], scale, depth)
        inner = ", ".join(elements)
        if shape.kind == "tuple":
            return _tuple(elements)
        if shape.kind in ("set", "frozenset"):
            text = f"{{{', '.join(dict.fromkeys(elements))}}}" if elements else "set()"
            return text if shape.kind == "set" else f"frozenset({text if elements else ''})"
        wrapped = {"iterator": "iter([{}])", "deque": "deque([{}])", "counter": "Counter([{}])"}
        return wrapped.get(shape.kind, "[{}]").format(inner)

    def _elements(self, of: Shape, scale: Scale, depth: int) -> list[str]:
        length = 0 if depth > _DEEPEST else scale.length
        if of.kind == "list" and depth == 0:
            return self._rows(of, scale)
        if of.kind == "int":
            return [repr(one) for one in self._numbers(length, scale)]
        return [self.make(of, scale, "", depth + 1) for _ in range(length)]

    def _numbers(self, length: int, scale: Scale) -> list[int]:
        if scale.order == "permutation":
            return self.chance.sample(range(scale.low, scale.low + length), length)
        numbers = [self.integer(scale) for _ in range(length)]
        if scale.order == "distinct":
            numbers = [*dict.fromkeys(numbers)]
        return sorted(numbers) if scale.order == "sorted" else numbers

    def _rows(self, of: Shape, scale: Scale) -> list[str]:
        """A list of lists is mostly a rectangle, a square or a list of pairs."""
        rows = scale.length if scale.length in self._sizes else min(scale.length, 6)
        luck = self.chance.random()
        width = rows if luck < 0.25 else 2 if luck < 0.5 else 3 if luck < 0.6 else self.chance.randint(1, 5)
        if luck > 0.9:
            return [self._row(of, scale, self.chance.randint(0, 4)) for _ in range(rows)]
        made = [self._row(of, scale, width) for _ in range(rows)]
        return (
            sorted(made, key=lambda row: [int(n) for n in re.findall(r"-?\d+", row)])
            if scale.order == "sorted"
            else made
        )

    def _row(self, of: Shape, scale: Scale, width: int) -> str:
        row = msgspec.structs.replace(scale, length=width)
        if len(row.order) > 6 and width < 4 and row.order == "sorted":
            row = msgspec.structs.replace(row, order="")
        return self._container(of, row, 1)

    def _callable(self, shape: Shape, scale: Scale) -> str:
        returns = shape.of[0] if shape.of else ANY
        result = (
            self.make(returns, scale, "", _DEEPEST)
            if returns != ANY
            else "arguments[0] if arguments else None"
        )
        return f"lambda *arguments: {result}"

    def _namespace(self, shape: Shape, scale: Scale, depth: int) -> str:
        """What has the attributes that are asked for; chains and trees of them where they lead to each other."""
        made = []
        for name, of in zip(shape.options, shape.of, strict=True):
            ends = of.kind == "link" and (depth > _DEEPEST or self.chance.random() < 0.2 + 0.15 * depth)
            value = "None" if ends else self.make(shape if of.kind == "link" else of, scale, "", depth + 1)
            made.append(f"{name}={value}")
        return f"SimpleNamespace({', '.join(made)})"

    def _object(self, shape: Shape, scale: Scale, depth: int) -> str:
        """A member of an enum, or a call of a class. Of an unknown one: None, which the search finds useless."""
        known = self.known(shape.name)
        kind = known["kind"]
        if kind == "alias":
            of = of_text(known["text"])
            return self.make(of, scale, "", depth + 1) if depth <= _DEEPEST and of != shape else "None"
        if kind == "enum" and known["members"]:
            return f"{shape.name}.{self.chance.choice(known['members'])}"
        if kind == "typed dict":
            fields = [
                f"{key!r}: {self.make(of_text(one), scale, '', depth + 1)}" for key, one in known["fields"]
            ]
            return f"{{{', '.join(fields)}}}"
        if kind != "class" or depth > _DEEPEST:
            return "None"
        if known.get("adopted") and self.chance.random() < _SUBCLASS:
            return self.make(
                Shape("object", name=self.chance.choice([*known["adopted"]])), scale, "", depth + 1
            )
        inferred = self._inferred(shape.name)
        return f"{shape.name}({self.arguments(known['parameters'], inferred, scale, depth + 1)})"

    def arguments(
        self, parameters: Sequence[Sequence[Any]], inferred: Mapping[str, Shape], scale: Scale, depth: int
    ) -> str:
        """For a described constructor; those with defaults are given now and then."""
        texts = []
        skipped = False
        bare = depth > 1 or self.chance.random() < 0.5  # of ten with defaults, one is mostly refused
        for name, annotation, required, keyword_only in parameters:
            if not required and (bare or self.chance.random() < 0.6):
                skipped = True
                continue
            shape = of_text(annotation) if annotation else inferred.get(name, ANY)
            made = self.make(shape, scale, name if depth <= 1 else "", depth)
            texts.append(f"{name}={made}" if keyword_only or skipped else made)
        return ", ".join(texts)

    def known(self, name: str) -> Mapping[str, Any]:
        """What a class's name stands for; asked once."""
        if name not in self._known:
            self._known[name] = self._describe(name)
        return self._known[name]


def _tuple(elements: Sequence[str]) -> str:
    return f"({', '.join(elements)}{',' * (len(elements) == 1)})"
