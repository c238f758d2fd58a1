"""What existing words add over names alone: roles of modules against their own docstrings, which are hidden first.

    PYTHON_WITH_EVAL_EXTRA -m benchmarks.summary_roles [--out docs/results/summary_roles]

Ten modules of each of the six repositories held out for development (more of the others where one has fewer), drawn by
a seeded generator among those of the product with a docstring of four words or more. The docstring is taken out of the
facts; its first sentence is what a role should say. ROUGE-L is the F1 of rouge_score without stemming, 0 where nothing
is said. A name of code in a phrase is faithful when the module's source without its docstring, or a path of the
repository, has it.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

import msgspec
from rouge_score.rouge_scorer import RougeScorer

from benchmarks.results import Figure, markdown, stamp, write
from benchmarks.summary_truth import REPOSITORIES
from codeworld.summary.facts import FileFacts
from codeworld.summary.graph import ImportGraph
from codeworld.summary.python_facts import read
from codeworld.summary.roles import Roles, mentions
from codeworld.summary.sources import Sources

MODULES = 60
_SEED = 8
_MIN_WORDS = 4
_NAMES = 3
_SCORER = RougeScorer(["rougeL"])


class Said(msgspec.Struct):
    """What one way of finding words says of a module; ``faithful`` of its ``named`` names of code."""

    text: str
    rouge_l: float
    named: int
    faithful: int


class Rated(msgspec.Struct):
    """One module; ``hidden`` is the first sentence of its docstring."""

    repository: str
    path: str
    hidden: str
    said: dict[str, Said]


class Results(msgspec.Struct):
    """All modules."""

    modules: list[Rated]


def candidates(graph: ImportGraph) -> list[str]:
    """The modules that can be asked about."""
    return [
        path
        for path, facts in sorted(graph.files.items())
        if len(facts.doc.split()) >= _MIN_WORDS and facts.symbols and path not in graph.aside
    ]


def names_alone(path: str, facts: FileFacts) -> str:
    """The words in the names of the module and of its first public symbols."""
    public = [one.name for one in facts.symbols if not one.name.startswith("_") and one.kind != "value"]
    stem = path.removesuffix("/__init__.py").rpartition("/")[2].partition(".")[0]
    return ", ".join(_apart(name) for name in [stem, *public[:_NAMES]])


def _apart(name: str) -> str:
    return re.sub(r"_+|(?<=[a-z])(?=[A-Z])", " ", name).strip().lower()


def rate(root: Path, repository: str, graph: ImportGraph, sources: Sources, path: str) -> Rated:
    """All ways of finding words for one module whose docstring is hidden."""
    facts = graph.files[path]
    hidden = ImportGraph({**graph.files, path: msgspec.structs.replace(facts, doc="", doc_line=0)})
    roles = Roles(sources, hidden)
    listed, symbol, both = roles.in_documents(path), roles.of_main_symbol(path), roles.of(path)
    names = names_alone(path, facts)
    texts = {
        "names alone": names,
        "README and documents": listed.text if listed else "",
        "main symbol's docstring": symbol.text if symbol else "",
        "words on the page (both)": both.text if both else "",
        "words, else names": both.text if both else names,
    }
    source = _without_docstring(sources.lines(path))
    known = set(re.findall(r"\w+", source)) | set(re.findall(r"\w+", " ".join(sources.paths)))
    return Rated(
        repository, path, facts.doc, {way: _said(facts.doc, text, known) for way, text in texts.items()}
    )


def _said(hidden: str, text: str, known: set[str]) -> Said:
    named = list(mentions(text))
    score = 100 * float(_SCORER.score(hidden, text)["rougeL"].fmeasure) if text else 0.0
    return Said(text, round(score, 1), len(named), sum(name in known for name in named))


def _without_docstring(lines: list[str]) -> str:
    return re.sub(r'\A((?:\s|#.*)*)[rRuU]?("""|\'\'\')[\s\S]*?\2', r"\1", "\n".join(lines), count=1)


def measure(mirrors: Path, work: Path) -> list[Rated]:
    """Draw the modules and rate them."""
    chosen: list[tuple[str, Path, ImportGraph, Sources, str]] = []
    spare: list[tuple[str, Path, ImportGraph, Sources, str]] = []
    generator = random.Random(_SEED)
    for repository in REPOSITORIES:
        root = work / repository.name.split("/")[1]
        mirror = mirrors / repository.name.replace("/", "+") / "repo"
        subprocess.run(["git", "clone", "-q", "--shared", str(mirror), str(root)], check=True)
        sources = Sources(root)
        graph = ImportGraph(
            {path: read(sources.lines(path)) for path in sources.paths if path.endswith(".py")}
        )
        paths = candidates(graph)
        generator.shuffle(paths)
        rows = [(repository.name, root, graph, sources, path) for path in paths]
        chosen += rows[: MODULES // len(REPOSITORIES)]
        spare += rows[MODULES // len(REPOSITORIES) :]
    generator.shuffle(spare)
    chosen += spare[: MODULES - len(chosen)]
    return [rate(root, name, graph, sources, path) for name, root, graph, sources, path in chosen]


def figures(results: Results) -> list[Figure]:
    """The table's lines."""
    found = []
    for way in results.modules[0].said:
        said = [one.said[way] for one in results.modules]
        scores = [one.rouge_l for one in said]
        spoken = [one.rouge_l for one in said if one.text]
        named, faithful = sum(one.named for one in said), sum(one.faithful for one in said)
        where = (
            f", {statistics.mean(spoken):.1f} where it says something ({len(spoken)} of {len(said)})"
            if spoken
            else ""
        )
        entities = f"{faithful} of {named} names faithful" if named else "no names of code in it"
        found.append(Figure(way, f"ROUGE-L {statistics.mean(scores):.1f}{where}; {entities}"))
    pairs = [(one.said["names alone"], one.said["words on the page (both)"]) for one in results.modules]
    where_both = [(names.rouge_l, words.rouge_l) for names, words in pairs if words.text]
    if where_both:
        names, words = (statistics.mean(scores) for scores in zip(*where_both, strict=True))
        figure = f"names alone {names:.1f}, words {words:.1f}"
        found.append(Figure(f"ROUGE-L on the {len(where_both)} modules that have such words", figure))
    counts = {
        name: sum(one.repository == name for one in results.modules)
        for name in {one.repository for one in results.modules}
    }
    found.append(Figure("modules", ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mirrors", type=Path, default=Path("../.mirror"), help="OWNER+NAME/repo below it")
    parser.add_argument("--out", type=Path, help="write STEM.md and STEM.json as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roles-") as work:
        results = Results(measure(arguments.mirrors, Path(work)))
    made = stamp("")
    title = "Roles of modules in words that exist, against their hidden docstrings"
    print(markdown(title, made, figures(results)))
    if arguments.out:
        write(arguments.out, title, made, figures(results), results)


if __name__ == "__main__":
    main()
