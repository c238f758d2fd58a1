"""Kernels run on the GPU where there is one, else in Triton's interpreter, else (no triton) not at all."""

from __future__ import annotations

import importlib.util
import os

import pytest
import torch

GPU = torch.cuda.is_available()
if not GPU:
    os.environ["TRITON_INTERPRET"] = "1"  # before anything imports triton


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> str:
    """Where kernels run. Segments are of two chunks, so that small cases have several of both."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("triton is not installed (make test-kernels)")
    from kernels.favor_plus import triton_op as favor
    from kernels.gated_delta import triton_op as gated

    monkeypatch.setattr(favor, "LEAST_CHUNKS", 2)
    monkeypatch.setattr(gated, "LEAST_CHUNKS", 2)
    return "cuda" if GPU else "cpu"
