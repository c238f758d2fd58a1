"""Which cells ``benchmarks.kernels`` measures, in which order: see ``kernels_cells.Cell``."""

from __future__ import annotations

from typing import Any

Plan = dict[str, list[tuple[Any, ...]]]

MUST_LENGTHS = (131072, 16384)
LENGTHS = (2048, 8192, 32768, 65536, 262144, 524288, 1048576)
WIDE = ((16, 128), (4, 128), (8, 64), (8, 128), (16, 64))


def _base(lengths: tuple[int, ...], *whats: str) -> list[tuple[Any, ...]]:
    return [(what, length, 4, 64) for length in lengths for what in whats]


def _wide(lengths: tuple[int, ...], *whats: str) -> list[tuple[Any, ...]]:
    return [(what, length, heads, size) for heads, size in WIDE for length in lengths for what in whats]


MUST: Plan = {
    "favor_plus": _base(MUST_LENGTHS, "forward", "both"),
    "gated_delta": _base(MUST_LENGTHS, "forward", "both"),
    "sdpa_flash": _base(MUST_LENGTHS, "forward", "both"),
}
PEERS_MUST: Plan = {
    "fla_gated_delta": _base(MUST_LENGTHS, "forward", "both"),
    "fla_linear_attn": _base(MUST_LENGTHS, "forward", "both"),
}
COLD = ("favor_plus", "gated_delta")
_OURS = [
    ("decode", 131072, 4, 64),
    *_base(LENGTHS, "forward", "both"),
    *_wide((8192, 32768, 131072), "forward", "both"),
    ("decode", 131072, 16, 128),
]
_QUADRATIC = [
    ("decode", 131072, 4, 64),
    *_base((2048, 8192, 32768, 65536), "forward", "both"),
    *_wide((8192, 32768), "forward", "both"),
    ("decode", 131072, 16, 128),
]
REST: Plan = {
    "favor_plus": _OURS,
    "gated_delta": _OURS,
    "sdpa_flash": [*_QUADRATIC, ("forward", 262144, 4, 64)],
    "sdpa_cudnn": [*_base(MUST_LENGTHS, "forward", "both"), *_QUADRATIC],
    "performer_torch": _base((131072, 16384, 2048, 8192, 32768, 262144), "forward", "both"),
}
PEERS: Plan = {
    "fla_gated_delta": [
        ("forward", 8192, 4, 64), ("forward", 32768, 16, 128), ("forward", 8192, 16, 128), ("decode", 131072, 4, 64),
        ("forward", 32768, 4, 64), ("forward", 1048576, 4, 64), ("forward", 131072, 16, 128),
    ],
    "fla_linear_attn": [("forward", 8192, 4, 64), ("forward", 32768, 4, 64), ("forward", 1048576, 4, 64)],
    "mamba2_ssd": _base((131072, 16384), "forward", "both"),
}  # fmt: skip
# fla-core tunes itself for minutes on its first calls: the most that a group of it may take, in seconds.
SLOW_GROUPS = {"fla_gated_delta": 80.0, "fla_linear_attn": 60.0, "mamba2_ssd": 40.0}
