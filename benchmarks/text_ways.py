"""What each way says of an example that somebody wrote about: today's text without a model, what people wrote near by,
the nearest training examples, the bundled code model, a text model's candidates.

A ``Row`` holds all of it, so that ways and choices among them can be scored without asking again
(``benchmarks.text_model``, ``benchmarks.text_choice``).
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.docstrings import without_docstrings
from codeworld import git
from codeworld.canvas import Reject
from codeworld.training.filters import share
from codeworld.training.repositories import mirror, read_manifest
from textdiff import wording
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
from textdiff.entities import Vocabulary, entities
from textdiff.predict import Answer, Question
from textdiff.source import split_source, summary
from textdiff.stream import read_examples

NEAREST = 8
Answered = Mapping[tuple[str, str], Answer]  # by repository and place
_WORD = re.compile(r"[A-Za-z_]\w+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_COMMON = 0.05  # a word in more of the training sources than that does not help to find one
_USUAL = 5  # training texts that make a word English


class Row(msgspec.Struct):
    """One example: what each way says ("" is silence), and a text model's candidates with their confidences."""

    task: str
    repo: str
    place: str
    target: str
    texts: list[str]
    confidences: list[float]
    unknown: list[list[str]]  # of each candidate: what it names and the source does not
    faults: list[str]  # of each candidate: why it reads like no text ("" for none)
    said: dict[str, str]  # the other ways
    named: dict[str, int]  # of each way: what it names …
    invented: dict[str, int]  # … that does not exist
    nearest: list[
        str
    ]  # targets of NEAREST training examples that name only what exists here, the nearest first
    around: list[str]  # what people wrote near by
    model: str = ""  # whose texts they are; all of a question's rows are alike but for these

    @property
    def fitting(self) -> bool:
        """Whether it belongs to the half that thresholds and weights are fitted on."""
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

    def targets(self, source: str, count: int = NEAREST) -> list[str]:
        """Of the nearest examples, the nearest first."""
        scores = np.zeros(len(self._targets))
        for one in bag(source):
            at = self._number.get(one)
            if at is not None and self._idf[at]:
                start = self._ends[at - 1] if at else 0
                scores[self._documents[start : self._ends[at]]] += self._idf[at] ** 2
        scores /= self._norms
        few = np.argpartition(-scores, min(count, len(scores) - 1))[:count]
        return [self._targets[number] for number in few[np.argsort(-scores[few])]]


def bag(source: str) -> set[str]:
    """Words and their parts; the task's line and what people wrote near by left out."""
    words = set(_WORD.findall(split_source(source)[2]))
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


class Teller:
    """Asks all ways about the examples of one task."""

    def __init__(self, task: str, manifest: Path, mirrors: Path, shards: Path) -> None:
        self.task, self.mirrors = task, mirrors
        self.commits = {one.repo: one.commit for one in read_manifest(manifest)}
        trained = [one for one in read_examples(shards, 0, 1) if one["task"] == task]
        self.nearest = Nearest((one["source"], one["target"]) for one in trained)
        written = Counter(word for one in trained for word in wording.words_of([one["target"]]))
        usual = {word for word, count in written.items() if count >= _USUAL}
        self.english = usual | wording.SMALL

    def rows(self, questions: Sequence[Question], answers: Mapping[str, Answered]) -> Iterator[Row]:
        """A row for each question and model, repository by repository; one without texts where there is no model."""
        by_repo: dict[str, list[Question]] = defaultdict(list)
        for one in questions:
            by_repo[one.repo].append(one)
        for repo, own in by_repo.items():
            root, begin = mirror(self.mirrors, repo), time.monotonic()
            if self.task == "commit":
                told = {c: (said, v) for c, said, v in of_commits(root, {one.place for one in own})}
            else:
                told = {one.place: self._of_definition(root, one) for one in own}
            for one in own:
                said, known = told.get(one.place, ({"symbolic": ""}, Vocabulary([one.source])))
                row = self._row(one, said, known)
                for model, answered in answers.items():
                    yield self._written(row, model, answered[repo, one.place], one, known)
                if not answers:
                    yield row
            print(
                f"{self.task} {repo}: {len(own)}, {time.monotonic() - begin:.0f} s",
                file=sys.stderr,
                flush=True,
            )

    def _row(self, one: Question, said: dict[str, str], known: Vocabulary) -> Row:
        nearest = self.nearest.targets(one.source, 4 * NEAREST)
        said = said | {"training": nearest[0]}
        nearest = [text for text in nearest if known.allows(text)][:NEAREST]
        entities_of = {name: list(entities(text)) for name, text in said.items()}
        return Row(
            self.task, one.repo, one.place, one.target, [], [], [], [], said,
            {name: len(found) for name, found in entities_of.items()},
            {name: sum(not known.knows(each) for each in found) for name, found in entities_of.items()},
            nearest,
            [line[2:] for line in split_source(one.source)[1].splitlines()],
        )  # fmt: skip

    def _written(self, row: Row, model: str, answer: Answer, one: Question, known: Vocabulary) -> Row:
        """The row with what a model wrote."""
        words = self.english | wording.words_of([one.source])
        return msgspec.structs.replace(
            row,
            model=model,
            texts=answer.texts,
            confidences=answer.confidences,
            unknown=[known.unknown(text) for text in answer.texts],
            faults=[wording.fault(text, words.__contains__) for text in answer.texts],
        )

    def _of_definition(self, root: Path, one: Question) -> tuple[dict[str, str], Vocabulary]:
        commit = self.commits[one.repo]
        said = {"symbolic": symbolic_docstring(root, commit, one.place), "name": name_in_words(one.source)}
        return said, Vocabulary([_module(root, commit, one.place.rpartition(":")[0])[0]])


def name_in_words(source: str) -> str:
    """The name of a definition as a sentence: what needs no reading at all."""
    place = split_source(source)[2].partition("\n")[0]
    name = place.rpartition(": ")[2].rpartition(".")[2].strip("_")
    words = [part if part.isupper() and len(part) > 1 else part.lower() for part in _PART.findall(name)]
    return " ".join(words).capitalize() + "." if words else ""
