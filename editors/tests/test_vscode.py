"""The extension in the real VS Code, with the real server and the bundled model."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from editors.tests import scene
from editors.tests.code_server import CodeServer
from editors.tests.processes import engines, servers, wait_for
from editors.tests.workbench import PATIENCE_MS, Workbench, plain

pytestmark = pytest.mark.timeout(300)
Code = Callable[..., CodeServer]


@pytest.fixture(autouse=True)
def last_pictures(browser: BrowserContext, pictures: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """What every window showed last is kept as a picture."""
    yield
    for number, page in enumerate(browser.pages):
        page.screenshot(path=pictures / "last" / f"{request.node.name}-{number}.png")


@pytest.fixture(scope="module")
def server(code: Code) -> CodeServer:
    """The code server of the tests that need no settings of their own."""
    return code()


@pytest.fixture(scope="module")
def first(server: CodeServer, browser: BrowserContext, tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """A window on the shop. Starting one takes most of a test's time, so it is used again."""
    shop = scene.make(tmp_path_factory.mktemp("first") / "shop")
    window = server.open(browser, shop, shop / "shop/offers.py")
    window.wait_for_model()
    return window


@pytest.fixture
def opened(first: Workbench) -> Callable[[str], Workbench]:
    """Opens a file of the shop, which is as it was at first, and nothing else."""

    def open_file(name: str) -> Workbench:
        shop = first.file.parent
        scene.restore(shop.parent)
        first.page.bring_to_front()
        first.start_over(shop / name)
        first.wait_for_model()
        return first

    return open_file


@pytest.fixture
def window(opened: Callable[[str], Workbench]) -> Workbench:
    """The window with offers.py, the cursor at its end."""
    here = opened("offers.py")
    here.press("Control+End")
    return here


def test_type_accept_and_type_on(window: Workbench, pictures: Path) -> None:
    window.type(scene.TYPED)
    window.wait_for_ghost(scene.GHOST)
    window.picture(pictures / "vscode-ghost-light.png")
    window.press("Tab")
    window.no_ghost()
    window.press("Enter")
    window.type("raise")
    window.wait_for_ghost(" ValueError(name)")
    window.press("Tab")
    assert window.saved() == scene.OFFERS + "    if not result:\n        raise ValueError(name)"


def test_a_word_then_a_line_is_accepted(window: Workbench) -> None:
    window.type(scene.TYPED)
    window.wait_for_ghost(scene.GHOST)
    window.press("Control+ArrowRight")  # for VS Code the white space is a word
    window.wait_for_ghost("not result:")
    window.press("Control+ArrowRight")
    window.wait_for_ghost(" result:")
    window.press("Control+Alt+ArrowRight")
    window.no_ghost()
    assert window.saved() == scene.OFFERS + "    if not result:"


def test_tab_indents_where_nothing_is_offered(window: Workbench) -> None:
    window.press("Tab")
    window.type("x")
    assert window.saved() == scene.OFFERS + "    x"


def test_escape_refuses(window: Workbench) -> None:
    window.type(scene.TYPED)
    window.wait_for_ghost(scene.GHOST)
    window.press("Escape")
    window.no_ghost()
    assert window.saved() == scene.OFFERS + scene.TYPED


def test_fix_from_a_diagnostic(opened: Callable[[str], Workbench], pictures: Path) -> None:
    window = opened("broken.py")
    window.press("Control+g")
    window.page.locator(".quick-input-widget input").first.wait_for()
    window.type("6")
    window.press("Enter")
    window.page.locator(".statusbar-item", has_text="Ln 6").wait_for()
    action = window.page.locator(".action-widget .monaco-list-row", has_text="repair the syntax error")

    def menu() -> bool:
        window.press("Control+Period")
        window.page.wait_for_timeout(3_000)
        return action.is_visible()

    wait_for("the action", menu)
    window.picture(pictures / "vscode-code-action.png")
    action.click()
    line = window.page.locator(".view-line", has_text="sum(prices)")
    line.wait_for()
    assert scene.REPAIRED in window.saved()


def test_fix_by_command(opened: Callable[[str], Workbench]) -> None:
    window = opened("broken.py")
    window.command("Codeworld: Fix This File")
    window.page.locator(".view-line", has_text="sum(prices)").wait_for()
    assert scene.REPAIRED in window.saved()


def test_fix_of_what_is_right_says_so(window: Workbench) -> None:
    window.command("Codeworld: Fix This File")
    window.notification("Codeworld has no fix to offer").wait_for()
    assert window.file.read_text() == scene.OFFERS


def test_summary_opens_beside_and_its_links_work(window: Workbench, pictures: Path) -> None:
    window.command("Codeworld: Summarize Repository")
    outer = window.page.frame_locator("iframe.webview.ready")
    page = outer.frame_locator("iframe#active-frame")
    page.locator("h1", has_text="shop").wait_for()
    window.picture(pictures / "vscode-summary.png")
    page.locator("a", has_text="shop/bills.py:1").first.click()
    window.page.locator(".tabs-container .tab.active", has_text="bills.py").wait_for()
    assert not list(window.file.parent.parent.glob("*summary*"))  # nothing is written into the repository


def test_a_summary_is_cancelled(server: CodeServer, browser: BrowserContext, tmp_path: Path) -> None:
    large = tmp_path / "large"
    ignored = shutil.ignore_patterns("site-packages", "*.pyc", "*.so")
    shutil.copytree(sysconfig.get_path("stdlib"), large, ignore=ignored)
    (large / ".vscode").mkdir()
    (large / ".vscode" / "settings.json").write_text('{"codeworld.index.enabled": false}')
    window = server.open(browser, large, large / "bisect.py")
    window.wait_for_model()
    window.command("Codeworld: Summarize Repository")
    running = window.notification("summarizing large")
    running.locator(".monaco-button", has_text="Cancel").click()
    expect(running).to_have_count(0)
    window.page.wait_for_timeout(3_000)
    assert window.page.locator("iframe.webview").count() == 0
    window.status_says("ready")
    window.page.close()


def test_a_killed_server_comes_back_and_the_text_is_intact(window: Workbench, runtime: Path) -> None:
    window.type(scene.TYPED)
    window.wait_for_ghost(scene.GHOST)
    (killed,) = servers(runtime)
    killed.kill()
    window.type(" not")
    (new,) = wait_for("a new server", lambda: [one for one in servers(runtime) if one.pid != killed.pid])
    assert new.is_running()
    window.wait_for_model()
    window.type(" result")
    window.wait_for_ghost(":")
    window.press("Tab")
    assert window.saved() == scene.OFFERS + "    if not result:"


def test_a_killed_engine_comes_back(window: Workbench, runtime: Path) -> None:
    window.type(scene.TYPED)
    window.wait_for_ghost(scene.GHOST)
    (killed,) = engines(runtime)
    killed.kill()
    killed.wait(10)
    window.press("Tab", "Enter")
    window.type("raise")
    window.ask_for_ghost()
    wait_for("a new engine", lambda: [one for one in engines(runtime) if one.pid != killed.pid])
    window.wait_for_ghost(" ValueError(name)")


def test_two_windows_share_one_engine(
    window: Workbench, server: CodeServer, browser: BrowserContext, shop: Path, runtime: Path
) -> None:
    second = server.open(browser, shop, shop / "shop/offers.py")
    second.wait_for_model()
    assert len(servers(runtime)) == 2
    assert len(engines(runtime)) == 1
    for one in (window, second):
        one.page.bring_to_front()
        one.press("Control+End")
        one.type(scene.TYPED)
        one.wait_for_ghost(scene.GHOST)
    assert len(engines(runtime)) == 1
    second.page.close()


def test_the_menu_turns_completions_off_and_on(window: Workbench, pictures: Path) -> None:
    window.status.click()
    window.page.locator(".quick-input-list .monaco-list-row", has_text="Snooze").wait_for()
    window.picture(pictures / "vscode-menu.png")
    window.choose("Turn completions off for python")
    window.status_says("off")
    window.focus_editor()
    window.press("Control+End")
    window.type(scene.TYPED)
    window.page.wait_for_timeout(2_000)
    window.no_ghost()
    window.status.click()
    window.choose("Turn completions on for python")
    window.status_says("ready")
    window.focus_editor()
    window.press("Control+End")
    window.type(" n")
    window.wait_for_ghost("ot result:")
    window.command("Codeworld: Snooze Completions")
    window.choose("5 minutes")
    window.status_says("off. Completions are off: snoozed until")
    window.no_ghost()
    window.status.click()
    window.choose("Wake up now")
    window.status_says("ready")


def test_a_wrong_program_is_told(code: Code, browser: BrowserContext, shop: Path) -> None:
    window = code({"codeworld.server.path": "/nowhere/codeworld"}).open(
        browser, shop, shop / "shop/offers.py"
    )
    window.status_says("error. The language server does not run: /nowhere/codeworld")
    window.page.close()


def test_setting_up_shows_progress_and_the_error(
    code: Code, browser: BrowserContext, shop: Path, tmp_path: Path
) -> None:
    """A checkout whose install script fails: its words reach the user, who can open the log."""
    checkout = tmp_path / "checkout"
    (checkout / "scripts").mkdir(parents=True)
    script = checkout / "scripts" / "install.sh"
    script.write_text("#!/bin/sh\necho installing Codeworld\nsleep 3\necho no space left >&2\nexit 2\n")
    script.chmod(0o755)
    settings = {"codeworld.server.path": "", "codeworld.setup.checkout": str(checkout)}
    window = code(settings).open(browser, shop, shop / "shop/offers.py")
    window.notification("installing Codeworld").wait_for()
    failed = window.notification("Codeworld could not be set up: no space left")
    failed.wait_for()
    failed.locator(".monaco-button", has_text="Show Log").wait_for()
    window.status_says("error. No language server was found")
    window.page.close()


def test_an_untrusted_workspace_is_limited(
    code: Code, browser: BrowserContext, shop: Path, pictures: Path
) -> None:
    """A repository's own `codeworld` is not run, and what runs its code is not offered."""
    planted = shop / ".venv" / "bin" / "codeworld"
    planted.parent.mkdir(parents=True)
    planted.write_text("#!/bin/sh\ntouch /tmp/codeworld-was-run\n")
    planted.chmod(0o755)
    ran = Path("/tmp/codeworld-was-run")
    ran.unlink(missing_ok=True)
    server = code(trust=False)
    window = server.open(browser, shop, shop / "shop/offers.py")
    window.wait_for_model()
    window.press("Control+End")
    window.type(scene.TYPED)
    window.wait_for_ghost(scene.GHOST)
    window.status.click()
    rows = window.page.locator(".quick-input-list .monaco-list-row")
    rows.filter(has_text="Fix this file").first.wait_for()
    labels = [plain(text) for text in rows.all_text_contents()]
    assert not any("Summarize" in label or "until a test passes" in label for label in labels)
    assert not ran.exists()
    window.page.close()


def announced(window: Workbench, label: str) -> None:
    """Skip unless the menu offers it: it does where the server announces it."""
    window.status.click()
    rows = window.page.locator(".quick-input-list .monaco-list-row")
    rows.filter(has_text="Fix this file").first.wait_for()
    labels = [plain(text) for text in rows.all_text_contents()]
    window.press("Escape")
    window.focus_editor()
    if not any(label in one for one in labels):
        pytest.skip(f"this server does not announce it: {label}")


def preview(window: Workbench) -> Locator:
    """VS Code's refactoring preview, with the generated tests in it."""
    panel = window.page.locator(".bulk-edit-panel")
    # Longer than other things: on a machine that is busy, running and checking tests takes minutes.
    panel.locator(".monaco-list-row", has_text="test_prices.py").wait_for(timeout=3 * PATIENCE_MS)
    return panel


def in_compute_total(opened: Callable[[str], Workbench]) -> Workbench:
    window = opened("prices.py")
    announced(window, "Generate tests")
    window.press("Control+Home", "ArrowDown", "ArrowDown", "ArrowDown")
    return window


def test_generated_tests_go_into_their_own_file(opened: Callable[[str], Workbench], pictures: Path) -> None:
    window = in_compute_total(opened)
    root = window.file.parent.parent
    window.command("Codeworld: Generate Tests")
    panel = preview(window)
    expect(window.notification("generating tests")).to_have_count(0)
    window.picture(pictures / "vscode-tests-preview.png")
    assert not list(root.rglob("test_*"))
    panel.locator(".monaco-button", has_text="Apply").click()
    window.page.locator(".tabs-container .tab.active", has_text="test_prices.py").wait_for()
    assert "compute_total(" in window.saved(root / "tests" / "test_prices.py")
    window.picture(pictures / "vscode-tests.png")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


def test_generated_tests_can_be_discarded(opened: Callable[[str], Workbench]) -> None:
    """From VS Code's own menu."""
    window = in_compute_total(opened)
    window.command("Source Action...")
    action = window.page.locator(
        ".action-widget .monaco-list-row", has_text="generate tests of compute_total"
    )
    action.click()
    preview(window).locator(".monaco-button", has_text="Discard").click()
    window.page.locator(".bulk-edit-panel").wait_for(state="hidden")
    assert not list(window.file.parent.parent.rglob("test_*"))


def test_a_docstring_is_written(window: Workbench, pictures: Path) -> None:
    """Of the function that the cursor is in, wherever it is in it; once."""
    announced(window, "docstring")
    window.press("Enter")
    window.type("\n\ndef join(names, separator):\nreturn separator.join(names)")
    window.command("Codeworld: Write or Update the Docstring")
    window.page.locator(".view-line", has_text='"""Return').wait_for()
    window.picture(pictures / "vscode-docstring.png")
    window.command("Codeworld: Write or Update the Docstring")
    window.notification("Codeworld has no docstring to offer: up to date").wait_for()
    written = '    """Return ``separator.join(names)``."""\n    return separator.join(names)'
    assert window.saved() == scene.OFFERS + "\n\n\ndef join(names, separator):\n" + written


def test_a_docstring_of_nothing_says_so(window: Workbench) -> None:
    window.press("Control+Home")
    window.command("Codeworld: Write or Update the Docstring")
    window.notification("Codeworld: there is no function or class at the cursor").wait_for()
    assert window.file.read_text() == scene.OFFERS


def write_commit_message(window: Workbench) -> None:
    """By the button in the source-control view."""
    window.page.locator('.pane-header a[aria-label*="Write a Commit Message"]').first.click()


def stage_a_change(root: Path) -> None:
    (root / "README.md").write_text(scene.FILES["README.md"] + "\nPrices are in cents.\n")
    subprocess.run(["git", "-C", str(root), "add", "-A"], check=True)


def test_a_commit_message_is_written_into_its_box(window: Workbench, pictures: Path) -> None:
    """Once there is something to say."""
    announced(window, "commit message")
    window.press("Control+Shift+g")
    write_commit_message(window)
    window.notification("Codeworld has no commit message to offer: nothing staged").wait_for()
    stage_a_change(window.file.parent.parent)
    write_commit_message(window)
    expect(window.page.locator(".scm-editor .view-lines")).to_contain_text("README")
    window.picture(pictures / "vscode-commit-message.png")


def test_a_commit_message_where_a_part_of_the_repository_is_open(
    code: Code, browser: BrowserContext, shop: Path
) -> None:
    stage_a_change(shop)
    settings = {"git.openRepositoryInParentFolders": "always"}
    window = code(settings).open(browser, shop / "shop", shop / "shop/offers.py")
    window.wait_for_model()
    window.press("Control+Shift+g")
    write_commit_message(window)
    expect(window.page.locator(".scm-editor .view-lines")).to_contain_text("README", timeout=PATIENCE_MS)
    window.page.close()


def test_the_walkthrough_and_a_dark_theme(window: Workbench, pictures: Path) -> None:
    window.command("Preferences: Toggle between Light/Dark Themes")
    window.focus_editor()
    window.press("Control+End")
    window.type(scene.TYPED)
    window.wait_for_ghost(scene.GHOST)
    window.picture(pictures / "vscode-ghost-dark.png")
    window.command("Welcome: Open Walkthrough")
    window.page.locator(".quick-input-list .monaco-list-row", has_text="Codeworld").first.click()
    overview = window.page.locator(".gettingStartedContainer")
    overview.get_by_text("Code completion that stays on your machine.").first.wait_for()
    window.picture(pictures / "vscode-walkthrough.png")
    window.command("Preferences: Toggle between Light/Dark Themes")
