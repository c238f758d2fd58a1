"""How candidates of a model are judged in the benchmarks."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

from benchmarks.text_ways import Teller
from textdiff.entities import Vocabulary
from textdiff.predict import Answer, Question


def test_words_of_one_letter_and_usual_ones_are_words(tmp_path: Path) -> None:
    """Judged as the product judges: "a" is no fault, and neither is what the source or enough people say."""
    example = {
        "task": "docstring",
        "source": "docstring\na.py: f\ndef f(): ...",
        "target": "Return a tidy list.",
    }
    with lzma.open(tmp_path / "shard-000.jsonl.xz", "wt") as out:
        out.writelines(json.dumps(example) + "\n" for _ in range(5))
    manifest = tmp_path / "manifest.tsv"
    manifest.write_text("repo\trole\tlicence\tcommit\n")
    teller = Teller("docstring", manifest, tmp_path, tmp_path)
    question = Question(
        "docstring", "o/r", "a.py:1", "docstring\na.py: quilted\ndef quilted(): ...", "Return a quilted list."
    )
    texts = ["Return a quilted list.", "Return a tidy list.", "Return a flooblet list."]
    answer = Answer("docstring", "o/r", "a.py:1", question.target, texts, [0.9, 0.8, 0.7])
    known = Vocabulary([question.source])
    row = teller._written(teller._row(question, {}, known), "model", answer, question, known)
    assert row.faults == ["", "", "no word flooblet"]
