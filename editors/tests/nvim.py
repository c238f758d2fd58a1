"""The real Neovim in a terminal, with a socket to look inside: keys in, buffer and ghost text out."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from editors.tests.processes import ENVIRONMENT, ROOT, wait_for
from editors.tests.terminal import Terminal

PROGRAM = ENVIRONMENT / "sid/usr/bin/nvim"
PLUGIN = ROOT / "editors" / "neovim"
BEGIN = """
vim.g.loaded_python3_provider = 0 -- else each Python on PATH is tried
vim.o.swapfile = false
vim.o.termguicolors = true
"""
# What is painted as ghost text, and where.
GHOST = """(function()
  local ns = vim.api.nvim_create_namespace('nvim.lsp.inline_completion')
  local mark = vim.api.nvim_buf_get_extmarks(0, ns, 0, -1, { details = true })[1]
  return mark and mark[4].virt_text[1][1] or ''
end)()"""
# `LspAttach` comes before ghost text's own autocommands: keys typed earlier would not be seen.
READY = """(function()
  local client = vim.lsp.get_clients({ bufnr = 0, name = 'codeworld' })[1]
  return client ~= nil and client.initialized
    and #vim.api.nvim_get_autocmds({ event = 'CursorMovedI', buffer = 0 }) > 0
end)()"""


class Neovim:
    """One instance with one file."""

    def __init__(self, folder: Path, file: Path, init: str, env: Mapping[str, str]) -> None:
        self.file = file
        home = Path(tempfile.mkdtemp(prefix="nv-"))  # short: a socket's path has a limit
        self._socket = home / "socket"
        (home / "init.lua").write_text(BEGIN + init)
        command = [str(PROGRAM), "--clean", "-u", str(home / "init.lua"), "--listen", str(self._socket)]
        self.terminal = Terminal([*command, str(file)], folder, {**env, "XDG_STATE_HOME": str(home)})
        wait_for("Neovim", self._socket.exists)

    def lua(self, expression: str) -> Any:
        """The value of a Lua expression."""
        encoded = f"luaeval({_quoted('vim.json.encode({ value = ' + expression + ' })')})"
        answer = json.loads(self._remote("--remote-expr", encoded))
        return answer.get("value") if isinstance(answer, dict) else None  # nothing in it: an empty list

    def keys(self, keys: str) -> None:
        """Type, in Neovim's notation."""
        self._remote("--remote-send", keys)

    def type(self, text: str) -> None:
        """Type in insert mode, key by key."""
        for key in text:
            self.keys("<Space>" if key == " " else "<lt>" if key == "<" else key)

    def text(self) -> str:
        lines: list[str] = self.lua("vim.api.nvim_buf_get_lines(0, 0, -1, false)")
        return "\n".join(lines)

    def ghost(self) -> str:
        return str(self.lua(GHOST))

    def wait_for_ghost(self, text: str) -> None:
        wait_for(f"ghost text {text!r}", lambda: self.ghost() == text, 90)

    def messages(self) -> str:
        return str(self.lua("vim.fn.execute('messages')"))

    def close(self) -> None:
        self.keys("<Esc>:qall!<CR>")
        self.terminal.close()

    def _remote(self, how: str, what: str) -> str:
        command = [str(PROGRAM), "--clean", "--headless", "--server", str(self._socket), how, what]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''").replace("\n", " ") + "'"
