from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Playwright, sync_playwright

from codeworld.engine.client import EngineClient
from editors.tests import scene
from editors.tests.code_server import BROWSER, CodeServer, install_extension
from editors.tests.processes import ENVIRONMENT, ROOT, servers, wait_for, write_program

PICTURES = ENVIRONMENT / "pictures"


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where the screenshots are kept, to be looked at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    return PICTURES


@pytest.fixture(scope="session")
def runtime() -> Iterator[Path]:
    """A runtime directory for all editors of this run: they share one engine with the real model."""
    directory = Path(tempfile.mkdtemp(prefix="cw-"))
    os.environ["CODEWORLD_RUNTIME_DIR"] = str(directory)
    os.environ["XDG_CACHE_HOME"] = str(directory / "cache")
    yield directory
    with EngineClient(spawn=False) as client:
        client.shutdown()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def program(runtime: Path) -> Path:
    """The ``codeworld`` program that the editors start."""
    return write_program(runtime / "codeworld")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The repository that the editors open."""
    return scene.make(tmp_path / "shop")


# VS Code


@pytest.fixture(scope="session")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension as it is shipped, installed."""
    subprocess.run(["make", "-s", "vsix"], cwd=ROOT, check=True)
    folder = tmp_path_factory.mktemp("extensions")
    install_extension(ROOT / "build" / "codeworld.vsix", folder)
    return folder


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[BrowserContext]:
    """A browser that reaches nothing but this machine."""
    chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=BROWSER)
    context = chromium.new_context(viewport={"width": 1100, "height": 640})
    context.route(
        lambda url: not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")),
        lambda route: route.abort(),
    )
    yield context
    chromium.close()


@pytest.fixture(scope="module")
def code(
    tmp_path_factory: pytest.TempPathFactory, extensions: Path, runtime: Path, program: Path
) -> Iterator[Callable[..., CodeServer]]:
    """Starts code servers; afterwards no language server of theirs may be left."""
    started: list[CodeServer] = []

    def start(settings: dict[str, object] | None = None, **options: bool) -> CodeServer:
        ours = {"codeworld.server.path": str(program), **(settings or {})}
        env = {"CODEWORLD_RUNTIME_DIR": str(runtime), "XDG_CACHE_HOME": str(runtime / "cache")}
        data = tmp_path_factory.mktemp("code")
        started.append(CodeServer(data, extensions, settings=ours, env=env, **options))
        return started[-1]

    yield start
    for server in started:
        server.close()
    wait_for("the language servers to end", lambda: not servers(runtime))
