"""The real Helix, which has no ghost text: the completion menu and a code action."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from editors.tests import scene
from editors.tests.processes import ENVIRONMENT, ROOT, servers, wait_for
from editors.tests.terminal import Terminal

pytestmark = pytest.mark.timeout(300)
PROGRAM = ENVIRONMENT / "sid/usr/bin/hx"
RUNTIME = ENVIRONMENT / "sid/usr/lib/hx/runtime"
PATIENT = "\n[language-server.codeworld.config]\ncompletion = { maxLatencyMs = 30000 }\n"
Start = Callable[[str], Terminal]


@pytest.fixture
def helix(runtime: Path, program: Path, shop: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts Helix, configured as docs/editors.md says, with a file of the shop."""
    page = (ROOT / "docs" / "editors.md").read_text()
    lines = page.partition("## Helix")[2].partition("```toml\n")[2].partition("```")[0]
    folder = tmp_path / "config" / "helix"
    folder.mkdir(parents=True)
    configured = lines.replace("/path/to/.venv/bin/codeworld", str(program))
    (folder / "languages.toml").write_text(configured + PATIENT)
    started: list[Terminal] = []

    def start(name: str) -> Terminal:
        env = {
            "CODEWORLD_RUNTIME_DIR": str(runtime),
            "XDG_CONFIG_HOME": str(folder.parent),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "HELIX_RUNTIME": str(RUNTIME),
        }
        started.append(Terminal([str(PROGRAM), name], shop, env))
        started[-1].until('"""')
        wait_for("the server", lambda: servers(runtime))
        return started[-1]

    yield start
    for terminal in started:
        terminal.close()
    wait_for("the language servers to end", lambda: not servers(runtime))


def test_completion(helix: Start, shop: Path, browser: BrowserContext, pictures: Path) -> None:
    terminal = helix("shop/offers.py")
    terminal.keys("g", "e", "o")  # the last line, and one below; Helix indents by itself
    terminal.type("if")
    terminal.until("not result:", "C-x")
    terminal.picture(pictures / "helix-completion.png", browser)
    terminal.keys("C-n")
    terminal.keys("Enter")
    terminal.until("    if not result:")
    terminal.leave()
    expected = scene.OFFERS + "    if not result:\n"
    wait_for("the file", lambda: (shop / "shop/offers.py").read_text() == expected, 10)


def test_code_action(helix: Start, shop: Path, browser: BrowserContext, pictures: Path) -> None:
    terminal = helix("shop/broken.py")
    terminal.keys("6", "g", "g")
    terminal.until("repair the syntax error", "Space", "a")
    terminal.picture(pictures / "helix-code-action.png", browser)
    terminal.keys("Enter")
    terminal.until("result = sum(prices)")
    terminal.leave()
    wait_for("the file", lambda: scene.REPAIRED in (shop / "shop/broken.py").read_text(), 10)
