"""Messages between a client (editor server, CLI) and the engine process, and their framing.

Frame: 4-byte big-endian length, then one msgpack-encoded ``Request`` or ``Reply``. One connection carries many
requests at a time; replies come in any order, exactly one for each request that is not a ``Cancel``.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from codeworld.canvas import InfillReply, InfillRequest

VERSION = 2
MAX_FRAME_BYTES = 16 * 1024 * 1024
HEADER = struct.Struct(">I")

Priority = Literal["interactive", "speculative", "batch"]


class Infill(msgspec.Struct, frozen=True, tag="infill"):
    """Fill one hole. A newer request with the same non-empty ``document`` (client + URI) supersedes this one."""

    hole: InfillRequest
    document: str = ""
    priority: Priority = "interactive"


class Status(msgspec.Struct, frozen=True, tag="status"):
    """Ask what the engine is doing; answered at once, also while the model loads."""


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Load the model now; answered when it is ready (or failed)."""


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop request ``request_id`` of this connection; that request is then answered with ``Failed("cancelled")``."""

    request_id: int


class Shutdown(msgspec.Struct, frozen=True, tag="shutdown"):
    """Answer, then end the process."""


class Request(msgspec.Struct, frozen=True):
    """``id`` is unique within its connection."""

    id: int
    body: Infill | Status | Load | Cancel | Shutdown
    version: int = VERSION


class EngineStatus(msgspec.Struct, frozen=True, tag="engine_status"):
    """What the engine is doing; ``device`` and ``model`` are empty while no model is loaded."""

    state: Literal["unloaded", "loading", "ready", "failed"]
    pid: int
    version: int
    device: str = ""
    model: str = ""
    detail: str = ""  # why it failed or is degraded, one line
    queued: int = 0
    served: int = 0
    resident_mb: float = 0.0
    uptime_s: float = 0.0


class Filled(msgspec.Struct, frozen=True, tag="filled"):
    """The candidates, and how long the request waited for the model."""

    reply: InfillReply
    queued_ms: float = 0.0


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """``reason``: "cancelled", "superseded", "unavailable" (model cannot load), "crashed", "bad-request", "closing"."""

    reason: str
    detail: str = ""


class Reply(msgspec.Struct, frozen=True):
    """The answer to the request of the same ``id``."""

    id: int
    body: Filled | EngineStatus | Failed


def frame(message: Request | Reply) -> bytes:
    """Bytes of one framed message. Raises ValueError when it is larger than MAX_FRAME_BYTES."""
    body = msgspec.msgpack.encode(message)
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"message of {len(body)} bytes exceeds {MAX_FRAME_BYTES}")
    return HEADER.pack(len(body)) + body


request_decoder = msgspec.msgpack.Decoder(Request)
reply_decoder = msgspec.msgpack.Decoder(Reply)
