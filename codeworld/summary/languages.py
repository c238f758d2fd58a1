"""What a mixed repository is made of: languages by files and bytes, and what those other than Python declare."""

from __future__ import annotations

from collections import Counter, defaultdict

from codeworld.summary.facts import Citation, Claim, FileFacts, Section
from codeworld.summary.graph import is_aside
from codeworld.summary.other_languages import EXTRA, Spoken, headers_of, is_read, language_of
from codeworld.summary.sections import code, words
from codeworld.summary.sources import Sources

_MAX_FILES = 6  # of each language
_MAX_NAMES = 4  # of each file


def _spoken(sources: Sources) -> dict[str, Spoken]:
    """The language of each source file."""
    headers = headers_of(sources.paths)
    found = ((path, language_of(path, headers)) for path in sources.paths)
    return {path: spoken for path, spoken in found if spoken is not None}


def readable(sources: Sources) -> dict[str, Spoken]:
    """The files, other than Python's, whose symbols can be read, with their languages."""
    return {
        path: spoken
        for path, spoken in _spoken(sources).items()
        if is_read(path, sources.sizes[path], spoken)
    }


def shares(sources: Sources) -> str:
    """How many files of which language there are, and its share of the bytes of them all; the largest first."""
    files, size = _counts(sources, _spoken(sources))
    total = sum(size.values()) or 1
    return ", ".join(
        f"{name} {files[name]} ({100 * size[name] / total:.0f} % of the bytes)" for name in _largest(size)
    )


def _counts(sources: Sources, spoken: dict[str, Spoken]) -> tuple[Counter[str], Counter[str]]:
    files: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for path, language in spoken.items():
        files[language.name] += 1
        size[language.name] += sources.sizes[path]
    return files, size


def _largest(size: Counter[str]) -> list[str]:
    return [name for name, _ in sorted(size.items(), key=lambda item: (-item[1], item[0]))]


def others(sources: Sources, facts: dict[str, FileFacts], limit: int | None = _MAX_FILES) -> Section:
    """Each language but Python: how much there is of it, and the files that declare the most."""
    spoken = {path: language for path, language in _spoken(sources).items() if language.name != "Python"}
    files, size = _counts(sources, spoken)
    paths: dict[str, list[str]] = defaultdict(list)
    for path, language in spoken.items():
        paths[language.name].append(path)
    claims: list[Claim] = []
    for name in _largest(size):
        read = [path for path in paths[name] if path in facts]
        symbols = sum(len(facts[path].symbols) for path in read)
        said = f"{symbols} top-level symbols" if read else "symbols not determined"
        largest = max(paths[name], key=lambda path: (sources.sizes[path], path))
        plural = "s" if files[name] != 1 else ""
        text = f"{code(name)}: {files[name]} file{plural}, {size[name]} bytes, {said}"
        text += f"; the largest is {code(largest)}"
        claims.append(Claim(text, (Citation(largest, 1, ""),), key=name))
        telling = sorted(read, key=lambda path: (is_aside(path), -len(facts[path].exported or ()), path))
        claims += [_file(path, facts[path]) for path in telling[:limit] if facts[path].symbols]
    missing = any(language.package and path not in facts for path, language in spoken.items()) and not facts
    note = f"symbols need the grammars of {EXTRA}" if missing else ""
    return Section("Other languages", tuple(claims), note=note)


def _file(path: str, facts: FileFacts) -> Claim:
    """What a file declares, what others can use before the rest."""
    public = {name for name, _ in facts.exported or ()}
    ordered = sorted(
        facts.symbols, key=lambda symbol: (symbol.name not in public, not symbol.doc, symbol.line)
    )
    shown = ordered[:_MAX_NAMES]
    listed = ", ".join(f"{one.kind} {code(one.name)}" for one in shown)
    rest = f" and {len(ordered) - len(shown)} more" if len(ordered) > len(shown) else ""
    cited = [Citation(path, one.line, one.name) for one in shown]
    role = ""
    if facts.doc:
        role = f"{words(facts.doc)}: "
        cited.insert(0, Citation(path, facts.doc_line, ""))
    return Claim(f"{code(path)}: {role}{listed}{rest}", tuple(cited), key=path)
