from __future__ import annotations

import subprocess
import sys

import pytest

from lsp_server.features.commands import HEAVY

# What the server comes to import while it works, not only at its start.
EVERYTHING = """
import sys
import lsp_server.server, lsp_server.session, lsp_server.edits
import codeworld.complete, codeworld.context.ignore, codeworld.context.retrieval
lsp_server.server.create_server()
print(*sorted(set(sys.argv[1].split(",")) & set(sys.modules)))
"""
AT_START = """
import sys
import lsp_server.server
lsp_server.server.create_server()
print(*sorted({"tree_sitter", "codeworld.complete", "pathspec", "git"} & set(sys.modules)))
"""


@pytest.mark.parametrize("code", [EVERYTHING, AT_START])
def test_nothing_heavy_is_imported(code: str) -> None:
    command = [sys.executable, "-c", code, ",".join(HEAVY)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
