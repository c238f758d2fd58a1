"""What may be meant where a type checker complains: another annotation, a converted value, a name that is there.

Checkers quote types and names in their messages; what is quoted, and the annotations that the complaint can be about,
are what the proposals are made of. Annotations are never taken away, nor made ``Any``: that would only silence the
checker.
"""

from __future__ import annotations

import ast
import builtins
import re
import typing
from collections.abc import Iterator
from difflib import get_close_matches

import msgspec

from codeworld.repair.edits import Edit, Proposal
from codeworld.repair.program import Found, Program, change
from codeworld.repair.tree_edits import tree_neighbours
from codeworld.verify.type_check import Complaint

_QUOTED = re.compile(r'"([^"]*)"|`([^`]*)`')
_GOT = re.compile(
    r'(?:has type|got|has incompatible type|is used as type|type of) (?:implicit return value of )?["`]([^"`]*)["`]'
)
_EXPECTED = re.compile(
    r"(?:expected|Expected|variable has type|supertype defines the argument type as|parameter has type)"
    r' ["`]([^"`]*)["`]'
)
_WORD = re.compile(r"[A-Za-z_][\w.]*")
_CONVERTERS = ("str", "int", "float", "bool", "list", "tuple", "dict", "set", "bytes")
_AS_TYPE = {"any": "Any", "callable": "Callable", "np.array": "np.ndarray", "numpy.array": "numpy.ndarray"}
_AS_TYPE |= {"array": "ndarray", "iter": "Iterator", "torch.tensor": "torch.Tensor", "object": "type"}
_RENAMED = {"unicode": "str", "basestring": "str", "xrange": "range", "long": "int", "raw_input": "input"}
_TYPING = frozenset(typing.__all__)
_OF_NEIGHBOURS = 3.0  # cost added to what knows nothing of the message
_FAR = 1.5  # and to an annotation elsewhere

Function = ast.FunctionDef | ast.AsyncFunctionDef


def type_proposals(program: Program, complaint: Complaint) -> list[Proposal]:
    """Best first."""
    found = [
        *_annotations(program, complaint),
        *_invalid_types(program, complaint),
        *_values(program, complaint),
        *_names(program, complaint),
        *_returns(program, complaint),
    ]
    found += [
        msgspec.structs.replace(one, cost=one.cost + _OF_NEIGHBOURS)
        for one in tree_neighbours(program)
        if program.text.count("\n", 0, one.edits[0].start_char) == complaint.line
    ]
    return sorted((_imported(program, one) for one in found), key=lambda one: one.cost)


def _annotations(program: Program, complaint: Complaint) -> Found:
    """The annotation widened to what is there, or replaced by it."""
    got, expected = _first(_GOT, complaint), _first(_EXPECTED, complaint)
    if "override" in complaint.message or "supertype" in complaint.message:
        got, expected = expected or got, ""
    if "implicit return" in complaint.message or "Missing return" in complaint.message:
        got = "None"
    optional = got == "None" or '"None"' in complaint.message or "default" in complaint.message
    for note, cost in _concerned(program, complaint):
        own = program.of_node(note)
        start, end = program.start(note), program.end(note)
        if optional and not own.startswith("Optional[") and "None" not in own:
            yield change(start, end, _optional(program, own), "types: optional", cost)
        for other in filter(None, (_plain(got), _plain(expected))):
            if other not in ("None", own) and _is_expression(other):
                yield change(start, end, _union(program, own, other), "types: union", cost + 0.8)
                yield change(start, end, other, "types: other annotation", cost + 0.4)


def _concerned(program: Program, complaint: Complaint) -> Iterator[tuple[ast.expr, float]]:
    """The annotations that a complaint may be about, with their cost."""
    line, quoted = complaint.line + 1, {one or other for one, other in _QUOTED.findall(complaint.message)}
    here = [node for node in ast.walk(program.tree) if isinstance(node, ast.stmt) and _covers(node, line)]
    returns = "return" in complaint.message.lower()
    words = set(_WORD.findall(program.text.split("\n")[complaint.line]))
    for node in ast.walk(program.tree):
        if isinstance(node, Function):
            inside = node in here
            if node.returns is not None and inside and (returns or node.lineno == line):
                yield node.returns, 0.5 if returns else 1.5
            for one in _arguments(node):
                if one.annotation is None:
                    continue
                called = node.name in {word.split(".")[-1] for word in words} or node.name in quoted
                if one.arg in quoted and (inside or called):
                    yield one.annotation, 0.4
                elif inside and one.lineno == line:
                    yield one.annotation, 0.9
                elif (inside and one.arg in words) or called:
                    yield one.annotation, 0.9 + _FAR
        elif isinstance(node, ast.AnnAssign):
            target = program.of_node(node.target)
            if node in here:
                yield node.annotation, 0.4
            elif target in words or target.removeprefix("self.") in {w.removeprefix("self.") for w in words}:
                yield node.annotation, 0.9 + (target not in words)


def _returns(program: Program, complaint: Complaint) -> Found:
    """A variable whose first value says too little gets an annotation."""
    got, had = _plain(_first(_GOT, complaint)), _plain(_first(_EXPECTED, complaint))
    words = set(_WORD.findall(program.text.split("\n")[complaint.line]))
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and got and had:
            target = node.targets[0]
            name = program.of_node(target)
            if (
                isinstance(target, (ast.Name, ast.Attribute))
                and name in words
                and node.lineno <= complaint.line
            ):
                types = (_optional(program, had),) if got == "None" else (_union(program, had, got),)
                types = (_optional(program, got),) if had == "None" else types
                for one in types:
                    yield change(
                        program.end(target), program.end(target), f": {one}", "types: annotated", 1.6
                    )


def _invalid_types(program: Program, complaint: Complaint) -> Found:
    """What is no type, where a type belongs."""
    for note in _all_annotations(program):
        if note.lineno - 1 == complaint.line or ("type" in complaint.message and _near(note, complaint)):
            for node in ast.walk(note):
                if isinstance(node, ast.expr):
                    start, end = program.start(node), program.end(node)
                    for new, cost in _valid_types(program, node):
                        yield change(start, end, new, "types: valid type", cost)


def _valid_types(program: Program, node: ast.expr) -> Iterator[tuple[str, float]]:
    """What may be meant by an expression in an annotation, with its cost."""
    own = program.of_node(node)
    if own in _AS_TYPE:
        yield _AS_TYPE[own], 0.2
    if isinstance(node, ast.List) and len(node.elts) == 1:
        yield f"List[{program.of_node(node.elts[0])}]", 0.5
    elif isinstance(node, ast.Tuple) and own.startswith("("):
        yield f"Tuple[{own[1:-1].rstrip(', ')}]", 0.5
    elif isinstance(node, ast.Call):
        yield program.of_node(node.func), 0.6
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield f"Union[{program.of_node(node.left)}, {program.of_node(node.right)}]", 0.9
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
        head, parts = program.of_node(node.value), [program.of_node(one) for one in node.slice.elts]
        yield f"{head}[Union[{', '.join(parts)}]]", 0.8
        yield f"{head}[{parts[0]}]", 1.0
        if head.split(".")[-1] == "Callable":
            yield f"{head}[[{', '.join(parts[:-1])}], {parts[-1]}]", 0.7
    elif isinstance(node, (ast.Name, ast.Attribute)):  # a module for its class
        yield f"{own}.{own.split('.')[-1].title()}", 2.0


def _values(program: Program, complaint: Complaint) -> Found:
    """The value converted to what is expected, or another literal."""
    expected = _plain(_first(_EXPECTED, complaint))
    heads = {one.split("[")[0].strip().lower() for one in re.split(r"[|,]", expected)}
    for node in ast.walk(program.tree):
        if (
            not isinstance(node, ast.expr)
            or node.lineno - 1 != complaint.line
            or not isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        ):
            continue
        own, start, end = program.of_node(node), program.start(node), program.end(node)
        if isinstance(node, ast.Tuple) and len(node.elts) == 1:
            yield change(start, end, program.of_node(node.elts[0]), "types: no tuple", 0.3)
        if isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.BinOp, ast.Constant)):
            for head in heads & set(_CONVERTERS):
                yield change(
                    start, end, f"{head}({own})", "types: converted", 1.4 + 0.1 * isinstance(node, ast.BinOp)
                )
            if "list" in heads or "sequence" in heads:
                yield change(start, end, f"[{own}]", "types: in a list", 1.8)
        if isinstance(node, ast.Constant) and isinstance(node.value, int) and "str" in heads:
            yield change(start, end, f'"{own}"', "types: quoted", 0.9)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and heads & {"int", "float"}:
            yield change(start, end, node.value, "types: unquoted", 0.9)
        if isinstance(node, ast.Dict) and not node.keys and "list" in heads:
            yield change(start, end, "[]", "types: list", 0.3)
        if isinstance(node, ast.List) and not node.elts and heads & {"dict", "set"}:
            yield change(start, end, "{}" if "dict" in heads else "set()", "types: other empty value", 0.3)


def _names(program: Program, complaint: Complaint) -> Found:
    """Another name that is known there, the import that is missing, or a value before it is used."""
    match = re.search(
        r'[Nn]ame ["`]([\w.]+)["`] (?:is not defined|may be undefined|is used)', complaint.message
    )
    if match is None:
        return
    name = match[1]
    uses = [
        node
        for node in ast.walk(program.tree)
        if isinstance(node, ast.Name) and node.id == name and node.lineno - 1 == complaint.line
    ]
    known = {node.id for node in ast.walk(program.tree) if isinstance(node, ast.Name)} | set(dir(builtins))
    known |= {node.arg for node in ast.walk(program.tree) if isinstance(node, ast.arg)}
    for node in uses:
        start, end = program.start(node), program.end(node)
        close = get_close_matches(name, sorted(known - {name}), 4, 0.5)
        yield from (
            change(start, end, one, "types: known name", 1.0 + 0.3 * at) for at, one in enumerate(close)
        )
        yield change(start, end, f"self.{name}", "types: attribute", 1.6)
        if name in _RENAMED:
            yield change(start, end, _RENAMED[name], "types: known name", 0.4)
    for function in ast.walk(program.tree):
        if isinstance(function, Function) and _covers(function, complaint.line + 1):
            first = next((one for one in function.body if not _is_docstring(one)), None)
            if first is not None and not isinstance(first, Function):
                start = program.start(first) - first.col_offset
                yield change(
                    start, start, f"{' ' * first.col_offset}{name} = None\n", "types: set before", 2.4
                )


def _imported(program: Program, one: Proposal) -> Proposal:
    """With the imports from ``typing`` that it needs."""
    new = {word for edit in one.edits for word in re.findall(r"(?<![\w.])[A-Z]\w+", edit.new_text)} & _TYPING
    bound = {node.id for node in ast.walk(program.tree) if isinstance(node, ast.Name)}
    missing = sorted(new - _imports(program) - (bound - new))
    if not missing or len(program.source) != len(program.text):
        return one
    for node in program.tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "typing" and node.names[0].name != "*":
            last = node.names[-1]
            at = program.char(last.end_lineno or last.lineno, last.end_col_offset or 0)
            edit = Edit(at, at, "".join(f", {name}" for name in missing))
            break
    else:
        rest = [node for node in program.tree.body if not _is_docstring(node) and not _is_future(node)]
        at = program.starts[rest[0].lineno - 1] if rest else len(program.text)
        edit = Edit(at, at, f"from typing import {', '.join(missing)}\n")
    if any(one.start_char <= edit.start_char <= one.end_char for one in one.edits):
        return one
    return msgspec.structs.replace(one, edits=tuple(sorted((*one.edits, edit))))


def _imports(program: Program) -> set[str]:
    return {
        name.asname or name.name
        for node in ast.walk(program.tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in node.names
    }


def _optional(program: Program, own: str) -> str:
    if "Optional" not in _imports(program) and "import annotations" in program.text:
        return f"{own} | None"
    return f"Optional[{own}]"


def _union(program: Program, own: str, other: str) -> str:
    if "Union" not in _imports(program) and "import annotations" in program.text:
        return f"{own} | {other}"
    return f"Union[{own}, {other}]"


def _plain(quoted: str) -> str:
    """A type as it may be written: without the modules that checkers add, and of a literal its type."""
    text = re.sub(r"\b(?:builtins|typing|typing_extensions|collections\.abc)\.", "", quoted)
    text = re.sub(r"Literal\[(?:'[^']*'|\?)*\]\??", "str", text)
    text = re.sub(r"\b(?:[A-Za-z_]\w*\.)+([A-Za-z_]\w*)", r"\1", text).replace("Never", "Any")
    if " | None" in text:
        return f"Optional[{text.replace(' | None', '')}]" if text.count("|") == 1 else text
    return text.replace("?", "")


def _first(pattern: re.Pattern[str], complaint: Complaint) -> str:
    match = pattern.search(complaint.message)
    return match[1] if match else ""


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        return False
    return True


def _arguments(node: Function) -> list[ast.arg]:
    own = node.args
    return [*own.posonlyargs, *own.args, *own.kwonlyargs]


def _all_annotations(program: Program) -> Iterator[ast.expr]:
    for node in ast.walk(program.tree):
        note = getattr(node, "annotation", None) or getattr(node, "returns", None)
        if isinstance(note, ast.expr):
            yield note


def _near(note: ast.expr, complaint: Complaint) -> bool:
    return 0 <= note.lineno - 1 - complaint.line <= 12  # a signature of many lines is reported at its first


def _covers(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"
