"""Whatever is offered, a file that parses still parses: thousands of holes in real files, hostile candidates."""

from __future__ import annotations

import random
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from codeworld.canvas import Accept, Candidate, Source
from codeworld.syntax.document import Document, Snapshot
from codeworld.verify.checks import verify
from codeworld.verify.parsing import python_accepts
from codeworld.verify.settings import CompletionSettings

STDLIB = Path(sysconfig.get_paths()["stdlib"])
STRAY = (
    ")",
    "]",
    "}",
    "(",
    "[",
    "{",
    '"""',
    "'",
    '"',
    "\\",
    ":",
    ",",
    "=",
    "#",
    "\t",
    "    ",
    "else:",
    "try:",
    "@x",
)


class Hole(NamedTuple):
    snapshot: Snapshot
    cursor_char: int
    original: str  # what stood there: with it, the file parses


def real_files(count: int, chance: random.Random) -> list[str]:
    stdlib = sorted(
        path for folder in ("", "json", "asyncio", "email", "test") for path in (STDLIB / folder).glob("*.py")
    )
    paths = chance.sample(stdlib, count)
    texts = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if 200 < len(text) < 50_000 and python_accepts(text):
            texts.append(text)
    return texts


def holes(text: str, count: int, chance: random.Random) -> Iterator[Hole]:
    """At random characters: nothing taken away, the rest of the line, part of it, or up to four lines."""
    document = Document.from_text(text)
    for _ in range(count):
        start = chance.randrange(len(text) + 1)
        line_end = text.find("\n", start) if "\n" in text[start:] else len(text)
        end = line_end
        match chance.randrange(5):
            case 0:
                end = start
            case 1:
                end = chance.randint(start, line_end)
            case 2:
                for _ in range(chance.randint(1, 3)):
                    end = text.find("\n", end + 1) if "\n" in text[end + 1 :] else len(text)
        yield Hole(document.snapshot().edited(start, end, ""), start, text[start:end])


def hostile(hole: Hole, lines: list[str], chance: random.Random) -> Iterator[str]:
    suffix = hole.snapshot.text[hole.cursor_char :]
    line = chance.choice(lines)
    yield hole.original
    yield hole.original + chance.choice(STRAY)
    yield chance.choice(STRAY)
    yield line
    yield line.strip()
    yield line[chance.randint(0, len(line)) :]
    yield "\n".join(chance.choice(lines) for _ in range(chance.randint(2, 4)))
    yield suffix[: chance.randint(1, 60)]
    yield line.strip() + suffix[: chance.randint(1, 30)]
    yield hole.original + suffix[: chance.randint(1, 120)]
    yield hole.original[: len(hole.original) // 2]
    yield "".join(chance.choice(STRAY) for _ in range(chance.randint(1, 6)))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("multiline", [False, True])
def test_a_file_that_parses_still_parses(
    multiline: bool, live: bool, record_property: pytest.RecordProperty
) -> None:
    """``live``: as the language server asks, where a header may be offered to a file that does not parse yet."""
    chance = random.Random(f"stress {multiline} {live}")
    settings = CompletionSettings(threshold=0.0, in_strings=True, multiline=multiline, open_headers=live)
    seen: Counter[str] = Counter()
    broken = []
    for text in real_files(36, chance):
        lines = [line for line in text.split("\n") if line.strip()]
        for hole in holes(text, 20, chance):
            seen["holes"] += 1
            for number, fill in enumerate(hostile(hole, lines, chance)):
                verdict = verify(
                    hole.snapshot, hole.cursor_char, Candidate(fill, Source.DENOISER, 0.0, 1), settings
                )
                seen["candidates"] += 1
                if not isinstance(verdict, Accept):
                    seen[verdict.reason] += 1
                    seen[f"original {verdict.reason}"] += number == 0
                    continue
                seen["accepted"] += 1
                seen["original accepted"] += number == 0
                before, after = hole.snapshot.text[: hole.cursor_char], hole.snapshot.text[hole.cursor_char :]
                may_break = live and not python_accepts(before + after)
                if not may_break and not python_accepts(before + verdict.text + after):
                    broken.append((before[-80:], verdict.text, after[:80]))
    record_property("figures", dict(seen))
    print(dict(seen))
    assert seen["holes"] >= 500  # 2,000 in all
    assert seen["accepted"] >= seen["candidates"] // 20, "nothing is proven by refusing everything"
    assert not broken, (len(broken), broken[:5])
