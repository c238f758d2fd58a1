"""From an open document to tests that have run, and to the editor's edit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types as lsp

from lsp_server.background import in_background
from lsp_server.repairer import bridge

if TYPE_CHECKING:
    from codeworld.canvas import Reject
    from codeworld.testgen.cases import Generated
    from lsp_server.server import CodeworldServer
    from lsp_server.session import OpenDocument

_ANNOTATION = "codeworld.tests"


class NotUsable(Exception):
    """There are no tests, or the editor cannot take them; the message says why."""


async def find_tests(
    server: CodeworldServer,
    document: OpenDocument,
    qualname: str,
    *,
    is_cancelled: Callable[[], bool],
    report: Callable[[int, int], None],
) -> Generated | Reject:
    """Make tests in a thread of its own; cancelling the caller stops it. Raises NotUsable for what cannot be read."""
    from codeworld.errors import CommandError
    from codeworld.testgen.generate import Settings, generate
    from codeworld.testgen.propose import Proposer

    assert document.path is not None
    path, text, told = Path(document.path), document.text, server.settings.tests
    root = server.folders.of(path).root
    stop = threading.Event()
    propose = Proposer(text, bridge(server, asyncio.get_running_loop(), stop)) if told.model else None

    def work() -> Generated | Reject:
        return generate(
            path,
            text,
            root,
            qualname=qualname,
            propose=propose,
            settings=Settings(budget_s=float(told.budget_s)),
            should_stop=lambda: stop.is_set() or is_cancelled(),
            progress=report,
        )

    try:
        return await in_background("tests", work)
    except CommandError as error:
        raise NotUsable(str(error)) from error
    finally:
        stop.set()


def workspace_edit(server: CodeworldServer, made: Generated) -> lsp.WorkspaceEdit:
    """A new file, or insertions into the one that is there, marked so that the editor shows them first where it can.
    Raises NotUsable."""
    workspace = server.client_capabilities.workspace
    offered = workspace.workspace_edit if workspace is not None else None
    path = Path(made.path)
    uri = path.as_uri()
    document = server.session.get(uri)
    if document is not None and document.text != (made.before or ""):
        raise NotUsable(f"{path.name} has changes that are not saved")
    # Resource operations stand in document changes: Neovim announces the ones and not the others.
    creates = "create" in [
        str(getattr(one, "value", one)) for one in (offered and offered.resource_operations) or ()
    ]
    previews = bool(offered and offered.change_annotation_support)
    annotation = lsp.ChangeAnnotation("Generated tests", needs_confirmation=True)
    edits = [_marked(one, previews) for one in _insertions(server, made)]
    if made.before is None and not creates:
        raise NotUsable("the editor cannot create files")
    if offered is None or not (offered.document_changes or creates):
        return lsp.WorkspaceEdit(changes={uri: [lsp.TextEdit(one.range, one.new_text) for one in edits]})
    version = document.version if document is not None else None
    identifier = lsp.OptionalVersionedTextDocumentIdentifier(uri=uri, version=version)
    changes: list[lsp.TextDocumentEdit | lsp.CreateFile | lsp.RenameFile | lsp.DeleteFile] = []
    if made.before is None:
        about = _ANNOTATION if previews else None
        changes.append(lsp.CreateFile(uri=uri, options=lsp.CreateFileOptions(), annotation_id=about))
    changes.append(lsp.TextDocumentEdit(identifier, list(edits)))
    return lsp.WorkspaceEdit(
        document_changes=changes, change_annotations={_ANNOTATION: annotation} if previews else None
    )


def _insertions(server: CodeworldServer, made: Generated) -> list[lsp.TextEdit]:
    from codeworld.repair.edits import difference
    from codeworld.syntax.document import Document

    if made.before is None:
        start = lsp.Position(0, 0)
        return [lsp.TextEdit(lsp.Range(start, start), made.text)]
    snapshot = Document.from_text(made.before, path=made.path).snapshot()
    encoding = server.encoding
    return [
        lsp.TextEdit(
            lsp.Range(
                lsp.Position(*snapshot.position(one.start_char, encoding)),
                lsp.Position(*snapshot.position(one.end_char, encoding)),
            ),
            one.new_text,
        )
        for one in difference(made.before, made.text)
    ]


def _marked(edit: lsp.TextEdit, previews: bool) -> lsp.TextEdit | lsp.AnnotatedTextEdit:
    if not previews:
        return edit
    return lsp.AnnotatedTextEdit(annotation_id=_ANNOTATION, range=edit.range, new_text=edit.new_text)
