"""An engine process whose answers are written in the document: ``# FILL=<text>`` (the last one before the cursor).

``# STEPS=<n>`` makes a fill take n steps of 5 ms, ``# DIE`` kills the process. All that it is asked is appended to the
file ``CODEWORLD_TOLD_RECORD`` names.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable

import msgspec

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Source
from codeworld.engine.process import run

STEP_S = 0.005


class Stopped(Exception):
    """should_stop turned true."""


class ToldBackend:
    device = "cpu"
    model = "told-1"

    def infill(self, request: InfillRequest, should_stop: Callable[[], bool]) -> InfillReply:
        if "CODEWORLD_TOLD_RECORD" in os.environ:
            with open(os.environ["CODEWORLD_TOLD_RECORD"], "ab") as record:
                record.write(msgspec.json.encode(request) + b"\n")
        if "# DIE" in request.prefix:
            os.kill(os.getpid(), signal.SIGKILL)
        steps = re.findall(r"# STEPS=(\d+)", request.prefix)
        for _ in range(int(steps[-1]) if steps else 0):
            if should_stop():
                raise Stopped
            time.sleep(STEP_S)
        told = re.findall(r"# FILL=(.*)", request.prefix)
        text = told[-1].replace("\\n", "\n") if told else ""
        candidates = (Candidate(text, Source.DENOISER, -0.05, 3, certainty=0.99),) if text else ()
        return InfillReply(candidates, 1.0, self.device, self.model)

    def unload(self) -> None:
        pass


def load() -> ToldBackend:
    time.sleep(float(os.environ.get("CODEWORLD_SLOW_LOAD_S", "0")))
    if os.environ.get("CODEWORLD_SLOW_LOAD") == "fails":
        raise ValueError("no checkpoint in this test")
    return ToldBackend()


if __name__ == "__main__":
    run(load)
