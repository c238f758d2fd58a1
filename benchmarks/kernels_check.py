"""The correctness suite on a GPU: one case a process, one JSON line (``benchmarks.kernels --check`` runs them all)."""

from __future__ import annotations

import json
import sys
import time

import torch

from kernels.agreement import Case, favor_errors, gated_errors, too_large

RAGGED = (300, 0, 1, 64, 515)
BF16, FP16, FP32 = torch.bfloat16, torch.float16, torch.float32
CASES: dict[str, tuple[Case, ...]] = {
    "favor_plus": (
        Case(RAGGED, 64, 64, BF16, 128),
        Case(RAGGED, 64, 64, FP16, 128),
        Case(RAGGED, 64, 64, FP32, 128),
        Case((130, 70), 128, 128, BF16, 128),
        Case((130, 70), 256, 256, BF16, 128),
        Case((130, 70), 48, 96, BF16, 48),
        # In several segments each, and what was wrong at 256 taken apart: keys, values, one block of values.
        Case(RAGGED, 128, 128, BF16, 128),
        Case(RAGGED, 48, 96, BF16, 48),
        Case(RAGGED, 32, 32, BF16, 64),
        Case((130, 70), 256, 64, BF16, 128),
        Case((130, 70), 64, 256, BF16, 128),
    ),
    "gated_delta": (
        Case((1300, 0, 1, 64, 515), 64, 64, BF16),
        Case((1300, 0, 1, 64, 515), 64, 64, FP16),
        Case((700, 70), 64, 64, FP32),
        Case((700, 70), 128, 128, BF16),
        Case((130, 70), 256, 256, BF16),
        Case((700, 70), 48, 96, FP16),
        # In one segment each, and 256 taken apart.
        Case((300, 70), 64, 64, BF16),
        Case((300, 70), 128, 128, BF16),
        Case((130, 70), 256, 64, BF16),
        Case((130, 70), 64, 256, BF16),
    ),
}
STEPS = ("favor_plus", "gated_delta")


def step_error(op: str) -> float:
    """One token at a time, as a CUDA graph that is replayed, against the chunked float32 path."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 40, 3, 64) for _ in range(3))
    k = torch.nn.functional.normalize(k, dim=-1)
    g, beta = -torch.rand(2, 40, 3), torch.rand(2, 40, 3)
    given = [q, k, v, g, beta]
    now = [one[:, :1].clone().cuda() for one in given]
    if op == "favor_plus":
        from kernels.favor_plus.op import favor_plus, favor_plus_step
        from kernels.favor_plus.state import empty_state, random_features

        w = random_features(64, 64)
        right = favor_plus(q, k, v, w)[0]
        state = empty_state(2, 3, 64, 64, "cuda")
        directions = w.cuda()

        def call() -> torch.Tensor:
            return favor_plus_step(*now[:3], directions, state)

        parts, start = list(state), [one.clone() for one in state]
    else:
        from kernels.gated_delta.op import gated_delta, gated_delta_step

        right = gated_delta(*given)[0]
        memory = torch.zeros(2, 3, 64, 64, device="cuda")

        def call() -> torch.Tensor:
            return gated_delta_step(*now, memory)

        parts, start = [memory], [memory.clone()]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        o = call()
    for part, first in zip(parts, start, strict=True):
        part.copy_(first)
    found = []
    for t in range(40):
        for buffer, one in zip(now, given, strict=True):
            buffer.copy_(one[:, t : t + 1])
        graph.replay()
        found.append(o.cpu().clone())
    return float((torch.cat(found, 1) - right).norm() / right.norm())


def main(op: str, number: int) -> None:
    started = time.monotonic()
    row: dict[str, object] = {"kind": "check", "op": op}
    try:
        if number >= len(CASES[op]):
            error = step_error(op)
            row |= {"case": "step, replayed as a CUDA graph", "errors": {"o": error}, "ok": error < 1e-4}
        else:
            case = CASES[op][number]
            row["case"] = case.name
            if op == "favor_plus":
                from kernels.favor_plus.triton_op import favor_plus_triton

                errors = favor_errors(favor_plus_triton, case, "cuda")
            else:
                from kernels.gated_delta.triton_op import gated_delta_triton

                errors = gated_errors(gated_delta_triton, case, "cuda")
            wrong = too_large(errors, case.dtype, exact=False)
            row |= {"errors": errors, "wrong": wrong, "ok": not wrong}
    except Exception as failure:
        row |= {"ok": False, "failure": f"{type(failure).__name__}: {failure}"[:600]}
    print(json.dumps({**row, "seconds": time.monotonic() - started}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
