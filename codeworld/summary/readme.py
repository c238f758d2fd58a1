"""The README's first paragraph: what the authors say the project is."""

from __future__ import annotations

import re

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
    (re.compile(r"<[^>]+>"), ""),
    (re.compile(r"`([^`<]+) <[^>]+>`_+"), r"\1"),
    (re.compile(r"(\*\*|__)"), ""),
)
_MIN_WORDS = 5
_MAX_WORDS = 60


def first_paragraph(sources: Sources) -> tuple[str, Citation] | None:
    """The first paragraph of prose, its markup taken off, and the line it starts at."""
    path = next((path for path in documents(sources) if "readme" in path.lower()), None)
    if path is None:
        return None
    paragraph: list[str] = []
    start = 0
    in_block = in_comment = False
    for number, line in enumerate([*sources.lines(path), ""], 1):
        in_block ^= line.lstrip().startswith("```")
        in_comment = (in_comment or "<!--" in line) and "-->" not in line
        if line.strip() and not in_comment and not in_block and not _NO_PROSE.match(line):
            start = start or number
            paragraph.append(line.strip())
            continue
        text = plain(" ".join(paragraph))
        is_heading = re.fullmatch(r"([=\-~*^#])\1{2,}", line.strip()) and len(paragraph) == 1
        if len(text.split()) >= _MIN_WORDS and not is_heading:
            words = text.split()
            text = " ".join(words[:_MAX_WORDS]) + (" …" if len(words) > _MAX_WORDS else "")
            return text, Citation(path, start, paragraph[0])
        paragraph, start = [], 0
    return None


def plain(text: str) -> str:
    """Markdown or reStructuredText as words."""
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())
