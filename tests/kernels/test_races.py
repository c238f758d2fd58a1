"""No kernel writes memory that it reads: the race that Triton's interpreter, which runs one thread, cannot show.

Warps of a program each load their own copy of a small tile; none waits for another. A kernel that stores over what it
has loaded is right in the interpreter and wrong on a GPU (``kernels.tiles``).
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import kernels

ROOT = Path(str(kernels.__file__)).parent
IN_PLACE = {"triton_step.py"}
"""Change a state in place, behind a barrier."""
EITHER = {("triton_backward.py", "retreat"): {"sums"}}
"""Read in one specialisation (KEEP), written in the other."""


def is_kernel(node: ast.stmt) -> bool:
    """A function with ``@triton.jit``."""
    return isinstance(node, ast.FunctionDef) and any(
        ast.unparse(d) == "triton.jit" for d in node.decorator_list
    )


def functions(source: str) -> dict[str, ast.FunctionDef]:
    """By name."""
    return {
        node.name: node
        for node in ast.parse(source).body
        if is_kernel(node) and isinstance(node, ast.FunctionDef)
    }


def base(node: ast.expr, known: dict[str, str]) -> str | None:
    """The parameter that a pointer expression starts from: the leftmost name of a sum."""
    while isinstance(node, ast.BinOp):
        node = node.left
    return known.get(node.id) if isinstance(node, ast.Name) else None


def touched(name: str, all_functions: dict[str, ast.FunctionDef]) -> tuple[set[str], set[str]]:
    """The parameters that a function loads from, and those that it stores to, helpers included."""
    function = all_functions[name]
    known = {one.arg: one.arg for one in function.args.args}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            start = base(node.value, known)
            if start is not None:
                known.setdefault(node.targets[0].id, start)
    loads: set[str] = set()
    stores: set[str] = set()
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in all_functions and called != name:
            inner = [one.arg for one in all_functions[called].args.args]
            pairs = [
                (inner.index(one), kind)
                for kind, some in enumerate(touched(called, all_functions))
                for one in some
            ]
        else:
            pairs = [(0, ["tl.load", "tl.store"].index(called))] if called in ("tl.load", "tl.store") else []
        for position, kind in pairs:
            start = base(node.args[position], known)
            if start is not None:
                (loads, stores)[kind].add(start)
    return loads, stores


def written_and_read(path: Path, source: str) -> dict[str, set[str]]:
    """For each kernel of a file, the parameters that it both loads and stores."""
    helpers: dict[str, ast.FunctionDef] = {}
    for other in (ROOT / "tiles.py", *path.parent.glob("triton_forward.py")):
        helpers |= functions(other.read_text(encoding="utf-8"))
    own = functions(source)
    found = {}
    for name in own:
        loads, stores = touched(name, helpers | own)
        both = (loads & stores) - EITHER.get((path.name, name), set())
        if both:
            found[name] = both
    return found


PATHS = sorted(ROOT.glob("*/triton_*.py"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_kernel_writes_what_it_reads(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    found = written_and_read(path, source)
    if path.name in IN_PLACE:
        assert found, "a step changes its state in place"
        assert source.index("tl.debug_barrier()") < source.rindex("tl.store(")
    else:
        assert not found


def test_the_race_of_the_first_run_on_a_gpu_is_noticed() -> None:
    """The scan over segments, in place as it was: masses and peaks right, sums 10 to 28 % off on an H100."""
    path = ROOT / "favor_plus" / "triton_forward.py"
    source = path.read_text(encoding="utf-8")
    for name in ("sums", "mass", "peaks"):
        source = source.replace(f"tl.load(added_{name} +", f"tl.load({name} +")
    assert written_and_read(path, source) == {"scan_segments": {"sums", "mass", "peaks"}}


def test_kernels_are_found() -> None:
    names = {name for path in PATHS for name in functions(path.read_text(encoding="utf-8"))}
    assert {"scan_segments", "reverse_scan", "join", "advance", "recurrent"} <= names
    assert touched(
        "join",
        functions((ROOT / "tiles.py").read_text(encoding="utf-8"))
        | functions((ROOT / "gated_delta" / "triton_forward.py").read_text(encoding="utf-8")),
    ) == ({"products", "added_sums", "sequences", "state0"}, {"sums", "state1"})
