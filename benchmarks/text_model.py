"""How good the text model's predictions are, beside what needs no model, on the same examples.

    python -m textdiff.predict CHECKPOINT PREDICTIONS text-docstring.jsonl text-commit.jsonl --limit 1000   (a GPU)
    python -m benchmarks.text_model PREDICTIONS/… --examples DIR --shards DIR --log LOG --out docs/results/text_model

Beside it: the target of the nearest training example (TF-IDF over the source's words), for commits also the nearest
earlier one of the same repository, and what ``codeworld docstring`` and ``codeworld commit-message`` say today. Half of
the examples (by a hash of their place) is for fitting a threshold, the other half for judging it.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from benchmarks import results
from benchmarks.docstrings import without_docstrings
from codeworld import git
from codeworld.canvas import Reject
from codeworld.training.card import read_log
from codeworld.training.filters import share
from codeworld.training.repositories import mirror, read_manifest
from textdiff import metrics, wording
from textdiff.commit import history
from textdiff.commit.compose import Around, compose
from textdiff.commit.diff import of_commit
from textdiff.commit.facts import understand
from textdiff.commit.history import MAX_COMMITS, bag_of_diff
from textdiff.commit.retrieve import Index, parts
from textdiff.commit.style import learn
from textdiff.docstring.document import Settings, offers
from textdiff.docstring.styles import Style
from textdiff.docstring.understand import read
from textdiff.entities import Vocabulary
from textdiff.evaluate import Found
from textdiff.predict import Answer, Answers, Question
from textdiff.source import summary
from textdiff.stream import read_examples

_WORD = re.compile(r"[A-Za-z_]\w+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NEAR = 50.0  # ROUGE-L from which a text says about what the person said
_COMMON = 0.05  # a word in more of the training sources than that does not help to find one
Where = Literal["anywhere", "spoken", "silent"]  # of today's text
WHERE: tuple[Where, ...] = ("anywhere", "spoken", "silent")


class Row(msgspec.Struct):
    """One example: what each way says ("" is silence), and the model's candidates with their confidences."""

    task: str
    repo: str
    place: str
    target: str
    texts: list[str]
    confidences: list[float]
    unknown: list[list[str]]  # of each candidate: what it names and the source does not
    faults: list[str]  # of each candidate: why it reads like no text ("" for none)
    said: dict[str, str]  # the other ways

    @property
    def fitting(self) -> bool:
        """Whether it belongs to the half that thresholds are fitted on."""
        return share(f"half {self.place}") < 0.5


class Nearest:
    """The training examples of one task by the words of their sources."""

    def __init__(self, examples: Iterable[tuple[str, str]]) -> None:
        self._targets: list[str] = []
        number: dict[str, int] = {}
        words, lengths = [], []
        for source, target in examples:
            own = np.array(sorted({number.setdefault(one, len(number)) for one in bag(source)}), np.int32)
            self._targets.append(target)
            words.append(own)
            lengths.append(len(own))
        flat = np.concatenate(words)
        documents = np.repeat(np.arange(len(words), dtype=np.int32), lengths)
        order = np.argsort(flat, kind="stable")
        counts = np.bincount(flat, minlength=len(number))
        self._number, self._documents = number, documents[order]
        self._ends = np.cumsum(counts)
        self._idf = np.where(counts < _COMMON * len(words), np.log(len(words) / np.maximum(counts, 1)), 0.0)
        self._norms = np.sqrt(np.bincount(documents, self._idf[flat] ** 2, minlength=len(words))) + 1e-9

    def target(self, source: str) -> str:
        """Of the nearest example."""
        scores = np.zeros(len(self._targets))
        for one in bag(source):
            at = self._number.get(one)
            if at is not None and self._idf[at]:
                start = self._ends[at - 1] if at else 0
                scores[self._documents[start : self._ends[at]]] += self._idf[at] ** 2
        return self._targets[int(np.argmax(scores / self._norms))]


def bag(source: str) -> set[str]:
    """Words and their parts, the task's line left out."""
    words = set(_WORD.findall(source.partition("\n")[2]))
    return words | {part.lower() for word in words for part in _PART.findall(word)}


@cache
def _module(root: Path, commit: str, path: str) -> tuple[str, str]:
    """A file's text, as it is and without its docstrings."""
    text = git.text(root, "show", f"{commit}:{path}")
    return text, without_docstrings(text) or ""


def symbolic_docstring(root: Path, commit: str, place: str) -> str:
    """What the product says of the definition at ``path:line`` when nothing in its file is documented."""
    path, _, line = place.rpartition(":")
    text, bare = _module(root, commit, path)
    source = read(text)
    if isinstance(source, Reject) or not bare:
        return ""
    at = next((one for one in source.targets if getattr(one.node, "lineno", 0) == int(line)), None)
    if at is None:
        return ""
    found = offers(bare, qualname=at.qualname, settings=Settings(style=Style("plain"), private=True))
    return "" if isinstance(found, Reject) else summary(found[0].docstring)


def of_commits(root: Path, wanted: set[str]) -> Iterator[tuple[str, dict[str, str], Vocabulary]]:
    """(commit, what each way says of it, what may be named), with the 400 commits before each in sight."""
    pasts = history.read(root, count=10_000, budget=10**11)

    @cache
    def parts_of(commit: str) -> dict[str, str]:
        diff = of_commit(root, commit)
        return parts(diff, understand(diff))

    for number, past in enumerate(pasts):
        if past.commit in wanted:
            earlier = pasts[number + 1 : number + 1 + MAX_COMMITS]
            index, diff = Index(earlier), of_commit(root, past.commit)
            paths = git.text(root, "ls-tree", "-r", "--name-only", "-z", past.commit).replace("\0", "\n")
            made = compose(diff, Around(index, learn(earlier), paths, parts_of))
            nearest = index.nearest(bag_of_diff(diff)[0], 1)
            said = {"symbolic": made.subject, "repository": nearest[0].past.subject if nearest else ""}
            yield (
                past.commit,
                said | {"symbolic from": made.phrases[0].source},
                Vocabulary([diff.text(), paths]),
            )


def collect(given: argparse.Namespace, task: str, answers: Answers) -> Iterator[Row]:
    """A row for each answer."""
    commits = {one.repo: one.commit for one in read_manifest(given.manifest)}
    lines = (given.examples / f"text-{task}.jsonl").read_bytes().splitlines()
    questions = {(q.repo, q.place): q for q in (msgspec.json.decode(line, type=Question) for line in lines)}
    trained = [one for one in read_examples(given.shards, 0, 1) if one["task"] == task]
    nearest = Nearest((one["source"], one["target"]) for one in trained)
    written = Counter(word for one in trained for word in set(_WORD.findall(one["target"].lower())))
    english = {word for word, count in written.items() if count >= given.usual}
    by_repo: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers.answers:
        by_repo[answer.repo].append(answer)
    for repo, own in by_repo.items():
        root, begin = mirror(given.mirrors, repo), time.monotonic()
        if task == "commit":
            told = {c: (said, v) for c, said, v in of_commits(root, {one.place for one in own})}
        else:
            told = {one.place: _of_definition(root, commits[repo], one.place) for one in own}
        for one in own:
            source = questions[repo, one.place].source
            said, known = told.get(one.place, ({"symbolic": ""}, Vocabulary([source])))
            words = english | {word.lower() for word in bag(source)}
            yield Row(
                task, repo, one.place, one.target, one.texts, one.confidences,
                [known.unknown(text) for text in one.texts],
                [wording.fault(text, words.__contains__) for text in one.texts],
                said | {"training": nearest.target(source)},
            )  # fmt: skip
        print(f"{task} {repo}: {len(own)}, {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)


def _of_definition(root: Path, commit: str, place: str) -> tuple[dict[str, str], Vocabulary]:
    text = _module(root, commit, place.rpartition(":")[0])[0]
    return {"symbolic": symbolic_docstring(root, commit, place)}, Vocabulary([text])


class Gate(msgspec.Struct):
    """What a threshold does on the half that it was not fitted on: BLEU, and the share that says about what the person
    said (ROUGE-L ≥ 50), of the model and of today's text where the model would be served; ``gain``: of that half's mean
    BLEU, with its standard error. Today's texts on the whole half beside it."""

    task: str
    where: Where
    threshold: float | None
    examples: int
    served: int
    model_bleu: float
    symbolic_bleu: float
    model_near: float
    symbolic_near: float
    gain: float
    gain_error: float


def offered(row: Row) -> tuple[float, str]:
    """The surest candidate that names only what exists and reads like prose, with its confidence; (0, "") for none."""
    for text, confidence, unknown, fault in zip(
        row.texts, row.confidences, row.unknown, row.faults, strict=True
    ):
        if not unknown and not fault:
            return confidence, text
    return 0.0, ""


def gate(rows: list[Row], where: Where) -> Gate:
    """The threshold that gains most BLEU on the fitting half, and what it does on the other. Silence has a BLEU of
    0, so where nothing is said today anything gains: there it must be right as often as today's texts are."""
    halves: dict[bool, list[tuple[float, str, Row]]] = {True: [], False: []}
    for row in rows:
        confidence, text = offered(row)
        if text and where in ("anywhere", "spoken" if row.said["symbolic"] else "silent"):
            halves[row.fitting].append((confidence, text, row))
    best, threshold, total = 0.0, None, 0.0
    for confidence, text, row in sorted(halves[True], key=lambda one: -one[0]):
        total += metrics.bleu(row.target, text) - metrics.bleu(row.target, row.said["symbolic"])
        if total > best:
            best, threshold = total, confidence
    judged = sum(not row.fitting for row in rows)
    served = [(t, r) for c, t, r in halves[False] if threshold is not None and c >= threshold]
    ours, theirs = [t for t, _ in served], [r.said["symbolic"] for _, r in served]
    bleus = [
        [metrics.bleu(r.target, t) for (_, r), t in zip(served, way, strict=True)] for way in (ours, theirs)
    ]
    near = [_near([(r.target, t) for (_, r), t in zip(served, way, strict=True)]) for way in (ours, theirs)]
    won = np.array([a - b for a, b in zip(*bleus, strict=True)] + [0.0] * (judged - len(served)))
    return Gate(
        rows[0].task, where, threshold, judged, len(served), *(round(metrics.mean(own), 2) for own in bleus), *near,
        round(float(won.mean()), 3), round(float(won.std() / len(won) ** 0.5), 3),
    )  # fmt: skip


def _near(pairs: list[tuple[str, str]]) -> float:
    """Percent of the texts that say about what the person said."""
    return round(100 * metrics.mean(metrics.rouge_l(target, text) >= _NEAR for target, text in pairs), 1)


_WAYS: dict[str, Callable[[Row], str]] = {
    "model, first choice": lambda row: row.texts[0],
    "model, surest that is prose and names what exists": lambda row: offered(row)[1] or row.texts[0],
    "model, best of its candidates (an oracle)": lambda row: max(
        row.texts, key=lambda text: metrics.bleu(row.target, text)
    ),
    "today's text, no model": lambda row: row.said["symbolic"],
    "nearest training example": lambda row: row.said["training"],
    "nearest of the repository's last 400 commits": lambda row: row.said.get("repository", ""),
}


def of_task(rows: list[Row]) -> Iterator[results.Figure]:
    """Scores of all ways, and how the model's texts read."""
    task, count = rows[0].task, len(rows)
    yield results.Figure(f"{task}: examples", count)
    for name, way in _WAYS.items():
        said = [way(row) for row in rows]
        if any(said):
            got = metrics.table([row.target for row in rows], said)
            cells = ", ".join(f"{key} {value:.2f}" for key, value in got.items())
            silent = sum(not text for text in said)
            spoken = [(row.target, text) for row, text in zip(rows, said, strict=True) if text]
            cells += f"; of those that speak, ROUGE-L ≥ 50: {_near(spoken)} %"
            yield results.Figure(f"{task}: {name}", cells + (f" (silent on {silent})" if silent else ""))
    faults = Counter(re.sub("(?<=no word).*", "", row.faults[0]) for row in rows if row.faults[0])
    wrong = sum(bool(row.unknown[0]) for row in rows)
    yield results.Figure(
        f"{task}: first choices that name what does not exist, %", _percent(wrong, count), "0"
    )
    for fault, number in faults.most_common():
        yield results.Figure(f"{task}: first choices with fault “{fault}”, %", _percent(number, count), "0")
    yield results.Figure(
        f"{task}: examples with a candidate that may be shown, %",
        _percent(sum(bool(offered(row)[1]) for row in rows), count),
    )


def of_gate(found: Gate) -> Iterator[results.Figure]:
    """What serving it would do."""
    where = {
        "anywhere": "anywhere",
        "spoken": "instead of today's text",
        "silent": "where nothing is said today",
    }
    name = f"{found.task}: served {where[found.where]}"
    if found.threshold is None:
        yield results.Figure(f"{name}: a threshold that gains BLEU on the fitting half", "none")
        return
    name = f"{name}, from confidence {found.threshold}, other half"
    yield results.Figure(f"{name}: served of {found.examples}", found.served)
    if found.served:
        yield results.Figure(
            f"{name}: BLEU there, model (today's text)", f"{found.model_bleu} ({found.symbolic_bleu})"
        )
        near = f"{found.model_near} ({found.symbolic_near})"
        yield results.Figure(f"{name}: ROUGE-L ≥ 50 there, %, model (today's text)", near)
        yield results.Figure(
            f"{name}: change of the half's BLEU", f"{found.gain} ± {found.gain_error}", "> 0"
        )


def verdict(rows: list[Row], gates: list[Gate]) -> results.Figure:
    """Right or silent: a model is served only where it gains for certain and is right as often as today's texts."""
    today = _near([(row.target, row.said["symbolic"]) for row in rows if row.said["symbolic"]])
    good = [g.where for g in gates if g.gain > 2 * g.gain_error and g.model_near >= today]
    name = (
        f"{rows[0].task}: served (gains two standard errors, and says what people said in {today} % or more)"
    )
    return results.Figure(name, ", ".join(good) or "no")


def of_training(log: Path) -> Iterator[results.Figure]:
    """Of the run's log."""
    records = read_log(log)
    last, tail = records[-1], records[-max(1, len(records) // 20) :]
    yield results.Figure("training: million tokens", round(last["tokens"] / 1e6))
    yield results.Figure("training: minutes on one H100", round(last["seconds"] / 60, 1))
    yield results.Figure("training: thousand tokens/s", round(last["tokens"] / last["seconds"] / 1e3))
    for key in ("token", "length"):
        yield results.Figure(
            f"training: last loss, {key}, nats", round(sum(r[key] for r in tail) / len(tail), 3)
        )


def of_losses(found: list[Found]) -> Iterator[results.Figure]:
    """What the weights know of seen and unseen texts (``textdiff.evaluate``)."""
    for one in found:
        kind = "trained on" if one.file.endswith(".xz") else "held out"
        for each in one.settings:
            name = f"{one.task}, {kind}: guidance {each.guidance:g}, temperature {each.temperature:g}"
            yield results.Figure(
                f"{name}: nats per token (right, %)", f"{each.nats} ({100 * each.right:.0f})"
            )
        lengths = ", ".join(f"{value:.2f} at {name}" for name, value in one.length_nats.items())
        yield results.Figure(f"{one.task}, {kind}: nats of the length, by temperature", lengths)


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 1)


class Report(msgspec.Struct):
    """What the JSON file holds beside the stamp."""

    gates: list[Gate]
    losses: list[Found]
    seconds: dict[str, float]  # of the predictions, all of a task's examples together, on their device


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.text_model", description=__doc__)
    parser.add_argument("predictions", type=Path, nargs="+")
    parser.add_argument("--examples", type=Path, required=True, help="folder of text-<task>.jsonl")
    parser.add_argument("--shards", type=Path, required=True, help="folder of the training shards")
    parser.add_argument("--manifest", type=Path, default=Path("../shared/data/manifest.tsv"))
    parser.add_argument("--mirrors", type=Path, default=Path("../.mirror"))
    parser.add_argument("--usual", type=int, default=5, help="training texts that make a word English")
    parser.add_argument("--log", type=Path, help="the training run's")
    parser.add_argument("--losses", type=Path, help="what textdiff.evaluate wrote")
    parser.add_argument("--rows", type=Path, help="rows are kept in this folder, and read from there")
    parser.add_argument("--out", type=Path, help="stem of the two files of figures")
    given = parser.parse_args(arguments)
    listed = list(of_training(given.log)) if given.log else []
    losses = msgspec.json.decode(given.losses.read_bytes(), type=list[Found]) if given.losses else []
    listed += of_losses(losses)
    report = Report([], losses, {})
    for path in given.predictions:
        answers = msgspec.json.decode(path.read_bytes(), type=Answers)
        task = answers.answers[0].task
        kept = given.rows / f"{path.stem}.jsonl" if given.rows else None
        if kept and kept.exists():
            rows = [msgspec.json.decode(line, type=Row) for line in kept.read_bytes().splitlines()]
        else:
            rows = list(collect(given, task, answers))
            if kept:
                kept.write_bytes(b"\n".join(map(msgspec.json.encode, rows)) + b"\n")
        report.seconds[task] = round(answers.seconds, 1)
        listed += of_task(rows)
        for where in WHERE:
            report.gates.append(gate(rows, where))
            listed += of_gate(report.gates[-1])
        listed.append(verdict(rows, report.gates[-len(WHERE) :]))
    made = results.stamp(f"codeworld-text {answers.version}, {answers.kind}; {answers.dials}")
    results.publish(given.out, "The text model", made, listed, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
