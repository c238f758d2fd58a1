"""The README's first paragraph: what the authors say the project is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from codeworld.summary.facts import Citation
from codeworld.summary.running import documents
from codeworld.summary.sources import Sources

_NO_PROSE = re.compile(
    r"^\s*(\[!\[|!\[|<|\.\. |:\w+:|\||>|#|={3,}|-{3,}|~{3,}|\*{3,}|```|[*+-] )|^\s*\[[^\]]*\]:|^\s{3,}\S"
)
_MARKUP = (
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), ""),
    (re.compile(r"\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]*)\]\[[^\]]*\]"), r"\1"),
    (re.compile(r"\[([^\]]+)\]"), r"\1"),
    (re.compile(r"<[^>]+>"), ""),
    (re.compile(r"`([^`<]+) <[^>]+>`_+"), r"\1"),
    (re.compile(r"(\*\*|__)"), ""),
)
_MIN_WORDS = 5
_MAX_WORDS = 60
_MAX_PARAGRAPHS = 8  # what comes later is no introduction


def first_paragraph(sources: Sources, name: str = "") -> tuple[str, Citation] | None:
    """The first paragraph of prose that names ``name``, else the first of all, without markup; and where it starts."""
    path = next((path for path in documents(sources) if "readme" in path.lower()), None)
    found = list(itertools.islice(_paragraphs(sources, path), _MAX_PARAGRAPHS)) if path else []
    speaking = (one for one in found if name and name.lower() in one[0].lower())
    return next(speaking, found[0] if found else None)


def _paragraphs(sources: Sources, path: str) -> Iterator[tuple[str, Citation]]:
    paragraph: list[str] = []
    start = 0
    in_block = in_comment = False
    for number, line in enumerate([*sources.lines(path), ""], 1):
        in_block ^= line.lstrip().startswith("```")
        commented = in_comment or "<!--" in line
        in_comment = commented and "-->" not in line
        if line.strip() and not commented and not in_block and not _NO_PROSE.match(line):
            start = start or number
            paragraph.append(line.strip())
            continue
        words = plain(" ".join(paragraph)).split()
        is_heading = re.fullmatch(r"([=\-~*^#])\1{2,}", line.strip()) and len(paragraph) == 1
        if len(words) >= _MIN_WORDS and not is_heading:
            text = " ".join(words[:_MAX_WORDS]) + (" …" if len(words) > _MAX_WORDS else "")
            yield text, Citation(path, start, paragraph[0])
        paragraph, start = [], 0


def plain(text: str) -> str:
    """Markdown or reStructuredText as words."""
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())
