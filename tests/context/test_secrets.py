from __future__ import annotations

import itertools

import pytest

from codeworld.context.secrets import MASK, find, has_secret, is_masked, mask
from tests.planted import PLANTED, Planted

AROUND = "def connect(client, user):\n    {}    return client\n"


@pytest.mark.parametrize("planted", PLANTED, ids=[one.name for one in PLANTED])
def test_a_secret_is_masked_and_nothing_moves(planted: Planted) -> None:
    text = AROUND.format(planted.source)
    masked = mask(text)
    assert planted.secret not in masked
    assert len(masked) == len(text)
    assert masked.count("\n") == text.count("\n")
    assert masked.startswith("def connect(client, user):\n")
    assert masked.endswith("    return client\n")
    assert is_masked(masked)
    assert not has_secret(masked)


def test_all_of_them_in_one_text() -> None:
    masked = mask("".join(one.source for one in PLANTED))
    assert [one.name for one in PLANTED if one.secret in masked] == []


@pytest.mark.parametrize(
    "line",
    [
        'password = os.environ["APP_PASSWORD"]',
        'password = ""',
        'password = "<your password>"',
        'password = "{password}"',
        'password = "********"',
        'parser.add_argument("--token", help="the token to send")',
        'token_type = "identifier"',
        'secret = "name of the secret in the vault"',
        'key = "abcdefghijklmnopqrstuvwxyz"',
        'API_KEY = "API_KEY"',
        'url = "https://example.com:8080/path@2x.png"',
        'url = f"postgresql://{user}:{password}@{host}/"',
        "author = get_author(commit)",
        'sha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"',
        "task-scheduler-with-a-very-long-name-2",
    ],
)
def test_what_is_no_secret_is_left_alone(line: str) -> None:
    assert mask(line + "\n") == line + "\n"


def test_a_key_block_that_does_not_end_is_masked_to_the_end() -> None:
    text = "x = 1\n-----BEGIN PRIVATE KEY-----\nabc\r\ndef\n"
    assert mask(text) == "x = 1\n" + MASK * 27 + "\nxxx\r\nxxx\n"


def test_ranges_are_ascending_and_apart() -> None:
    text = "".join(one.source for one in PLANTED)
    ranges = find(text)
    assert len(ranges) >= len(PLANTED)
    assert all(start < end for start, end in ranges)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(ranges))


def test_letters_that_are_longer_in_lower_case_do_not_shift_anything() -> None:
    text = 'İ = 1\npassword = "Tr0ub4dor&3"\n'
    assert mask(text) == f'İ = 1\npassword = "{MASK * 11}"\n'
