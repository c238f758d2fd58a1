"""What the outline of the unread text is worth: the same model on the same holes of held-out repositories, with it and
from the file alone.

    python -m codeworld.training.generate HOLES with.jsonl --sources verified,retrieved
    python -m codeworld.training.generate HOLES without.jsonl --sources verified,retrieved --no-outline
    python -m benchmarks.outline HOLES with.jsonl without.jsonl --mirrors DIR --manifest manifest.tsv [--out STEM]

A hole "names what is defined elsewhere" when its right text has an identifier that another file of the repository
defines and that does not stand in the part of the file that is read.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from benchmarks.results import Figure, Figures, publish, stamp
from codeworld import ranking
from codeworld.canvas import Candidate, Source
from codeworld.context.definitions import definitions
from codeworld.training.evaluate import Generation, served
from codeworld.training.holes import Hole, git_files, manifest_rows
from codeworld.training.scoring import score_text

_NAME = re.compile(r"[^\W\d]\w*")
_READ_CHARS = 2_600, 300  # about what a window of 768 tokens and a suffix of 64 hold

Answer = Callable[[Hole, Generation], Candidate | None]


class Report(msgspec.Struct, frozen=True):
    """A row for each system and group of holes."""

    rows: list[Figures]


def alone(_: Hole, made: Generation) -> Candidate | None:
    """The model's own fill."""
    return next((c for c in made.candidates if c.source == Source.VERIFIED), None)


def offered(hole: Hole, made: Generation) -> Candidate | None:
    """What is ranked first of all that an editor's request gets."""
    return next(iter(ranking.rank(served(hole, made), shape=hole.shape)), None)


def defined(mirrors: Path, manifest: Path) -> dict[str, dict[str, set[str]]]:
    """Repository → name → the files that define it."""
    found: dict[str, dict[str, set[str]]] = {}
    for repo, commit in manifest_rows(manifest, "heldout-dev"):
        names = found.setdefault(repo, {})
        for path, text in git_files(mirrors / repo.replace("/", "+") / "repo", commit):
            for one in definitions(text):
                names.setdefault(one.name, set()).add(path)
    return found


def is_elsewhere(hole: Hole, names: dict[str, set[str]]) -> bool:
    """Does the right text name what only other files define, and what is not read?"""
    read = set(_NAME.findall(hole.prefix[-_READ_CHARS[0] :] + hole.suffix[: _READ_CHARS[1]]))
    wanted = set(_NAME.findall(hole.target)) - read
    return any(names.get(name, set()) - {hole.path} and hole.path not in names[name] for name in wanted)


def exact(holes: Iterable[Hole], made: dict[str, Generation], answer: Answer) -> tuple[float, float]:
    """Shares in per cent: exactly right, and edit similarity."""
    texts = [(hole, answer(hole, made[hole.id])) for hole in holes]
    scores = [score_text(best.text if best else "", hole.target) for hole, best in texts]
    whole = max(1, len(scores))
    return 100 * sum(s.exact for s in scores) / whole, 100 * sum(s.similarity for s in scores) / whole


def table(holes: Sequence[Hole], runs: Sequence[dict[str, Generation]], elsewhere: set[str]) -> list[Figures]:
    """Groups of holes by system."""
    groups = {
        "all": list(holes),
        "with an outline": [h for h in holes if h.outline],
        "names what is defined elsewhere": [h for h in holes if h.id in elsewhere],
        **{kind: [h for h in holes if h.kind == kind] for kind in dict.fromkeys(h.kind for h in holes)},
    }
    rows: list[Figures] = []
    for system, answer in (("model alone", alone), ("as served", offered)):
        for name, group in groups.items():
            (told, near), (plain, other) = (exact(group, made, answer) for made in runs)
            gain = 100 * (told / plain - 1) if plain else 0.0
            rows.append(
                {"system": system, "holes": name, "n": len(group), "exact_with": round(told, 1),
                 "exact_file_only": round(plain, 1), "relative_gain": round(gain, 1),
                 "similarity_with": round(near, 1), "similarity_file_only": round(other, 1)}
            )  # fmt: skip
    return rows


def _read(path: Path) -> dict[str, Generation]:
    decode = msgspec.json.Decoder(Generation).decode
    return {one.id: one for one in map(decode, path.read_bytes().splitlines())}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("holes", "told", "plain"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    runs = [_read(given.told), _read(given.plain)]
    decode = msgspec.json.Decoder(Hole).decode
    holes = [hole for hole in map(decode, given.holes.read_bytes().splitlines()) if hole.id in runs[1]]
    names = defined(given.mirrors, given.manifest)
    rows = table(holes, runs, {hole.id for hole in holes if is_elsewhere(hole, names[hole.repo])})
    model = next(iter(runs[0].values())).model
    figures = [
        Figure(
            f"{row['system']}, {row['holes']} ({row['n']}): exact",
            f"{row['exact_with']} % against {row['exact_file_only']} % ({row['relative_gain']:+} %)",
            {"all": "≥ +20 %", "names what is defined elsewhere": "≥ +50 %"}.get(str(row["holes"]), ""),
        )
        for row in rows
    ]
    publish(given.out, "What the outline is worth", stamp(model), figures, Report(rows))


if __name__ == "__main__":
    main()
