"""The past commits whose diffs are most like this one, and their subjects rewritten for it.

A subject is taken over only whole: what it says of its own diff must be said by this one, too. Values that play the
same part in both (the new version, the dependency, the file, the function) are exchanged; any other word that says
something must occur in this diff.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import PurePosixPath
from typing import NamedTuple

from textdiff.commit.diff import Diff
from textdiff.commit.fact import Fact
from textdiff.commit.facts import Facts
from textdiff.commit.history import Bag, Past
from textdiff.commit.style import split
from textdiff.entities import Vocabulary

_WORDS = re.compile(r"[A-Za-z_]\w+")
_MAX_FEATURES = 400  # of a query: the rarest ones

# Words that say nothing of their own: they hold for any change that the verb's claim below holds for.
_FREE_TEXT = """
    add added adds adding remove removed removes removing fix fixed fixes update updated updates updating bump bumped
    from to the and for in of on a an with use using make change changed changes rename renamed move moved improve more
    some not no is are be it its this that when if into by as at or test tests testing doc docs documentation typo typos
    release version dependencies dependency requirements support allow instead file files minor new old code
    readme changelog create created creates delete deleted drop dropped dev ci
"""
_FREE = frozenset(_FREE_TEXT.split())
# What a verb claims, as a test of the change; verbs that claim what no diff shows are never taken over.
_OF_ONE = (
    "path",
    "file",
    "stem",
    "version new",
    "dependency",
)  # a subject that names one speaks of nothing else
_OFTEN = 3  # times that something is done before it is a habit
_LITTLE = 12  # changed lines of a correction of typos
_CLAIMS: dict[str, Callable[[Diff, Facts], bool]] = {
    "add": lambda diff, facts: _lines(diff)[0] > _lines(diff)[1],
    "create": lambda diff, facts: any(one.status == "A" for one in diff.files),
    "remov": lambda diff, facts: _lines(diff)[1] > _lines(diff)[0],
    "delet": lambda diff, facts: _lines(diff)[1] > _lines(diff)[0],
    "drop": lambda diff, facts: _lines(diff)[1] > _lines(diff)[0],
    "renam": lambda diff, facts: bool(facts.of("renamed", "moved")),
    "mov": lambda diff, facts: bool(facts.of("renamed", "moved")),
    "typo": lambda diff, facts: sum(_lines(diff)) <= _LITTLE,
    "bump": lambda diff, facts: bool(facts.of("version", "dependency")),
    "revert": lambda diff, facts: False,
}


class Neighbour(NamedTuple):
    """A past commit with its similarity, from 0 to 1."""

    past: Past
    similarity: float


class Index:
    """Past commits by the features of their diffs. Similarity is the cosine of TF-IDF weights (log-scaled counts)."""

    def __init__(self, history: Iterable[Past]) -> None:
        self._pasts = list(history)
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, past in enumerate(self._pasts):
            for feature, count in past.bag.items():
                self._postings[feature].append((number, 1 + math.log(count)))
        total = len(self._pasts)
        self._idf = {one: math.log((1 + total) / len(found)) for one, found in self._postings.items()}
        squares = [0.0] * total
        for feature, found in self._postings.items():
            for number, weight in found:
                squares[number] += (weight * self._idf[feature]) ** 2
        self._norms = [math.sqrt(one) or 1.0 for one in squares]

    @property
    def subjects(self) -> list[str]:
        """Newest first."""
        return [one.subject for one in self._pasts]

    def about(self, paths: Iterable[str], count: int) -> list[str]:
        """Subjects of the newest commits that changed one of the files, none twice."""
        features = {f"p:{path}" for path in paths}
        found = (one.subject for one in self._pasts if not features.isdisjoint(one.bag))
        return list(dict.fromkeys(found))[:count]

    def habit(self, paths: Iterable[str]) -> str:
        """The subject that most commits of exactly these files have; "" where there is none, or fewer than _OFTEN."""
        wanted = {f"p:{path}" for path in paths}
        same = [
            one.subject for one in self._pasts if wanted == {each for each in one.bag if each[:2] == "p:"}
        ]
        subject, count = Counter(same).most_common(1)[0] if same else ("", 0)
        return subject if count >= _OFTEN and 2 * count > len(same) else ""

    @cached_property
    def habits(self) -> frozenset[str]:
        """The subjects, in lower case, that were written more than once."""
        counts = Counter(one.subject.lower() for one in self._pasts)
        return frozenset(subject for subject, count in counts.items() if count > 1)

    def nearest(self, bag: Bag, count: int) -> list[Neighbour]:
        """The ``count`` most similar commits, nearest first; of equals the newer one (the order given)."""
        unseen = math.log(1 + len(self._pasts))
        weights = {one: (1 + math.log(n)) * self._idf.get(one, unseen) for one, n in bag.items()}
        norm = math.sqrt(sum(one * one for one in weights.values())) or 1.0
        rarest = sorted((one for one in weights if one in self._idf), key=lambda one: -weights[one])
        scores: dict[int, float] = defaultdict(float)
        for feature in rarest[:_MAX_FEATURES]:
            for number, weight in self._postings[feature]:
                scores[number] += weight * self._idf[feature] * weights[feature]
        found = [(score / norm / self._norms[number], number) for number, score in scores.items()]
        found.sort(key=lambda one: (-one[0], one[1]))
        return [Neighbour(self._pasts[number], score) for score, number in found[:count]]


def parts(diff: Diff, facts: Facts) -> dict[str, str]:
    """What plays a named part in a change, where just one thing does."""
    found: dict[str, str] = {}
    versions, dependencies = facts.of("version"), _unique(facts, "dependency")
    if versions:
        found |= {"version new": versions[0].new, "version old": versions[0].old}
    if len(dependencies) == 1:
        one = dependencies[0]
        found |= {"dependency": one.name, "dependency new": one.new, "dependency old": one.old}
    paths = [one.path for one in diff.files]
    if len(paths) == 1:
        pure = PurePosixPath(paths[0])
        found |= {"path": paths[0], "file": pure.name, "stem": pure.stem, "folder": pure.parent.name}
    for kind in ("added", "removed", "renamed", "body", "signature", "docstring"):
        named = [one for one in facts.of(kind) if one.what in ("function", "method", "class")]
        if len(named) == 1:
            found[f"{kind} definition"] = named[0].name
            found[f"{kind} class"] = named[0].where
    return {part: value for part, value in found.items() if value}


def _unique(facts: Facts, kind: str) -> list[Fact]:
    return list({(one.name, one.old, one.new): one for one in facts.of(kind)}.values())


def adapt(
    past: Past,
    theirs: dict[str, str],
    ours: dict[str, str],
    words: frozenset[str],
    known: Vocabulary,
    holds: Callable[[str], bool],
    habits: frozenset[str],
) -> str:
    """The past subject about this change; "" where it says something that is not of this change: every word must be one
    of its diff (``words``), or say nothing of its own and claim only what ``holds``. A subject of such words alone is
    taken over only where the project has the habit of it (``habits``)."""
    subject = past.subject
    for part, value in sorted(theirs.items(), key=lambda item: -len(item[1])):
        whole = re.compile(rf"(?<![\w.]){re.escape(value)}(?!\w)")
        if part in ours and ours[part] != value:
            subject = whole.sub(f"\x00{part}\x00", subject)
        elif part in _OF_ONE and part not in ours and whole.search(subject):
            return ""
    rest = re.sub(r"\x00[^\x00]*\x00", " ", split(subject)[1])
    said = {word.lower() for word in _WORDS.findall(rest)}
    if said - words - _FREE or not known.allows(rest) or not all(map(holds, said)):
        return ""
    if "\x00" not in subject and not (said - _FREE) and past.subject.lower() not in habits:
        return ""
    return re.sub(r"\x00([^\x00]*)\x00", lambda found: ours[found[1]], subject)


def holds_for(diff: Diff, facts: Facts) -> Callable[[str], bool]:
    """Whether what a word claims is so."""
    return lambda word: all(test(diff, facts) for stem, test in _CLAIMS.items() if word.startswith(stem))


def _lines(diff: Diff) -> tuple[int, int]:
    """Lines added and removed."""
    return sum(one.added for one in diff.files), sum(one.removed for one in diff.files)
