"""A deterministic fake model, and (as ``python -m tests.engine.slow_engine``) an engine process around it.

What it does with a hole is written in the hole's prefix: ``STEPS=<n>`` steps of STEP_S seconds each (default 0),
``CRASH`` raises, ``DIE`` kills the process, ``DEAF`` does not look at should_stop. ``CODEWORLD_SLOW_LOAD_S`` is the
time a load takes, ``CODEWORLD_SLOW_LOAD`` set to "fails" makes it fail and to "dies" kills the process;
``CODEWORLD_SLOW_HEAVY`` leaves 150 MB behind.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Source
from codeworld.engine.process import run

STEP_S = 0.005
ballast = bytearray()


class Stopped(Exception):
    """should_stop turned true."""


class SlowBackend:
    """Counts what it is asked for; the best candidate's text is always ``fill()``."""

    device = "cpu"
    model = "slow-1"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.unloaded = False

    def infill(self, request: InfillRequest, should_stop: Callable[[], bool]) -> InfillReply:
        self.asked.append(request.prefix)
        started_s = time.monotonic()
        if "DIE" in request.prefix:
            os.kill(os.getpid(), signal.SIGKILL)
        if "CRASH" in request.prefix:
            raise RuntimeError(f"cannot fill {request.prefix}")
        steps = re.search(r"STEPS=(\d+)", request.prefix)
        for _ in range(int(steps[1]) if steps else 0):
            if should_stop() and "DEAF" not in request.prefix:
                raise Stopped
            time.sleep(STEP_S)
        texts = ("fill()", "fill(1)", "other")
        candidates = tuple(Candidate(text, Source.DENOISER, -5.0, 3) for text in texts)
        return InfillReply(candidates, (time.monotonic() - started_s) * 1e3 + 0.001, self.device, self.model)

    def unload(self) -> None:
        self.unloaded = True


def load() -> SlowBackend:
    time.sleep(float(os.environ.get("CODEWORLD_SLOW_LOAD_S", "0")))
    if "CODEWORLD_SLOW_HEAVY" in os.environ:
        ballast.extend(b"x" * (150 << 20))
    match os.environ.get("CODEWORLD_SLOW_LOAD"):
        case "fails":
            raise ValueError("no checkpoint\nin this test")
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
    return SlowBackend()


if __name__ == "__main__":
    run(load)
