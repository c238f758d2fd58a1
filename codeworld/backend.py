"""Where a command's candidates come from: the engine process that all editors share, or a model in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from codeworld.canvas import InfillReply, InfillRequest
from codeworld.engine.client import EngineClient, EngineUnavailable
from codeworld.engine.protocol import Failed, Priority
from codeworld.errors import BadInput, CommandError


class Model(NamedTuple):
    """A loaded, warm model. ``infill`` raises BadInput or CommandError when it cannot answer."""

    infill: Callable[[InfillRequest], InfillReply]
    name: str
    device: str


LOAD_TIMEOUT_S = 120.0
INFILL_TIMEOUT_S = 60.0


@contextmanager
def open_model(*, in_process: bool = False, priority: Priority = "interactive") -> Iterator[Model]:
    """A model that is ready to fill holes.

    The environment chooses the model: CODEWORLD_MODEL (a checkpoint's directory) and CODEWORLD_DEVICE; a running
    engine keeps what it was started with. Raises BadInput when the model cannot be read, CommandError when the engine
    cannot be reached.
    """
    if in_process:
        yield _load_here()
        return
    try:
        with EngineClient() as client:
            status = client.load(LOAD_TIMEOUT_S)
            if status.state != "ready":
                raise BadInput(f"the model cannot be loaded: {status.detail or status.state}")
            yield Model(lambda request: _ask(client, request, priority), status.model, status.device)
    except EngineUnavailable as error:
        raise CommandError(f"the engine process does not answer: {error}") from error


def _load_here() -> Model:
    # torch takes 1.5 s to import: only who needs it pays.
    from codeworld.model.checkpoint import CheckpointError
    from codeworld.model.infill import load

    path = os.environ.get("CODEWORLD_MODEL")
    try:
        infiller = load(os.environ.get("CODEWORLD_DEVICE", "auto"), Path(path) if path else None)
    except CheckpointError as error:
        raise BadInput(str(error)) from error
    infiller.warm_up()
    return Model(infiller.infill, infiller.model, infiller.device)


def _ask(client: EngineClient, request: InfillRequest, priority: Priority) -> InfillReply:
    answer = client.infill(request, priority=priority, timeout_s=INFILL_TIMEOUT_S)
    if isinstance(answer, Failed):
        kind = BadInput if answer.reason == "unavailable" else CommandError
        raise kind(f"the engine gave no completion: {answer.reason} {answer.detail}".rstrip())
    return answer
