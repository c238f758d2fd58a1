"""Which Python files are fit to train on, and how their text is cleaned.

Every decision is a pure function of a path or a text, so that a build can be repeated and a drop can be explained.
Sizes are bytes of UTF-8 unless a name says otherwise. The thresholds on line length and letter share follow the usual
ones for source corpora (The Stack, StarCoder: longest line 1,000 characters, mean 100), the letter share was set by
looking at what it drops.
"""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise
from typing import Final

from codeworld.syntax.trees import parsed

MAX_BYTES: Final = 200_000
MIN_BYTES: Final = 200
MAX_LINE_CHARS: Final = 1_000
MAX_MEAN_LINE_CHARS: Final = 100
MIN_LETTER_SHARE: Final = 0.40
MAX_LITERAL_LINES: Final = 0.60
HEADER_CHARS: Final = 4_000
MASKED_EMAIL: Final = "user@example.com"

PERMISSIVE: Final = frozenset(
    """
    MIT MIT-0 MIT-CMU BSD-2-Clause BSD-3-Clause 0BSD CC0-1.0 ISC Apache-2.0 PSF-2.0 Python-2.0 Unlicense Zlib Biopython
    """.split()  # noqa: SIM905 (a list of names reads better than a column of strings)
)

_VENDORED: Final = frozenset(
    """
    vendor vendored vendors _vendor _vendored third_party thirdparty third-party 3rdparty external externals extern
    _extern externs node_modules site-packages dist-packages bundled _bundled deps __pycache__
    """.split()  # noqa: SIM905
)
_GENERATED_DIRS: Final = frozenset(["_generated", "generated", "autogen", "gen_py", "__generated__"])
_GENERATED_NAME: Final = re.compile(
    r"(_pb2(_grpc)?\.py"
    r"|^(versioneer|_version|ez_setup|distribute_setup|get-pip|bootstrap-buildout|parsetab|lextab)\.py)$"
)
_MIGRATION: Final = re.compile(r"(^|/)migrations/\d{4}_[^/]*\.py$")
# Evaluation sets that must not even be opened: the hashes only work on what has been read.
_BENCHMARK: Final = re.compile(r"human[-_ ]?eval|quix[-_ ]?bugs|crux[-_ ]?eval", re.IGNORECASE)
_TEST_DIRS: Final = frozenset(
    ["test", "tests", "_test", "_tests", "unittests", "unit_tests", "integration_tests", "testcases"]
)
_TEST_NAME: Final = re.compile(r"^(test_.*|test[A-Z].*|.*_tests?|tests?|conftest)\.py$")

_GENERATED_COMMENT: Final = re.compile(
    r"^\s*#.*(auto[- ]?generated|automatically generated|(was|is|file|code) generated (by|from|with|using)"
    r"|^\s*#+\s*generated (by|from|with|using)|@generated|do not (edit|modify)\b)",
    re.IGNORECASE | re.MULTILINE,
)
_GENERATED_TEXT: Final = re.compile(
    r"(this (file|module|code) (was|is|has been) (auto[- ]?|automatically )generated"
    r"|\bdo not edit\b.{0,40}(generated|file)"
    r"|generated .{0,60}\bdo not edit\b)",
    re.IGNORECASE,
)
_NON_PERMISSIVE: Final = re.compile(
    r"GNU\s+(?:#\s*)?((Lesser|Affero|Library)\s+(?:#\s*)?)?General\s+(?:#\s*)?Public"
    r"|\b[AL]?GPL\s?-?(v?\s?[23]|licen[sc]e)"
    r"|\b(under|licensed under|of) the (terms of the )?[AL]?GPL\b|Mozilla\s+Public\s+Licen[sc]e|\bMPL[- ]?[12]\b"
    r"|Eclipse\s+Public\s+Licen[sc]e|\bCDDL\b|Server\s+Side\s+Public|Business\s+Source\s+Licen[sc]e|Commons\s+Clause"
    r"|(?<!\w)(CC[- ]BY[- ](NC|SA|ND)|non-?commercial|share-?alike)\b|proprietary (and|or|information|software|licen)"
    r"|\bconfidential (and|or|information)|strictly\s+(?:#\s*)?prohibited|Elastic\s+Licen[sc]e",
    re.IGNORECASE,
)
_SPDX: Final = re.compile(r"SPDX-License-Identifier:\s*([^\n*\"']+)", re.IGNORECASE)
_LICENCE_WORDS: Final = re.compile(
    r"copyright|\(c\)\s*\d{4}|licen[sc]e|all rights reserved|SPDX-|warrant(y|ies)|redistribut", re.IGNORECASE
)
_LICENCE_FILE: Final = re.compile(r"^(licen[sc]e|copying)(\.(txt|md|rst))?$", re.IGNORECASE)
_RESTRICTIVE_TEXT: Final = re.compile(
    r"GNU\s+((LESSER|AFFERO|LIBRARY)\s+)?GENERAL\s+PUBLIC|Mozilla\s+Public|Non-?Commercial|ShareAlike|Business\s+Source"
    r"|Server\s+Side\s+Public|Commons\s+Clause|Elastic\s+Licen[sc]e|strictly\s+prohibited",
    re.IGNORECASE,
)
_DOCSTRING: Final = re.compile(r"\s*[rRuUbB]{0,2}(\"\"\"|''')(.*?)\1[ \t]*\n?", re.DOTALL)
# A line made of literals and brackets only. Possessive, so that a long near-match costs one pass.
_LITERAL_LINE: Final = re.compile(
    r"^(?=.*[\d\"'])[ \t]*+(?:[\[\](){},:+\-.\d \t]|0[xX][0-9a-fA-F]++|\b[eEjL]\b|(?<=\d)[eE]|[rRbBuU]?\"[^\"\n]*+\""
    r"|[rRbBuU]?'[^'\n]*+'|None|True|False)++(?:#.*)?$",
    re.MULTILINE,
)
_PYTHON2: Final = re.compile(r"^[ \t]*(print[ \t]+[\"'\w%`]|print[ \t]*>>|exec[ \t]+[\"'\w])", re.MULTILINE)
# A file in the newest syntax does not parse on an older interpreter either, and its prose may hold a line "print it".
_PYTHON3: Final = re.compile(r"\bf[\"']|\basync def\b|\)[ \t]*->|\bnonlocal\b|^[ \t]*print\(", re.MULTILINE)
_EMAIL: Final = re.compile(
    r"(?<![\w.+-])([A-Za-z0-9][\w.+-]*)@((?:[A-Za-z0-9-]+\.)+(?:com|org|net|edu|gov|mil|info|biz|name|dev|[a-z]{2}))(?![\w(\[-])"
)
_PUBLIC_DOMAIN_NAMES: Final = re.compile(r"(^|\.)(example\.(com|org|net)|test\.(com|org|net))$")


def permissive(licence: str) -> bool:
    """Whether a manifest licence (SPDX, possibly 'A OR B') lets us train: one permissive alternative is enough."""
    return any(part.strip(" ()") in PERMISSIVE for part in re.split(r"\bOR\b", licence))


def path_reason(path: str) -> str | None:
    """Why a path is dropped before its content is read, or None."""
    *folders, name = path.split("/")
    if _BENCHMARK.search(path):
        return "benchmark_path"
    if any(folder.lower() in _VENDORED for folder in folders):
        return "vendored"
    if (
        _GENERATED_NAME.search(name)
        or _MIGRATION.search(path)
        or any(f.lower() in _GENERATED_DIRS for f in folders)
    ):
        return "generated_path"
    return None


def is_test(path: str) -> bool:
    """Whether a path looks like a test: by folder or by file name, as pytest and unittest find them."""
    *folders, name = path.split("/")
    return bool(_TEST_NAME.match(name)) or any(folder.lower() in _TEST_DIRS for folder in folders)


def licence_folder(path: str) -> str | None:
    """The folder that a nested licence file governs; None for the root's and for collections of licence texts."""
    folder, _, name = path.rpartition("/")
    if not folder or not _LICENCE_FILE.match(name) or "licen" in folder.rpartition("/")[2].lower():
        return None
    return folder


def restrictive_licence_text(text: str) -> bool:
    """Whether a licence file's opening names a licence that is not permissive."""
    return bool(_RESTRICTIVE_TEXT.search(text[:2_000]))


def decode(data: bytes) -> str | None:
    """UTF-8 text with Unix line ends and without a byte order mark, or None when it is not UTF-8 text."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def header(text: str) -> str:
    """Leading comments and the module docstring, at most HEADER_CHARS characters: where licences are stated."""
    end = _comment_end(text)
    match = _DOCSTRING.match(text, end)
    return text[: match.end() if match else end][:HEADER_CHARS]


def _comment_end(text: str) -> int:
    """Offset of the first line that is neither blank nor a comment."""
    offset = 0
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        offset += len(line)
    return offset


def text_reason(text: str) -> str | None:
    """Why a text is dropped (generated, licence, data-like), or None."""
    head = header(text)
    if _GENERATED_COMMENT.search(head) or _GENERATED_TEXT.search(head):
        return "generated_header"
    if non_permissive_header(head):
        return "non_permissive_header"
    return data_like(text)


def non_permissive_header(head: str) -> bool:
    """Whether a file's header states a licence that is not permissive; an SPDX tag decides when there is one."""
    tag = _SPDX.search(head)
    if tag:
        return not permissive(tag.group(1).strip())
    return bool(_NON_PERMISSIVE.search(head))


def data_like(text: str) -> str | None:
    """'long_lines', 'low_alpha' or 'literals' for a text that is data rather than code, else None."""
    lines = text.split("\n")
    if max(map(len, lines)) > MAX_LINE_CHARS or len(text) > MAX_MEAN_LINE_CHARS * len(lines):
        return "long_lines"
    squeezed = "".join(text.split())
    # Counting what is left of the letters after deleting the rest in C is several times faster than a Python loop.
    letters = len(squeezed.translate(_DROP_NON_LETTERS))
    if letters < MIN_LETTER_SHARE * len(squeezed):
        return "low_alpha"
    filled = sum(1 for line in lines if line and not line.isspace())
    if filled > 40 and sum(1 for _ in _LITERAL_LINE.finditer(text)) > MAX_LITERAL_LINES * filled:
        return "literals"
    return None


_DROP_NON_LETTERS: Final = {code: None for code in range(128) if not chr(code).isalpha()}


def strip_licence(text: str) -> str:
    """Text without its leading licence comments; shebang, coding line and other comments stay."""
    end = _comment_end(text)
    blocks = re.split(r"(?<=\n)(?=[ \t]*\n)", text[:end])
    kept = "".join(
        block if not _LICENCE_WORDS.search(block) else _interpreter_lines(block) for block in blocks
    )
    rest = text[end:]
    match = _DOCSTRING.match(rest)
    if match and _licence_docstring(match.group(2)):
        rest = rest[match.end() :]
    return (kept + rest).lstrip("\n")


def _licence_docstring(body: str) -> bool:
    """Whether a leading string is a licence notice: it opens with one and says so again."""
    return bool(_LICENCE_WORDS.search(body.strip()[:100])) and len(set(map(str.lower, _words(body)))) >= 2


def _words(body: str) -> list[str]:
    return [match.group(0) for match in _LICENCE_WORDS.finditer(body)]


def _interpreter_lines(block: str) -> str:
    """The shebang and coding lines of a comment block that is otherwise a licence."""
    lines = block.splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("#!") or re.match(r"#.*coding[:=]", line))


def mask_emails(text: str) -> tuple[str, int]:
    """Text with personal e-mail addresses replaced, and how many; documentation domains and git@ stay."""
    pieces = text.split("@")
    if not any(left[-1:].isalnum() and right[:1].isalnum() for left, right in pairwise(pieces)):
        return text, 0
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        if match.group(1) == "git" or _PUBLIC_DOMAIN_NAMES.search(match.group(2)):
            return match.group(0)
        count += 1
        return MASKED_EMAIL

    masked = _EMAIL.sub(replace, text)
    return masked, count


def syntax(text: str) -> str:
    """'ok', 'python2' (does not parse and looks like Python 2) or 'unparsable'."""
    if parsed(text) is not None:
        return "ok"
    return "python2" if _PYTHON2.search(text) and not _PYTHON3.search(text) else "unparsable"


def share(key: str) -> float:
    """A number in [0, 1) that depends on the key only: sampling that does not change between builds."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little") / 2**64
