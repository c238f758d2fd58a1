"""Four windows in two editors: one engine, what each window adds, and what they cost while nobody types."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

from benchmarks.results import Figure
from editors.tests import scene
from editors.tests.code_server import BROWSER, CodeServer, install_extension
from editors.tests.nvim import PLUGIN, READY, Neovim
from editors.tests.processes import ROOT, engines, servers, wait_for, write_program
from editors.tests.workbench import Workbench

SETTLE_S = 10.0
IDLE_S = 60.0


def windows() -> list[Figure]:
    """Open two windows of VS Code and two Neovims, one after the other, and look at their processes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cw-")))
        env = {"CODEWORLD_RUNTIME_DIR": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
        os.environ.update(env)
        figures: list[Figure] = []
        for number, opened in enumerate(_opened(stack, folder, env), 1):
            time.sleep(SETTLE_S)
            ours, shared = servers(folder), engines(folder)
            newest = max(ours, key=lambda one: one.create_time())
            told = f"{_mb(newest, 'rss'):.0f} MB resident, {_mb(newest, 'uss'):.0f} MB of its own"
            figures.append(Figure(f"window {number} ({opened}) adds a server of", told, "≤ 150 MB"))
        figures.append(Figure("language servers, engine processes", f"{len(ours)}, {len(shared)}", "4, 1"))
        figures.append(Figure("the engine, resident", f"{sum(_mb(one, 'rss') for one in shared):.0f} MB"))
        share = _idle(ours), _idle(shared)
        told = f"{share[0]:.2f}%, {share[1]:.2f}%"
        figures.append(
            Figure(f"idle processor time of all servers, the engine, over {IDLE_S:.0f} s", told, "< 0.5%")
        )
        return figures


def _opened(stack: ExitStack, folder: Path, env: dict[str, str]) -> Iterator[str]:
    program = write_program(folder / "codeworld")
    shops = [scene.make(folder / f"shop{number}") for number in range(4)]
    code = stack.enter_context(code_server(folder, env, program))
    browser = stack.enter_context(sync_playwright()).chromium.launch(
        executable_path="/usr/bin/chromium", args=BROWSER
    )
    stack.callback(browser.close)
    for shop in shops[:2]:
        window: Workbench = code.open(browser.new_context(), shop, shop / "shop/offers.py")
        window.wait_for_model()
        yield "VS Code"
    for shop in shops[2:]:
        setup = f"require('codeworld').setup {{ cmd = {{ '{program}', 'lsp' }} }}"
        init = f"vim.opt.runtimepath:prepend('{PLUGIN}')\n{setup}"
        editor = Neovim(shop, shop / "shop/offers.py", init, env)
        stack.callback(editor.close)
        wait_for("the server", lambda editor=editor: editor.lua(READY))  # type: ignore[misc]
        yield "Neovim"


@contextmanager
def code_server(folder: Path, env: dict[str, str], program: Path) -> Iterator[CodeServer]:
    """VS Code with the extension that `make vsix` built."""
    (folder / "extensions").mkdir()
    install_extension(ROOT / "build" / "codeworld.vsix", folder / "extensions")
    (folder / "code").mkdir()
    settings = {"codeworld.server.path": str(program)}
    code = CodeServer(folder / "code", folder / "extensions", settings=settings, env=env)
    try:
        yield code
    finally:
        code.close()


def _mb(process: psutil.Process, kind: str) -> float:
    return float(getattr(process.memory_full_info(), kind)) / 1e6


def _idle(processes: list[psutil.Process]) -> float:
    """Percent of one core."""
    before = sum(sum(one.cpu_times()[:2]) for one in processes)
    time.sleep(IDLE_S)
    return 100 * (sum(sum(one.cpu_times()[:2]) for one in processes) - before) / IDLE_S
