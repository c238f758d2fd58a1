"""How a citation looks on a page, and how it is found there again."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from codeworld.summary.facts import Citation, Claim, Edge

OPENING = "<!-- codeworld:citations 1"
CLOSING = "-->"
LINK = re.compile(r" \[`(?P<shown>[^`\]]+)`\]\((?P<target>[^()\s]+)#L(?P<line>\d+)\)")
ARROW = re.compile(r'    n\d+\["[^"]*"\] --> n\d+\["[^"]*"\]')
ARROW_LINK = re.compile(r"    %% (?P<target>\S+)#L(?P<line>\d+)")
_DIGEST_CHARS = 12


class Cited(NamedTuple):
    """A citation as it stands on a page; ``page_line`` counts from 1, ``name`` is linked in place of the path."""

    path: str
    line: int
    claim: str
    page_line: int
    name: str = ""


def digest(text: str) -> str:
    """What stands for a line or a claim in the page's comment: white space does not count."""
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "replace")).hexdigest()[:_DIGEST_CHARS]


def link_prefix(root: Path, page: Path | None) -> str:
    """What leads from the page's folder to the repository: "" or ending in a slash."""
    if page is None:
        return ""
    try:
        way = Path(os.path.relpath(root, page.resolve().parent)).as_posix()
    except ValueError:  # another drive
        way = root.as_posix()
    return "" if way == "." else f"{quote(way)}/"


def links(claim: Claim, prefix: str) -> str:
    """The claim's citations as links, ``path:line`` or the names that the claim gives them."""
    if claim.names:
        return ",".join(_link(*one, prefix) for one in zip(claim.names, claim.citations, strict=True))
    return "".join(_link(f"{one.path}:{one.line}", one, prefix) for one in claim.citations)


def _link(shown: str, citation: Citation, prefix: str) -> str:
    shown = re.sub(r"[`\[\]]|\s", "?", shown)  # these would end the link's text
    return f" [`{shown}`]({prefix}{quote(citation.path)}#L{citation.line})"


def _without_links(line: str) -> str:
    """The claim alone: of what a name is linked from, the name is part of it."""
    return LINK.sub(lambda match: "" if ":" in match["shown"] else f" `{match['shown']}`", line)


def mermaid(edges: tuple[Edge, ...], prefix: str) -> list[str]:
    """A diagram; every arrow is followed by a comment that cites an import it stands for."""
    names = sorted({name for edge in edges for name in (edge.source, edge.target)})
    boxes = {name: f'n{number}["{_label(name)}"]' for number, name in enumerate(names)}
    lines = ["```mermaid", "graph LR"]
    for edge in edges:
        lines.append(f"    {boxes[edge.source]} --> {boxes[edge.target]}")
        lines.append(f"    %% {prefix}{quote(edge.citation.path)}#L{edge.citation.line}")
    return [*lines, "```"]


def _label(name: str) -> str:
    """A name on one line, in the entities that Mermaid knows."""
    name = " ".join(name.split()).replace("#", "#35;").replace('"', "#quot;")
    return name.replace("<", "#lt;").replace(">", "#gt;")


def cited_in(body: list[str], prefix: str) -> Iterator[Cited]:
    """The citations of a page's lines, in order."""
    before = ""
    for number, line in enumerate(body, 1):
        arrow = ARROW_LINK.fullmatch(line)
        if arrow:
            yield Cited(_path(arrow["target"], prefix), int(arrow["line"]), before.strip(), number)
        elif line.startswith("- "):
            claim = _without_links(line)
            for match in LINK.finditer(line):
                name = "" if ":" in match["shown"] else match["shown"]
                yield Cited(_path(match["target"], prefix), int(match["line"]), claim, number, name)
        before = line


def uncited(body: list[str]) -> Iterator[tuple[int, str]]:
    """Lines that claim something and cite nothing."""
    for number, line in enumerate(body, 1):
        if line.startswith("- ") and not LINK.search(line):
            yield number, "a claim without a citation"
        elif (
            "-->" in line and line.startswith("    ") and not _is_cited_arrow(line, body[number : number + 1])
        ):
            yield number, "an arrow without a citation"


def _is_cited_arrow(line: str, following: list[str]) -> bool:
    return bool(ARROW.fullmatch(line) and following and ARROW_LINK.fullmatch(following[0]))


def _path(target: str, prefix: str) -> str:
    return unquote(target.removeprefix(prefix))
