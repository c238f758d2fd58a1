"""One-edit neighbours of a program that does not parse: what may be missing, too much or wrong near the error.

Every proposal has a cost, minus the log of how often people need it when the parser says what it says; tokens that are
far from the reported place cost more. Whether a neighbour parses is decided elsewhere.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable

from codeworld.repair import delimiter_edits, slip_edits
from codeworld.repair.edits import Edit, Proposal
from codeworld.repair.indentation_edits import indentation_edits
from codeworld.repair.lexer import Token
from codeworld.repair.localise import SyntaxFault
from codeworld.repair.syntax_site import OPENERS, PAIRS, Found, Site, proposal, site_of

_INSERTED = {
    ",": 3.0, ":": 3.0, ")": 2.6, "]": 2.8, "}": 3.4, "(": 3.2, "[": 3.6, "{": 4.6, "=": 4.0, ".": 4.4,
    "+": 4.2, "-": 5.0, "*": 4.6, "/": 5.2, "\"": 3.6, "'": 3.6, " in ": 3.8, " and ": 4.4, " or ": 4.6,
    " not ": 5.2, " if ": 4.6, " else ": 4.6, " for ": 4.8, "==": 4.4, "def ": 4.6, " as ": 4.8,
    " import ": 5.2, "%": 5.0,
}  # fmt: skip
_REPLACED = {
    "=": {"==": 1.6, ":": 4.0}, ":": {"=": 4.5, ",": 4.5}, ";": {":": 1.8, ",": 2.5}, ".": {",": 2.6},
    ",": {":": 4.0, ".": 4.0, ")": 4.5}, "(": {"[": 4.0, "{": 4.5}, ")": {"]": 2.6, "}": 3.2, "):": 4.2},
    "[": {"(": 3.6, "{": 4.5}, "]": {")": 2.6, "}": 3.2}, "{": {":": 2.2, "(": 4.5, "[": 4.5},
    "}": {")": 3.0, "]": 3.0}, "&&": {" and ": 0.4}, "||": {" or ": 0.4}, "!": {"not ": 0.8},
    "++": {" += 1": 0.5}, "--": {" -= 1": 1.0}, "//": {"#": 1.6}, "<": {"[": 3.5, "(": 4.5},
    ">": {"]": 3.5}, "->": {":": 4.0}, "?": {" if ": 4.0}, "<<": {"<": 3.5},
    "else": {"elif": 2.0, "else:": 3.4}, "if": {"elif": 4.5}, "elif": {"else": 1.5, "if": 4.0},
    "function": {"def": 0.8}, "func": {"def": 0.8}, "fun": {"def": 1.2}, "elseif": {"elif": 0.2},
    "elsif": {"elif": 0.2}, "catch": {"except": 0.8}, "Class": {"class": 0.8}, "is": {"in": 4.0},
    "in": {"=": 4.6}, "==": {"=": 2.2}, "foreach": {"for": 0.8}, "until": {"while not": 1.5},
    ":=": {"=": 1.5}, "‘": {"'": 0.5}, "’": {"'": 0.5}, "“": {"\"": 0.5}, "”": {"\"": 0.5}, "，": {",": 0.3},
    "：": {":": 0.3}, "（": {"(": 0.3}, "）": {")": 0.3}, "≤": {"<=": 0.3}, "≥": {">=": 0.3}, "≠": {"!=": 0.3},
}  # fmt: skip
_FOREIGN = frozenset(
    [
        "auto",
        "const",
        "do",
        "final",
        "float",
        "int",
        "let",
        "new",
        "public",
        "static",
        "str",
        "then",
        "var",
        "void",
    ]
)
_COMPARISONS = {
    "==": 0.3, "!=": 2.2, ">=": 3.4, "<=": 3.4, ">": 3.8, "<": 3.8, ":=": 4.0,
}  # fmt: skip
_KEYWORDS = tuple(keyword.kwlist)


def neighbours(text: str, fault: SyntaxFault) -> list[Proposal]:
    """Proposals, cheapest first, each text once."""
    site = site_of(text, fault)
    cheapest: dict[tuple[Edit, ...], Proposal] = {}
    for propose in _PROPOSERS:
        for one in propose(site):
            known = cheapest.get(one.edits)
            if known is None or one.cost < known.cost:
                cheapest[one.edits] = one
    return sorted(cheapest.values(), key=lambda one: one.cost)


def _colon(site: Site) -> Found:
    if site.fault.message.startswith("expected ':'"):
        before = site.tokens[site.at - 1].end_char if site.at else site.fault.at_char
        yield proposal(before, before, ":", "insert colon", 0.4)
        yield proposal(site.code_end, site.code_end, ":", "insert colon", 0.6)
    elif site.text[site.code_end - 1 : site.code_end] != ":":
        yield proposal(site.code_end, site.code_end, ":", "insert colon", 2.4)


def _else_if(site: Site) -> Found:
    for one, other in zip(site.tokens, site.tokens[1:], strict=False):
        if (one.text, other.text) == ("else", "if"):
            yield proposal(one.start_char, other.end_char, "elif", "else if is elif", 0.1)


def _generics(site: Site) -> Found:
    """Another language's ``List<int>``."""
    start = site.text.rfind("\n", 0, site.fault.at_char) + 1
    for match in re.finditer(r"\b[A-Z]\w*(<)[\w\[\], ]+(>)", site.text[start : site.line_end]):
        edits = tuple(
            Edit(start + match.start(i), start + match.end(i), new) for i, new in ((1, "["), (2, "]"))
        )
        yield Proposal(edits, "generic type", 0.8)


def _comparison(site: Site) -> Found:
    likely = 0.0 if "'=='" in site.fault.message else 2.5
    equals = [
        t
        for t in site.tokens
        if t.text == "=" and t.start_char >= site.text.rfind("\n", 0, site.fault.at_char)
    ]
    for rank, one in enumerate(equals):
        for new, cost in _COMPARISONS.items():
            yield proposal(one.start_char, one.end_char, new, "compare", cost + likely + 0.5 * rank)


def _comma(site: Site) -> Found:
    """Two operands with nothing between them: most likely at the depth of the reported one, or where a line ends."""
    told = "forgot a comma" in site.fault.message
    if not (told or site.fault.message == "invalid syntax"):
        return
    depth = 0
    for index in range(site.at + 1 if told else max(1, site.at), len(site.tokens)):
        one, following = site.tokens[index - 1], site.tokens[index]
        depth += (one.text in PAIRS) - (one.text in OPENERS)
        if not (_is_operand_end(one) and _is_operand_start(following)) or following.kind == "comment":
            continue
        gap = site.text[one.end_char : following.start_char]
        if not gap and following.text in PAIRS:
            continue  # a call
        far = (0.0 if told else 0.8) + 1.5 * abs(depth) - 0.2 * ("\n" in gap)
        beside = _operator_beside(site, index)
        if beside is not None:
            yield proposal(one.end_char, one.end_char, f" {beside}", "insert operator", 0.5 + far)
        yield proposal(one.end_char, one.end_char, ",", "insert comma", 0.7 + far)
        for operator, cost in {" +": 2.6, " *": 3.0, " -": 3.6, ".": 3.4, "=": 3.4}.items():
            yield proposal(one.end_char, one.end_char, operator, "insert operator", cost + far)
        yield proposal(following.start_char, following.end_char, "", "delete token", 3.0 + far)
        yield proposal(one.start_char, following.start_char, "", "delete token", 2.6 + far)
        if not told:
            return


def _operator_beside(site: Site, index: int) -> str | None:
    """The operator that joins the other operands in the brackets around a token; None where commas do."""
    found = set[str]()
    for side, closing in ((site.tokens[:index][::-1], PAIRS), (site.tokens[index:], OPENERS)):
        depth = 0
        for one in side:
            depth += (one.text in (*PAIRS, *OPENERS)) * (-1 if one.text in closing else 1)
            if depth < 0:
                break  # the bracket around it
            if depth == 0:
                found.add(one.text)
    joined = found & {"+", "and", "or", "|"}
    return joined.pop() if len(joined) == 1 and "," not in found and ":" not in found else None


def _keyword_argument(site: Site) -> Found:
    """``f(key=1, value)`` for ``f(key=1, value=value)``."""
    if "follows keyword argument" not in site.fault.message:
        return
    start = site.text.rfind("\n", 0, site.fault.at_char) + 1
    for found in re.finditer(r"([(,]\s*)(?P<key>\w+)\s*=(?!=)\s*", site.text[start : site.line_end]):
        key, end = start + found.start("key"), start + found.end()
        yield proposal(key, end, "", "positional argument", 1.6)
    for found in re.finditer(r",\s*()[\w.]+\[['\"](\w+)['\"]\]\s*[,)]", site.text[start : site.line_end]):
        yield proposal(
            start + found.start(1), start + found.start(1), f"{found[2]}=", "keyword argument", 0.7
        )
    around = [None, *site.tokens, None]
    for before, one, after in zip(around, around[1:], around[2:], strict=False):
        if (
            one is None
            or not _is_plain_name(one)
            or one.start_char < start
            or before is None
            or before.text != ","
        ):
            continue
        if after is None or after.text in (",", ")"):
            yield proposal(one.start_char, one.start_char, f"{one.text}=", "keyword argument", 0.5)


def _lambda(site: Site) -> Found:
    if not site.fault.message.startswith("Lambda expression parameters"):
        return
    for match in re.finditer(r"\blambda\s*(\()[\w\s,]*(\))\s*:", site.text[: site.line_end]):
        if match.end() > site.text.rfind("\n", 0, site.fault.at_char):
            blank = "" if site.text[match.start(1) - 1].isspace() else " "
            edits = (Edit(match.start(1), match.end(1), blank), Edit(match.start(2), match.end(2), ""))
            names = re.findall(r"\w+", site.text[match.start(1) : match.end(2)])
            yield Proposal(edits, "lambda parameters", 0.5 + 0.5 * (len(names) > 1))
            if len(names) > 1:
                unpacked = _unpacked(site, match, names)
                if unpacked:
                    yield Proposal(unpacked, "lambda of a tuple", 0.6)


def _unpacked(site: Site, match: re.Match[str], names: list[str]) -> tuple[Edit, ...]:
    """One parameter for a tuple of them, as Python 2's converter names it; none where the body goes on below."""
    whole, depth = "_".join(names), 0
    blank = "" if site.text[match.start(1) - 1].isspace() else " "
    edits = [Edit(match.start(1), match.end(2), blank + whole)]
    body = [t for t in site.tokens if t.start_char >= match.end()]
    for before, one in zip([None, *body], body, strict=False):
        depth += (one.text in PAIRS) - (one.text in OPENERS)
        if depth < 0 or (depth == 0 and one.text == ","):
            break
        if one.text in names and (before is None or before.text != "."):
            edits.append(Edit(one.start_char, one.end_char, f"{whole}[{names.index(one.text)}]"))
    return tuple(edits) if depth <= 0 else ()


def _missing_else(site: Site) -> Found:
    if site.fault.message.startswith("expected 'else'"):
        at = site.code_end
        for new, cost in {" else None": 1.4, " else 0": 2.6, " else False": 2.4}.items():
            yield proposal(at, at, new, "else", cost)


def _line(site: Site) -> Found:
    """The line does not belong here."""
    start = site.text.rfind("\n", 0, site.fault.at_char) + 1
    if site.text[start : site.line_end].strip():
        yield proposal(start, min(len(site.text), site.line_end + 1), "", "delete line", 4.8)


def _is_operand_end(token: Token) -> bool:
    return token.kind in ("number", "string", "quote") or token.text in OPENERS or _is_plain_name(token)


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
        foreign = 2.6 if one.text in _FOREIGN and site.text[following : following + 1] != "(" else 0.0
        yield proposal(one.start_char, end, "", "delete token", 3.0 + far - foreign)
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
    return proposal(start, end, new, "replace token", cost)


def _insert(text: str, at: int, new: str, cost: float) -> Proposal:
    if new.startswith(" ") and text[at - 1 : at] in (" ", "\n", ""):
        new = new[1:]
    return proposal(at, at, new, f"insert {new.strip()}", cost)


def _spelled(one: Token) -> dict[str, float]:
    """Keywords that a name may be a slip of."""
    if one.kind != "name" or one.text in _KEYWORDS or len(one.text) < 2:
        return {}
    return {
        word: 1.2
        for word in _KEYWORDS
        if abs(len(word) - len(one.text)) < 2 and len(word) > 2 and _is_slip(one.text, word)
    }


def _is_slip(one: str, other: str) -> bool:
    """Whether one letter was added, left out, changed, or swapped with its neighbour."""
    if one.lower() == other.lower():
        return True
    head = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    a, b = one[head:], other[head:]
    return a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[:2] == b[:2][::-1] and a[2:] == b[2:])


def _comment(site: Site) -> Found:
    """Prose or another language's comment: make the line one of ours."""
    start = site.text.rfind("\n", 0, site.fault.at_char) + 1
    on_line = [t for t in site.tokens if start <= t.start_char < site.line_end]
    for one in on_line:
        if one.text == "//":
            yield proposal(one.start_char, one.end_char, "#", "comment", 1.2)
            yield proposal(one.start_char, one.end_char, "", "uncomment", 2.6)
    if on_line:
        yield proposal(on_line[0].start_char, on_line[0].start_char, "# ", "comment", 6.0)
    words = [t for t in on_line if _is_plain_name(t)]
    if on_line and len(words) > 3 and len(words) > 0.7 * len(on_line):
        yield proposal(on_line[0].start_char, on_line[0].start_char, "# ", "comment", 2.5)


def _indentation(site: Site) -> Found:
    for edits, kind, cost in indentation_edits(site.text, site.fault):
        yield Proposal(edits, kind, cost)


_PROPOSERS: tuple[Callable[[Site], Found], ...] = (
    _colon,
    _else_if,
    _comparison,
    _generics,
    delimiter_edits.never_closed,
    delimiter_edits.brackets,
    delimiter_edits.string,
    _comma,
    _keyword_argument,
    _lambda,
    _missing_else,
    _line,
    _comment,
    _indentation,
    *slip_edits.PROPOSERS,
    _generic,
)
