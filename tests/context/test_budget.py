from __future__ import annotations

import pytest

from codeworld.canvas import Seed
from codeworld.context.budget import JUMP_CHARS, PREFIX_CHARS, SUFFIX_CHARS, build_request
from tests.planted import PLANTED, Planted

LINES = "".join(f"value_{number} = {number}\n" for number in range(5_000))


def test_a_small_file_is_read_whole() -> None:
    request = build_request("a = 1\nb = \nc = 3\n", 10, path="a.py")
    assert (request.prefix, request.suffix, request.path) == ("a = 1\nb = ", "\nc = 3\n", "a.py")


@pytest.mark.parametrize("cursor_char", [0, 5, 20_000, 33_333, len(LINES)])
def test_what_is_read_is_bounded_and_of_whole_lines(cursor_char: int) -> None:
    request = build_request(LINES, cursor_char, path="")
    start, end = cursor_char - len(request.prefix), cursor_char + len(request.suffix)
    assert LINES[start:end] == request.prefix + request.suffix
    assert PREFIX_CHARS - JUMP_CHARS - 100 < len(request.prefix) <= PREFIX_CHARS or start == 0
    assert SUFFIX_CHARS - 100 < len(request.suffix) <= SUFFIX_CHARS or end == len(LINES)
    assert start == 0 or LINES[start - 1] == "\n"
    assert end == len(LINES) or LINES[end - 1] == "\n"


def test_typing_does_not_move_the_start() -> None:
    starts = set()
    for typed in range(JUMP_CHARS):
        text = LINES[:20_000] + "x" * typed + LINES[20_000:]
        starts.add(20_000 + typed - len(build_request(text, 20_000 + typed, path="").prefix))
    assert len(starts) <= 2


def test_one_endless_line_is_cut_inside() -> None:
    request = build_request("x" * 50_000, 25_000, path="")
    assert 0 < len(request.prefix) <= PREFIX_CHARS
    assert len(request.suffix) == SUFFIX_CHARS


def test_line_ends_become_one_kind() -> None:
    request = build_request("a\r\nb\rc\r\n", 3, path="")
    assert (request.prefix, request.suffix) == ("a\n", "b\nc\n")


@pytest.mark.parametrize("cursor_char", [-5, 99])
def test_a_cursor_outside_is_clamped(cursor_char: int) -> None:
    request = build_request("abc", cursor_char, path="")
    assert request.prefix + request.suffix == "abc"


@pytest.mark.parametrize("planted", PLANTED, ids=[one.name for one in PLANTED])
def test_no_secret_above_below_or_around_the_cursor_is_read(planted: Planted) -> None:
    at = planted.source.index(planted.secret) + len(planted.secret) // 2
    for text, cursor_char in (
        (planted.source + "x = \n", len(planted.source) + 4),
        ("x = \n" + planted.source, 4),
        (planted.source, at),
    ):
        request = build_request(text, cursor_char, path="")
        assert planted.secret not in request.prefix + request.suffix
        assert len(request.prefix + request.suffix) == len(text)


def test_a_key_block_that_begins_before_what_is_read_is_still_one() -> None:
    line = PLANTED[-1].secret + "\n"
    block = "-----BEGIN PRIVATE KEY-----\n" + line * 60 + "-----END PRIVATE KEY-----\n"
    text = f"KEY = '''{block}'''\n" + "x = 1\n" * ((PREFIX_CHARS - 2_000) // 6) + "y = "
    request = build_request(text, len(text), path="")
    assert len(request.prefix) < len(text)
    assert "xxxxxxxx" in request.prefix
    assert line.strip() not in request.prefix


def test_seeds_with_secrets_are_left_out() -> None:
    texts = ("compute()", PLANTED[0].secret, f"'{'x' * 20}'")
    seeds = tuple(Seed(text, 3, 1, 1) for text in texts)
    assert [seed.text for seed in build_request("a = ", 4, path="", seeds=seeds).seeds] == ["compute()"]
