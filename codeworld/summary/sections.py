"""The sections of the page that packaging, configuration and history answer; see structure.py for the code itself."""

from __future__ import annotations

import re
from collections import Counter

from codeworld.summary import packaging, readme, running
from codeworld.summary.api import define
from codeworld.summary.facts import Citation, Claim, Section
from codeworld.summary.graph import ImportGraph
from codeworld.summary.history import WINDOW_COMMITS, History
from codeworld.summary.packaging import Metadata, Script
from codeworld.summary.purposes import Purposes
from codeworld.summary.sources import Sources

_HOT_SPOTS = 12
_COMMANDS = 8
# Distributions whose modules have another name; the rest is found by taking away "python-", "py" and hyphens.
_IMPORTED_AS = {
    "pyyaml": "yaml", "pillow": "PIL", "scikit-learn": "sklearn", "scikit-image": "skimage", "beautifulsoup4": "bs4",
    "python-dateutil": "dateutil", "opencv-python": "cv2", "protobuf": "google", "pyjwt": "jwt", "gitpython": "git",
    "attrs": "attr", "msgpack-python": "msgpack", "mysql-connector-python": "mysql", "psycopg2-binary": "psycopg2",
    "python-daemon": "daemon", "google-auth": "google", "google-api-python-client": "googleapiclient",
    "pyopenssl": "OpenSSL", "pyserial": "serial", "azure-storage-blob": "azure", "avro-python3": "avro",
}  # fmt: skip


def code(text: str) -> str:
    """``text`` as Markdown code, on one line, whatever it holds."""
    text = " ".join(text.split()).replace("|", "\\|")
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def words(text: str) -> str:
    """``text`` as Markdown prose that makes no markup of its own."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def purpose(sources: Sources, metadata: Metadata) -> Section:
    """What the project is, in its own words."""
    claims = []
    for (text, cited), _ in zip(metadata.descriptions, range(3), strict=False):
        claims.append(Claim(words(text), (cited,), key=text))
    paragraph = readme.first_paragraph(sources, metadata.names[0][0] if metadata.names else sources.root.name)
    if paragraph:
        claims.append(Claim(words(paragraph[0]), (paragraph[1],), key=paragraph[0]))
    return Section("Purpose", tuple(claims))


def installing(sources: Sources, metadata: Metadata) -> Section:
    """Documented commands; the back end says what else works."""
    claims = [
        Claim(code(command), (cited,), key=command)
        for command, cited in running.install_commands(sources)[:_COMMANDS]
    ]
    if not claims and metadata.names:
        claims.append(
            Claim(
                f"{code('pip install .')}: there is packaging metadata",
                (metadata.names[0][1],),
                key="pip install .",
            )
        )
    claims += [
        Claim(f"needs Python {code(spec)}", (cited,), key=spec) for spec, cited in metadata.pythons[:1]
    ]
    claims += [Claim(f"built by {code(name)}", (cited,), key=name) for name, cited in metadata.backends[:1]]
    return Section("Install", tuple(claims), level=3)


def running_it(metadata: Metadata, graph: ImportGraph) -> Section:
    """Console scripts and modules that ``python -m`` runs."""
    claims = [
        Claim(code(script.name), (script.citation,), key=script.name)
        for script in metadata.scripts
        if script.group in ("scripts", "gui-scripts")
    ]
    for path in _main_modules(graph):
        name = graph.names[path].removesuffix(".__main__")
        claims.append(Claim(code(f"python -m {name}"), (Citation(path, 1, ""),), key=f"python -m {name}"))
    return Section("Run", tuple(claims), level=3)


def testing(sources: Sources) -> Section:
    """Commands that run the tests."""
    claims = [
        Claim(code(command), (cited,), key=command)
        for command, cited in running.test_commands(sources)[:_COMMANDS]
    ]
    return Section("Test", tuple(claims), level=3)


def entry_points(metadata: Metadata, graph: ImportGraph) -> Section:
    """Scripts with the function that each of them calls, plugins, and files that are programs."""
    claims = [_entry(script, graph) for script in metadata.scripts]
    for path in _main_modules(graph):
        name = graph.names[path].removesuffix(".__main__")
        claims.append(
            Claim(f"{code(f'python -m {name}')} runs {code(path)}", (Citation(path, 1, ""),), key=name)
        )
    programs = sorted(path for path, facts in graph.files.items() if facts.main_line and not _is_test(path))
    for path in programs:
        if path not in graph.aside and not path.endswith("__main__.py"):
            line = Citation(path, graph.files[path].main_line, "__main__")
            claims.append(Claim(f"{code(path)} can be run as a script", (line,), key=path))
    aside = [path for path in programs if path in graph.aside]
    for folder, count in sorted(Counter(path.split("/")[0] for path in aside).items()):
        path = next(path for path in aside if path.split("/")[0] == folder)
        line = Citation(path, graph.files[path].main_line, "__main__")
        scripts = f"{count} files that can be run as scripts" if count > 1 else "can be run as a script"
        claims.append(Claim(f"{code(folder)}: {scripts}, the first {code(path)}", (line,), key=folder))
    return Section("Entry points", tuple(claims))


def _entry(script: Script, graph: ImportGraph) -> Claim:
    kind = {"scripts": "console script", "gui-scripts": "graphical program"}.get(
        script.group, f"entry point of {code(script.group)}"
    )
    text = f"{code(script.name)} ({kind}) → {code(script.target)}"
    cited = target_of(script, graph)
    if cited is None:
        return Claim(text, (script.citation,), key=script.name)
    symbol = next((one for one in graph.files[cited.path].symbols if one.name == cited.quote), None)
    role = f": {words(symbol.doc)}" if symbol and symbol.doc else ""
    return Claim(f"{text}{role}", (script.citation, cited), key=script.name)


def target_of(script: Script, graph: ImportGraph) -> Citation | None:
    """Where the function that a script calls is defined; the citation's quote is its name."""
    module, _, attribute = script.target.split("[")[0].strip().partition(":")
    path = graph.resolve("", module)
    found = define(graph, path, attribute.split(".")[0]) if path and attribute else None
    return found[0] if found else None


def dependencies(sources: Sources, metadata: Metadata, graph: ImportGraph) -> Section:
    """What is required, what for, and which files import it first."""
    purposes = Purposes(sources, graph)
    merged: dict[str, list[packaging.Dependency]] = {}
    for dependency in metadata.dependencies:
        merged.setdefault(packaging.normalised(dependency.name), []).append(dependency)
    claims = []
    for name, found in sorted(merged.items(), key=lambda item: (all(one.extra for one in item[1]), item[0])):
        required = next((one for one in found if not one.extra), None)
        shown = required or found[0]
        extras = ", ".join(dict.fromkeys(code(one.extra) for one in found if one.extra))
        uses = graph.outside.get(_module(name), [])
        files = list(dict.fromkeys(path for path, _ in uses))
        text = f"{code(shown.spec)}{'' if required else f' (for {extras})'}"
        cited = [shown.citation]
        if files:
            text += f", imported by {len(files)} file{'s' if len(files) > 1 else ''}"
            path, line = min(uses, key=lambda use: (use[0] in graph.aside, use))
            cited.append(Citation(path, line, _module(name)))
        if purpose := purposes.of(shown, _module(name)):
            said = words(purpose.text) if purpose.is_quoted else purpose.text
            text = f"{text}: {said}"
            cited += purpose.citations
        claims.append(Claim(text, tuple(cited), key=name))
    required_count = sum(any(not one.extra for one in found) for found in merged.values())
    note = f"{required_count} required, {len(merged) - required_count} optional or for development"
    return Section("Dependencies", tuple(claims), note=note if merged else "")


def _module(name: str) -> str:
    if name in _IMPORTED_AS:
        return _IMPORTED_AS[name]
    return name.removeprefix("python-").replace("-", "_")


def hot_spots(sources: Sources, history: History) -> Section:
    """The files that change most, and who knows them."""
    claims = []
    ranked = sorted(history.churn.items(), key=lambda item: (-item[1], item[0]))
    for path, commits in [(path, commits) for path, commits in ranked if path in sources][:_HOT_SPOTS]:
        owner, own = history.owner(path)
        text = f"{code(path)}: {commits} commits, most by {words(owner)} ({own})"
        claims.append(Claim(text, (Citation(path, 1, ""),), key=path, commits=commits))
    note = (
        f"last {history.commits} commits without merges (at most {WINDOW_COMMITS}), as of {history.head[:12]}"
    )
    return Section("Hot spots and owners", tuple(claims), note=note if claims else "")


def tests(graph: ImportGraph) -> Section:
    """Where tests are, and how many."""
    counts: Counter[str] = Counter()
    files: Counter[str] = Counter()
    first: dict[str, Citation] = {}
    for path, facts in sorted(graph.files.items()):
        if facts.tests and _is_test(path):
            folder = "/".join(path.split("/")[: 1 if path.count("/") < 2 else 2]) if "/" in path else "."
            counts[folder] += facts.tests
            files[folder] += 1
            first.setdefault(folder, Citation(path, 1, ""))
    claims = [
        Claim(
            f"{code(folder)}: {count} test functions in {files[folder]} files", (first[folder],), key=folder
        )
        for folder, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return Section("Tests", tuple(claims))


def _is_test(path: str) -> bool:
    return (
        re.search(r"(^|/)(tests?|testing)/|(^|/)test_[^/]*$|_test\.py$|(^|/)conftest\.py$", path) is not None
    )


def _main_modules(graph: ImportGraph) -> list[str]:
    return sorted(path for path in graph.files if path.endswith("/__main__.py") and not _is_test(path))
