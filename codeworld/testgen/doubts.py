"""What must not be frozen: behaviour that contradicts what is written, and accidents."""

from __future__ import annotations

import ast

from codeworld.testgen.cases import Case, Doubt, Example, Observed, Raised, Snapshot, Target
from codeworld.testgen.expressions import is_literal, shown
from codeworld.testgen.shapes import ANY, Shape

_SEQUENCES = ("list", "tuple", "fixed tuple", "iterator", "deque", "range")
_ANYTHING = (
    "any",
    "object",
    "namespace",
    "link",
    "callable",
    "pattern",
    "text io",
    "binary io",
    "type",
    "literal",
    "path",
)
_NUMBERS = {
    "int": ("int", "bool"),
    "float": ("float", "int", "bool"),
    "complex": ("complex", "float", "int", "bool"),
}


def may_stand(target: Target, observed: Observed) -> bool:
    """Whether what a call did is meant, as far as one can know."""
    if observed.died or observed.setup_failed:
        return False
    if observed.raised is not None:
        return is_deliberate(target, observed.raised)
    assert observed.value is not None
    return fits_annotation(target, observed)


def is_deliberate(target: Target, raised: Raised) -> bool:
    """Raised by a raise statement, or documented, or the way in which values are refused; not an operation gone
    wrong. A failed assert says that the input was not for this function."""
    if raised.asserted or "OSError" in raised.bases or "ImportError" in raised.bases:
        return False  # of this machine
    if raised.type in target.raises:
        return True
    if raised.deliberate:
        return raised.type not in ("TypeError", "AttributeError", "KeyError", "IndexError") or raised.line > 0
    return raised.type in ("ValueError", "SystemExit", "JSONDecodeError") and raised.line > 0


def fits_annotation(target: Target, observed: Observed) -> bool:
    """Whether the value is what the return annotation says; what cannot be told, fits."""
    if (
        target.returns is None
        or observed.value is None
        or observed.mode in ("with", "list", "first", "async for")
    ):
        return True
    return _fits(target.returns, observed.value)


def of_call(target: Target, case: Case, observed: Observed) -> Doubt | None:
    """The contradiction in what a call did, if there is one."""
    call = shown(case)
    if observed.raised is not None:
        raised = observed.raised
        annotated = all(one.annotated for one in target.parameters)
        known = "OSError" in raised.bases or "ImportError" in raised.bases or raised.asserted
        if not annotated or known or is_deliberate(target, raised):
            return None
        text = f"{raised.type}: {raised.message}"[:200]
        return Doubt(
            target.qualname,
            raised.line or target.line,
            call,
            "",
            text,
            "crash",
        )
    if observed.value is None or fits_annotation(target, observed):
        return None
    value = observed.value
    seen = f"{value.expr or '…'} ({value.type})"[:200]
    return Doubt(
        target.qualname, target.returns_line or target.line, call, str(target.returns), seen, "annotation"
    )


def said(doubt: Doubt) -> str:
    """In a sentence."""
    if doubt.source == "crash":
        return f"{doubt.call} ends in {doubt.observed}, which nothing documents"
    return f"{doubt.call} gives {doubt.observed}, and the {doubt.source} says {doubt.expected}"


def of_example(target: Target, example: Example, observed: Observed) -> Doubt | None:
    """Whether a doctest's example no longer prints what it says. What cannot be compared is no contradiction."""
    if observed.died or observed.setup_failed:
        return None
    want = example.want
    if observed.raised is not None:
        if observed.raised.type == "NameError":
            return None  # it needs lines before it
        seen = f"{observed.raised.type}: {observed.raised.message}"
        last = want.splitlines()[-1] if want else ""
        agrees = (
            want.startswith("Traceback") and last.partition(":")[0].rpartition(".")[2] == observed.raised.type
        )
    else:
        assert observed.value is not None
        if observed.value.expr is None or "..." in want or observed.mode != "value":
            return None
        seen = observed.printed.strip() or ("" if observed.value.expr == "None" else observed.value.expr)
        agrees = seen == want or _same_literal(seen, want)
        if not agrees and not is_literal(want) and not observed.printed:
            return None  # the repr of an object
    if agrees:
        return None
    return Doubt(target.qualname, example.line, example.source, want, seen[:200], "doctest")


def _fits(shape: Shape, value: Snapshot) -> bool:
    if value.expr is None:
        simple = shape.kind in ("int", "str", "bool", "bytes", "none")
        return not simple or value.type.rpartition(".")[0] != ""
    try:
        node = ast.parse(value.expr, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError):
        return True
    return _node_fits(shape, node)


def _node_fits(shape: Shape, node: ast.expr) -> bool:
    """Of an expression that a snapshot wrote. A list for a tuple is let pass within another value: annotations are
    loose about that."""
    if shape == ANY or shape.kind in _ANYTHING:
        return True
    if shape.kind == "union":
        return any(_node_fits(one, node) for one in shape.of)
    if isinstance(node, (ast.Call, ast.Attribute, ast.Name, ast.BinOp)):
        return shape.kind != "none"
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    if isinstance(node, ast.Constant):
        name = "none" if node.value is None else type(node.value).__name__
        return name in _NUMBERS.get(shape.kind, (shape.kind,))
    if isinstance(node, (ast.List, ast.Tuple)):
        return shape.kind in _SEQUENCES and _elements_fit(shape, node.elts)
    if isinstance(node, ast.Dict):
        return shape.kind in ("dict", "counter")
    if isinstance(node, ast.Set):
        return shape.kind in ("set", "frozenset")
    return True


def _elements_fit(shape: Shape, elements: list[ast.expr]) -> bool:
    if shape.kind == "fixed tuple":
        return len(shape.of) == len(elements) and all(map(_node_fits, shape.of, elements))
    return not shape.of or all(_node_fits(shape.of[0], one) for one in elements)


def _same_literal(one: str, other: str) -> bool:
    try:
        return bool(ast.literal_eval(one) == ast.literal_eval(other))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return False
