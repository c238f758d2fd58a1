"""Brackets and quotes: what nothing closes, what closes nothing, what closes something else."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from itertools import pairwise

from codeworld.repair.lexer import Token, tokens
from codeworld.repair.syntax_site import OPENERS, PAIRS, Found, Site, line_end_at, proposal

_MOST_LINES = 40  # that a bracket spans
_NUMBERS = (
    "len",
    "sum",
    "abs",
    "int",
    "ord",
    "min",
    "max",
    "round",
)  # what is compared when it has been called
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")


def never_closed(site: Site) -> Found:
    """A bracket that the parser reports, or that is open where the error's line ends."""
    reported = "was never closed" in site.fault.message
    index = site.at if reported else _open_bracket(site)
    if index is None or index >= len(site.tokens) or site.tokens[index].text not in PAIRS:
        return
    opener, behind = site.tokens[index], site.tokens[index + 1 :]
    close, extra = PAIRS[opener.text], 0.0 if reported else 0.8
    yield proposal(opener.start_char, opener.end_char, "", "delete bracket", 3.0 + extra)
    yield proposal(opener.end_char, opener.end_char, close, "close bracket", 2.5 + extra)
    dedent = _dedent(site, opener)
    if dedent > line_end_at(site.text, opener.start_char):
        header = site.text[dedent - 1] == ":"
        yield proposal(dedent - header, dedent - header, close, "close bracket", 1.4 + extra)
    yield from _inner(site, opener)
    before = site.tokens[index - 1].text if index else ""
    depth, commas = 0, False
    for rank, one in enumerate(behind):
        depth += (one.text in PAIRS) - (one.text in OPENERS)
        if depth or one.kind == "comment":
            continue
        following = behind[rank + 1] if rank + 1 < len(behind) else None
        cost = _closing_cost(site, one, following)
        if commas and opener.text == "(" and following is not None and following.text in ("in", "not"):
            cost = 0.6  # if (a, b in pairs
        if before in _NUMBERS and following is not None and following.text in _COMPARISONS:
            cost = 0.6  # if len(a == 1:
        commas |= one.text == ","
        lines = site.text.count("\n", opener.start_char, one.start_char)
        yield proposal(
            one.end_char, one.end_char, close, "close bracket", cost + 0.02 * rank + 1.2 * lines + extra
        )


def _inner(site: Site, opener: Token) -> Found:
    """A bracket that a line of its own closes, and a line between that does not close its own."""
    start = site.text.rfind("\n", 0, opener.start_char) + 1
    width, end = _width(site.text[start : opener.start_char + 1]), line_end_at(site.text, opener.start_char)
    for _ in range(_MOST_LINES):
        begin = site.text.find("\n", end) + 1
        if not begin:
            return
        end = line_end_at(site.text, begin)
        line = site.text[begin:end]
        if line.strip() and _width(line) <= width:
            return
        own, open_ = [t for t in tokens(site.text, begin, end) if t.kind != "comment"], list[Token]()
        for one in own:
            if one.text in PAIRS:
                open_.append(one)
            elif one.text in OPENERS and open_:
                open_.pop()
        below = site.text[end + 1 : line_end_at(site.text, min(end + 1, len(site.text)))]
        if len(open_) == 1 and own[-1] is not open_[0] and below.strip() and _width(below) <= _width(line):
            at = own[-1].start_char if own[-1].text in (",", ":") else own[-1].end_char
            yield proposal(at, at, PAIRS[open_[0].text], "close bracket", 0.7)


def _dedent(site: Site, opener: Token) -> int:
    """Where the code ends that is indented more than the opener's line, or the opener's line itself."""
    start = site.text.rfind("\n", 0, opener.start_char) + 1
    width = _width(site.text[start : opener.start_char + 1])
    end = last = line_end_at(site.text, opener.start_char)
    for _ in range(_MOST_LINES):
        if end >= len(site.text):
            break
        begin = site.text.find("\n", end) + 1 or len(site.text)
        end = line_end_at(site.text, begin)
        line = site.text[begin:end]
        if line.strip() and _width(line) <= width:
            break
        last = end if line.strip() else last
    code = [t for t in tokens(site.text, opener.start_char, last) if t.kind != "comment"]
    return code[-1].end_char


def _width(line: str) -> int:
    return len(line) - len(line.lstrip())


def _open_bracket(site: Site) -> int | None:
    """The last bracket on the error's line that nothing closes there."""
    start, open_ = site.text.rfind("\n", 0, site.fault.at_char) + 1, list[int]()
    for index, one in enumerate(site.tokens):
        if start <= one.start_char < site.line_end:
            if one.text in PAIRS:
                open_.append(index)
            elif one.text in OPENERS and open_:
                open_.pop()
    return open_[-1] if open_ else None


def _closing_cost(site: Site, one: Token, following: Token | None) -> float:
    """How unlikely a bracket closes right behind ``one``."""
    if one.kind == "operator" and one.text not in OPENERS:
        return 5.0
    ends_line = (
        following is None
        or "\n" in site.text[one.end_char : following.start_char]
        or following.kind == "comment"
    )
    if ends_line:
        return 0.8
    assert following is not None
    return {":": 0.9, ",": 2.4}.get(
        following.text, 2.2 if following.kind != "operator" or following.text == "=" else 2.6
    )


def brackets(site: Site) -> Found:
    """A closing bracket that does not fit, or is reported as the first thing wrong."""
    mismatch = re.search(
        r"closing parenthesis '(.)' does not match opening parenthesis '(.)'", site.fault.message
    )
    unmatched = site.fault.message.startswith("unmatched")
    if not (mismatch or unmatched) or site.at >= len(site.tokens):
        return
    here = site.tokens[site.at]
    yield proposal(here.start_char, here.end_char, "", "delete bracket", 0.6 if unmatched else 1.6)
    if mismatch:
        wanted = PAIRS[mismatch[2]]
        yield proposal(here.start_char, here.end_char, wanted, "replace bracket", 1.2)
        for index in range(site.at, 0, -1):
            at = site.tokens[index - 1].end_char
            cost = 1.0 + 0.3 * (site.at - index)
            yield proposal(at, at, wanted, "close bracket", cost)
    opener = OPENERS.get(here.text, "(")
    yield from _comprehension(site, opener)
    for index in range(site.at):
        one = site.tokens[index]
        if one.text in OPENERS and one.text == here.text:
            yield proposal(one.start_char, one.end_char, "", "delete bracket", 2.0 + 0.3 * (site.at - index))
        if one.kind != "operator":
            yield proposal(
                one.start_char, one.start_char, opener, "open bracket", 2.0 + 0.25 * (site.at - index)
            )
            yield proposal(one.end_char, one.end_char, opener, "open bracket", 2.2 + 0.25 * (site.at - index))


def _comprehension(site: Site, opener: str) -> Found:
    """A comprehension that nothing opens: where the statement's value begins."""
    start = site.text.rfind("\n", 0, site.fault.at_char) + 1
    own = [t for t in site.tokens[: site.at] if t.start_char >= start]
    words = [t.text for t in own]
    if "for" in words[1:]:
        value = max((words.index(word) + 1 for word in ("return", "yield", "=") if word in words), default=0)
        yield proposal(own[value].start_char, own[value].start_char, opener, "open bracket", 0.5)


def string(site: Site) -> Found:
    """A quote that nothing closes: close it, drop it, or open it further left."""
    if "unterminated" not in site.fault.message:
        return
    quotes = [t for t in site.tokens if t.kind == "quote" and t.end_char <= site.line_end]
    for one in quotes[-1:]:
        is_code = _is_code(site, one)
        yield proposal(one.start_char, one.end_char, "", "delete quote", 0.3 if is_code else 1.8)
        for end, cost in _string_ends(site.text, one.end_char, site.line_end):
            cost += is_code + 2.0 * (end == one.end_char)
            yield proposal(end, end, one.text, "close string", cost)
        index = site.tokens.index(one)
        for back in range(index - 1, max(-1, index - 6), -1):
            start = site.tokens[back].start_char
            if "\n" in site.text[start : one.start_char]:
                break
            new = (
                back == index - 1
                and len(re.findall(rf"\b{re.escape(site.tokens[back].text)}\b", site.text)) == 1
            )
            yield proposal(
                start, start, one.text, "open string", (1.0 if new else 2.0) + 0.4 * (index - back)
            )
    others = [t for t in quotes if len(t.text) == 1]
    for one, other in pairwise(others):
        if one.text != other.text and one.start_char >= site.fault.at_char:
            yield proposal(other.start_char, other.end_char, one.text, "same quote", 0.7)
            yield proposal(one.start_char, one.end_char, other.text, "same quote", 0.9)
    if "triple" in site.fault.message:
        yield from _long_string(site)


def _is_code(site: Site, quote: Token) -> bool:
    """Whether what follows a quote is made of names that the program has elsewhere."""
    words = set(re.findall(r"[^\W\d]\w*", site.text[quote.end_char : site.line_end]))
    others = site.text[: quote.start_char] + site.text[site.line_end :]
    return bool(words) and words <= set(re.findall(r"(?<![\w'\"])[^\W\d]\w*(?![\w'\"])", others)) | set(
        dir(builtins)
    )


def _string_ends(text: str, start: int, line_end: int) -> Iterator[tuple[int, float]]:
    """Places where a string that begins before ``start`` may end, with their cost."""
    code = text[start:line_end].rstrip()
    closing = len(code) - len(code.rstrip(")]}:,; "))
    for back in range(closing + 1):
        # What follows the string is all the line's closing brackets, most of the time.
        yield start + len(code) - back, 0.5 + 0.35 * (closing - back)
    for match in re.finditer(r"\W+", code):
        for end in {match.start(), match.end()}:
            if end < len(code) - closing:
                yield start + end, 2.4 if match[0][:1] in ",)]:}" and end == match.start() else 3.6


def _long_string(site: Site) -> Found:
    start = site.fault.at_char
    quote = site.text[start : start + 3]
    yield proposal(start, start + 3, "", "delete quote", 2.0)
    ends = [line_end_at(site.text, start)]
    while ends[-1] < len(site.text) and len(ends) < 12:
        ends.append(line_end_at(site.text, ends[-1] + 1))
    for rank, end in enumerate(ends):
        yield proposal(end, end, quote, "close string", 1.0 + 0.3 * rank)
    yield proposal(len(site.text), len(site.text), quote, "close string", 3.0)
