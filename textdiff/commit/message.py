"""The message for what is staged in a repository; the face of this package."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from codeworld import git
from codeworld.canvas import Reject
from textdiff.commit import history
from textdiff.commit.compose import Around, Message, compose
from textdiff.commit.diff import of_commit, staged
from textdiff.commit.facts import understand
from textdiff.commit.retrieve import Index, parts
from textdiff.commit.style import learn
from textdiff.phrase import Phrase, Writer

# While one of these exists, git has prepared the message itself.
_UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD")


def message(
    root: Path, writer: Writer | None = None, should_stop: Callable[[], bool] = lambda: False
) -> Message | Reject:
    """The message for what is staged in the repository that holds ``root``, or why there is none. Only reads."""
    found = staged(root)
    prepared = _prepared(root)
    if prepared and (not isinstance(found, Reject) or found.reason == "nothing-staged"):
        return prepared
    if isinstance(found, Reject):
        return found
    top = Path(git.text(root, "rev-parse", "--show-toplevel").strip() or str(root))
    if should_stop():
        return Reject("cancelled")
    paths = git.text(top, "ls-files", "-z").replace("\0", "\n")
    learnt = around(top, "HEAD", paths)
    patch = git.text(top, "diff", "--cached", "--no-ext-diff", "--no-textconv") if writer else ""
    return Reject("cancelled") if should_stop() else compose(found, learnt, writer, patch)


def around(root: Path, revision: str, paths: str) -> Around:
    """What the repository's history up to ``revision`` teaches."""
    pasts = history.read(root, revision)

    @cache
    def parts_of(commit: str) -> dict[str, str]:
        diff = of_commit(root, commit)
        return parts(diff, understand(diff))

    return Around(Index(pasts), learn(pasts), paths, parts_of)


def _prepared(root: Path) -> Message | None:
    """git's own message of a merge, a cherry-pick or a revert."""
    for name in _UNDER_WAY:
        if git.run(root, "rev-parse", "--verify", "--quiet", name).code == 0:
            break
    else:
        return None
    place = git.text(root, "rev-parse", "--git-path", "MERGE_MSG").strip()
    try:
        text = (root / place).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    subject, _, body = "\n".join(lines).strip().partition("\n")
    return (
        Message(subject, body.strip(), None, (Phrase("subject", subject, "existing"),)) if subject else None
    )
