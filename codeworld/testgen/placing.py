"""Tests put into a file: a new one, or the project's own, of which nothing that is there is changed."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from codeworld.testgen.cases import Kept
from codeworld.testgen.execution import NAMES, Place
from codeworld.testgen.project import Home, bound_names
from codeworld.testgen.target import Module, bindings
from codeworld.testgen.writing import Block, Writer, snake

_STANDARD = {(name or module): (module, name) for module, name in NAMES}


class Placed(msgspec.Struct, frozen=True):
    """The whole file; ``blocks`` are the tests that are new in it; ``class_name`` holds them, in unittest."""

    text: str
    blocks: tuple[Block, ...]
    class_name: str = ""


class Clash(Exception):
    """A name is needed that means something else in the file."""


def placed(
    kept: Sequence[Kept], place: Place, module: Module, home: Home, names: Mapping[str, tuple[str, str]] = {}
) -> Placed:
    """Write the tests of what is kept; ``names``: what they may name beside the module's, by module and name in it.
    Raises Clash."""
    taken = bound_names(home.text) if home.text is not None else {}
    defined = re.findall(r"def (test_\w+)\(", home.text or "")
    writer = Writer(home.style, [*taken, *defined])
    blocks: list[Block] = []
    for target in dict.fromkeys(one.target for one in kept):
        blocks += writer.blocks([one for one in kept if one.target == target])
    imports = _imports(blocks, place, module, home, names)
    class_name = ""
    body = "\n\n\n".join("\n".join(one.lines) for one in blocks)
    if home.style.framework == "unittest":
        imports.add(("unittest", ""))
        class_name = _free(f"{_camel(place.file.stem)}RecordedTest", taken)
        methods = "\n\n".join(
            "\n".join(f"    {line}" if line else "" for line in one.lines) for one in blocks
        )
        body = f"class {class_name}(unittest.TestCase):\n{methods}"
    if home.text is None:
        text = _new_text(body, imports, place, home)
    else:
        text = _extended(home.text, body, _missing(imports, taken))
    return Placed(text, tuple(blocks), class_name)


def _new_text(body: str, imports: set[tuple[str, str]], place: Place, home: Home) -> str:
    about = f'"""Tests of {place.module}, made by codeworld: they record what the code does today, right or wrong."""'
    future = ["from __future__ import annotations", ""] if home.style.annotated else []
    own = place.module.split(".")[0]
    standard = {
        one for one in imports if one[0].split(".")[0] not in (own, "pytest") and _is_standard(one[0])
    }
    ours = {one for one in imports if one[0].split(".")[0] == own}
    groups = [_lines(standard), _lines(imports - standard - ours), _lines(ours)]
    text = "\n\n".join("\n".join(one) for one in groups if one)
    ending = (
        '\n\n\nif __name__ == "__main__":\n    unittest.main()' if home.style.framework == "unittest" else ""
    )
    return "\n".join([about, "", *future, text, "", "", body]) + ending + "\n"


def _extended(text: str, body: str, imports: set[tuple[str, str]]) -> str:
    """Imports behind the last import at the top, tests at the end, or before what runs them."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    tree = ast.parse(text)
    end = len(lines)
    for node in tree.body:
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            end = node.lineno - 1
    behind = 0
    for number, node in enumerate(tree.body):
        is_docstring = number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, (ast.Import, ast.ImportFrom)) or is_docstring:
            behind = node.end_lineno or 0
        elif not isinstance(node, (ast.Import, ast.ImportFrom)):
            break
    added = [f"{line}{newline}" for line in _lines(imports)]
    if behind and not lines[behind - 1].endswith(("\n", "\r")):
        lines[behind - 1] += newline
    head, middle, tail = lines[:behind], lines[behind:end], lines[end:]
    if middle and not middle[-1].endswith(("\n", "\r")):
        middle[-1] += newline
    while middle and not middle[-1].strip():
        middle.pop()
    made = body.replace("\n", newline)
    between = newline * 2
    closing = [newline, newline, newline] if tail else [newline]
    return "".join([*head, *added, *middle, between, made, *closing, *tail])


def _missing(imports: set[tuple[str, str]], taken: dict[str, str]) -> set[tuple[str, str]]:
    """Without what the file imports already. Raises Clash."""
    found = set()
    for module, name in imports:
        bound = name.removeprefix("=") or module.split(".")[0]
        held = taken.get(bound)
        if held == f"{module}:":
            continue
        if held is None:
            found.add((module, name))
        elif held not in (f"{module}:{name}", f"{bound}:") and not held.endswith(f":{bound}"):
            raise Clash(bound)
    return found


def _imports(
    blocks: Iterable[Block], place: Place, module: Module, home: Home, names: Mapping[str, tuple[str, str]]
) -> set[tuple[str, str]]:
    """``(module, name)``; "" as the name stands for the module itself, "=x" for the module as ``x``."""
    own = bindings(module.tree)
    found: set[tuple[str, str]] = set()
    for block in blocks:
        found |= {(one.partition(":")[0], one.partition(":")[2]) for one in block.modules}
        told = {
            name or imported: (imported, name)
            for kept in block.kept
            for value in [kept.observed.value, *kept.observed.changed.values()]
            if value is not None
            for imported, name in value.imports
        }
        raised = [kept.observed.raised for kept in block.kept if kept.observed.raised is not None]
        for one in raised:
            if one.module != "builtins":
                name = one.type.split(".")[0]
                found.add((place.module, name) if name in own else (one.module, name))
        for text in block.expressions:
            for name in _names(text, block):
                if name in names:
                    found.add(names[name])
                elif name in own:
                    imported = own[name]
                    by_itself = imported is not None and (
                        imported[1][:1] in ("", "=") or _is_standard(imported[0])
                    )
                    found.add(imported if imported is not None and by_itself else (place.module, name))
                elif name in told:
                    found.add(told[name])
                elif name in _STANDARD:
                    found.add(_STANDARD[name])
        if home.style.annotated and "Any" in block.lines[0] + "".join(block.lines):
            found.add(("typing", "Any"))
        if home.style.annotated and "tmp_path: Path" in "".join(block.lines):
            found.add(("pathlib", "Path"))
    return found


def _names(text: str, block: Block) -> set[str]:
    """Names that an expression takes from outside."""
    tree = ast.parse(text)
    inner = {
        one.arg
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda)
        for one in ast.walk(node.args)
        if isinstance(one, ast.arg)
    }
    inner |= {name for kept in block.kept for name, _ in kept.case.setup} | {"tmp_path", "expected"}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return {one for one in names - inner if not hasattr(builtins, one)}


def _is_standard(module: str) -> bool:
    return module.split(".")[0] in sys.stdlib_module_names


def _lines(imports: set[tuple[str, str]]) -> list[str]:
    plain = sorted(f"import {module}" for module, name in imports if not name)
    plain += sorted(f"import {module} as {name[1:]}" for module, name in imports if name[:1] == "=")
    by_module: dict[str, list[str]] = {}
    for module, name in imports:
        if name and name[0] != "=":
            by_module.setdefault(module, []).append(name)
    return plain + [
        f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(by_module.items())
    ]


def _free(name: str, taken: Iterable[str]) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name}{number}", number + 1
    return found


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in snake(name).split("_"))
