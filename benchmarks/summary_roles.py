"""What words add over names alone: roles of modules against their own docstrings, which are hidden first.

    PYTHON_WITH_EVAL_EXTRA -m benchmarks.summary_roles [--drawn development] [--out docs/results/summary_roles]

Ten modules of each of the six repositories held out for development (more of the others where one has fewer), drawn by
a seeded generator among those of the product with a docstring of four words or more; ``--drawn development`` takes as
many others, on which the writer's threshold was chosen. The docstring is taken out of the facts and of the source; its
first sentence is what a role should say. ROUGE-L is the F1 of rouge_score without stemming, 0 where nothing is said. A
name of code in a phrase is faithful when the module's source without its docstring, or a path of the repository, has
it. The model is the bundled one, in this process, on the CPU.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rouge_score.rouge_scorer import RougeScorer

from benchmarks.results import Figure, markdown, stamp, write
from benchmarks.summary_truth import REPOSITORIES
from codeworld.backend import Model, open_model
from codeworld.summary.facts import FileFacts
from codeworld.summary.graph import ImportGraph
from codeworld.summary.python_facts import read
from codeworld.summary.roles import Roles, mentions
from codeworld.summary.sources import Sources
from codeworld.summary.written import LEAST_NATS, LEAST_SHARE, Writer, asking, is_faithful, neighbours

MODULES = 60
_SEED = 8
_MIN_WORDS = 4
_NAMES = 3
_SCORER = RougeScorer(["rougeL"])
_RESAMPLED = 10_000
NAMES, WORDS, DRAFT, SURE = (
    "names alone",
    "words that somebody wrote",
    "model, always",
    "model, where it is sure",
)
PAGE, WITHOUT = "page with --model: words, else model, else names", "page: words, else names"


class Said(msgspec.Struct):
    """What one way of finding words says of a module; ``faithful`` of its ``named`` names of code."""

    text: str
    rouge_l: float
    named: int
    faithful: int


class Rated(msgspec.Struct):
    """One module; ``hidden`` is the first sentence of its docstring, ``nats`` the model's mean for a token."""

    repository: str
    path: str
    hidden: str
    said: dict[str, Said]
    nats: float
    seconds: float


class Results(msgspec.Struct):
    """All modules."""

    model: str
    modules: list[Rated]


class Asked(msgspec.Struct):
    """A module that was drawn."""

    repository: str
    graph: ImportGraph
    sources: Sources
    path: str


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


def rate(asked: Asked, model: Model) -> Rated:
    """All ways of finding words for one module whose docstring is hidden."""
    path, facts = asked.path, asked.graph.files[asked.path]
    hidden = ImportGraph({**asked.graph.files, path: msgspec.structs.replace(facts, doc="", doc_line=0)})
    roles = Roles(asked.sources, hidden)
    source = _without_docstring(asked.sources.lines(path))
    known = set(re.findall(r"\w+", source)) | set(re.findall(r"\w+", " ".join(asked.sources.paths)))
    begin = time.perf_counter()
    said = neighbours(roles, path)
    draft, nats = Writer(model.infill, model.name).draft(asking(roles, path, said))
    seconds = time.perf_counter() - begin
    is_sure = nats >= LEAST_NATS and draft not in said.values() and roles.documented_share >= LEAST_SHARE
    sure = draft if is_sure and is_faithful(draft, known) else ""
    names, role = names_alone(path, facts), roles.of(path)
    words = role.text if role else ""
    texts = {
        NAMES: names,
        WORDS: words,
        "nearest module's words": next(iter(said.values()), ""),
        DRAFT: draft,
        SURE: sure,
        WITHOUT: words or names,
        PAGE: words or sure or names,
    }
    rated = {way: _said(facts.doc, text, known) for way, text in texts.items()}
    return Rated(asked.repository, path, facts.doc, rated, round(nats, 3), round(seconds, 2))


def _said(hidden: str, text: str, known: set[str]) -> Said:
    named = list(mentions(text))
    score = 100 * float(_SCORER.score(hidden, text)["rougeL"].fmeasure) if text else 0.0
    return Said(text, round(score, 1), len(named), sum(name in known for name in named))


def _without_docstring(lines: list[str]) -> str:
    return re.sub(r'\A((?:\s|#.*)*)[rRuU]?("""|\'\'\')[\s\S]*?\2', r"\1", "\n".join(lines), count=1)


def draw(mirrors: Path, work: Path, *, development: bool) -> list[Asked]:
    """The modules that are rated, or as many of those that are left."""
    chosen: list[Asked] = []
    spare: list[Asked] = []
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
        rows = [Asked(repository.name, graph, sources, path) for path in paths]
        chosen += rows[: MODULES // len(REPOSITORIES)]
        spare += rows[MODULES // len(REPOSITORIES) :]
    generator.shuffle(spare)
    missing = MODULES - len(chosen)
    return spare[missing : missing + MODULES] if development else chosen + spare[:missing]


def figures(results: Results) -> list[Figure]:
    """The table's lines."""
    modules = results.modules
    found = [Figure(way, _scores([one.said[way] for one in modules])) for way in modules[0].said]
    for label, one_way, other_way, among in (
        ("model over names", DRAFT, NAMES, modules),
        ("model over names where it is sure", SURE, NAMES, [one for one in modules if one.said[SURE].text]),
        ("page with --model over page", PAGE, WITHOUT, modules),
        ("the same where nobody wrote words", PAGE, WITHOUT, [one for one in modules if not one.said[WORDS].text]),
        ("words over names where there are words", WORDS, NAMES, [one for one in modules if one.said[WORDS].text]),
    ):  # fmt: skip
        if among:
            pairs = [(one.said[one_way].rouge_l, one.said[other_way].rouge_l) for one in among]
            found.append(Figure(f"{label}, {len(among)} modules", _difference(pairs)))
    seconds = [one.seconds for one in modules]
    found.append(
        Figure("seconds a role, CPU", f"median {statistics.median(seconds):.2f}, most {max(seconds):.2f}")
    )
    counts = {
        name: sum(one.repository == name for one in modules) for name in {m.repository for m in modules}
    }
    found.append(Figure("modules", ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))))
    return found


def _scores(said: Sequence[Said]) -> str:
    spoken = [one.rouge_l for one in said if one.text]
    named, faithful = sum(one.named for one in said), sum(one.faithful for one in said)
    where = f", {statistics.mean(spoken):.1f} where it says something ({len(spoken)} of {len(said)})"
    entities = f"{faithful} of {named} names faithful" if named else "no names of code in it"
    mean = statistics.mean(one.rouge_l for one in said)
    return f"ROUGE-L {mean:.1f}{where if len(spoken) not in (0, len(said)) else ''}; {entities}"


def _difference(pairs: Sequence[tuple[float, float]]) -> str:
    """The mean of the differences, with the middle 95 % of its values in resampled modules."""
    differences = [one - other for one, other in pairs]
    generator = random.Random(_SEED)
    means = sorted(
        statistics.fmean(generator.choices(differences, k=len(differences))) for _ in range(_RESAMPLED)
    )
    low, high = means[_RESAMPLED // 40], means[-_RESAMPLED // 40]
    one, other = (statistics.fmean(values) for values in zip(*pairs, strict=True))
    return f"{one:.1f} against {other:.1f}: {one - other:+.1f} ({low:+.1f} to {high:+.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mirrors", type=Path, default=Path("../.mirror"), help="OWNER+NAME/repo below it")
    parser.add_argument("--drawn", choices=("test", "development"), default="test")
    parser.add_argument("--out", type=Path, help="write STEM.md and STEM.json as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roles-") as work, open_model(in_process=True) as model:
        drawn = draw(arguments.mirrors, Path(work), development=arguments.drawn == "development")
        results = Results(model.name, [rate(asked, model) for asked in drawn])
    made = stamp("")
    title = f"Roles of modules against their hidden docstrings ({arguments.drawn}; {results.model})"
    print(markdown(title, made, figures(results)))
    if arguments.out:
        write(arguments.out, title, made, figures(results), results)


if __name__ == "__main__":
    main()
