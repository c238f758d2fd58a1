"""Small changes to an input's expression that keep what kind of value it is."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Iterator

from codeworld.testgen.inputs import Maker, Scale

_Sequence = ast.List | ast.Tuple | ast.Set
_MOST_ELEMENTS = 16
_MOST_CHARS = 40


def neighbour(expression: str, maker: Maker, scale: Scale) -> str:
    """One or a few changes to numbers, strings and the elements of lists; the same when nothing can be changed."""
    tree = ast.parse(expression, mode="eval")
    chance = maker.chance
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        nodes = [*_changeable(tree.body)]
        if not nodes:
            return expression
        node = chance.choice(nodes)
        if isinstance(node, ast.Constant):
            node.value = _constant(node.value, maker, scale)  # type: ignore[assignment]
        elif isinstance(node, ast.Dict):
            _dict(node, chance)
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            _elements(node, chance)
        elif isinstance(node, ast.Call):
            _cut_off(node, chance.choice(_links(node)))
    return _without_minus_zero(ast.unparse(tree.body))


def _without_minus_zero(text: str) -> str:
    return re.sub(r"(?<![\w.)\]'\"])-0(?![\w.])", "0", text)


def smaller(expression: str) -> Iterator[str]:
    """Simpler expressions of the same kind, the simplest first."""
    tree = ast.parse(expression, mode="eval")
    for at, node in enumerate([*_changeable(tree.body)]):
        for change in _simplifications(node):
            copy = ast.parse(expression, mode="eval")
            change([*_changeable(copy.body)][at])
            text = _without_minus_zero(ast.unparse(copy.body))
            if len(text) < len(expression) or (len(text) == len(expression) and text < expression):
                yield text


def _changeable(node: ast.AST) -> Iterator[ast.expr]:
    """Literals, from the outside in. What a function is called by stays."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str, bytes)):
        yield node
    if isinstance(node, (ast.List, ast.Set, ast.Dict)) or (isinstance(node, ast.Call) and _links(node)):
        yield node
    elif isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        yield node.operand
        return
    elif isinstance(node, (ast.Lambda, ast.JoinedStr, ast.BinOp)):
        return  # tmp_path / "name"
    for child in ast.iter_child_nodes(node):
        yield from _changeable(child)


def _links(node: ast.Call) -> list[int]:
    """Where an object of attributes leads to another one."""
    if ast.unparse(node.func) != "SimpleNamespace":
        return []
    return [at for at, one in enumerate(node.keywords) if isinstance(one.value, ast.Call)]


def _cut_off(node: ast.expr, at: int) -> None:
    if isinstance(node, ast.Call):
        node.keywords[at].value = ast.Constant(None)


def _constant(value: object, maker: Maker, scale: Scale) -> object:
    chance = maker.chance
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        near: list[Callable[[int], int]] = [
            lambda n: n + 1, lambda n: max(n - 1, 0), lambda n: n * 2, lambda n: n // 2,
            lambda n: abs(maker.integer(scale)),
            lambda n: n + chance.randint(1, 5), lambda n: 0,
        ]  # fmt: skip
        return chance.choice(near)(value)
    if isinstance(value, float):
        return chance.choice((value + 1, value * 2, value / 2, abs(value - 1), 0.0))
    if isinstance(value, bytes):
        return _text(value.decode("latin-1"), maker, scale).encode("latin-1", "replace")
    return _text(str(value), maker, scale)


def _text(text: str, maker: Maker, scale: Scale) -> str:
    chance = maker.chance
    at = chance.randint(0, len(text))
    letters = text + scale.alphabet + maker.pool.alphabet or "a"
    what = chance.randint(0, 6)
    if what == 0 and maker.pool.strings:
        return chance.choice(maker.pool.strings)
    if what == 1 and text:
        return text[:at] + text[at + 1 :]
    if what == 2 and len(text) > 1:
        other = chance.randint(0, len(text) - 1)
        letters_of = [*text]
        at = min(at, len(text) - 1)
        letters_of[at], letters_of[other] = letters_of[other], letters_of[at]
        return "".join(letters_of)
    if what == 3 and text and len(text) < _MOST_CHARS:
        start = chance.randint(0, at)
        return text[:at] + text[start:at] + text[at:]
    if what == 4 and maker.pool.strings and len(text) < _MOST_CHARS:
        return text[:at] + chance.choice(maker.pool.strings) + text[at:]
    if what == 5 and text:
        return text[:at] + chance.choice(letters) + text[at + 1 :]
    return text[:at] + chance.choice(letters) + text[at:] if len(text) < _MOST_CHARS else text


def _elements(node: _Sequence, chance: random.Random) -> None:
    elements = node.elts
    if not elements:
        return
    at, other = chance.randrange(len(elements)), chance.randrange(len(elements))
    what = chance.randint(0, 5)
    if what == 0:
        del elements[at]
    elif what == 1 and len(elements) < _MOST_ELEMENTS:
        elements.insert(at, elements[other])
    elif what == 2:
        elements[at], elements[other] = elements[other], elements[at]
    elif what == 3:
        elements.reverse()
    elif what == 4:
        elements[at] = elements[other]
    elif len(elements) * 2 <= _MOST_ELEMENTS:
        elements += elements
    if isinstance(node, ast.Set) and not elements:
        elements.append(ast.Constant(0))


def _dict(node: ast.Dict, chance: random.Random) -> None:
    if node.keys:
        at = chance.randrange(len(node.keys))
        del node.keys[at], node.values[at]


def _simplifications(node: ast.expr) -> Iterator[Callable[[ast.expr], None]]:
    if isinstance(node, (ast.List, ast.Dict)):
        count = len(node.elts if isinstance(node, ast.List) else node.keys)
        if count > 3:
            yield from (
                lambda n, h=half: _cut(n, h) for half in (slice(None, count // 2), slice(count // 2, None))
            )
        for at in range(count):
            yield lambda n, at=at: _cut(n, slice(at, at + 1))  # type: ignore[misc]
    elif isinstance(node, ast.Call):
        yield from (lambda n, at=at: _cut_off(n, at) for at in _links(node))
    elif isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool):
            return
        if isinstance(value, int):
            yield from (
                lambda n, v=v: setattr(n, "value", v)
                for v in sorted({0, 1, 2, value // 2, value - 1})
                if v < value
            )
        elif isinstance(value, str):
            if len(value) > 3:
                half = len(value) // 2
                yield from (lambda n, v=v: setattr(n, "value", v) for v in (value[:half], value[half:]))
            yield from (
                lambda n, v=v: setattr(n, "value", v)
                for v in (value[:at] + value[at + 1 :] for at in range(min(len(value), 20)))
            )


def _cut(node: ast.expr, where: slice) -> None:
    if isinstance(node, ast.List):
        del node.elts[where]
    elif isinstance(node, ast.Dict):
        del node.keys[where], node.values[where]
