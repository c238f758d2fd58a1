from __future__ import annotations

from pathlib import Path

import pytest

from codeworld.model.tokenizer import SPECIAL, CodeTokenizer

TEXTS = [
    "def f(x):\n\treturn x  # ok\n",
    "a = 'naïve 😀 日本'\r\n",
    "",
    "    \n\n  x=1_000.5e-3",
    "<|mask|> is text",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives_and_never_becomes_special_tokens(tiny: Path, text: str) -> None:
    tokenizer = CodeTokenizer(tiny / "tokenizer.json")
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert all(i >= len(SPECIAL) for i in ids)


def test_starting_with_is_what_a_scan_finds(tiny: Path) -> None:
    tokenizer = CodeTokenizer(tiny / "tokenizer.json")
    for head in (b" ret", b"(", b"\n    ", b"sel"):
        scan = {i for i, t in enumerate(tokenizer.token_bytes) if t.startswith(head)}
        assert scan
        assert set(tokenizer.starting_with(head)) == scan


def test_every_byte_has_a_token(tiny: Path) -> None:
    tokens = set(CodeTokenizer(tiny / "tokenizer.json").token_bytes)
    assert all(bytes([b]) in tokens for b in range(256))
