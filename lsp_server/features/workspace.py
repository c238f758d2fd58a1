"""The start of a session, its folders, settings and the files that change on disk."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from lsprotocol import types as lsp
from pygls.uris import from_fs_path

from lsp_server.config import SECTION, own_part
from lsp_server.features.sync import index_file
from lsp_server.folders import Folder, path_of
from lsp_server.progress import progress
from lsp_server.server import CodeworldServer

log = logging.getLogger("codeworld.server")

WATCHED = ("**/*.{py,pyi}", "**/.gitignore", "**/.codeworldignore")
MANY_FILES = 500  # changed at once (a branch was switched): reading all anew is simpler and as fast
ANSWER_TIMEOUT_S = 10.0


def register(server: CodeworldServer) -> None:
    """Add the features."""
    server.feature(lsp.INITIALIZE)(initialize)
    server.feature(lsp.INITIALIZED)(initialized)
    server.feature(lsp.SHUTDOWN)(shutdown)
    server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)(did_change_configuration)
    server.feature(lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(did_change_workspace_folders)
    server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)(did_change_watched_files)


def initialize(server: CodeworldServer, params: lsp.InitializeParams) -> None:
    """Take note of settings and folders; nothing slow, the editor waits."""
    server.configure(own_part(params.initialization_options))
    roots = [folder.uri for folder in params.workspace_folders or []]
    if not roots and params.root_uri is not None:
        roots = [params.root_uri]
    elif not roots and params.root_path:
        roots = [from_fs_path(params.root_path) or ""]
    server.roots = roots


def initialized(server: CodeworldServer, params: lsp.InitializedParams) -> None:
    """Now there is time: settings from the editor, watching, and the index of each folder."""
    server.report_settings()
    for uri in server.roots:
        _add_folder(server, uri)
    server.spawn(_begin(server))  # not awaited: pygls trips over the cancellation of what it awaits itself


async def _begin(server: CodeworldServer) -> None:
    await _watch(server)
    await _pull_settings(server)
    for folder in server.folders:
        if folder.state == "none":
            server.spawn(_index(server, folder))


def shutdown(server: CodeworldServer, params: None) -> None:
    """Stop all work of our own. The engine goes on: other editors use it."""
    server.stop_work()


async def did_change_configuration(server: CodeworldServer, params: lsp.DidChangeConfigurationParams) -> None:
    """Settings were pushed, or are to be fetched."""
    if params.settings and not _pulls(server):
        server.configure(own_part(params.settings))
        server.report_settings()
    else:
        await _pull_settings(server)


def did_change_workspace_folders(
    server: CodeworldServer, params: lsp.DidChangeWorkspaceFoldersParams
) -> None:
    """Folders were added to the workspace or removed from it."""
    for removed in params.event.removed:
        server.folders.remove(removed.uri)
    for added in params.event.added:
        folder = _add_folder(server, added.uri)
        if folder is not None:
            server.spawn(_index(server, folder))


async def did_change_watched_files(server: CodeworldServer, params: lsp.DidChangeWatchedFilesParams) -> None:
    """Files changed on disk. Open ones are not read: the editor's text counts."""
    from codeworld.context.ignore import IgnoreRules

    paths = [path for change in params.changes if (path := path_of(change.uri)) is not None]
    if len(paths) > MANY_FILES or any(map(IgnoreRules.is_rule_file, paths)):
        server.folders.reload_rules()
        for folder in server.folders:
            server.spawn(_index(server, folder))
        return
    opened = {document.path for document in server.session}
    for path in paths:
        if path not in opened:
            await index_file(server, Path(path))


def _add_folder(server: CodeworldServer, uri: str) -> Folder | None:
    try:
        return server.folders.add(uri)
    except OSError as error:
        log.warning("a folder cannot be read: %s", type(error).__name__)
        return None


async def _index(server: CodeworldServer, folder: Folder) -> None:
    settings = server.settings.index
    if not settings.enabled or not folder.indexed:
        return
    async with progress(server, f"Codeworld: reading {folder.root.name}", cancellable=True) as bar:

        def report(done: int, total: int) -> bool:
            bar.report(done, total)
            return bar.cancelled

        await folder.build(settings.budget_s, report)


def _pulls(server: CodeworldServer) -> bool:
    workspace = server.client_capabilities.workspace
    return workspace is not None and bool(workspace.configuration)


async def _pull_settings(server: CodeworldServer) -> None:
    if not _pulls(server):
        return
    params = lsp.ConfigurationParams(items=[lsp.ConfigurationItem(section=SECTION)])
    answer = await server.ask_client(server.workspace_configuration_async(params), ANSWER_TIMEOUT_S)
    if isinstance(answer, (list, tuple)) and len(answer) == 1:
        server.configure(own_part(answer[0]))
        server.report_settings()


async def _watch(server: CodeworldServer) -> None:
    """Ask to be told of changed files and settings, where the client wants to be asked."""
    workspace = server.client_capabilities.workspace
    if workspace is None:
        return
    wanted: list[lsp.Registration] = []
    files, configuration = workspace.did_change_watched_files, workspace.did_change_configuration
    if files is not None and files.dynamic_registration:
        options = lsp.DidChangeWatchedFilesRegistrationOptions(
            watchers=[lsp.FileSystemWatcher(glob_pattern=pattern) for pattern in WATCHED]
        )
        method = lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES
        wanted.append(lsp.Registration(id="codeworld-files", method=method, register_options=options))
    if configuration is not None and configuration.dynamic_registration:
        section = lsp.DidChangeConfigurationRegistrationOptions(section=SECTION)
        method = lsp.WORKSPACE_DID_CHANGE_CONFIGURATION
        wanted.append(lsp.Registration(id="codeworld-settings", method=method, register_options=section))
    if wanted:
        params = lsp.RegistrationParams(registrations=wanted)
        await server.ask_client(
            asyncio.ensure_future(server.client_register_capability_async(params)), ANSWER_TIMEOUT_S
        )
