"""Slips of one construct: a header, an import, a string, a statement of Python 2. Costs as in syntax_edits."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterator
from itertools import pairwise

from codeworld.repair.edits import Edit, Proposal
from codeworld.repair.lexer import Token, tokens
from codeworld.repair.syntax_site import OPENERS, PAIRS, Found, Site, line_end_at, proposal

_CALL_HEADER = re.compile(r"\s*()\w+\s*\(.*\)\s*(->.*)?:\s*(#.*)?$")
_CONDITION_HEADER = re.compile(r"\s*()[\w.]+(\(.*\))?\s*(==|!=|<=|>=|<|>|\bin\b|\bnot\b|\bis\b).*:\s*(#.*)?$")
_HEADER = re.compile(r"\s*(if|elif|else|for|while|def|class|with|try|except|finally)\b")
_FROM = re.compile(r"\s*(import)\s+[\w.]+\s+import\b")
_IMPORT = re.compile(r"\s*from\s+[.\w]+( )\s*(?:\*|\w)")
_DECLARED = re.compile(r"\s*(global|nonlocal|import|from|assert|with)\b")
_RAISE = re.compile(r"\s*raise\s+[\w.]+(,\s*)(.+?)\s*$")


def header(site: Site) -> Found:
    """A line that begins a block, but for a word or its brackets."""
    start, line = _line(site)
    if site.fault.message == "expected '('":
        named = re.match(r"\s*def\s+(self\.)?\w+()\s*:?", line)
        if named and named[1]:
            yield proposal(start + named.start(1), start + named.end(1), "", "delete self", 0.6)
        elif named:
            yield proposal(start + named.start(2), start + named.start(2), "()", "insert brackets", 0.4)
    if "'except' or 'finally'" in site.fault.message and re.match(r"\s*else\s*:", line):
        at = start + line.index("else")
        yield proposal(at, at + 4, "except", "else is except", 0.8)
    below = _below(site)
    if len(below) - len(below.lstrip()) <= len(line) - len(line.lstrip()):
        return
    for pattern, word, cost in ((_CALL_HEADER, "def ", 1.4), (_CONDITION_HEADER, "if ", 1.2)):
        found = pattern.match(line) if not _HEADER.match(line) else None
        if found:
            yield proposal(start + found.start(1), start + found.start(1), word, "insert header word", cost)
    if re.match(r"\s*from\b.*\bas\s+\w+\s*:", line):
        at = start + line.index("from")
        yield proposal(at, at + 4, "with", "from is with", 0.8)
    last = next((t for t in reversed(site.tokens) if t.end_char <= start + len(line.rstrip())), None)
    wrong = last is not None and last.kind == "operator" and last.text not in (*OPENERS, ":")
    if last is not None and wrong and _HEADER.match(line):
        yield proposal(last.start_char, last.end_char, ":", "replace by colon", 1.6)


def imports(site: Site) -> Found:
    """``import a import b``, ``from a b``, and names that go on below without brackets."""
    start, line = _line(site)
    found = _FROM.match(line)
    if found:
        yield proposal(start + found.start(1), start + found.end(1), "from", "import is from", 0.5)
    missing = _IMPORT.match(line)
    if missing and " import" not in line:
        yield proposal(start + missing.start(1), start + missing.end(1), " import ", "insert import", 1.0)
    if site.fault.message.startswith("trailing comma not allowed"):
        names = re.search(r"\bimport\s+()", line)
        at = start + names.start(1) if names else None
        end = site.line_end
        while at is not None and end < len(site.text):
            following = site.text[end + 1 : line_end_at(site.text, end + 1)]
            if not following[:1].isspace() or not following.strip():
                break
            end += 1 + len(following)
        if at is not None:
            end = len(site.text[:end].rstrip())
            yield Proposal((Edit(at, at, "("), Edit(end, end, ")")), "brackets around names", 0.6)


def raised(site: Site) -> Found:
    """``raise Error, text`` of Python 2."""
    start, line = _line(site)
    found = _RAISE.match(line)
    if found:
        end = start + found.end(2)
        edits = (Edit(start + found.start(1), start + found.end(1), "("), Edit(end, end, ")"))
        yield Proposal(edits, "raise call", 1.2)


def string(site: Site) -> Found:
    """Prefixes that do not exist, escapes that were not meant, quotes and braces in f-strings."""
    message = site.fault.message
    start, line = _line(site)
    for one in site.tokens if message == "invalid syntax" else ():
        if one.kind == "string" and re.match(r"(?i)(ur|bf|fb|uf|fu)['\"]", one.text):
            yield proposal(one.start_char, one.start_char + 1, "", "string prefix", 0.4)
    quoted = re.match(r"\s*()\"\"(?!\")[^\"\n]*\"\"\"\s*$", line)
    if "unterminated" in message:
        first = re.match(r"\s*()\"\"(?!\")\w", site.text)
        for at in ([start + quoted.start(1)] if quoted else []) + ([first.start(1)] if first else []):
            yield proposal(at, at, '"', "insert quote", 0.5)
    short = re.match(r"\s*()\"\"(?!\")[^\"\n]+\"\"()\s*$", line)
    if short:
        quotes = tuple(Edit(start + short.start(i), start + short.start(i), '"') for i in (1, 2))
        yield Proposal(quotes, "insert quotes", 0.5)
    if message.startswith("(unicode error)"):
        for found in re.finditer(r"(?<![\w'\"\\])(\"\"\"|'''|['\"])", site.text[: site.line_end]):
            at = found.start()
            near = (
                at >= start if len(found[1]) == 1 else at >= site.text.rfind(found[1], 0, site.line_end - 3)
            )
            if near:
                yield proposal(at, at, "r", "raw string", 0.5 + 0.2 * (len(found[1]) == 1))
    if message.startswith("f-string"):
        for found in re.finditer(r"\b[rR]?[fF][rR]?(['\"])(?!\1)", line):
            yield from _f_string(site, start + found.end(), found[1])


def _f_string(site: Site, begin: int, quote: str) -> Iterator[Proposal]:
    """The same quotes within its braces, and a brace that closes nothing."""
    other, depth, edits = {'"': "'", "'": '"'}[quote], 0, list[Edit]()
    for at in range(begin, site.line_end):
        char = site.text[at]
        if char == quote and depth == 0:
            break
        if char == quote:
            edits.append(Edit(at, at + 1, other))
        elif char == "}" and depth == 0 and site.text[at : at + 2] != "}}" and site.text[at - 1] != "}":
            yield proposal(at, at + 1, "", "delete brace", 0.6)
        elif char == "}" and depth == 0 and site.text[at - 1] == "}" and "single '}'" in site.fault.message:
            yield proposal(at, at + 1, "", "delete brace", 0.4)
        depth = max(0, depth + (char == "{") - (char == "}"))
    if edits:
        yield Proposal(tuple(edits), "other quotes", 0.4)


def arrows(site: Site) -> Found:
    """``=>`` of other languages, or for ``>=``."""
    start, line = _line(site)
    for found in re.finditer(r"=>|=<", line):
        at = start + found.start()
        compared = 0.4 if _HEADER.match(line) else 1.6
        yield proposal(at, at + 2, found[0][::-1], "swap comparison", compared)
        if found[0] == "=>":
            yield proposal(at, at + 2, ":", "arrow is colon", 2.0 - compared)


def continued(site: Site) -> Found:
    """A statement that goes on below, without a backslash."""
    start, line = _line(site)
    width, end, edits = len(line) - len(line.lstrip()), site.line_end, list[Edit]()
    last = _last(site.text, start, end)
    cost = 2.2 if last is not None and last.text == "," and not _DECLARED.match(line) else 0.8
    while last is not None and _goes_on(last) and end < len(site.text):
        edits.append(Edit(last.end_char, end, " \\"))
        begin = site.text.find("\n", end) + 1
        end = line_end_at(site.text, begin)
        below = site.text[begin:end]
        if not below.strip() or len(below) - len(below.lstrip()) <= width:
            return
        last = _last(site.text, begin, end)
    if edits and last is not None:
        yield Proposal(tuple(edits), "continue line", cost)


def _last(text: str, start: int, end: int) -> Token | None:
    """The last token of a line, None where a comment is."""
    found = tokens(text, start, end)
    return found[-1] if found and found[-1].kind != "comment" else None


def _goes_on(token: Token) -> bool:
    """Whether a statement cannot end with it."""
    operator = token.kind == "operator" and token.text not in (*PAIRS, *OPENERS, ":", ";", "...", "\\")
    return operator or token.text in ("and", "or", "not", "in", "is")


def calls(site: Site) -> Found:
    """``f x`` for ``f(x)``, and ``x y`` for ``x = y`` where the name is used further down."""
    start, line = _line(site)
    own = [t for t in site.tokens if start <= t.start_char < site.line_end and t.kind != "comment"]
    for index, (one, other) in enumerate(pairwise(own)):
        named = one.kind == "name" and not keyword.iskeyword(one.text)
        starts = other.kind in ("name", "number", "string") and not keyword.iskeyword(other.text)
        if not named or not starts or other.start_char < site.fault.at_char:
            continue
        elsewhere = site.text[:start] + site.text[site.line_end :]
        is_callable = callable(getattr(builtins, one.text, None)) or one.text[0].isupper()
        if is_callable or re.search(rf"\b{one.text}\(", elsewhere):
            end = _item_end(own, index + 1, ":")
            yield Proposal(
                (Edit(one.end_char, other.start_char, "("), Edit(end, end, ")")), "brackets of call", 1.2
            )
        later = re.search(rf"\b{one.text}\b(?!\()", site.text[site.line_end :])
        if index == 0 and later and not line.rstrip().endswith(":"):
            yield proposal(one.end_char, one.end_char, " =", "insert =", 1.2)
        return


def items(site: Site) -> Found:
    """A line of a display that lost its comma, or closed its bracket too early."""
    start, _ = _line(site)
    before = [t for t in site.tokens if t.end_char <= start and t.kind != "comment"]
    own = [t for t in site.tokens if start <= t.start_char < site.line_end]
    if not before or not own:
        return
    last = before[-1]
    if site.fault.message == "invalid syntax" and len(own) > 1 and own[1].text == ":" and _ends(last):
        yield proposal(last.end_char, last.end_char, ",", "insert comma", 0.5)
    early = site.fault.message == "unexpected indent" or "does not match opening" in site.fault.message
    if early and last.text in OPENERS:
        yield proposal(last.start_char, last.end_char, ",", "bracket is comma", 1.0)
    if early and last.text == "," and len(before) > 1 and before[-2].text in OPENERS:
        yield proposal(before[-2].start_char, before[-2].end_char, "", "delete bracket", 1.0)


def stray(site: Site) -> Found:
    """A word too much at the end of a statement, a line twice, a keyword twice, a tuple without brackets."""
    start, line = _line(site)
    own = [t for t in site.tokens if start <= t.start_char < site.line_end and t.kind != "comment"]
    if site.fault.message == "invalid syntax" and len(own) > 1 and own[-1].kind == "name" and _ends(own[-2]):
        yield proposal(own[-2].end_char, own[-1].end_char, "", "delete word", 1.6)
    below = _below(site)
    if len(line.strip()) > 3 and line.rstrip() == below.rstrip():
        yield proposal(start, min(len(site.text), site.line_end + 1), "", "delete line twice", 0.8)
    for one, other in pairwise(own):
        if one.text == other.text and one.kind == "name":
            yield proposal(one.end_char, other.end_char, "", "delete word twice", 0.6)
    for index, one in enumerate(own):
        if one.text == "in" and index + 2 < len(own):
            at, end = own[index + 1].start_char, _item_end(own, index + 1, "if", "for")
            if _item_end(own, index + 1, ",") < end:
                yield Proposal((Edit(at, at, "("), Edit(end, end, ")")), "brackets around tuple", 1.0)


def _item_end(own: list[Token], index: int, *stops: str) -> int:
    """Where what begins at a token is closed by a bracket of before, or a stop follows it."""
    depth = 0
    for one in own[index:]:
        depth += (one.text in PAIRS) - (one.text in OPENERS)
        if depth < 0 or (depth == 0 and one.text in stops):
            break
        index += 1
    return own[min(index, len(own)) - 1].end_char


def _ends(token: Token) -> bool:
    return token.kind in ("number", "string", "name") or token.text in OPENERS


def quotes(site: Site) -> Found:
    """A string that ends where the next one begins, or at a quote that it holds."""
    start, _ = _line(site)
    own = [t for t in site.tokens if start <= t.start_char < site.line_end]
    for index, (one, other) in enumerate(pairwise(own)):
        closed = one.kind == "string" and len(one.text) > 2 and one.text[:3] != 3 * one.text[0]
        if not closed or other.start_char != one.end_char or other.kind not in ("name", "number"):
            continue
        quote = one.text[-1]
        for rank, found in enumerate(re.finditer(r"\s*[,)\]:]", one.text)):
            at = one.start_char + found.start()
            yield proposal(at, at, quote, "close string", 0.9 + 0.3 * rank)
        ends = [
            at for t in own[index + 1 :] for at in (t.start_char, t.end_char - 1) if site.text[at] == quote
        ]
        if ends:
            inner, new = (one.end_char - 1, ends[0]), {'"': "'", "'": '"'}[quote]
            yield Proposal(tuple(Edit(at, at + 1, new) for at in inner), "other quotes", 1.0)


def number(site: Site) -> Found:
    """A number that runs into a name: a digit too much, or a product."""
    for one in site.tokens if "decimal literal" in site.fault.message else ():
        glued = re.fullmatch(r"(\d+)[^\W\de]\w*", one.text) if one.kind == "number" else None
        if glued and one.end_char > site.fault.at_char - 1:
            zero = glued[1] == "0"
            yield proposal(
                one.start_char, one.start_char + glued.end(1), "", "delete number", 0.8 + (not zero)
            )
            at = one.start_char + glued.end(1)
            yield proposal(at, at, " * ", "insert operator", 1.0 + zero)


def _line(site: Site) -> tuple[int, str]:
    """Where the error's line begins, and the line."""
    start = site.text.rfind("\n", 0, site.fault.at_char) + 1
    return start, site.text[start : site.line_end]


def _below(site: Site) -> str:
    """The next line with something on it."""
    rest = site.text[site.line_end :].lstrip("\r\n")
    while rest and not rest.partition("\n")[0].strip():
        rest = rest.partition("\n")[2]
    return rest.partition("\n")[0]


PROPOSERS = (header, imports, raised, string, arrows, continued, calls, quotes, number, items, stray)
