"""The page: Markdown whose every claim links the lines it rests on, with what ``check`` needs in a comment at its end.

The comment holds, for each citation in the order of the page, the digest of the cited line (its secrets masked, its
white space collapsed) and the digest of the claim itself, so that neither can change unnoticed.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import msgspec

from codeworld.summary import public_api
from codeworld.summary.citations import CLOSING, OPENING, cited_in, digest, link_prefix, links, mermaid
from codeworld.summary.facts import Claim, Section, Summary
from codeworld.summary.languages import shares
from codeworld.summary.sources import Sources
from codeworld.summary.structure import UNKNOWN

_ROOM_FOR_DIAGRAM = 200  # lines; a shorter page has better use for them
_MAX_SHOWN = {public_api.TITLE: 400, "Run": 20, "Entry points": 40, "Dependencies": 80}  # --json has them all


def render(summary: Summary, sources: Sources, *, budget: int | None = None, to: Path | None = None) -> str:
    """The page; at most ``budget`` lines before the comment. ``to`` is where it will lie: links are relative to it."""
    prefix = link_prefix(sources.root, to)
    summary = msgspec.structs.replace(summary, sections=tuple(map(_compact, summary.sections)))
    shown = [min(len(section.claims), _MAX_SHOWN.get(section.title, 1_000)) for section in summary.sections]
    body = _body(summary, sources, shown, prefix, diagram=True)
    if budget is not None:
        diagram = budget >= _ROOM_FOR_DIAGRAM
        while len(body) > budget and any(shown):
            body = _body(summary, sources, shown, prefix, diagram=diagram)
            longest = max(range(len(shown)), key=lambda number: shown[number])
            shown[longest] -= max(1, min(shown[longest] // 4, len(body) - budget))
            body = _body(summary, sources, shown, prefix, diagram=diagram)
        body = body[:budget] if len(body) > budget else body
    return "\n".join([*body, "", *_comment(body, summary, sources, prefix), ""])


def _compact(section: Section) -> Section:
    if section.title != public_api.TITLE:
        return section
    return msgspec.structs.replace(section, claims=public_api.listed_by_module(section.claims))


def _body(summary: Summary, sources: Sources, shown: list[int], prefix: str, *, diagram: bool) -> list[str]:
    kinds = shares(sources) or "no source files"
    lines = [
        f"# {' '.join(summary.name.split())}",
        "",
        f"_{summary.files} files: {kinds}; {summary.lines} lines of Python._",
    ]
    for section, count in zip(summary.sections, shown, strict=True):
        lines += ["", f"{'#' * section.level} {section.title}"]
        if section.note:
            lines.append(f"_{section.note}_")
        lines += [_claim(claim, prefix) for claim in section.claims[:count]]
        if count < len(section.claims):
            more = sum(len(claim.names) or 1 for claim in section.claims[count:])
            lines.append(f"_{more} more: --json_")
        if section.title in summary.undetermined:
            lines.append(f"_{UNKNOWN}_")
        if section.edges and diagram:
            lines += ["", *mermaid(section.edges, prefix)]
    return lines


def _claim(claim: Claim, prefix: str) -> str:
    return f"- {claim.text}{links(claim, prefix)}"


def _comment(body: list[str], summary: Summary, sources: Sources, prefix: str) -> list[str]:
    rows = [
        f"{one.line}\t{digest(sources.line(one.path, one.line) or '')}\t{digest(one.claim)}\t{quote(one.path)}"
        for one in cited_in(body, prefix)
    ]
    commits = [
        f"commits\t{count}\t{quote(path)}" for path, count in sorted(_commits(summary.sections, body).items())
    ]
    head = [f"head {summary.head}"] if commits else []
    return [OPENING, f"links {prefix or './'}", *head, *commits, *rows, CLOSING]


def _commits(sections: tuple[Section, ...], body: list[str]) -> dict[str, int]:
    text = set(body)
    counts = {}
    for section in sections:
        for claim in section.claims:
            if claim.commits and any(line.startswith(f"- {claim.text}") for line in text):
                counts[claim.key] = claim.commits
    return counts
