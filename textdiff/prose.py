"""Prose from a repository's READMEs and documentation: paragraphs under their headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from codeworld.training import filters
from textdiff.source import sentences

PARAGRAPH_CHARS: Final = 260
_WANTED: Final = re.compile(r"\.(md|rst)$", re.IGNORECASE)
_UNWANTED: Final = re.compile(
    r"(^|/)(changes|changelog|history|news|whats_?new|releases?|release[-_ ]?notes|authors|contributors|licen[sc]e"
    r"|copying|notice"
    r"|code_of_conduct|security|\.github|locale|translations?|i18n|zh|ja|ko|fr|es|de|ru|pt)([-_./]|$)",
    re.IGNORECASE,
)
_MARKDOWN_HEADING: Final = re.compile(r"^#{1,5}\s+(.*?)\s*#*$")
_RST_UNDERLINE: Final = re.compile(r"^([=\-~^\"'*+#`.])\1{3,}\s*$")
_FENCE: Final = re.compile(r"^\s*(```|~~~)")
_NOT_PROSE: Final = re.compile(r"^\s*([-*+|>:!<]|\.\. |\d+[.)]\s|>>>|\$ |\[!|\{|@)")
_LINKS: Final = (
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), ""),
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]+)\]\[[^\]]*\]"), r"\1"),
    (re.compile(r":[\w:+-]+:`~?([^`<]+?)(\s*<[^>]*>)?`"), r"`\1`"),
    (re.compile(r"``([^`]+)``"), r"`\1`"),
    (re.compile(r"`([^`<]+?)\s*<[^>]*>`_+"), r"\1"),
    (re.compile(r"\|[\w-]+\|_*|\[\d+\]_"), ""),
    (re.compile(r"\*\*([^*]+)\*\*"), r"\1"),
)


class Paragraph(msgspec.Struct, frozen=True):
    """Prose under a heading; ``previous`` is the paragraph before it under the same heading, "" for the first."""

    keyword: str
    text: str
    previous: str


def wanted(path: str) -> bool:
    """Whether a file is documentation in English, by its path."""
    return bool(_WANTED.search(path)) and not _UNWANTED.search(path) and filters.path_reason(path) is None


def paragraphs(text: str) -> Iterator[Paragraph]:
    """Paragraphs of a Markdown or reStructuredText file. Code, lists, tables, directives and badges are left out."""
    title, heading, previous, fenced = "", "", "", False
    for block in re.split(r"\n[ \t]*\n", text):
        if len(_FENCE.findall(block)) or sum(bool(_FENCE.match(line)) for line in block.split("\n")):
            fenced ^= sum(bool(_FENCE.match(line)) for line in block.split("\n")) % 2 == 1
            continue
        if fenced:
            continue
        found, rest = _heading(block)
        if found:
            title, heading, previous = title or found, found, ""
        prose = _prose(rest)
        if prose and heading:
            keyword = heading if heading == title else f"{title} / {heading}"
            yield Paragraph(keyword[:120], prose, previous)
        previous = prose


def _heading(block: str) -> tuple[str, str]:
    """A heading that opens the block, and what follows it."""
    lines = block.strip("\n").split("\n")
    if lines and _RST_UNDERLINE.match(lines[0]):
        lines = lines[1:]
    match = _MARKDOWN_HEADING.match(lines[0]) if lines else None
    if match:
        return _plain(match.group(1)), "\n".join(lines[1:])
    if len(lines) > 1 and _RST_UNDERLINE.match(lines[1]) and not lines[0].startswith((" ", "..")):
        return _plain(lines[0].strip()), "\n".join(lines[2:])
    return "", block


def _plain(text: str) -> str:
    for pattern, replacement in _LINKS:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())


def _prose(block: str) -> str:
    """The block as one line of plain prose, cut at a sentence, or ""."""
    lines = [line for line in block.split("\n") if line.strip()]
    if not lines or any(_NOT_PROSE.match(line) for line in lines) or lines[0][:1].isspace():
        return ""
    text = sentences(_plain(" ".join(lines)), PARAGRAPH_CHARS)
    letters = sum(character.isalpha() and character.isascii() for character in text)
    good = letters >= 0.72 * len(text) and "http" not in text and text.rstrip(":").endswith((".", "!", "?"))
    if not good or not 8 <= text.count(" ") + 1 <= 60 or len(text) > PARAGRAPH_CHARS + 80:
        return ""
    return filters.mask_emails(text)[0]
