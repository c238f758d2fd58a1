"""The pipeline of a completion, without an engine: what is asked, and what of the reply is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from codeworld.canvas import Accept, Candidate, InfillReply, InfillRequest, Reject, Source
from codeworld.complete import CompletionSettings, choose, continuations, prepare
from codeworld.context.ignore import IgnoreRules
from codeworld.context.retrieval import RepositoryIndex
from codeworld.syntax.document import Document, Snapshot

CURSOR = "‸"
EAGER = CompletionSettings(threshold=0.0)


def at(document: str) -> tuple[Snapshot, int]:
    before, after = document.split(CURSOR)
    return Document.from_text(before + after).snapshot(), len(before)


def prepared(
    document: str,
    settings: CompletionSettings = EAGER,
    index: RepositoryIndex | None = None,
    rules: IgnoreRules | None = None,
) -> InfillRequest | Reject:
    return prepare(*at(document), path="a.py", index=index, rules=rules, settings=settings)


def reply(*texts: str, logprob_nats: float = -0.1) -> InfillReply:
    found = tuple(Candidate(text, Source.DENOISER, logprob_nats, 3, 0.99) for text in texts)
    return InfillReply(found, 1.0, "cpu", "fake-1")


def test_what_is_asked() -> None:
    assert prepared("x = 1\ny = ‸\n") == InfillRequest("x = 1\ny = ", "\n", "a.py", "line")
    several = prepared("y = ‸\n", CompletionSettings(multiline=True))
    assert isinstance(several, InfillRequest)
    assert several.shape == "span"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("na‸me = 1\n", "in-word"),
        ("x = 1‸2\n", "in-word"),
        ("# say ‸\n", "in-comment"),
        ('x = "say ‸"\n', "in-string"),
        ('def f():\n    """Say ‸\n    """\n', "in-string"),
    ],
)
def test_where_nothing_is_asked_unless_the_user_wants_it(document: str, reason: str) -> None:
    refused = prepared(document)
    assert isinstance(refused, Reject)
    assert refused.reason == reason
    wanted = CompletionSettings(in_words=True, in_comments=True, in_strings=True)
    assert isinstance(prepared(document, wanted), InfillRequest)


@pytest.mark.parametrize("cursor_char", [-1, 7])
def test_a_cursor_outside_of_the_text_is_refused(cursor_char: int) -> None:
    snapshot = Document.from_text("x = 1\n").snapshot()
    refused = prepare(snapshot, cursor_char, path="", index=None, rules=None, settings=EAGER)
    assert isinstance(refused, Reject)
    assert refused.reason == "bad-position"


def test_an_ignored_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("a.py\n")
    assert prepared("x = ‸\n", rules=IgnoreRules.for_root(tmp_path)) == Reject("ignored", "a.py")


def test_seeds_come_from_the_repository_and_from_the_document_itself() -> None:
    index = RepositoryIndex()
    index.update("b.py", "before()\ncompute(1)\nafter()\n")
    request = prepared("before()\n‸\nafter()\n", index=index)
    assert isinstance(request, InfillRequest)
    assert [(seed.text, seed.order) for seed in request.seeds] == [("compute(1)", 3)]
    request = prepared("start()\nhere()\n\nstart()\n‸\n", index=index)
    assert isinstance(request, InfillRequest)
    assert [seed.text for seed in request.seeds] == ["here()"]


def test_the_best_that_passes_every_check_is_shown() -> None:
    verdict = choose(*at("x = f(‸)\n"), reply("(", "a)"), EAGER)
    assert isinstance(verdict, Accept)
    assert verdict.text == "a", "less what is there already"


def test_why_nothing_is_shown() -> None:
    here = at("x = ‸\n")
    assert choose(*here, reply(), EAGER) == Reject("no-candidate")
    assert choose(*here, reply("("), EAGER) == Reject("parse")
    refused = choose(*here, reply("y", logprob_nats=-20.0), CompletionSettings(threshold=0.99))
    assert isinstance(refused, Reject)
    assert refused.reason == "below-threshold"


@pytest.mark.parametrize(
    ("document", "text", "expected"),
    [
        ("f(‸)\n", "x", ["f(x‸)\n"]),
        ("    ‸\n", "a = 1", ["    a = 1‸\n", "    a = 1\n    ‸\n"]),
        ("    ‸", "if a:", ["    if a:‸", "    if a:\n        ‸"]),
        ("if b:\n\t‸\r\n", "a", ["if b:\n\ta‸\r\n", "if b:\n\ta\n\t‸\r\n"]),
        ("x = 1\r\n‸\r\n", "a", ["x = 1\r\na‸\r\n", "x = 1\r\na\r\n‸\r\n"]),
        ("if b:\n  y‸\n", " = 2\n  z", ["if b:\n  y = 2\n  z‸\n", "if b:\n  y = 2\n  z\n  ‸\n"]),
    ],
)
def test_what_comes_after_an_accept(document: str, text: str, expected: list[str]) -> None:
    found = [
        after.text[:cursor] + CURSOR + after.text[cursor:]
        for after, cursor in continuations(*at(document), text)
    ]
    assert found == expected
