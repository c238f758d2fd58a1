"""The Triton kernels against the float64 definitions; each of them is also broken, to see the tests fail."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
import torch

from kernels.agreement import Case, favor_errors, gated_errors, relative, too_large
from kernels.favor_plus.naive import favor_plus_naive
from kernels.favor_plus.state import empty_state, random_features
from kernels.gated_delta.naive import gated_delta_naive
from tests.kernels.conftest import GPU

RAGGED = (70, 0, 131, 1)
CASES = [
    Case(RAGGED),
    Case(RAGGED, dtype=torch.float16),
    Case((100, 33), 48, 80, features=48),
    Case((65,), 64, 160, torch.float16, features=16, heads=1),
    pytest.param(
        Case(RAGGED, dtype=torch.bfloat16), marks=pytest.mark.gpu
    ),  # the interpreter has no bfloat16
    pytest.param(Case(RAGGED, 128, 128, torch.bfloat16, features=128), marks=pytest.mark.gpu),
    pytest.param(Case(RAGGED, 256, 256, torch.bfloat16, features=128), marks=pytest.mark.gpu),
]


def skip_without_gpu(case: Case) -> None:
    if case.dtype == torch.bfloat16 and not GPU:
        pytest.skip("needs a GPU")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_favor_plus_agrees_with_its_definition(case: Case, device: str) -> None:
    skip_without_gpu(case)
    from kernels.favor_plus.triton_op import favor_plus_triton

    assert not too_large(favor_errors(favor_plus_triton, case, device), case.dtype, exact=not GPU)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_gated_delta_agrees_with_its_definition(case: Case, device: str) -> None:
    skip_without_gpu(case)
    from kernels.gated_delta.triton_op import gated_delta_triton

    assert not too_large(gated_errors(gated_delta_triton, case, device), case.dtype, exact=not GPU)


def step_errors(device: str, steps: tuple[ModuleType, ModuleType] | None = None) -> dict[str, float]:
    """Three tokens of two sequences at once, from random states, in place."""
    from kernels.favor_plus import triton_step as favor
    from kernels.gated_delta import triton_step as gated

    favor, gated = steps or (favor, gated)
    rng = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, 2, size, generator=rng) for size in (48, 48, 80))
    g, beta = -torch.rand(2, 3, 2, generator=rng), torch.rand(2, 3, 2, generator=rng)
    w, bounds, scale = random_features(32, 48, rng), (0, 3, 6), 0.2
    flat = [one.flatten(0, 1).double() for one in (q, k, v, g, beta)]
    on = [one.to(device) for one in (q, k, v, g, beta)]
    state = empty_state(2, 2, 32, 80, device)
    o = favor.favor_plus_step_triton(*on[:3], w.to(device), scale, state)
    right, after = favor_plus_naive(*flat[:3], w.double(), scale, empty_state(2, 2, 32, 80), bounds)
    errors = {"favor o": relative(o.flatten(0, 1), right)}
    errors |= {f"favor {n}": relative(a, b) for n, a, b in zip(after._fields, state, after, strict=True)}
    memory = torch.randn(2, 2, 48, 80, generator=rng)
    right, last = gated_delta_naive(*flat, scale, memory, bounds)
    memory = memory.to(device)
    o = gated.gated_delta_step_triton(*on, scale, memory)
    return errors | {"gated o": relative(o.flatten(0, 1), right), "gated state": relative(memory, last)}


def test_steps_agree_with_the_definitions(device: str) -> None:
    assert not {name: error for name, error in step_errors(device).items() if error > 1e-5}


class Mutation(NamedTuple):
    op: str
    module: str
    kernel: str
    before: str
    after: str


MUTATIONS = (
    Mutation("favor_plus", "triton_forward", "segment_states", "total * fall[:, None]", "total"),
    Mutation("favor_plus", "triton_forward", "scan_segments", "fall * weight + tl.sum", "weight + tl.sum"),
    Mutation("favor_plus", "triton_forward", "outputs", "weight *= fall", "weight *= 1.0"),
    Mutation("favor_plus", "triton_backward", "products", "left * right", "left * left"),
    Mutation("favor_plus", "triton_backward", "reverse_segments", "weight * fall - tl.sum", "weight - tl.sum"),
    Mutation("favor_plus", "triton_backward", "reverse_scan", "fall * weight + tl.sum", "weight + tl.sum"),
    Mutation("favor_plus", "triton_backward", "query_gradients", "token[:, None] <= token", "token[:, None] < token"),
    Mutation("favor_plus", "triton_backward", "key_gradients", "root * root * tl.sum", "root * tl.sum"),
    Mutation("gated_delta", "triton_forward", "prepare", "scale = share * tl.exp(gate)", "scale = share"),
    Mutation("gated_delta", "triton_forward", "transitions", "tl.where(identity, 1.0", "tl.where(identity, 0.9"),
    Mutation("gated_delta", "triton_forward", "join", "state = added + tl.dot", "state = added + 0.9 * tl.dot"),
    Mutation("gated_delta", "triton_forward", "advance", "gate, True, C, False", "gate, True, C, True"),
    Mutation("gated_delta", "triton_backward", "retreat", "(tl.exp(gate) * scale)", "(scale + 0 * gate)"),
    Mutation("gated_delta", "triton_backward", "attention", "dremoved -= tl.dot", "dremoved += tl.dot"),
    Mutation("gated_delta", "triton_backward", "solution", "upper *= share[None, :]", "upper *= share[:, None]"),
)  # fmt: skip


def broken(mutation: Mutation, folder: Path) -> ModuleType:
    """The kernels of a module, one of them changed."""
    name = f"kernels.{mutation.op}.{mutation.module}"
    found = importlib.util.find_spec(name)
    assert found is not None
    assert found.origin is not None
    head, kernel, rest = Path(found.origin).read_text(encoding="utf-8").partition(f"\ndef {mutation.kernel}(")
    body, jit, tail = rest.partition("\n@triton.jit")
    assert mutation.before in body
    path = folder / f"broken_{mutation.module}.py"
    path.write_text(
        head + kernel + body.replace(mutation.before, mutation.after) + jit + tail, encoding="utf-8"
    )
    spec = importlib.util.spec_from_file_location(f"broken_{mutation.op}_{mutation.kernel}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: f"{one.op}-{one.kernel}")
def test_a_broken_kernel_is_noticed(
    mutation: Mutation, device: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from kernels.favor_plus import triton_op as favor
    from kernels.gated_delta import triton_op as gated

    module = broken(mutation, tmp_path)
    op = favor if mutation.op == "favor_plus" else gated
    monkeypatch.setattr(op, mutation.module.removeprefix("triton_"), module)
    if op is favor:
        errors = favor_errors(favor.favor_plus_triton, Case((230,), heads=1), device)
    else:
        errors = gated_errors(gated.gated_delta_triton, Case((230,), heads=1), device)
    assert too_large(errors, torch.float32, exact=not GPU), errors


@pytest.mark.parametrize(
    "mutation",
    [
        Mutation("favor_plus", "triton_step", "recurrent", "weight * fall + grown", "weight + grown"),
        Mutation("gated_delta", "triton_step", "recurrent", "state += key", "state -= key"),
    ],
    ids=lambda one: one.op,
)
def test_a_broken_step_is_noticed(mutation: Mutation, device: str, tmp_path: Path) -> None:
    from kernels.favor_plus import triton_step as favor
    from kernels.gated_delta import triton_step as gated

    module = broken(mutation, tmp_path)
    errors = step_errors(device, (module, gated) if mutation.op == "favor_plus" else (favor, module))
    assert [name for name, error in errors.items() if error > 1e-5]


SCANS = (
    Mutation("favor_plus", "triton_forward", "scan_segments", "total = total * last", "total = total"),
    Mutation("favor_plus", "triton_forward", "scan_segments", "peak = higher", "peak = peak"),
    Mutation("favor_plus", "triton_backward", "reverse_scan", "weight = weight * old", "weight = weight"),
    Mutation("favor_plus", "triton_backward", "reverse_scan", "above = lowest", "above = above"),
)


@pytest.mark.parametrize("mutation", [None, *SCANS], ids=lambda one: one.before if one else "right")
def test_scans_hand_over_from_one_step_to_the_next(
    mutation: Mutation | None, device: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of 19 segments, in steps of 16."""
    from kernels.favor_plus import triton_op as favor

    monkeypatch.setattr(favor, "LEAST_CHUNKS", 1)
    monkeypatch.setattr(favor, "PROGRAMS_PER_PROCESSOR", 16)
    monkeypatch.setattr(favor, "SCAN_SEGMENTS", 16)
    if mutation:
        monkeypatch.setattr(favor, mutation.module.removeprefix("triton_"), broken(mutation, tmp_path))
    errors = favor_errors(favor.favor_plus_triton, Case((600,), heads=1), device)
    assert bool(too_large(errors, torch.float32, exact=not GPU)) == bool(mutation), errors
