"""One window of VS Code, used as a person would: keys in, what is painted out."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

ITEM = '.statusbar-item[id="codeworld.codeworld.codeworld"]'
PATIENCE_MS = 60_000


class Workbench:
    """The window, and the file that was opened in it."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.file = file
        page.set_default_timeout(PATIENCE_MS)
        page.wait_for_selector(".monaco-workbench")
        page.locator(".tabs-container .tab", has_text=file.name).wait_for()
        self.focus_editor()

    def start_over(self, file: Path) -> None:
        """Forget all changes, close everything and open one file."""
        self.press("Escape")
        self.focus_editor()
        self.command("View: Revert and Close Editor")
        self.command("View: Close All Editors")
        self.page.locator(".tabs-container .tab").first.wait_for(state="detached")
        self.file = file
        self.press("Control+p")
        self.page.locator(".quick-input-widget input").first.wait_for()
        self.type(file.name, 5)
        self.choose(file.name)
        self.page.locator(".tabs-container .tab.active", has_text=file.name).wait_for()
        self.focus_editor()

    # Keys

    def focus_editor(self) -> None:
        self.page.locator(".editor-instance .monaco-editor .view-lines").first.click()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str, delay_ms: int = 60) -> None:
        self.page.keyboard.type(text, delay=delay_ms)

    def command(self, title: str) -> None:
        """Run a command by its title in the palette."""
        self.press("F1")
        self.page.locator(".quick-input-widget input").first.wait_for()
        self.type(title, 5)
        self.choose(title)

    def choose(self, label: str) -> None:
        """Take an entry of the list that is open at the top."""
        self.page.locator(".quick-input-list .monaco-list-row", has_text=label).first.wait_for()
        self.page.locator(".quick-input-list .monaco-list-row", has_text=label).first.click()

    # What is painted

    @property
    def ghost_parts(self) -> Locator:
        return self.page.locator(".view-line .ghost-text-decoration")

    def ghost(self) -> str:
        """The ghost text that is painted right now, "" when there is none."""
        return plain("".join(self.ghost_parts.all_text_contents()))

    def wait_for_ghost(self, text: str) -> None:
        """Wait until exactly this ghost text is painted; asks again should a first request have been lost."""
        for _ in range(6):
            try:
                expect(self.ghost_parts.first).to_be_visible(timeout=10_000)
                if self.ghost() == text:
                    return
                self.page.wait_for_timeout(200)
            except AssertionError:
                self.ask_for_ghost()
        raise AssertionError(f"no ghost text {text!r}; there is {self.ghost()!r}")

    def ask_for_ghost(self) -> None:
        """Ask as a person would who waits in vain."""
        self.command("Trigger Inline Suggestion")

    def no_ghost(self) -> None:
        expect(self.ghost_parts).to_have_count(0)

    @property
    def status(self) -> Locator:
        return self.page.locator(ITEM)

    def status_says(self, words: str) -> None:
        said = re.compile(re.escape(f"Codeworld: {words}"))
        expect(self.status.locator("a")).to_have_attribute("aria-label", said, timeout=PATIENCE_MS)

    def wait_for_model(self) -> None:
        self.status_says("ready. Ready.")

    def notification(self, text: str) -> Locator:
        return self.page.locator(".notification-list-item", has_text=text)

    def saved(self, file: Path | None = None) -> str:
        """Save what is shown, and read it: the file that was opened, unless another one was opened since."""
        file = file or self.file
        dirty = self.page.locator(".tabs-container .tab.dirty", has_text=file.name)
        self.press("Control+s")
        expect(dirty).to_have_count(0)
        return file.read_text(encoding="utf-8")

    def picture(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)


def plain(painted: str) -> str:
    """What VS Code paints, with spaces for its no-break spaces."""
    return painted.replace("\u00a0", " ").replace("\u200c", "").replace("\u200d", "")
