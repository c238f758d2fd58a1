"""Updates: what people wrote stays byte for byte, what signature or body made false is changed."""

from __future__ import annotations

import pytest

from codeworld.canvas import Reject
from textdiff.docstring.document import Offer, apply, offers

GOOGLE = '''def send(text, to, retries=3, quiet=False):
    """Send a message, *whatever*  it   says.

    It may take a while; `to` is asked first.

    Args:
        text (str): The message,
            which may have several lines.
        to: Who gets it.
        retries (int, optional): How often. Defaults to 3.

    Returns:
        bool: Whether it arrived.

    Raises:
        OSError: When the line is dead.

    Example:
        >>> send("a", "b")
    """
    if not text:
        raise OSError("dead")
    return deliver(text, to, retries)
'''
NUMPY = '''def send(text: str, to: str, retries: int = 3) -> bool:
    """Send a message.

    Parameters
    ----------
    text : str
        The message.
    to : str
        Who gets it.
    retries : int, optional
        How often (default: 3).

    Returns
    -------
    bool
        Whether it arrived.

    See Also
    --------
    receive
    """
    return deliver(text, to, retries)
'''
SPHINX = '''def send(text: str, to: str) -> bool:
    """Send a message.

    :param text: The message,
        in full.
    :type text: str
    :param to: Who gets it.
    :type to: str
    :returns: Whether it arrived.
    :rtype: bool
    """
    return deliver(text, to)
'''


def updated(before: str, after: str) -> str:
    found = offers(after, before=before)
    if isinstance(found, Reject):
        return after
    assert all(one.kind == "update" for one in found if one.qualname)
    return apply(after, [one for one in found if one.qualname])


def lines(text: str) -> list[str]:
    return text.split("\n")


def difference(one: str, other: str) -> tuple[list[str], list[str]]:
    """Lines that are only in the one, and only in the other."""
    return [row for row in lines(one) if row not in lines(other)], [
        row for row in lines(other) if row not in lines(one)
    ]


@pytest.mark.parametrize("code", [GOOGLE, NUMPY, SPHINX])
def test_what_is_true_stays(code: str) -> None:
    assert updated(code, code) == code
    assert updated(code, code.replace("deliver", "dispatch")) == code.replace("deliver", "dispatch")


def check(before: str, edits: dict[str, str], gone: list[str], come: list[str]) -> None:
    """``edits`` are made to the code; then the docstring's lines ``gone`` have become ``come``, nothing else."""
    head, document, body = before.split('"""')
    for old, new in edits.items():
        assert old in head + body
        head, body = head.replace(old, new), body.replace(old, new)
    after = f'{head}"""{document}"""{body}'
    assert difference(after, updated(before, after)) == (gone, come)


def test_google() -> None:
    check(GOOGLE, {"(text, to,": "(text,"}, ["        to: Who gets it."], [])
    check(
        GOOGLE,
        {"to, ": "receiver, "},
        ["    It may take a while; `to` is asked first.", "        to: Who gets it."],
        ["    It may take a while; `receiver` is asked first.", "        receiver: Who gets it."],
    )
    check(
        GOOGLE,
        {"retries=3": "retries=5"},
        ["        retries (int, optional): How often. Defaults to 3."],
        ["        retries (int, optional): How often. Defaults to 5."],
    )
    check(
        GOOGLE,
        {"OSError": "LineError"},
        ["        OSError: When the line is dead."],
        ["        LineError: When the line is dead."],
    )
    check(
        GOOGLE,
        {'    if not text:\n        raise OSError("dead")\n': ""},
        ["    Raises:", "        OSError: When the line is dead."],
        [],
    )
    check(
        GOOGLE,
        {"    return deliver": "    if to:\n        raise ValueError(to)\n    return deliver"},
        [],
        ["        ValueError: If ``to``."],
    )


def test_a_parameter_that_was_left_out_stays_out() -> None:
    """``quiet`` is not documented, so the docstring is not one that tells everything: a new one is not added either."""
    check(GOOGLE, {"quiet=False": "quiet=False, late=True"}, [], [])


def test_numpy() -> None:
    check(
        NUMPY,
        {"retries: int = 3": "retries: int = 3, late: bool = False"},
        [],
        ["    late : bool", "        Defaults to ``False``."],
    )
    check(NUMPY, {"text: str,": "text: bytes,"}, ["    text : str"], ["    text : bytes"])
    check(
        NUMPY,
        {"retries: int = 3": "retries: float = 3"},
        ["    retries : int, optional"],
        ["    retries : float, optional"],
    )
    check(NUMPY, {"-> bool": "-> Receipt"}, ["    bool"], ["    Receipt"])
    check(
        NUMPY,
        {"-> bool": "-> None", "return deliver": "deliver"},
        ["    Returns", "    -------", "    bool", "        Whether it arrived."],
        [],
    )
    check(NUMPY, {"= 3": "= 7"}, ["        How often (default: 3)."], ["        How often (default: 7)."])


def test_sphinx() -> None:
    check(
        SPHINX,
        {"to: str)": "to: str, late: bool = False)"},
        [],
        ["    :param late: Defaults to ``False``.", "    :type late: bool"],
    )
    check(
        SPHINX,
        {"text: str, ": "", "text, to": "to"},
        ["    :param text: The message,", "        in full.", "    :type text: str"],
        [],
    )
    check(SPHINX, {"-> bool": "-> Receipt"}, ["    :rtype: bool"], ["    :rtype: Receipt"])


def test_without_an_older_version_only_what_the_signature_contradicts() -> None:
    after = NUMPY.replace("(text: str, to: str,", "(text: str, to_whom: str,", 1).replace("bool:\n", "int:\n")
    found = offers(after)
    assert isinstance(found, list)
    (one,) = [one for one in found if one.qualname]
    assert one.changes == ("parameter to is now to_whom",)
    assert difference(after, apply(after, [one])) == (["    to : str"], ["    to_whom : str"])


def test_options_that_are_passed_on_may_be_documented() -> None:
    code = GOOGLE.replace("quiet=False", "**options").replace("to: Who", "speed: How fast.\n        to: Who")
    found = offers(code)
    assert isinstance(found, Reject) or not [one for one in found if one.qualname]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("prefix", ["", "r", "R"])
def test_bytes_are_kept(newline: str, prefix: str) -> None:
    before = (
        NUMPY.replace('"""S', f'{prefix}"""S')
        .replace("message.\n", "message\t “é”.  \n")
        .replace("\n", newline)
    )
    after = before.replace("to: str,", "")
    result = updated(before, after)
    wanted = after.replace(f"    to : str{newline}        Who gets it.{newline}", "")
    assert result == wanted


def test_several_strings_are_no_docstring_that_could_be_edited() -> None:
    code = "def f(a):\n    'Do.\\n\\n:param a: x\\n' ':param b: y'\n"
    found = offers(code, qualname="f")
    assert isinstance(found, Reject)
    assert found.reason == "not-one-literal"


def test_an_offer_says_what_it_changed_and_where_words_came_from() -> None:
    after = NUMPY.replace("retries: int = 3", "retries: int = 3, late: bool = False")
    found = offers(after, before=NUMPY, qualname="send")
    assert isinstance(found, list)
    one: Offer = found[0]
    assert one.changes == ("parameter late is new",)
    assert [(phrase.slot, phrase.source) for phrase in one.phrases] == [
        ("docstring", "existing"),
        ("parameter late", "body"),
    ]
