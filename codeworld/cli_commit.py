"""``codeworld commit-message``: what to write about what is staged, printed or put where git asks for it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.console import Console

from codeworld.canvas import Reject
from codeworld.errors import BadInput, CommandError
from textdiff.commit import hook
from textdiff.commit.compose import Message
from textdiff.commit.message import message
from textdiff.phrase import Phrase, Writer

# What the user asked for is wrong; for the rest there just is nothing to say.
_BAD_INPUT = ("no-git", "no-repository", "no-work-tree")


class Printed(msgspec.Struct, frozen=True):
    """What ``--json`` prints."""

    subject: str
    body: str
    message: str
    type: str | None
    phrases: tuple[Phrase, ...]
    note: str


def compose(root: Path, writer: Writer | None = None) -> Message:
    """The message. Raises BadInput outside a repository, CommandError when nothing can be described."""
    if not root.is_dir():
        raise BadInput(f"{root} is not a directory" if root.exists() else f"{root} does not exist")
    with Console(stderr=True).status("reading the staged changes and the history"):
        found = message(root, writer)
    if isinstance(found, Reject):
        raise (BadInput if found.reason in _BAD_INPUT else CommandError)(f"{found.reason}: {found.detail}")
    return found


def install(root: Path) -> Path:
    """Install the hook. Raises BadInput, and CommandError when there is another one."""
    if not root.is_dir():
        raise BadInput(f"{root} is not a directory")
    found = hook.install(root)
    if isinstance(found, Reject):
        raise (CommandError if found.reason == "hook-exists" else BadInput)(found.detail)
    return found


def printed(made: Message) -> Printed:
    """The message for ``--json``."""
    return Printed(made.subject, made.body, made.text, made.type, made.phrases, made.note)
