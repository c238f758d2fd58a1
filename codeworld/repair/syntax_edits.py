"""One-edit neighbours of a program that does not parse: what may be missing, too much or wrong near the error.

Every proposal has a cost, minus the log of how often people need it when the parser says what it says; tokens that are
far from the reported place cost more. Whether a neighbour parses is decided elsewhere.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from codeworld.repair.edits import Edit, Proposal
from codeworld.repair.indentation_edits import indentation_edits
from codeworld.repair.lexer import Token, tokens
from codeworld.repair.localise import SyntaxFault

PAIRS = {"(": ")", "[": "]", "{": "}"}
_OPENERS = {close: open_ for open_, close in PAIRS.items()}
_FAR = 0.6  # cost of each token between the edit and the error
_LINES_BEFORE = 2
_LINES_AFTER = 4  # of the error: a bracket that is never closed may span so many
_MOST_LINES_AFTER = 40
_INSERTED = {
    ",": 3.0, ":": 3.0, ")": 2.6, "]": 2.8, "}": 3.4, "(": 3.2, "[": 3.6, "{": 4.6, "=": 4.0, ".": 4.4, "+": 4.2, "-": 5.0,
    "*": 4.6, "/": 5.2, '"': 3.6, "'": 3.6, " in ": 3.8, " and ": 4.4, " or ": 4.6, " not ": 5.2, " if ": 4.6, " else ": 4.6,
    " for ": 4.8, "==": 4.4, "def ": 4.6, " as ": 4.8, " import ": 5.2, "%": 5.0,
}  # fmt: skip
_REPLACED = {
    "=": {"==": 1.6, ":": 4.0}, ":": {"=": 4.5, ",": 4.5}, ";": {":": 1.8, ",": 2.5}, ".": {",": 2.6}, ",": {":": 4.0, ".": 4.0, ")": 4.5},
    "(": {"[": 4.0, "{": 4.5}, ")": {"]": 2.6, "}": 3.2, "):": 4.2}, "[": {"(": 3.6, "{": 4.5}, "]": {")": 2.6, "}": 3.2},
    "{": {":": 2.2, "(": 4.5, "[": 4.5}, "}": {")": 3.0, "]": 3.0}, "&&": {" and ": 0.4}, "||": {" or ": 0.4}, "!": {"not ": 0.8},
    "++": {" += 1": 0.5}, "--": {" -= 1": 1.0}, "//": {"#": 1.6}, "<": {"[": 3.5, "(": 4.5}, ">": {"]": 3.5}, "->": {":": 4.0},
    "?": {" if ": 4.0}, "<<": {"<": 3.5}, "else": {"elif": 2.0, "else:": 3.4}, "if": {"elif": 4.5}, "elif": {"else": 1.5, "if": 4.0},
    "function": {"def": 0.8}, "func": {"def": 0.8}, "fun": {"def": 1.2}, "elseif": {"elif": 0.2}, "elsif": {"elif": 0.2},
    "catch": {"except": 0.8}, "Class": {"class": 0.8}, "is": {"in": 4.0}, "in": {"=": 4.6}, "==": {"=": 2.2},
    "foreach": {"for": 0.8}, "until": {"while not": 1.5}, ":=": {"=": 1.5}, "‘": {"'": 0.5}, "’": {"'": 0.5}, "“": {'"': 0.5}, "”": {'"': 0.5},
    "，": {",": 0.3}, "：": {":": 0.3}, "（": {"(": 0.3}, "）": {")": 0.3}, "≤": {"<=": 0.3}, "≥": {">=": 0.3}, "≠": {"!=": 0.3},
}  # fmt: skip
_FOREIGN = frozenset({"var", "let", "const", "int", "new", "auto", "final", "void", "then", "do", "public", "static", "float", "str"})
_COMPARISONS = {"==": 0.3, "!=": 2.2, ">=": 3.4, "<=": 3.4, ">": 3.8, "<": 3.8, ":=": 4.0}
_KEYWORDS = tuple(keyword.kwlist)

Found = Iterator[Proposal]


class Site(NamedTuple):
    """The tokens around an error; ``at`` is the first one at or behind the reported place."""

    text: str
    fault: SyntaxFault
    tokens: list[Token]
    at: int
    line_end: int  # of the error's line, line end excluded

    def far(self, index: int) -> float:
        """Cost of the distance between the error and token ``index``."""
        return _FAR * abs(index - self.at)

    @property
    def code_end(self) -> int:
        """Where the code on the error's line ends."""
        return self._code_end(self.line_end)

    def _code_end(self, line_end: int) -> int:
        on_line = [t for t in self.tokens if t.end_char <= line_end and t.kind != "comment"]
        return on_line[-1].end_char if on_line else line_end


def neighbours(text: str, fault: SyntaxFault) -> list[Proposal]:
    """Proposals, cheapest first, each text once."""
    site = _site(text, fault)
    cheapest: dict[tuple[Edit, ...], Proposal] = {}
    for propose in _PROPOSERS:
        for one in propose(site):
            known = cheapest.get(one.edits)
            if known is None or one.cost < known.cost:
                cheapest[one.edits] = one
    return sorted(cheapest.values(), key=lambda one: one.cost)


def _site(text: str, fault: SyntaxFault) -> Site:
    start = text.rfind("\n", 0, fault.at_char) + 1
    for _ in range(_LINES_BEFORE):
        start = text.rfind("\n", 0, max(0, start - 1)) + 1
        while start and not text[start : text.find("\n", start)].strip():
            start = text.rfind("\n", 0, start - 1) + 1
    line_end = _line_end(text, fault.at_char)
    end = line_end
    after = _LINES_AFTER if "never closed" in fault.message else 0
    if "forgot a comma" in fault.message:
        after = min(fault.end_line - fault.line, _MOST_LINES_AFTER)
    for _ in range(after):
        if end < len(text):
            end = _line_end(text, min(end + 1, len(text)))
    found = tokens(text, start, end)
    at = next((i for i, t in enumerate(found) if t.end_char > fault.at_char), len(found))
    return Site(text, fault, found, at, line_end)


def _line_end(text: str, char: int) -> int:
    end = text.find("\n", char)
    return len(text) if end < 0 else end - text.endswith("\r", 0, end)


def _proposal(start: int, end: int, new: str, kind: str, cost: float) -> Proposal:
    return Proposal((Edit(start, end, new),), kind, cost)


def _colon(site: Site) -> Found:
    if site.fault.message.startswith("expected ':'"):
        before = site.tokens[site.at - 1].end_char if site.at else site.fault.at_char
        yield _proposal(before, before, ":", "insert colon", 0.4)
        yield _proposal(site.code_end, site.code_end, ":", "insert colon", 0.6)
    elif site.text[site.code_end - 1 : site.code_end] != ":":
        yield _proposal(site.code_end, site.code_end, ":", "insert colon", 2.4)


def _else_if(site: Site) -> Found:
    for one, other in zip(site.tokens, site.tokens[1:], strict=False):
        if (one.text, other.text) == ("else", "if"):
            yield _proposal(one.start_char, other.end_char, "elif", "else if is elif", 0.1)


def _generics(site: Site) -> Found:
    """Another language's ``List<int>``."""
    start = site.text.rfind("\n", 0, site.fault.at_char) + 1
    for match in re.finditer(r"\b[A-Z]\w*(<)[\w\[\], ]+(>)", site.text[start : site.line_end]):
        edits = tuple(Edit(start + match.start(i), start + match.end(i), new) for i, new in ((1, "["), (2, "]")))
        yield Proposal(edits, "generic type", 0.8)


def _comparison(site: Site) -> Found:
    likely = 0.0 if "'=='" in site.fault.message else 2.5
    equals = [t for t in site.tokens if t.text == "=" and t.start_char >= site.text.rfind("\n", 0, site.fault.at_char)]
    for rank, one in enumerate(equals):
        for new, cost in _COMPARISONS.items():
            yield _proposal(one.start_char, one.end_char, new, "compare", cost + likely + 0.5 * rank)


def _never_closed(site: Site) -> Found:
    """A bracket that the parser reports, or that is open where the error's line ends."""
    reported = "was never closed" in site.fault.message
    index = site.at if reported else _open_bracket(site)
    if index is None or index >= len(site.tokens) or site.tokens[index].text not in PAIRS:
        return
    opener, behind = site.tokens[index], site.tokens[index + 1 :]
    close, extra = PAIRS[opener.text], 0.0 if reported else 0.8
    yield _proposal(opener.start_char, opener.end_char, "", "delete bracket", 3.0 + extra)
    yield _proposal(opener.end_char, opener.end_char, close, "close bracket", 2.5 + extra)
    depth, commas = 0, False
    for rank, one in enumerate(behind):
        depth += (one.text in PAIRS) - (one.text in _OPENERS)
        if depth or one.kind == "comment":
            continue
        following = behind[rank + 1] if rank + 1 < len(behind) else None
        cost = _closing_cost(site, one, following)
        if commas and opener.text == "(" and following is not None and following.text in ("in", "not"):
            cost = 0.6  # if (a, b in pairs
        commas |= one.text == ","
        lines = site.text.count("\n", opener.start_char, one.start_char)
        yield _proposal(one.end_char, one.end_char, close, "close bracket", cost + 0.02 * rank + 1.2 * lines + extra)


def _open_bracket(site: Site) -> int | None:
    """The last bracket on the error's line that nothing closes there."""
    start, open_ = site.text.rfind("\n", 0, site.fault.at_char) + 1, list[int]()
    for index, one in enumerate(site.tokens):
        if start <= one.start_char < site.line_end:
            if one.text in PAIRS:
                open_.append(index)
            elif one.text in _OPENERS and open_:
                open_.pop()
    return open_[-1] if open_ else None


def _closing_cost(site: Site, one: Token, following: Token | None) -> float:
    """How unlikely a bracket closes right behind ``one``."""
    if one.kind == "operator" and one.text not in _OPENERS:
        return 5.0
    ends_line = following is None or "\n" in site.text[one.end_char : following.start_char] or following.kind == "comment"
    if ends_line:
        return 0.8
    assert following is not None
    return {":": 0.9, ",": 2.4}.get(following.text, 2.2 if following.kind != "operator" or following.text == "=" else 2.6)


def _brackets(site: Site) -> Found:
    """A closing bracket that does not fit, or is reported as the first thing wrong."""
    mismatch = re.search(r"closing parenthesis '(.)' does not match opening parenthesis '(.)'", site.fault.message)
    unmatched = site.fault.message.startswith("unmatched")
    if not (mismatch or unmatched) or site.at >= len(site.tokens):
        return
    here = site.tokens[site.at]
    yield _proposal(here.start_char, here.end_char, "", "delete bracket", 0.6 if unmatched else 1.6)
    if mismatch:
        wanted = PAIRS[mismatch[2]]
        yield _proposal(here.start_char, here.end_char, wanted, "replace bracket", 1.2)
        for index in range(site.at, 0, -1):
            at = site.tokens[index - 1].end_char
            cost = 1.0 + 0.3 * (site.at - index)
            yield _proposal(at, at, wanted, "close bracket", cost)
    opener = _OPENERS.get(here.text, "(")
    for index in range(site.at):
        one = site.tokens[index]
        if one.text in _OPENERS and one.text == here.text:
            yield _proposal(one.start_char, one.end_char, "", "delete bracket", 2.0 + 0.3 * (site.at - index))
        if one.kind != "operator":
            yield _proposal(one.start_char, one.start_char, opener, "open bracket", 2.0 + 0.25 * (site.at - index))
            yield _proposal(one.end_char, one.end_char, opener, "open bracket", 2.2 + 0.25 * (site.at - index))


def _string(site: Site) -> Found:
    """A quote that nothing closes: close it, drop it, or open it further left."""
    if "unterminated" not in site.fault.message:
        return
    quotes = [t for t in site.tokens if t.kind == "quote" and t.end_char <= site.line_end]
    for one in quotes[-1:]:
        is_code = _is_code(site, one)
        yield _proposal(one.start_char, one.end_char, "", "delete quote", 0.3 if is_code else 1.8)
        for end, cost in _string_ends(site.text, one.end_char, site.line_end):
            cost += is_code + 2.0 * (end == one.end_char)
            yield _proposal(end, end, one.text, "close string", cost)
        index = site.tokens.index(one)
        for back in range(index - 1, max(-1, index - 6), -1):
            start = site.tokens[back].start_char
            if "\n" in site.text[start : one.start_char]:
                break
            yield _proposal(start, start, one.text, "open string", 2.0 + 0.4 * (index - back))
    others = [t for t in quotes if len(t.text) == 1]
    for one, other in zip(others, others[1:], strict=False):
        if one.text != other.text and one.start_char >= site.fault.at_char:
            yield _proposal(other.start_char, other.end_char, one.text, "same quote", 0.7)
            yield _proposal(one.start_char, one.end_char, other.text, "same quote", 0.9)
    if "triple" in site.fault.message:
        yield from _long_string(site)


def _is_code(site: Site, quote: Token) -> bool:
    """Whether what follows a quote is made of names that the program has elsewhere."""
    words = set(re.findall(r"[^\W\d]\w*", site.text[quote.end_char : site.line_end]))
    others = site.text[: quote.start_char] + site.text[site.line_end :]
    return bool(words) and words <= set(re.findall(r"(?<![\w'\"])[^\W\d]\w*(?![\w'\"])", others)) | set(dir(builtins))


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
    yield _proposal(start, start + 3, "", "delete quote", 2.0)
    ends = [_line_end(site.text, start)]
    while ends[-1] < len(site.text) and len(ends) < 12:
        ends.append(_line_end(site.text, ends[-1] + 1))
    for rank, end in enumerate(ends):
        yield _proposal(end, end, quote, "close string", 1.0 + 0.3 * rank)
    yield _proposal(len(site.text), len(site.text), quote, "close string", 3.0)


def _comma(site: Site) -> Found:
    """Two operands with nothing between them: most likely at the depth of the reported one, or where a line ends."""
    told = "forgot a comma" in site.fault.message
    if not (told or site.fault.message == "invalid syntax"):
        return
    depth = 0
    for index in range(site.at + 1 if told else max(1, site.at), len(site.tokens)):
        one, following = site.tokens[index - 1], site.tokens[index]
        depth += (one.text in PAIRS) - (one.text in _OPENERS)
        if not (_is_operand_end(one) and _is_operand_start(following)) or following.kind == "comment":
            continue
        gap = site.text[one.end_char : following.start_char]
        if not gap and following.text in PAIRS:
            continue  # a call
        far = (0.0 if told else 0.8) + 1.5 * abs(depth) - 0.2 * ("\n" in gap)
        yield _proposal(one.end_char, one.end_char, ",", "insert comma", 0.7 + far)
        for operator, cost in {" +": 2.6, " *": 3.0, " -": 3.6, ".": 3.4, "=": 3.4}.items():
            yield _proposal(one.end_char, one.end_char, operator, "insert operator", cost + far)
        yield _proposal(following.start_char, following.end_char, "", "delete token", 3.0 + far)
        yield _proposal(one.start_char, following.start_char, "", "delete token", 2.6 + far)
        if not told:
            return


def _keyword_argument(site: Site) -> Found:
    """``f(key=1, value)`` for ``f(key=1, value=value)``."""
    if "follows keyword argument" not in site.fault.message:
        return
    start = site.text.rfind("\n", 0, site.fault.at_char) + 1
    around = [None, *site.tokens, None]
    for before, one, after in zip(around, around[1:], around[2:], strict=False):
        if one is None or not _is_plain_name(one) or one.start_char < start or before is None or before.text != ",":
            continue
        if after is None or after.text in (",", ")"):
            yield _proposal(one.start_char, one.start_char, f"{one.text}=", "keyword argument", 0.5)


def _lambda(site: Site) -> Found:
    if not site.fault.message.startswith("Lambda expression parameters"):
        return
    for match in re.finditer(r"\blambda\s*(\()[\w\s,]*(\))\s*:", site.text[: site.line_end]):
        if match.end() > site.text.rfind("\n", 0, site.fault.at_char):
            blank = "" if site.text[match.start(1) - 1].isspace() else " "
            edits = (Edit(match.start(1), match.end(1), blank), Edit(match.start(2), match.end(2), ""))
            yield Proposal(edits, "lambda parameters", 0.5)


def _missing_else(site: Site) -> Found:
    if site.fault.message.startswith("expected 'else'"):
        at = site.code_end
        for new, cost in {" else None": 1.4, " else 0": 2.6, " else False": 2.4}.items():
            yield _proposal(at, at, new, "else", cost)


def _line(site: Site) -> Found:
    """The line does not belong here."""
    start = site.text.rfind("\n", 0, site.fault.at_char) + 1
    if site.text[start : site.line_end].strip():
        yield _proposal(start, min(len(site.text), site.line_end + 1), "", "delete line", 3.6)


def _is_operand_end(token: Token) -> bool:
    return token.kind in ("number", "string", "quote") or token.text in _OPENERS or _is_plain_name(token)


def _is_operand_start(token: Token) -> bool:
    return token.kind in ("number", "string", "quote") or token.text in PAIRS or _is_plain_name(token)


def _is_plain_name(token: Token) -> bool:
    return token.kind == "name" and (token.text not in _KEYWORDS or token.text in ("None", "True", "False"))


def _generic(site: Site) -> Found:
    """Delete, insert or replace any token near the error."""
    for index in range(max(0, site.at - 5), min(len(site.tokens), site.at + 6)):
        one, far = site.tokens[index], site.far(index)
        if one.kind == "comment":
            continue
        following = site.tokens[index + 1].start_char if index + 1 < len(site.tokens) else one.end_char
        gap = site.text[one.end_char : following]
        end = following if gap.strip(" ") == "" else one.end_char
        foreign = 2.0 if one.text in _FOREIGN else 0.0
        yield _proposal(one.start_char, end, "", "delete token", 3.0 + far - foreign)
        for new, cost in {**_REPLACED.get(one.text, {}), **_spelled(one)}.items():
            yield _replace(site.text, one, new, cost + far)
        for new, cost in _INSERTED.items():
            yield _insert(site.text, one.start_char, new, cost + far)
    if site.tokens:
        at = site.code_end
        for new, cost in _INSERTED.items():
            yield _insert(site.text, at, new, cost + 0.4)


def _replace(text: str, one: Token, new: str, cost: float) -> Proposal:
    start, end = one.start_char, one.end_char
    if new.startswith(" ") and text[start - 1 : start] == " ":
        new = new[1:]
    if new.endswith(" ") and text[end : end + 1] == " ":
        new = new[:-1]
    return _proposal(start, end, new, "replace token", cost)


def _insert(text: str, at: int, new: str, cost: float) -> Proposal:
    if new.startswith(" ") and text[at - 1 : at] in (" ", "\n", ""):
        new = new[1:]
    return _proposal(at, at, new, f"insert {new.strip()}", cost)


def _spelled(one: Token) -> dict[str, float]:
    """Keywords that a name may be a slip of."""
    if one.kind != "name" or one.text in _KEYWORDS or len(one.text) < 2:
        return {}
    return {word: 1.2 for word in _KEYWORDS if abs(len(word) - len(one.text)) < 2 and len(word) > 2 and _is_slip(one.text, word)}


def _is_slip(one: str, other: str) -> bool:
    """Whether one letter was added, left out, changed, or swapped with its neighbour."""
    if one.lower() == other.lower():
        return True
    head = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[head:], other[head:]
    return a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[:2] == b[:2][::-1] and a[2:] == b[2:])


def _comment(site: Site) -> Found:
    """Prose or another language's comment: make the line one of ours."""
    start = site.text.rfind("\n", 0, site.fault.at_char) + 1
    on_line = [t for t in site.tokens if start <= t.start_char < site.line_end]
    for one in on_line:
        if one.text == "//":
            yield _proposal(one.start_char, one.end_char, "#", "comment", 1.2)
            yield _proposal(one.start_char, one.end_char, "", "uncomment", 2.6)
    if on_line:
        yield _proposal(on_line[0].start_char, on_line[0].start_char, "# ", "comment", 6.0)
    words = [t for t in on_line if _is_plain_name(t)]
    if on_line and len(words) > 3 and len(words) > 0.7 * len(on_line):
        yield _proposal(on_line[0].start_char, on_line[0].start_char, "# ", "comment", 2.5)


def _indentation(site: Site) -> Found:
    for edits, kind, cost in indentation_edits(site.text, site.fault):
        yield Proposal(edits, kind, cost)


_PROPOSERS: tuple[Callable[[Site], Found], ...] = (
    _colon,
    _else_if,
    _comparison,
    _generics,
    _never_closed,
    _brackets,
    _string,
    _comma,
    _keyword_argument,
    _lambda,
    _missing_else,
    _line,
    _comment,
    _indentation,
    _generic,
)
