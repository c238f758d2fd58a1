"""What the repository adds to the file: the same model on the same holes of held-out repositories.

    python -m codeworld.training.generate HOLES file.jsonl --sources verified,retrieved --no-outline
    python -m codeworld.training.generate HOLES outline.jsonl --sources verified,retrieved    (a model that reads them)
    python -m benchmarks.repository_context HOLES file.jsonl [--outline outline.jsonl] --mirrors DIR
        --manifest manifest.tsv [--out STEM]

"File only" is the model's own fill; "repository lines" adds what is retrieved from the repository without the hole
(``codeworld.context.retrieval``), ranked as in an editor; "outline" is the model told what the file imports. A hole
"names what is defined elsewhere" when its right text has an identifier that another file of the repository defines,
this one does not, and that does not stand in the part that is read.
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


def table(
    holes: Sequence[Hole], systems: dict[str, tuple[dict[str, Generation], Answer]], elsewhere: set[str]
) -> list[Figures]:
    """A row for each group of holes and system; gains are relative to the first system."""
    groups = {
        "all": list(holes),
        "names what is defined elsewhere": [hole for hole in holes if hole.id in elsewhere],
        **{kind: [h for h in holes if h.kind == kind] for kind in dict.fromkeys(h.kind for h in holes)},
    }
    rows: list[Figures] = []
    for name, group in groups.items():
        plain = 0.0
        for system, (made, answer) in systems.items():
            right, near = exact(group, made, answer)
            plain = plain or right
            gain = 100 * (right / plain - 1) if plain else 0.0
            rows.append(
                {"holes": name, "n": len(group), "system": system, "exact": round(right, 1),
                 "similarity": round(near, 1), "relative_gain": round(gain, 1)}
            )  # fmt: skip
    return rows


def _read(path: Path) -> dict[str, Generation]:
    decode = msgspec.json.Decoder(Generation).decode
    return {one.id: one for one in map(decode, path.read_bytes().splitlines())}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("holes", type=Path)
    parser.add_argument("plain", type=Path, help="generations from the file only")
    parser.add_argument("--outline", type=Path, help="generations with outlines")
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    plain = _read(given.plain)
    systems = {"file only": (plain, alone), "repository lines": (plain, offered)}
    if given.outline:
        told = _read(given.outline)
        systems |= {"outline": (told, alone), "outline and lines": (told, offered)}
    decode = msgspec.json.Decoder(Hole).decode
    holes = [hole for hole in map(decode, given.holes.read_bytes().splitlines()) if hole.id in plain]
    names = defined(given.mirrors, given.manifest)
    rows = table(holes, systems, {hole.id for hole in holes if is_elsewhere(hole, names[hole.repo])})
    goals = {"all": "≥ +20 %", "names what is defined elsewhere": "≥ +50 %"}
    figures = [
        Figure(
            f"{row['holes']} ({row['n']}), {row['system']}: exact, similarity, gain in exact",
            f"{row['exact']} %, {row['similarity']} %, {row['relative_gain']:+} %",
            "" if row["system"] == "file only" else goals.get(str(row["holes"]), ""),
        )
        for row in rows
    ]
    made = stamp(next(iter(plain.values())).model)
    publish(given.out, "What the repository adds to the file", made, figures, Report(rows))


if __name__ == "__main__":
    main()
