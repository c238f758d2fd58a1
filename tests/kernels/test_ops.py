"""What users of the two operations rely on, on the path of this machine's processor: plain torch on a CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from kernels.agreement import Case, favor_errors, gated_errors, relative, too_large
from kernels.favor_plus.chunked import favor_plus_chunked
from kernels.favor_plus.naive import favor_plus_naive
from kernels.favor_plus.op import favor_plus, favor_plus_step
from kernels.favor_plus.state import FavorState, add, empty_state, random_features, subtract
from kernels.gated_delta.chunked import gated_delta_chunked
from kernels.gated_delta.op import gated_delta, gated_delta_step

H, D, M = 2, 32, 48
DTYPES = [torch.float32, torch.float16, torch.bfloat16]
W = random_features(M, D, torch.Generator().manual_seed(7), torch.float64)


def inputs(length: int, batch: int = 1, seed: int = 0, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """q, k, v, g, beta."""
    rng = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(batch, length, H, D, generator=rng, dtype=dtype) for _ in range(3))
    g = -torch.rand(batch, length, H, generator=rng, dtype=dtype) * 0.2
    beta = torch.rand(batch, length, H, generator=rng, dtype=dtype)
    return [q, torch.nn.functional.normalize(k, dim=-1), v, g, beta]


def favor(q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, **named: Any) -> tuple[Tensor, Any]:
    return favor_plus(q, 3 * k, v, W, **named)


def gated_favor(q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, **named: Any) -> tuple[Tensor, Any]:
    return favor_plus(q, 3 * k, v, W, g, **named)


OPS = pytest.mark.parametrize(
    "op", [favor, gated_favor, gated_delta], ids=["favor_plus", "gated_favor_plus", "gated_delta"]
)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("value_size", [32, 80])
def test_chunked_torch_agrees_with_the_definitions(dtype: torch.dtype, value_size: int) -> None:
    case = Case((70, 0, 131, 1), 48, value_size, dtype)
    assert not too_large(favor_errors(favor_plus_chunked, case), dtype, exact=True)
    assert not too_large(gated_errors(gated_delta_chunked, case), dtype, exact=True)


@pytest.mark.parametrize("lengths", [(70, 0, 131, 1), (70, 70, 131, 131, 131)])
def test_favor_with_decays_agrees_with_its_definition(lengths: tuple[int, ...]) -> None:
    """Outputs, states and the gradients that decays and values get."""
    bounds = tuple(torch.tensor([0, *lengths]).cumsum(0).tolist())
    q, k, v, g, _ = (one[0] for one in inputs(bounds[-1]))
    found = []
    for function in (favor_plus_chunked, favor_plus_naive):
        leaves = [one.clone().requires_grad_() for one in (g, v, k)]
        state = empty_state(len(lengths), H, M, D)
        o, after = function(q, 3 * leaves[2], leaves[1], W, D**-0.5, state, bounds, leaves[0])
        loss = (o * q).sum() + (after.sums * torch.exp(after.peak)[..., None]).square().mean()
        found.append([o, *after, *torch.autograd.grad(loss, leaves)])
    assert all(relative(mine, right) < 1e-9 for mine, right in zip(*found, strict=True))


@OPS
def test_sequences_side_by_side_are_as_if_alone(op: Any) -> None:
    given = inputs(130, batch=3)
    together, _ = op(*given)
    alone = [op(*(one[n : n + 1] for one in given))[0] for n in range(3)]
    assert relative(together, torch.cat(alone)) < 1e-12


@OPS
def test_the_future_does_not_move_the_past(op: Any) -> None:
    given = inputs(200)
    before, _ = op(*given)
    for t in (1, 63, 64, 100, 199):
        changed = [torch.cat([one[:, :t], 5 * one.flip(1)[:, t:]], 1) for one in given]
        after, _ = op(*changed)
        assert relative(after[:, :t], before[:, :t]) < 1e-12
        assert relative(after[:, t:], before[:, t:]) > 1e-2


@OPS
@pytest.mark.parametrize("cuts", [(1,), (64,), (63, 65, 130), (10, 20, 199)])
def test_reading_in_pieces_changes_nothing(op: Any, cuts: tuple[int, ...]) -> None:
    given = inputs(200, batch=2)
    whole, end = op(*given)
    parts, state = [], None
    for first, last in zip((0, *cuts), (*cuts, 200), strict=True):
        o, state = op(*(one[:, first:last] for one in given), state=state)
        parts.append(o)
    assert relative(torch.cat(parts, 1), whole) < 1e-12
    ends = (
        (end, state)
        if isinstance(end, Tensor)
        else (torch.cat([x.flatten() for x in s]) for s in (end, state))
    )
    assert relative(*reversed(list(ends))) < 1e-12


@OPS
def test_ragged_sequences_are_as_if_alone(op: Any) -> None:
    given = inputs(150)
    together, _ = op(*given, cu_seqlens=[0, 70, 70, 150])
    alone = [op(*(one[:, a:b] for one in given))[0] for a, b in ((0, 70), (70, 150))]
    assert relative(together, torch.cat(alone, 1)) < 1e-12


@pytest.mark.parametrize("name", ["favor_plus", "gated_delta"])
def test_step_by_step_is_the_same(name: str) -> None:
    q, k, v, g, beta = (one.float() for one in inputs(80, batch=2))
    w = W.float()
    if name == "favor_plus":
        whole, end = favor_plus(q, k, v, w)
        state = empty_state(2, H, M, D)
        tokens = [
            favor_plus_step(q[:, t : t + 1], k[:, t : t + 1], v[:, t : t + 1], w, state) for t in range(80)
        ]
        assert relative(state.sums, end.sums) < 1e-5
    else:
        whole, memory = gated_delta(q, k, v, g, beta)
        mine = torch.zeros_like(memory)
        tokens = [
            gated_delta_step(*(one[:, t : t + 1] for one in (q, k, v, g, beta)), mine) for t in range(80)
        ]
        assert relative(mine, memory) < 1e-5
    assert relative(torch.cat(tokens, 1), whole) < 1e-5


def test_favor_states_add_and_subtract() -> None:
    """Files can be read apart, put together in any order, and taken out again."""
    files = [inputs(90, seed=seed) for seed in range(3)]
    states = [favor(*one)[1] for one in files]
    joined = favor(*(torch.cat(parts, 1) for parts in zip(*files, strict=True)))[1]
    summed = add(add(states[2], states[0]), states[1])
    for mine, right in zip(summed, joined, strict=True):
        assert relative(mine, right) < 1e-12
    without = subtract(summed, states[1])
    query = inputs(50, seed=9)
    right, _ = favor(*query, state=add(states[0], states[2]))
    assert relative(favor(*query, state=without)[0], right) < 1e-9
    assert relative(favor(*query, state=summed)[0], right) > 1e-3


def test_favor_estimates_softmax_attention() -> None:
    """The mean over many features is softmax attention; with more features the error falls."""
    q, k, v, *_ = inputs(60)
    q = q / 2
    k = k * 2
    scores = torch.einsum("bthd,bshd->bhts", q, k) * D**-0.5
    mask = torch.ones(60, 60, dtype=torch.bool).tril()
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    right = torch.einsum("bhts,bshd->bthd", weights, v)
    errors = []
    for count in (64, 4096):
        w = random_features(count, D, torch.Generator().manual_seed(1), torch.float64)
        errors.append(relative(favor_plus(q, k, v, w)[0], right))
    assert errors[1] < 0.1
    assert errors[1] < errors[0] / 3


def test_extreme_keys_do_not_overflow_or_vanish() -> None:
    """Features of log size +30 next to −60, over chunks: without running maxima that is inf or 0/0."""
    q, k, v, *_ = inputs(256)
    k = k * torch.linspace(0.1, 30, 256)[None, :, None, None]
    flat = [one[0] for one in (q * 4, k, v)]
    right, _ = favor_plus_naive(*flat, W, D**-0.5, empty_state(1, H, M, D), (0, 256))
    o, _ = favor_plus(*(one.float() for one in (q * 4, k, v)), W.float())
    assert relative(o[0], right) < 1e-4


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["favor_plus", "gated_delta"])
def test_a_million_steps_do_not_drift(name: str) -> None:
    """float32 states, read on and on, against float64."""
    o, right = (_read_on(name, dtype) for dtype in (torch.float32, torch.float64))
    assert relative(o, right) < 1e-4


def _read_on(name: str, dtype: torch.dtype, pieces: int = 64, length: int = 16384) -> Tensor:
    """The outputs of the last piece of a million tokens, one head of 32."""
    state: Any = None
    o = torch.empty(0)
    for piece in range(pieces):
        rng = torch.Generator().manual_seed(piece)
        q, k, v = (torch.randn(1, length, 1, D, generator=rng).to(dtype) for _ in range(3))
        if name == "favor_plus":
            o, state = favor_plus(q, k, v, W[:16].to(dtype), state=state)
        else:
            k = torch.nn.functional.normalize(k, dim=-1)
            g, beta = (
                torch.full((1, length, 1), -1e-4, dtype=dtype),
                torch.full((1, length, 1), 0.5, dtype=dtype),
            )
            o, state = gated_delta(q, k, v, g, beta, state=state)
    return o


def test_a_state_that_is_changed_in_place_keeps_its_memory() -> None:
    q, k, v, *_ = (one.float() for one in inputs(1))
    state = empty_state(1, H, M, D)
    before = [part.data_ptr() for part in state]
    favor_plus_step(q, k, v, W.float(), state)
    assert [part.data_ptr() for part in state] == before
    assert isinstance(state, FavorState)
    assert float(state.mass.min()) == 1.0  # one token: each feature is its own maximum
