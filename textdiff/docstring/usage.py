"""What the code itself says about parameters and results: phrases whose every word is a fact of the body.

They are for the slots that a linter wants filled and that neither a person nor the model has filled.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

from textdiff.docstring.understand import Parameter, Raised, Target, walk

_LONG = 60  # characters of code inside a sentence
_UNSAFE = re.compile(r"\\|\"\"\"|'''|`|\n")


def of_parameter(target: Target, parameter: Parameter) -> str:
    """A sentence about a parameter; the last resort is whether it may be left out."""
    name = parameter.name.lstrip("*")
    function = _function(target)
    found = next(_uses(function, name), "") if function is not None else ""
    default = code(parameter.default)
    if not found:
        if parameter.name.startswith("**"):
            return "Further keyword arguments."
        if parameter.name.startswith("*"):
            return "Further positional arguments."
        return f"Defaults to {default}." if default else "Optional." if parameter.default else "Required."
    return f"{found} Defaults to {default}." if default else found


def of_result(target: Target) -> str:
    """A sentence about what is returned; "" where nothing short can be said."""
    values = {ast.unparse(one) for one in _returned(target)}
    if values <= {"True", "False"} and values:
        return "Whether it is so." if len(values) == 2 else f"Always {code(values.pop())}."
    if values == {"self"}:
        return "The object itself."
    value = values.pop() if len(values) == 1 else ""
    shown = "" if is_local(target, value) else code(value)
    return f"{shown}." if shown else ""


def is_local(target: Target, value: str) -> bool:
    """Whether an expression is but the name of something inside the function, which tells nobody anything."""
    return value.isidentifier() and value not in {one.name.lstrip("*") for one in target.parameters}


def of_yield(target: Target) -> str:
    """A sentence about what is yielded; "" where nothing short can be said."""
    values: set[str] = set()
    for one in walk(target.node):
        if isinstance(one, ast.YieldFrom):
            values.add(f"each of {code(ast.unparse(one.value))}")
        elif isinstance(one, ast.Yield) and one.value is not None:
            values.add(code(ast.unparse(one.value)))
    shown = values.pop() if len(values) == 1 else ""
    return f"{shown[0].upper()}{shown[1:]}." if shown and not shown.endswith(" ") else ""


def of_raise(raised: Raised) -> str:
    """When an exception is raised: the condition around it, else its message."""
    if raised.condition and len(raised.condition) <= _LONG and _is_safe(raised.condition.replace("``", "")):
        return f"{raised.condition}."
    if (
        raised.message
        and len(raised.message) <= _LONG
        and _is_safe(raised.message)
        and ":" not in raised.message
    ):
        message = raised.message.rstrip(" .!")
        return f"{message[:1].upper()}{message[1:]}."
    return ""


def of_attribute(attribute: Parameter) -> str:
    """A sentence about a field of a class."""
    shown = code(attribute.default)
    return f"Defaults to {shown}." if shown else "Required." if not attribute.default else "Optional."


def code(text: str) -> str:
    """A piece of code for a sentence; "" where it is long, or a docstring could not hold it."""
    return f"``{text}``" if text and len(text) <= _LONG and _is_safe(text) else ""


def _is_safe(text: str) -> bool:
    return not _UNSAFE.search(text) and text.isprintable()


def _function(target: Target) -> ast.AST | None:
    if target.kind != "class":
        return target.node
    body = getattr(target.node, "body", [])
    return next((one for one in body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)


def _returned(target: Target) -> list[ast.expr]:
    return [one.value for one in walk(target.node) if isinstance(one, ast.Return) and one.value is not None]


def _uses(function: ast.AST, name: str) -> Iterator[str]:
    """What is done with a parameter, the most telling first."""
    nodes = list(walk(function))
    thrown = {
        id(one.exc) for one in nodes if isinstance(one, ast.Raise)
    }  # says nothing of what a parameter is for
    yield from (text for one in nodes if (text := _stored(one, name)))
    if any(isinstance(one, ast.Return) and _is(one.value, name) for one in nodes):
        yield "Returned as it is." if _once(nodes, name) else "Returned."
    calls = [one for one in nodes if isinstance(one, ast.Call) and id(one) not in thrown]
    yield from (text for one in calls if (text := _passed(one, name)))
    loops = (one for one in nodes if isinstance(one, ast.For | ast.AsyncFor | ast.comprehension))
    if any(_is(one.iter, name) for one in loops):
        yield "Iterated over."
    for one in calls:
        if isinstance(one.func, ast.Attribute) and _is(one.func.value, name):
            yield f"Its ``{one.func.attr}`` is called."


def _stored(node: ast.AST, name: str) -> str:
    """``self.x = x``."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or not _is(node.value, name):
        return ""
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if not isinstance(target, ast.Attribute) or not isinstance(target.value, ast.Name):
        return ""
    return f"Stored as ``{target.attr}``." if target.value.id == "self" else ""


def _passed(call: ast.Call, name: str) -> str:
    """``f(x)`` and ``f(key=x)``."""
    callee = code(ast.unparse(call.func))
    if not callee or hasattr(builtins, ast.unparse(call.func)):
        return ""  # what ``len`` and the like are called with is told by nothing
    if any(_is(argument, name) for argument in call.args):
        return f"Passed to {callee}."
    keys = [keyword.arg for keyword in call.keywords if keyword.arg and _is(keyword.value, name)]
    return f"Passed to {callee} as ``{keys[0]}``." if keys else ""


def _once(nodes: list[ast.AST], name: str) -> bool:
    return sum(isinstance(one, ast.Name) and one.id == name for one in nodes) == 1


def _is(node: ast.expr | None, name: str) -> bool:
    if isinstance(node, ast.Starred):
        node = node.value
    return isinstance(node, ast.Name) and node.id == name
