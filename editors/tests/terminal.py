"""A terminal that a test can type into, read and photograph: tmux."""

from __future__ import annotations

import contextlib
import io
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from playwright.sync_api import BrowserContext
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from editors.tests.processes import wait_for

COLUMNS, ROWS = 140, 24  # wide enough for Neovim's own messages, which would wait for a key


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="tm-"))  # short: a socket's path has a limit
        (self.home / "tmux.conf").write_text(
            "set -g default-terminal tmux-256color\nset -ga terminal-overrides ',*:Tc'\nset -sg escape-time 0\n"
        )
        settings = [option for name, value in env.items() for option in ("-e", f"{name}={value}")]
        self._tmux(
            "new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), "-c", str(folder), *settings, *command
        )

    def keys(self, *keys: str) -> None:
        """Press keys, in tmux's notation."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type, key by key."""
        for key in text:
            self._tmux("send-keys", "-l", key)

    def screen(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p")

    def until(self, text: str, *keys: str) -> None:
        """Wait until a text is on the screen; press ``keys`` every ten seconds until then. Raises AssertionError."""
        for _ in range(12):
            if keys:
                self.keys(*keys)
            with contextlib.suppress(TimeoutError):
                wait_for(text, lambda: text in self.screen(), 10)
                return
        raise AssertionError(f"{text!r} is not on the screen:\n{self.screen()}")

    def leave(self) -> None:
        """Save and quit, in an editor that knows vi's keys. Slowly: an escape and a key make another key."""
        self.keys("Escape")
        time.sleep(0.3)
        self.keys(":", "w", "q", "a", "!", "Enter")

    def picture(self, path: Path, browser: BrowserContext) -> None:
        """A photograph of the screen, colours and all."""
        console = Console(record=True, width=COLUMNS, height=ROWS, file=io.StringIO())
        console.print(Text.from_ansi(self._tmux("capture-pane", "-p", "-e")), end="")
        page = browser.new_page()
        page.set_content(console.export_html(theme=MONOKAI, inline_styles=True))
        page.locator("pre").screenshot(path=path)
        page.close()

    def close(self) -> None:
        subprocess.run([*self._command, "kill-server"], capture_output=True, check=False)

    @property
    def _command(self) -> list[str]:
        return ["tmux", "-S", str(self.home / "tmux"), "-f", str(self.home / "tmux.conf")]

    def _tmux(self, *arguments: str) -> str:
        command = [*self._command, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
