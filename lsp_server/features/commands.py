"""workspace/executeCommand: ``codeworld.status``."""

from __future__ import annotations

import os
import sys
import time
from importlib import metadata
from typing import Any

import msgspec

from lsp_server.server import CodeworldServer

# None of these has a place in this process (torch alone would cost 1.5 s and 200 MB).
HEAVY = ("torch", "transformers", "tokenizers", "safetensors", "numpy")


def register(server: CodeworldServer) -> None:
    """Add the commands."""
    server.command("codeworld.status")(status)


async def status(server: CodeworldServer) -> dict[str, Any]:
    """What server, engine and indexes are doing. Starts nothing."""
    engine = await server.engine.status()
    return {
        "server": {
            "version": metadata_version(),
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - server.started_s, 1),
            "documents": len(server.session),
            "asked": server.completer.asked,
            "from_memory": server.completer.from_memory,
            "heavy_modules": [name for name in HEAVY if name in sys.modules],
        },
        "engine": msgspec.to_builtins(engine),
        "folders": [
            {
                "root": str(folder.root),
                "index": folder.state,
                "files": len(folder.index) if folder.index is not None else 0,
            }
            for folder in server.folders
        ],
        "settings": msgspec.to_builtins(server.settings),
    }


def metadata_version() -> str:
    """The installed version, "0" in a bare checkout."""
    try:
        return metadata.version("codeworld")
    except metadata.PackageNotFoundError:
        return "0"
