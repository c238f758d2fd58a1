"""The plugin in the real Neovim, with the real server and the bundled model."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from editors.tests import scene
from editors.tests.nvim import PLUGIN, READY, Neovim
from editors.tests.processes import ROOT, engines, servers, wait_for

pytestmark = pytest.mark.timeout(300)
# An offer that comes late, on a machine that is busy with other things, is still an offer.
PATIENT = "{ completion = { maxLatencyMs = 30000 } }"
Start = Callable[..., Neovim]


def with_plugin(program: Path, settings: str) -> str:
    return f"""
        vim.opt.runtimepath:prepend('{PLUGIN}')
        require('codeworld').setup {{ cmd = {{ '{program}', 'lsp' }}, settings = {settings} }}
    """


@pytest.fixture
def nvim(runtime: Path, program: Path, shop: Path) -> Iterator[Start]:
    """Starts Neovim with a file of the shop."""
    started: list[Neovim] = []

    def start(name: str = "offers.py", init: str = with_plugin(program, PATIENT)) -> Neovim:
        env = {"CODEWORLD_RUNTIME_DIR": str(runtime), "XDG_CACHE_HOME": str(runtime / "cache")}
        started.append(Neovim(shop, shop / "shop" / name, init, env))
        wait_for("the server", lambda: started[-1].lua(READY))
        return started[-1]

    yield start
    for one in started:
        one.close()
    wait_for("the language servers to end", lambda: not servers(runtime))


def type_until_ghost(editor: Neovim) -> None:
    editor.keys("Go")  # Neovim indents by itself
    editor.type(scene.TYPED.strip())
    wait_for("the text", lambda: editor.text().endswith(scene.TYPED))
    editor.wait_for_ghost(scene.GHOST)


def test_type_accept_and_type_on(nvim: Start, browser: BrowserContext, pictures: Path) -> None:
    editor = nvim()
    type_until_ghost(editor)
    editor.terminal.picture(pictures / "neovim-ghost.png", browser)
    editor.keys("<Tab>")
    wait_for("the text", lambda: editor.text().endswith("    if not result:"))
    editor.keys("<CR>")
    editor.type("raise")
    editor.wait_for_ghost(" ValueError(name)")
    editor.keys("<Tab>")
    wait_for("the text", lambda: editor.text().endswith("\n        raise ValueError(name)"))
    editor.keys("<Esc>:w<CR>")
    expected = scene.OFFERS + "    if not result:\n        raise ValueError(name)\n"
    wait_for("the file", lambda: editor.file.read_text() == expected)


def test_a_word_then_a_line_is_accepted(nvim: Start) -> None:
    editor = nvim()
    type_until_ghost(editor)
    editor.keys("<C-Right>")
    wait_for("the word", lambda: editor.text().endswith("    if not"))
    editor.wait_for_ghost(" result:")
    editor.keys("<C-Down>")
    wait_for("the line", lambda: editor.text().endswith("    if not result:"))


def test_tab_indents_where_nothing_is_offered(nvim: Start) -> None:
    editor = nvim()
    editor.keys("Go<C-u><Tab>x")
    wait_for("the tab", lambda: re.search(r"\n\s+x$", editor.text()))


def test_fix_from_a_diagnostic(nvim: Start) -> None:
    editor = nvim("broken.py")
    editor.keys("6G")
    asked = (
        "vim.lsp.buf.code_action({ apply = true, filter = function(a) return a.title:find('repair') end })"
    )
    editor.lua(asked)
    wait_for("the repair", lambda: scene.REPAIRED in editor.text() + "\n")


def test_fix_by_command(nvim: Start) -> None:
    editor = nvim("broken.py")
    editor.keys(":Codeworld fix<CR>")
    wait_for("the repair", lambda: scene.REPAIRED in editor.text() + "\n")
    wait_for("the word of it", lambda: "Codeworld: fixed" in editor.messages())


def in_compute_total(nvim: Start, program: Path) -> Neovim:
    trusting = "{ tests = { trusted = true } }"
    editor = nvim("prices.py", with_plugin(program, trusting))
    editor.keys("5G")
    return editor


def test_generated_tests_go_into_their_own_file(nvim: Start, program: Path, shop: Path) -> None:
    editor = in_compute_total(nvim, program)
    editor.keys(":Codeworld tests<CR>")
    wait_for("the question", lambda: "Apply all changes?" in editor.terminal.screen(), 180)
    editor.terminal.keys("y")
    editor.terminal.until("Press ENTER")  # Neovim's own words take two lines
    editor.terminal.keys("Enter")
    wait_for("the tests", lambda: editor.lua("vim.fn.expand('%:t')") == "test_prices.py")
    assert "compute_total(" in editor.text()
    assert "not saved yet" in editor.messages()
    editor.keys(":w<CR>")
    file = shop / "tests" / "test_prices.py"
    wait_for("the file", lambda: file.exists() and file.read_text() == editor.text() + "\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    subprocess.run(command, cwd=shop, check=True, capture_output=True)


def test_generated_tests_can_be_refused(nvim: Start, program: Path, shop: Path) -> None:
    editor = in_compute_total(nvim, program)
    editor.keys(":Codeworld tests<CR>")
    wait_for("the question", lambda: "Apply all changes?" in editor.terminal.screen(), 180)
    editor.terminal.keys("n")
    wait_for("nothing left behind", lambda: not list(shop.rglob("test_*")))
    assert editor.text() + "\n" == scene.PRICES


def test_tests_need_trust(nvim: Start, shop: Path) -> None:
    editor = nvim("prices.py")
    editor.keys(":Codeworld tests<CR>")
    wait_for("the word of it", lambda: "the workspace is not trusted" in editor.messages())
    assert not list(shop.rglob("test_*"))


def test_a_docstring_is_written(nvim: Start) -> None:
    """Of the function that the cursor is in, wherever it is in it; once."""
    editor = nvim()
    editor.keys(
        "Go<Esc>:set paste<CR>o<CR>def join(names, separator):<CR>    return separator.join(names)<Esc>"
    )
    editor.keys(":Codeworld docstring<CR>")
    written = '    """Return ``separator.join(names)``."""\n    return separator.join(names)'
    wait_for("the docstring", lambda: editor.text().endswith(written))
    editor.keys(":Codeworld docstring<CR>")
    wait_for("the word of it", lambda: "no docstring to offer: up to date" in editor.messages())
    editor.keys("gg:Codeworld docstring<CR>")
    wait_for("the word of it", lambda: "no function or class at the cursor" in editor.messages())


def test_a_commit_message_is_written(nvim: Start, shop: Path) -> None:
    """Once there is something to say."""
    editor = nvim()
    editor.keys(":Codeworld commit<CR>")
    wait_for("the word of it", lambda: "no commit message to offer: nothing staged" in editor.messages())
    assert editor.text() + "\n" == scene.OFFERS
    (shop / "README.md").write_text(scene.FILES["README.md"] + "\nPrices are in cents.\n")
    subprocess.run(["git", "-C", str(shop), "add", "-A"], check=True)
    editor.keys("gg:Codeworld commit<CR>")
    wait_for("the message", lambda: "README" in editor.text().partition("\n")[0])


def test_summary_opens_beside_and_its_links_work(nvim: Start) -> None:
    editor = nvim()
    editor.keys(":Codeworld summary<CR>")
    wait_for("the page", lambda: editor.text().startswith("# shop"))
    assert editor.lua("#vim.api.nvim_list_wins()") == 2
    editor.keys("/bills.py:1<CR>")
    editor.keys("<CR>")
    wait_for("the file", lambda: editor.lua("vim.fn.expand('%:t')") == "bills.py")


def test_a_command_is_cancelled(nvim: Start) -> None:
    """Cancelled in the same breath, so that however quick the server is, it has not answered yet."""
    editor = nvim()
    editor.lua(
        "{ require('codeworld.commands').run({'summary'}), require('codeworld.commands').run({'cancel'}) }"
    )
    wait_for("the word of it", lambda: "Codeworld: stopped" in editor.messages())
    assert editor.lua("#vim.api.nvim_list_wins()") == 1


def test_a_killed_server_comes_back_and_the_text_is_intact(nvim: Start, runtime: Path) -> None:
    editor = nvim()
    type_until_ghost(editor)
    (killed,) = servers(runtime)
    killed.kill()
    editor.type(" not")
    wait_for("a new server", lambda: [one for one in servers(runtime) if one.pid != killed.pid])
    wait_for("the server", lambda: editor.lua(READY))
    editor.type(" result")
    editor.wait_for_ghost(":")
    editor.keys("<Tab>")
    wait_for("the text", lambda: editor.text() == scene.OFFERS + "    if not result:")


def test_two_windows_share_one_engine(nvim: Start, runtime: Path) -> None:
    for editor in (nvim("offers.py"), nvim("offers.py")):
        type_until_ghost(editor)
    assert len(servers(runtime)) == 2
    assert len(engines(runtime)) == 1


def test_snooze_is_quiet(nvim: Start) -> None:
    editor = nvim()
    type_until_ghost(editor)
    editor.keys("<Esc>:Codeworld snooze 5<CR>")
    editor.keys("A")
    editor.type(" n")
    wait_for("the text", lambda: editor.text().endswith("if n"))
    assert not editor.lua("vim.lsp.inline_completion.is_enabled({ bufnr = 0 })")
    assert editor.ghost() == ""
    editor.keys("<Esc>:Codeworld snooze 0<CR>")
    editor.keys("A")
    editor.type("o")
    editor.wait_for_ghost("t result:")


def test_health(nvim: Start, program: Path) -> None:
    editor = nvim()
    editor.keys(":checkhealth codeworld<CR>")
    wait_for("the report", lambda: "codeworld 0." in editor.text() or "ERROR" in editor.text(), 90)
    report = editor.text()
    assert f"program: {program}" in report
    assert "running: client" in report
    assert "ERROR" not in report


def test_the_setup_without_the_plugin(nvim: Start, program: Path) -> None:
    """The lines that docs/editors.md shows."""
    page = (ROOT / "docs" / "editors.md").read_text()
    lines = page.partition("### Without the plugin")[2].partition("```lua\n")[2].partition("```")[0]
    assert "vim.lsp.enable" in lines
    init = lines.replace("/path/to/.venv/bin/codeworld", str(program))
    patience = f"vim.lsp.config('codeworld', {{ init_options = {PATIENT} }})"
    editor = nvim(init=init + patience)
    type_until_ghost(editor)
    editor.keys("<Tab>")
    wait_for("the text", lambda: editor.text().endswith("    if not result:"))
