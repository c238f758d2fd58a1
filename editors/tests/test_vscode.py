"""The extension in the real VS Code, with the real server and the bundled model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from editors.tests import scene
from editors.tests.code_server import CodeServer
from playwright.sync_api import BrowserContext

pytestmark = pytest.mark.timeout(300)
Code = Callable[..., CodeServer]


def test_type_accept_and_type_on(code: Code, browser: BrowserContext, shop: Path, pictures: Path) -> None:
    window = code().open(browser, shop, shop / "shop/offers.py")
    window.wait_for_model()
    window.press("Control+End")
    window.type(scene.TYPED)
    window.wait_for_ghost(scene.GHOST)
    window.picture(pictures / "vscode-ghost.png")
    window.press("Tab")
    window.no_ghost()
    window.press("Enter")
    window.type("raise")
    window.wait_for_ghost(" ValueError(name)")
    window.press("Tab")
    expected = scene.OFFERS + "    if not result:\n        raise ValueError(name)"
    assert window.saved() == expected
