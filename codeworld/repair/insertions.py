"""Statements that may be missing from a program that parses, written with its own names: an initialisation, an
update, a return, a guard or base case, a way out of a loop."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from codeworld.repair.edits import Edit, Proposal
from codeworld.repair.program import Program, own_nodes
from codeworld.syntax.names import GIVEN

_MOST = 240  # of one function
_DEFAULTS = ("None", "0", "False", "True", "[]", "1", "-1", '""')  # what a guard returns
_NEW = {"number": "0", "list": "[]", "text": '""', "dict": "{}", "set": "set()"}
_STARTS = ("0", "[]", "1", '""', "{}", "set()", "None", "False", "True")
_GROWS = {"append": "list", "extend": "list", "insert": "list", "add": "set", "setdefault": "dict"}
_MADE = {"list": "list", "dict": "dict", "set": "set", "str": "text", "int": "number", "len": "number"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Block = list[ast.stmt]


class Line(NamedTuple):
    """A statement to add, and minus the log of its prior."""

    code: str
    cost: float


def insertions(program: Program) -> list[Proposal]:
    """Proposals, cheapest first, each of one statement."""
    found: list[Proposal] = []
    for node, around in _functions(program.tree):
        own = [*_initialisations(program, node, around), *_guards(program, node)]
        own += [one for block, loops in _blocks(node) for one in _endings(program, node, block, loops)]
        found += sorted(own, key=lambda one: one.cost)[:_MOST]
    return sorted(found, key=lambda one: (one.cost, one.edits))


def _functions(tree: ast.Module) -> Iterator[tuple[Function, set[str]]]:
    """Each function with the names that are made around it."""
    unseen: list[tuple[ast.Module | Function, set[str]]] = [(tree, set())]
    while unseen:
        scope, around = unseen.pop()
        own = list(own_nodes(scope))
        made = around | {name for node in own for name in _made_by(node)}
        for node in own:
            if isinstance(node, Function):
                unseen.append((node, made))
                yield node, made


def _behind(program: Program, statement: ast.stmt, lines: Sequence[Line], kind: str) -> Iterator[Proposal]:
    """Lines behind a statement, in its block."""
    indent, end = _indent(program, statement), program.end(statement)
    below = program.text.find("\n", end) + 1
    rest = program.text[end : below or None].strip()
    if indent is None or (rest and not rest.startswith("#")):
        return
    for code, cost in lines:
        if below:
            yield Proposal((Edit(below, below, f"{indent}{code}\n"),), kind, cost)
        else:
            end = len(program.text)
            yield Proposal((Edit(end, end, f"\n{indent}{code}"),), kind, cost)


def _before(program: Program, statement: ast.stmt, lines: Sequence[Line], kind: str) -> Iterator[Proposal]:
    """Lines before a statement, in its block."""
    indent = _indent(program, statement)
    if indent is not None:
        start = program.start(statement) - len(indent)
        for code, cost in lines:
            new = "".join(f"{indent}{line}\n" for line in code.split("\n"))
            yield Proposal((Edit(start, start, new),), kind, cost)


def _indent(program: Program, statement: ast.stmt) -> str | None:
    """None where the statement does not begin its line."""
    start = program.start(statement)
    before = program.text[program.text.rfind("\n", 0, start) + 1 : start]
    return None if before.strip() or getattr(statement, "decorator_list", None) else before


def _blocks(function: Function) -> Iterator[tuple[Block, tuple[ast.For | ast.AsyncFor | ast.While, ...]]]:
    """The function's blocks, each with the loops around it, innermost first; not those of functions within."""
    unseen: list[tuple[Block, tuple[ast.For | ast.AsyncFor | ast.While, ...]]] = [(function.body, ())]
    while unseen:
        block, loops = unseen.pop()
        yield block, loops
        for node in block:
            if isinstance(node, Function | ast.ClassDef):
                continue
            inner = (node, *loops) if isinstance(node, ast.For | ast.AsyncFor | ast.While) else loops
            parts = [
                getattr(node, "body", None),
                getattr(node, "orelse", None),
                getattr(node, "finalbody", None),
            ]
            parts += [one.body for one in (*getattr(node, "handlers", ()), *getattr(node, "cases", ()))]
            unseen += [
                (part, inner if part is parts[0] else loops)
                for part in parts
                if isinstance(part, list) and part
            ]


def _endings(
    program: Program, function: Function, block: Block, loops: Sequence[ast.For | ast.AsyncFor | ast.While]
) -> Iterator[Proposal]:
    """What may be missing at the end of a block."""
    last = block[-1]
    if isinstance(last, ast.Return | ast.Raise | ast.Break | ast.Continue):
        if loops:
            yield from _before(
                program,
                last,
                [Line(o.code, o.cost + 0.8) for o in _updates(function, loops)],
                "missing update",
            )
        return
    if loops:
        yield from _behind(program, last, _updates(function, loops), "missing update")
        within = block is not loops[0].body
        ways = [Line("break", 3.4), Line("continue", 3.8)] if within else []
        yield from _behind(program, last, ways, "missing break")
    yield from _behind(program, last, _returns(function, block), "missing return")


def _updates(function: Function, loops: Sequence[ast.For | ast.AsyncFor | ast.While]) -> list[Line]:
    """Of what the function collects or counts, by what the loop goes over."""
    kinds = _kinds(function)
    loop = loops[0]
    items = _targets(loop) + [name for name in _stored(loop.body) if name not in _targets(loop)]
    tested = _read(loop.test) if isinstance(loop, ast.While) else set[str]()
    changed = set(_stored(loop.body))
    found = []
    for name, kind in kinds.items():
        if kind == "number":
            stuck = name in tested and name not in changed
            found += [
                Line(f"{name} += 1", 1.4 if stuck else 2.8),
                Line(f"{name} -= 1", 1.8 if stuck else 3.6),
            ]
        for rank, item in enumerate(one for one in items[:4] if one != name):
            found += [Line(code, cost + 0.2 * rank) for code, cost in _grown(name, kind, item)]
    return found


def _grown(name: str, kind: str, item: str) -> list[Line]:
    if kind == "number":
        found = [Line(f"{name} += {item}", 3.0), Line(f"{name} = max({name}, {item})", 4.0)]
        return [
            *found,
            Line(f"{name} = min({name}, {item})", 4.2),
            Line(f"{name} *= {item}", 4.2),
            Line(f"{name} = {item}", 4.0),
        ]
    if kind == "dict":
        return [
            Line(f"{name}[{item}] = {name}.get({item}, 0) + 1", 3.4),
            Line(f"{name}[{item}] += 1", 3.4),
            Line(f"{name}[{item}] = 1", 3.8),
        ]
    grown = {"list": f"{name}.append({item})", "set": f"{name}.add({item})", "text": f"{name} += {item}"}
    return [Line(grown[kind], 2.6)]


def _returns(function: Function, block: Block) -> list[Line]:
    given = _returned(function)
    names = list(dict.fromkeys([*_stored(function.body), *_parameters(function)]))
    outer = block is function.body
    if not outer and not given:
        return []
    if outer and _never_ends(block[-1]):
        return []
    base = (1.4 if not given else 2.2) if outer else 3.2
    plain = ("False", "True", "-1", "0") if outer and given else ()
    codes = [f"return {code}" for code in (*given, *names, *plain)]
    if any(code in ("True", "False") for code in given):
        codes = ["return True", "return False", *codes]
    return [Line(code, base + 0.15 * rank) for rank, code in enumerate(dict.fromkeys(codes))][:14]


def _never_ends(statement: ast.stmt) -> bool:
    """Whether nothing behind a statement is reached, as far as is plain to see."""
    if isinstance(statement, ast.Return | ast.Raise):
        return True
    if isinstance(statement, ast.If) and statement.orelse:
        return _never_ends(statement.body[-1]) and _never_ends(statement.orelse[-1])
    return isinstance(statement, ast.While) and isinstance(statement.test, ast.Constant)


def _guards(program: Program, function: Function) -> Iterator[Proposal]:
    """At the head of the function: ``if not xs: return []``; for one that calls itself, a base case."""
    parameters = [name for name in _parameters(function) if name not in ("self", "cls")][:3]
    calls_itself = any(
        (isinstance(node, ast.Name) and node.id == function.name and isinstance(node.ctx, ast.Load))
        or (isinstance(node, ast.Attribute) and node.attr == function.name)
        for node in ast.walk(function)
    )
    body = [node for node in function.body if not _is_docstring(node)]
    if not body or not parameters:
        return
    base, step = (2.4, 0.12) if calls_itself else (3.8, 0.15)
    values = list(dict.fromkeys([*_returned(function, constants=True), *parameters, *_DEFAULTS]))[:8]
    lines = []
    for at, name in enumerate(parameters):
        for rank, test in enumerate(
            (
                f"not {name}",
                f"{name} == 0",
                f"{name} <= 1",
                f"{name} == 1",
                f"{name} is None",
                f"len({name}) <= 1",
                f"{name} < 0",
            )
        ):
            for place, value in enumerate(values):
                lines.append(Line(f"if {test}:\n    return {value}", base + step * (rank + place) + 0.6 * at))
    yield from _before(program, body[0], lines, "missing guard")


def _initialisations(program: Program, function: Function, around: set[str]) -> Iterator[Proposal]:
    """Of names that are changed though nothing makes them."""
    for name, kind in _unmade(function, around).items():
        first = next((node for node in function.body if name in _read(node)), None)
        if first is None:
            continue
        starts = list(dict.fromkeys([_NEW.get(kind, "0"), *_STARTS, *_parameters(function)]))
        lines = [Line(f"{name} = {start}", 1.2 + 0.2 * rank) for rank, start in enumerate(starts)]
        yield from _before(program, first, lines, "missing initialisation")


def _unmade(function: Function, around: set[str]) -> dict[str, str]:
    """Names that the function reads or changes and nobody assigns, with the kind of thing that they seem to be."""
    made = around | {name for node in ast.walk(function) for name in _made_by(node)}
    found: dict[str, str] = {}
    for node in ast.walk(function):
        name, kind = _use(node)
        if name and name not in made and not (kind == "" and name in found):
            found[name] = kind
    return {name: kind or "number" for name, kind in found.items()}


def _made_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.AugAssign):
        return []
    if isinstance(node, ast.Global | ast.Nonlocal):
        return node.names
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.alias):
        return [(node.asname or node.name).partition(".")[0]]
    if isinstance(node, Function | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.ExceptHandler) and node.name:
        return [node.name]
    targets = [
        *getattr(node, "targets", ()),
        getattr(node, "target", None),
        getattr(node, "optional_vars", None),
    ]
    return [
        one.id
        for target in targets
        if isinstance(target, ast.AST)
        for one in ast.walk(target)
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
    ]


def _use(node: ast.AST) -> tuple[str, str]:
    """A name that a node changes or reads, and what the change says of it."""
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return node.target.id, _kind(node.value) or "number"
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in _GROWS:
        return node.value.id, _GROWS[node.attr]
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and isinstance(node.ctx, ast.Store)
    ):
        return node.value.id, "dict"
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in GIVEN:
        return node.id, ""
    return "", ""


def _kinds(function: Function) -> dict[str, str]:
    """What the function's own names hold, as far as their assignments or uses show it."""
    found: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            pairs = [(node.targets[0], node.value)]
            if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(node.targets[0].elts, node.value.elts, strict=False))
            for target, value in pairs:
                kind = _kind(value)
                if isinstance(target, ast.Name) and kind:
                    found.setdefault(target.id, kind)
        else:
            name, kind = _use(node)
            if name and kind:
                found.setdefault(name, kind)
    return found


def _kind(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        number = isinstance(value.value, int | float) and not isinstance(value.value, bool)
        return "number" if number else "text" if isinstance(value.value, str) else ""
    if isinstance(value, ast.List | ast.ListComp):
        return "list"
    if isinstance(value, ast.Dict | ast.DictComp):
        return "dict"
    if isinstance(value, ast.Set | ast.SetComp):
        return "set"
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return _MADE.get(value.func.id, "dict" if value.func.id in ("defaultdict", "Counter") else "")
    return "number" if isinstance(value, ast.BinOp | ast.UnaryOp) else ""


def _returned(function: Function, *, constants: bool = False) -> list[str]:
    """The texts of what it returns now."""
    values = [
        node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None
    ]
    kept = [one for one in values if isinstance(one, ast.Constant | ast.List | ast.Tuple) or not constants]
    return list(dict.fromkeys(text for one in kept if len(text := ast.unparse(one)) <= 24))[:4]


def _stored(block: Sequence[ast.stmt]) -> list[str]:
    nodes = (node for statement in block for node in ast.walk(statement))
    return list(
        dict.fromkeys(n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    )


def _targets(loop: ast.For | ast.AsyncFor | ast.While) -> list[str]:
    if isinstance(loop, ast.While):
        return []
    return [node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)]


def _parameters(function: Function) -> list[str]:
    return [one.arg for one in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]


def _read(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
