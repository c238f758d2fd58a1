from __future__ import annotations

from pathlib import Path

import pytest

from codeworld.model import checkpoint
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


@pytest.mark.parametrize(
    ("typed", "head"),
    [
        ("def f():\n    ", b" "),  # a word is going to follow, and brings the blank before it
        ("def f():\n    pass\n  ", b"\n  "),  # here more blanks follow
        ("def f():\n", b"\n"),
        ("x = ", b" "),
        ("x =", b" ="),
        ("x = compute_tot", b"tot"),
        ("numpy_transforma", b"a"),
        ("range(10", b"0"),
        ("", b""),
    ],
)
def test_what_is_typed_is_cut_as_it_will_be_tokenised(tiny: Path, typed: str, head: bytes) -> None:
    tokenizer = CodeTokenizer(tiny / "tokenizer.json")
    ids, cut = tokenizer.encode_typed(typed)
    assert cut == head
    assert b"".join(tokenizer.token_bytes[i] for i in ids) + cut == typed.encode()


def test_a_text_cut_anywhere_begins_as_it_is_tokenised_whole(tiny: Path) -> None:
    tokenizer = CodeTokenizer(tiny / "tokenizer.json")
    text = Path(checkpoint.__file__).read_text()
    ids, offsets = tokenizer.encode_with_offsets(text)
    cuts = [
        c for c in range(200, 6000, 7) if text[c - 1].isalpha() or (text[c - 1] == " " and text[c] != " ")
    ]
    agree = sum(
        tokenizer.encode_typed(text[:cut])[0]
        == ids[: next(i for i, (_, end) in enumerate(offsets) if end >= cut)]
        for cut in cuts
    )
    assert agree > 0.93 * len(cuts)
