"""From a key press to the ghost text on the screen, in VS Code; beside it what the server alone takes for these keys.

In the browser: the time of the key's event, then the first frame in which the ghost text is another than before it.
A key after which none is shown before the next one counts as silent. The server alone is asked over a pipe, with the
same keys at the same pace: from the change to the reply that has an item.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.editors_windows import code_server
from benchmarks.lsp_client import WireClient
from benchmarks.lsp_latency import Spread
from benchmarks.results import Figure
from editors.tests import scene
from editors.tests.code_server import BROWSER
from editors.tests.processes import write_program

KEY_INTERVAL_S = 0.25
TYPED = ("if not result:", "    raise ValueError(name)", "return round(result, 2)")
ROUNDS = 4
WATCH = """() => {
  window.keys = [];
  const ghost = () => [...document.querySelectorAll('.view-line .ghost-text-decoration')]
    .map((part) => part.textContent).join('');
  addEventListener('keydown', (event) => {
    if (event.key.length === 1) keys.push({ at: performance.now(), before: ghost(), paint: null });
  }, true);
  const look = () => {
    const key = keys.at(-1), now = ghost();
    if (key && key.paint === null && now && now !== key.before) key.paint = performance.now() - key.at;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


def latency() -> list[Figure]:
    """The same keys in the editor and at the server."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cw-")))
        env = {"CODEWORLD_RUNTIME_DIR": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
        os.environ.update(env)
        program = write_program(folder / "codeworld")
        shop = scene.make(folder / "shop")
        code = stack.enter_context(code_server(folder, env, program))
        chromium = stack.enter_context(sync_playwright()).chromium
        browser = chromium.launch(executable_path="/usr/bin/chromium", args=BROWSER)
        stack.callback(browser.close)
        window = code.open(browser.new_context(), shop, shop / "shop/offers.py")
        window.wait_for_model()
        window.press("Control+End")
        window.type("    ")
        window.page.evaluate(WATCH)
        for _ in range(ROUNDS):
            for line in TYPED:
                window.type(line.strip(), round(1_000 * KEY_INTERVAL_S))
                window.press("Enter")
                if line.startswith(" "):
                    window.press("Shift+Tab")
        keys = window.page.evaluate("keys")
        painted = [key["paint"] for key in keys if key["paint"] is not None]
        # In a thread of its own: playwright's loop runs in this one.
        with ThreadPoolExecutor() as pool:
            answered, count = pool.submit(lambda: asyncio.run(_server_alone(shop))).result()
    return [
        Figure("VS Code: key press → ghost text on the screen, p50 / p95", str(Spread.of(painted))),
        Figure("VS Code: keys with ghost text", f"{len(painted)} of {len(keys)}"),
        Figure(
            "the server alone, same keys: change → reply with an item, p50 / p95", str(Spread.of(answered))
        ),
        Figure("the server alone: keys with an item", f"{len(answered)} of {count}"),
    ]


async def _server_alone(shop: Path) -> tuple[list[float], int]:
    """Milliseconds of the keys that were answered with an item, and the number of keys."""
    client = await WireClient.start()
    await client.initialize(shop)
    uri, text = (shop / "shop/offers.py").as_uri(), scene.OFFERS
    client.did_open(uri, text)
    await client.until_indexed()
    version, row = 1, text.count("\n")
    client.insert(uri, version := version + 1, row, 0, "    ")
    times_ms, count = [], 0
    for line in TYPED * ROUNDS:
        indent = 8 if line.startswith(" ") else 4
        for number, key in enumerate(line.strip()):
            began_s = time.monotonic()
            client.insert(uri, version := version + 1, row, indent + number, key)
            offered = await client.ghost(uri, row, indent + number + 1)
            count += 1
            if offered:
                times_ms.append(1e3 * (time.monotonic() - began_s))
            await asyncio.sleep(max(0.0, began_s + KEY_INTERVAL_S - time.monotonic()))
        following = 8 if line.startswith("if") else 4
        client.insert(uri, version := version + 1, row, indent + len(line.strip()), "\n" + " " * following)
        row += 1
    await client.close()
    return times_ms, count
