"""Holes whose answer stands elsewhere in the repository, and contexts of a given length that have it at their far end.

A hole begins at the first mention of a name in its file; the name is a function, method or class that exactly one other
file of the repository defines, one that the hole's file imports, if over others. A context is: the defining file (a
slice around the definition), then other files that never mention the name, in reading order, then the hole's file up to
the hole. So nothing but what stands at the far end of the context says how the name is written.
"""

from __future__ import annotations

import json
import lzma
import random
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from codeworld.context.definitions import Modules, definitions
from codeworld.context.reading_order import FAR, by_imports, import_distances
from codeworld.model.tokenizer import EOF, CodeTokenizer
from codeworld.training.holes import code_lines
from codeworld.training.repository_rows import file_tokens, read_repositories

NAME: Final = re.compile(r"[^\W\d]\w*")
NAME_CHARS: Final = 6  # of the shortest name that counts: "get" says nothing about a repository
IMPORTS_AWAY: Final = 4  # at most, is the defining file: a namesake elsewhere is no answer
MENTIONED_IN: Final = 8  # files at most: a name that is everywhere is not looked up
OWN_TOKENS: Final = 1_536  # of the hole's file at most
DEFINITION_SHARE: Final = 16  # the slice around the definition is this part of the context, or 64 tokens


class Hole(NamedTuple):
    """Rest of the line from ``start_char`` on in ``path``; what begins there and ends with ``name`` is ``lead``."""

    repo: str
    path: str
    start_char: int
    lead: str
    target: str
    name: str
    definer: str
    definition_char: int


Repositories = dict[str, dict[str, str]]
"""Name → path → text."""


def write_heldout(files: Iterable[tuple[str, list[tuple[str, str]]]], out: Path) -> None:
    """A shard of (name, (path, text) …) of repositories."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(out, "wt", encoding="utf-8") as shard:
        for repo, pairs in files:
            for path, text in pairs:
                record = {"repo": repo, "path": path, "text": text, "brought": []}
                shard.write(json.dumps(record) + "\n")


def read_heldout(shard: Path) -> Repositories:
    """What ``write_heldout`` wrote."""
    return dict(read_repositories(shard))


def holes(repositories: Repositories, tokenizer: CodeTokenizer, count: int, seed: int = 0) -> list[Hole]:
    """The same for the same arguments; each repository gives a fair share, as far as it has them; one of a file."""
    chance = random.Random(seed)
    left = []
    for repo, files in sorted(repositories.items()):
        found = list(_of_repository(repo, files, tokenizer))
        chance.shuffle(found)
        left.append(list({hole.path: hole for hole in found}.values()))
    taken: list[Hole] = []
    while len(taken) < count and any(left):
        for found in left:
            if found:
                taken.append(found.pop())
    return taken[:count]


def _of_repository(repo: str, files: dict[str, str], tokenizer: CodeTokenizer) -> Iterator[Hole]:
    defined: dict[str, dict[str, int]] = defaultdict(dict)
    mentions: dict[str, set[str]] = defaultdict(set)
    for path, text in files.items():
        for one in definitions(text):
            if one.kind != "name" and len(one.name) >= NAME_CHARS and not one.name.startswith("__"):
                defined[one.name].setdefault(path, one.start)
        for name in set(NAME.findall(text)):
            mentions[name].add(path)
    wanted = {n for n, where in defined.items() if len(where) == 1 and len(mentions[n]) <= MENTIONED_IN}
    modules = Modules(files)
    imported = cache(lambda path: modules.imported(path, files[path]))
    for path, text in sorted(files.items()):
        first: dict[str, int] = {}
        for match in NAME.finditer(text):
            if match[0] in wanted and path not in defined[match[0]]:
                first.setdefault(match[0], match.start())
        if not first:
            continue
        starts = [0, *(match.end() for match in re.finditer("\n", text))]
        lines, distance = set(code_lines(text)), import_distances(path, imported)
        for name, start in first.items():
            line = bisect_right(starts, start) - 1
            (definer, definition), *_ = defined[name].items()
            if line in lines and distance.get(definer, FAR) <= IMPORTS_AWAY:
                end = text.find("\n", start) % (len(text) + 1)
                begin = _token_start(tokenizer, text[starts[line] : end], start - starts[line])
                cut = starts[line] + begin
                lead, target = text[cut : start + len(name)], text[cut:end].rstrip()
                yield Hole(repo, path, cut, lead, target, name, definer, definition)


def _token_start(tokenizer: CodeTokenizer, line: str, start: int) -> int:
    """Character at which the token begins that has the character ``start`` of ``line``."""
    wanted, at = len(line[:start].encode()), 0
    for token in tokenizer.encode(line):
        size = len(tokenizer.token_bytes[token])
        if at + size > wanted:
            break
        at += size
    return len(line.encode()[:at].decode(errors="ignore"))


def judged(hole: Hole, written: str) -> tuple[bool, bool]:
    """(Is the name right, is the rest of the line right?)"""
    after = written[len(hole.lead) : len(hole.lead) + 1]
    name = written.startswith(hole.lead) and not (after.isalnum() or after == "_")
    return name, written.split("\n")[0].rstrip() == hole.target


class Contexts:
    """Contexts for holes of these repositories, as token ids."""

    def __init__(self, repositories: Repositories, tokenizer: CodeTokenizer) -> None:
        self.repositories, self.tokenizer = repositories, tokenizer
        self.order = {repo: by_imports(files, sorted(files)) for repo, files in repositories.items()}
        self.known: dict[tuple[str, str], list[int]] = {}

    def _tokens(self, repo: str, path: str) -> list[int]:
        key = (repo, path)
        if key not in self.known:
            self.known[key] = file_tokens(self.tokenizer, path, self.repositories[repo][path])
        return self.known[key]

    def own(self, hole: Hole) -> list[int]:
        """The hole's file up to the hole, the last OWN_TOKENS of it, behind its path."""
        text = self.repositories[hole.repo][hole.path][: hole.start_char]
        opening = self.tokenizer.opening(hole.path)
        return [*opening, *self.tokenizer.encode(text)[-OWN_TOKENS:]]

    def of(self, hole: Hole, length: int) -> list[int]:
        """Exactly ``length`` tokens; for 0 the file alone. Raises ValueError when all repositories have too little."""
        own = self.own(hole)
        if not length:
            return [EOF, *own]
        text = self.repositories[hole.repo][hole.definer]
        room = max(64, length // DEFINITION_SHARE)
        begin = text.rfind("\n", 0, max(0, hole.definition_char - room)) + 1
        definition = file_tokens(self.tokenizer, hole.definer, text[begin : begin + 8 * room])[:room]
        own = own[-(length - room - 1) :]
        needed = length - 1 - len(definition) - len(own)
        filler: list[list[int]] = []
        for tokens in self._others(hole):
            if needed <= 0:
                break
            filler.append(tokens[-needed:])
            needed -= len(filler[-1])
        if needed > 0:
            raise ValueError(f"{needed} tokens too few for a context of {length}")
        return [EOF, *definition, *(i for tokens in reversed(filler) for i in tokens), *own]

    def _others(self, hole: Hole) -> Iterator[list[int]]:
        """Files without the name, last in reading order first; the hole's repository, then the others."""
        for repo in sorted(self.order, key=lambda repo: repo != hole.repo):
            for path in reversed(self.order[repo]):
                if hole.name not in self.repositories[repo][path]:
                    yield self._tokens(repo, path)
