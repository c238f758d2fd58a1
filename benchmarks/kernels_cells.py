"""One group of cells of ``benchmarks.kernels``, in a process of its own: a crash there leaves the others alone.

Prints one JSON object a line, as it goes. Groups: ``GROUPS``; what a cell is: ``Cell``.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

FEATURES = 128
Run = Callable[[], Any]


class Cell(NamedTuple):
    """``what``: forward, both (forward + backward) or decode (one token after T tokens); batch 1, bfloat16."""

    what: str
    length: int
    heads: int = 4
    size: int = 64


def emit(**row: Any) -> None:
    print(json.dumps(row), flush=True)


def inputs(cell: Cell, grad: bool = False) -> tuple[Tensor, ...]:
    """q, k, v, then g and beta for the gated delta rule; keys of length 1."""
    torch.manual_seed(0)
    shape = (1, cell.length, cell.heads, cell.size)
    q, k, v = (torch.randn(shape, device="cuda", dtype=torch.bfloat16) for _ in range(3))
    k = F.normalize(k, dim=-1)
    g = -torch.rand(shape[:3], device="cuda") * 0.1
    beta = torch.rand(shape[:3], device="cuda").sigmoid()
    return tuple(one.requires_grad_(grad) for one in (q, k, v, g, beta))


def measure(run: Run, budget_s: float = 0.6) -> dict[str, float]:
    """Milliseconds on the GPU's own clock: median and least of up to 50 calls, after three to warm up."""
    started = time.monotonic()
    run()
    torch.cuda.synchronize()
    first = time.monotonic() - started
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() - held
    started = time.monotonic()
    run()
    torch.cuda.synchronize()
    count = max(3, min(50, int(budget_s / max(time.monotonic() - started, 1e-5))))
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(2 * count)]
    for i in range(count):
        marks[2 * i].record()
        run()
        marks[2 * i + 1].record()
    torch.cuda.synchronize()
    times = [marks[2 * i].elapsed_time(marks[2 * i + 1]) for i in range(count)]
    return {"ms": statistics.median(times), "least_ms": min(times), "peak_mb": peak / 2**20, "first_s": first}


def both(forward: Callable[..., Any], given: tuple[Tensor, ...]) -> Run:
    """Forward and backward."""
    leaves = [one for one in given if one.requires_grad]

    def run() -> Any:
        out = forward(*given)
        out = out[0] if isinstance(out, tuple) else out
        return torch.autograd.grad(out, leaves, out.detach(), allow_unused=True)

    return run


def graphed(run: Run) -> Run:
    """The same as a CUDA graph: one launch."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        run()
        run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def graph_time(run: Run, strict: bool = False) -> dict[str, float]:
    """Without Python's share of a call, which is most of a short one."""
    try:
        return {"graph_ms": measure(graphed(run), 0.2)["ms"]}
    except Exception:
        if strict:
            raise
        return {}  # does not allow it


def sequence_run(forward: Callable[..., Any], cell: Cell) -> Run:
    given = inputs(cell, grad=cell.what == "both")
    return both(forward, given) if cell.what == "both" else lambda: forward(*given)


def favor(cell: Cell) -> Run:
    from kernels.favor_plus.op import favor_plus, favor_plus_step
    from kernels.favor_plus.state import empty_state, random_features

    w = random_features(FEATURES, cell.size).cuda()
    if cell.what != "decode":
        return sequence_run(lambda q, k, v, g, beta: favor_plus(q, k, v, w), cell)
    q, k, v, *_ = inputs(cell._replace(length=1))
    state = empty_state(1, cell.heads, FEATURES, cell.size, "cuda")
    return graphed(lambda: favor_plus_step(q, k, v, w, state))


def gated(cell: Cell) -> Run:
    from kernels.gated_delta.op import gated_delta, gated_delta_step

    if cell.what != "decode":
        return sequence_run(gated_delta, cell)
    given = inputs(cell._replace(length=1))
    state = torch.zeros(1, cell.heads, cell.size, cell.size, device="cuda")
    return graphed(lambda: gated_delta_step(*given, state))


def sdpa(backend: str) -> Callable[[Cell], Run]:
    def make(cell: Cell) -> Run:
        from torch.nn.attention import SDPBackend, sdpa_kernel

        chosen = getattr(SDPBackend, backend)

        def forward(q: Tensor, k: Tensor, v: Tensor, *_: Tensor) -> Tensor:
            with sdpa_kernel(chosen):
                q, k, v = (x.transpose(1, 2) for x in (q, k, v))
                return F.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] > 1)

        if cell.what != "decode":
            return sequence_run(forward, cell)
        q, k, v, *_ = inputs(cell)
        one = q[:, :1]
        return graphed(lambda: forward(one, k, v))

    return make


def performer(cell: Cell) -> Run:
    """As Performers are commonly written in PyTorch: one stabiliser over the whole sequence (it leaks the future, and
    cannot stream), causal sums over chunks of 128 by ``cumsum``."""
    from kernels.favor_plus.state import random_features

    w = random_features(FEATURES, cell.size).to("cuda", torch.bfloat16)

    def forward(q: Tensor, k: Tensor, v: Tensor, *_: Tensor) -> Tensor:
        query, key = plain_features(q, w, False), plain_features(k, w, True)
        n, c = cell.length // 128, 128
        query, key, value = (x.transpose(1, 2).reshape(cell.heads, n, c, -1) for x in (query, key, v))
        value = torch.cat([value, torch.ones_like(value[..., :1])], -1)
        states = (key.transpose(2, 3) @ value).float().cumsum(1)
        states = F.pad(states, (0, 0, 0, 0, 1, 0))[:, :-1].to(query.dtype)
        out = query @ states + (query @ key.transpose(2, 3)).tril() @ value
        return (out[..., :-1] / out[..., -1:]).reshape(cell.heads, cell.length, -1)

    return sequence_run(forward, cell)


def plain_features(x: Tensor, w: Tensor, key: bool) -> Tensor:
    x = x * x.shape[-1] ** -0.25
    exponent = (x @ w.T).float() - x.float().square().sum(-1, keepdim=True) / 2
    top = exponent.detach().amax((1, 3) if key else 3, keepdim=True)
    return (exponent - top).exp().to(x.dtype)


def fla_linear(cell: Cell) -> Run:
    """Features in torch, then fla-core's normalised linear attention."""
    from fla.ops.linear_attn import chunk_linear_attn

    from kernels.favor_plus.state import random_features

    w = random_features(FEATURES, cell.size).to("cuda", torch.bfloat16)

    def forward(q: Tensor, k: Tensor, v: Tensor, *_: Tensor) -> Tensor:
        return chunk_linear_attn(plain_features(q, w, False), plain_features(k, w, True), v, normalize=True)[
            0
        ]

    return sequence_run(forward, cell)


def fla_gated(cell: Cell) -> Run:
    from fla.ops.gated_delta_rule import chunk_gated_delta_rule, fused_recurrent_gated_delta_rule

    if cell.what != "decode":
        return sequence_run(lambda q, k, v, g, beta: chunk_gated_delta_rule(q, k, v, g=g, beta=beta), cell)
    q, k, v, g, beta = inputs(cell._replace(length=1))
    state = torch.zeros(1, cell.heads, cell.size, cell.size, device="cuda")
    return lambda: fused_recurrent_gated_delta_rule(
        q, k, v, g=g, beta=beta, initial_state=state, output_final_state=True
    )


def mamba2(cell: Cell) -> Run:
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined

    q, k, v, g, _ = inputs(cell, grad=cell.what == "both")
    a = -torch.ones(cell.heads, device="cuda")

    def forward(q: Tensor, k: Tensor, v: Tensor, g: Tensor) -> Tensor:
        return mamba_chunk_scan_combined(v, -g, a, k, q, chunk_size=128)

    return both(forward, (q, k, v, g)) if cell.what == "both" else lambda: forward(q, k, v, g)


GROUPS: dict[str, Callable[[Cell], Run]] = {
    "favor_plus": favor,
    "gated_delta": gated,
    "sdpa_flash": sdpa("FLASH_ATTENTION"),
    "sdpa_cudnn": sdpa("CUDNN_ATTENTION"),
    "performer_torch": performer,
    "fla_linear_attn": fla_linear,
    "fla_gated_delta": fla_gated,
    "mamba2_ssd": mamba2,
}


def ceilings() -> None:
    """What this GPU copies and multiplies at."""
    block = torch.empty(2**30, dtype=torch.uint8, device="cuda")
    copy = measure(lambda: block.clone())["ms"]
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    product = measure(lambda: a @ a)["ms"]
    emit(kind="ceilings", device=torch.cuda.get_device_name(), torch=torch.__version__, triton=_triton(),
         bytes_per_s=2 * block.numel() / copy * 1e3, flop_per_s=2 * 8192**3 / product * 1e3)  # fmt: skip


def _triton() -> str:
    import triton

    return str(triton.__version__)


def cold(group: str) -> None:
    """First call and first backward of a fresh process with an empty cache; the caller sees to both."""
    torch.zeros(1, device="cuda")
    torch.cuda.synchronize()
    for what in ("forward", "both"):
        started = time.monotonic()
        try:
            GROUPS[group](Cell(what, 8192))()
            torch.cuda.synchronize()
            emit(kind="cold", group=group, what=what, seconds=time.monotonic() - started)
        except Exception as error:
            emit(kind="cold", group=group, what=what, refused=f"{type(error).__name__}: {error}"[:300])


def sweep() -> None:
    """Fixed choices, tried on the cells that matter: the figures behind the constants in ``triton_op``."""
    long, wide = Cell("forward", 131072), Cell("forward", 32768, 16, 128)
    options: list[dict[str, Any]] = [{"num_warps": 4}, {"num_warps": 8}, {"num_stages": 1}, {"num_stages": 3}]
    own: dict[str, list[tuple[dict[str, Any], int | None]]] = {
        "favor_plus": [
            *(({"part": "state_options", "num_stages": stages}, None) for stages in (2, 4)),
            ({"part": "state_options", "num_warps": 8}, None), ({"chunk": 128}, None), ({"columns": 32}, None),
            ({"chunk": 32, "num_warps": 4}, None),
        ],
        "gated_delta": [
            ({"columns": 32}, None), ({"columns": 32}, 264), ({"columns": 32, "num_stages": 3}, None),
            ({"chunk": 32}, None), ({"part": "chunkwise", "num_warps": 8}, None),
            ({"part": "chunkwise", "num_stages": 2}, None),
        ],
    }  # fmt: skip
    choices = [({}, count) for count in (None, 66, 132, 264, 528, 1056)] + [(one, None) for one in options]
    for group, cell in (
        ("favor_plus", long),
        ("gated_delta", long),
        ("gated_delta", wide),
        ("favor_plus", wide),
    ):
        for option, programs in choices + own[group]:
            row = {"kind": "sweep", "group": group, **cell._asdict(), "programs": programs, **option}
            try:
                with changed_plan(group, option, programs):
                    emit(**row, **graph_time(GROUPS[group](cell), strict=True))
            except Exception as error:
                emit(**row, refused=f"{type(error).__name__}: {error}"[:200])


def profile() -> None:
    """Microseconds of each kernel of a call, of ours at the cell that matters most."""
    for group in ("favor_plus", "gated_delta"):
        for what in ("forward", "both"):
            run = GROUPS[group](Cell(what, 131072))
            run()
            torch.cuda.synchronize()
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
                for _ in range(5):
                    run()
                torch.cuda.synchronize()
            times = {one.key[:60]: round(one.device_time_total / 5, 1) for one in seen.key_averages()}
            most = sorted(times.items(), key=lambda item: -item[1])[:14]
            emit(kind="profile", group=group, what=what, length=131072, heads=4, size=64, us=dict(most))


@contextlib.contextmanager
def changed_plan(group: str, option: dict[str, Any], programs: int | None) -> Iterator[None]:
    """With other launch options (of ``part`` of the kernels), chunk or columns."""
    module = importlib.import_module(f"kernels.{group}.triton_op")
    original = module.plan
    field = option.get("part", "options" if group == "favor_plus" else "walk")
    launch = {name: one for name, one in option.items() if name.startswith("num_")}
    sizes = {name: one for name, one in option.items() if name in ("chunk", "columns")}

    def changed(*args: Any) -> Any:
        made = original(*args, programs=programs, **sizes)
        return made._replace(**{field: {**getattr(made, field), **launch}})

    module.plan = changed
    try:
        yield
    finally:
        module.plan = original


def main(group: str, deadline_s: float, cells: list[list[Any]]) -> None:
    started = time.monotonic()
    for given in cells:
        cell = Cell(*given)
        row = {"kind": "cell", "group": group, **cell._asdict()}
        if time.monotonic() - started > deadline_s:
            emit(**row, refused="out of time")
            continue
        try:
            run = GROUPS[group](cell)
            row |= measure(run)
            if cell.what == "forward":
                row |= graph_time(run)
            emit(**row)
        except Exception as error:
            emit(**row, refused=f"{type(error).__name__}: {error}"[:300])
        torch.cuda.empty_cache()


if __name__ == "__main__":
    if sys.argv[1] == "ceilings":
        ceilings()
    elif sys.argv[1] == "cold":
        cold(sys.argv[2])
    elif sys.argv[1] == "sweep":
        profile()
        sweep()
    else:
        main(sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3]))
