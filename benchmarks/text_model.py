"""How good the text model's predictions are, beside what needs no model, on the same examples.

    python -m textdiff.predict CHECKPOINT PREDICTIONS EXAMPLES/text-docstring.jsonl EXAMPLES/text-commit.jsonl
    python -m benchmarks.text_model PREDICTIONS/*.json --examples EXAMPLES --shards DIR --out docs/results/text_model

Predictions are named by their folder, and models compared on the examples that all of them answered; without any only
what needs no model is asked. With ``--code-model`` also what the bundled code model writes between the quotes of a
docstring is judged as a model's texts are. Beside the model: what ``codeworld docstring`` and ``codeworld
commit-message`` say today, the target of the nearest training example (TF-IDF over the source's words), for commits the
nearest earlier one of the same repository, for docstrings the name in words. Half of the examples (by a hash of their
place) is for fitting a threshold, the other half for judging it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from benchmarks import results
from benchmarks.text_ways import Row, Teller
from codeworld.backend import open_model
from codeworld.training.card import read_log
from textdiff import metrics
from textdiff.code_writer import CodeWriter
from textdiff.evaluate import Found
from textdiff.predict import Answer, Answers, Question, alone, read_questions
from textdiff.writer import Written

_NEAR = 50.0  # ROUGE-L from which a text says about what the person said
TASKS = ("docstring", "commit")
_WITHOUT = {False: "symbolic and retrieval: none", True: "the bundled code model, for docstrings"}
Where = Literal["anywhere", "spoken", "silent"]  # of today's text
WHERE: tuple[Where, ...] = ("anywhere", "spoken", "silent")


class Gate(msgspec.Struct):
    """What a threshold does on the half that it was not fitted on: BLEU, and the share that says about what the person
    said (ROUGE-L ≥ 50), of the model and of today's text where the model would be served; ``gain``: of that half's mean
    BLEU, with its standard error. Today's texts on the whole half beside it."""

    task: str
    model: str
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
        rows[0].task, rows[0].model, where, threshold, judged, len(served),
        *(round(metrics.mean(own), 2) for own in bleus), *near,
        round(float(won.mean()), 3), round(float(won.std() / len(won) ** 0.5), 3),
    )  # fmt: skip


def _near(pairs: list[tuple[str, str]]) -> float:
    """Percent of the texts that say about what the person said."""
    return round(100 * metrics.mean(metrics.rouge_l(target, text) >= _NEAR for target, text in pairs), 1)


_MODEL: dict[str, Callable[[Row], str]] = {
    "first choice": lambda row: row.texts[0],
    "surest that is prose and names what exists": lambda row: offered(row)[1] or row.texts[0],
    "best of its candidates (an oracle)": lambda row: max(
        row.texts, key=lambda text: metrics.bleu(row.target, text)
    ),
}
_SAID = {
    "symbolic": "today's text, no model",
    "name": "the name in words",
    "training": "nearest training example",
    "repository": "nearest of the repository's last 400 commits",
}


def of_task(rows: list[Row]) -> Iterator[results.Figure]:
    """Scores of the ways that need no model, and what they name. Rows of one model."""
    task = rows[0].task
    yield results.Figure(f"{task}: examples", len(rows))
    for key, name in _SAID.items():
        said = [row.said.get(key, "") for row in rows]
        if any(said):
            yield _scored(f"{task}: {name}", rows, said)
    for key, name in _SAID.items():
        named = sum(row.named.get(key, 0) for row in rows)
        if named:
            real = named - sum(row.invented.get(key, 0) for row in rows)
            yield results.Figure(
                f"{task}: {name}: of {named} named entities exist, %", _percent(real, named), "100"
            )


def _scored(name: str, rows: list[Row], said: list[str]) -> results.Figure:
    got = metrics.table([row.target for row in rows], said)
    cells = ", ".join(f"{key} {value:.2f}" for key, value in got.items())
    silent = sum(not text for text in said)
    spoken = [(row.target, text) for row, text in zip(rows, said, strict=True) if text]
    cells += f"; of those that speak, ROUGE-L ≥ 50: {_near(spoken)} %"
    return results.Figure(name, cells + (f" (silent on {silent})" if silent else ""))


def of_model(rows: list[Row]) -> Iterator[results.Figure]:
    """Scores of one model's texts, and how its first choices read."""
    name, count = f"{rows[0].task}: {rows[0].model}", len(rows)
    for way, text in _MODEL.items():
        yield _scored(f"{name}, {way}", rows, [text(row) for row in rows])
    faults = Counter(re.sub("(?<=no word).*", "", row.faults[0]) for row in rows if row.faults[0])
    wrong = sum(bool(row.unknown[0]) for row in rows)
    yield results.Figure(
        f"{name}, first choices that name what does not exist, %", _percent(wrong, count), "0"
    )
    for fault, number in faults.most_common():
        yield results.Figure(f"{name}, first choices with fault “{fault}”, %", _percent(number, count), "0")
    yield results.Figure(
        f"{name}, examples with a candidate that may be shown, %",
        _percent(sum(bool(offered(row)[1]) for row in rows), count),
    )


def of_gate(found: Gate) -> Iterator[results.Figure]:
    """What serving it would do."""
    where = {
        "anywhere": "anywhere",
        "spoken": "instead of today's text",
        "silent": "where nothing is said today",
    }
    name = f"{found.task}: {found.model} served {where[found.where]}"
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
        f"{rows[0].task}: {rows[0].model} served (gains two standard errors, and says what people said in "
        f"{today} % or more)"
    )
    return results.Figure(name, ", ".join(good) or "no")


def of_training(log: Path) -> Iterator[results.Figure]:
    """Of the run's log."""
    everything = read_log(log)
    records = [one for one in everything if "tokens" in one]
    last, tail = records[-1], records[-max(1, len(records) // 20) :]
    yield results.Figure("training: million tokens", round(last["tokens"] / 1e6))
    yield results.Figure("training: minutes on one H100", round(last["seconds"] / 60, 1))
    yield results.Figure("training: thousand tokens/s", round(last["tokens"] / last["seconds"] / 1e3))
    for key in ("token", "length"):
        yield results.Figure(
            f"training: last loss, {key}, nats", round(sum(r[key] for r in tail) / len(tail), 3)
        )
    watched = next((one for one in reversed(everything) if "held_out" in one), {})
    for key, value in watched.items():
        if key.startswith("held_out_"):
            yield results.Figure(f"training: {key.replace('_', ' ')}, nats, at its end", value)


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


Predicted = dict[str, dict[str, Answers]]  # task → model → what it wrote


def predictions(paths: Sequence[Path]) -> Predicted:
    """By the names of the folders they are in."""
    found: Predicted = defaultdict(dict)
    for path in paths:
        answers = msgspec.json.decode(path.read_bytes(), type=Answers)
        found[answers.answers[0].task][path.parent.name] = answers
    return found


def asked(given: argparse.Namespace, task: str, predicted: dict[str, Answers]) -> dict[str, list[Row]]:
    """Model → its rows, the same examples for each; without any model, "" → rows."""
    kept = given.rows / f"{task}.jsonl" if given.rows else None
    if kept and kept.exists():
        rows = [msgspec.json.decode(line, type=Row) for line in kept.read_bytes().splitlines()]
    else:
        rows = list(_collected(given, task, predicted))
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(b"\n".join(map(msgspec.json.encode, rows)) + b"\n")
    by_model: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_model[row.model].append(row)
    return by_model


def _collected(given: argparse.Namespace, task: str, predicted: dict[str, Answers]) -> Iterator[Row]:
    questions = read_questions(given.examples / f"text-{given.set or task}.jsonl")
    found = {
        model: {(one.repo, one.place): one for one in answers.answers} for model, answers in predicted.items()
    }
    questions = [one for one in questions if all((one.repo, one.place) in own for own in found.values())]
    questions = questions[:: given.every]
    if given.alone:
        questions = [msgspec.structs.replace(one, source=alone(one.source)) for one in questions]
    if given.code_model and task == "docstring":
        found["code model"] = {(one.repo, one.place): one for one in by_code_model(questions)}
    yield from Teller(task, given.manifest, given.mirrors, given.shards).rows(questions, found)


def by_code_model(questions: Sequence[Question]) -> Iterator[Answer]:
    """What the bundled code model writes between the quotes, "" where it comes to no end."""
    with open_model(in_process=True) as model:
        writer = CodeWriter(model.infill)
        for one in questions:
            text = writer.draft(one.source) or Written("", 0.0)
            yield Answer(one.task, one.repo, one.place, one.target, [text.text], [text.confidence])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.text_model", description=__doc__)
    parser.add_argument("predictions", type=Path, nargs="*")
    parser.add_argument("--examples", type=Path, required=True, help="folder of text-<task>.jsonl")
    parser.add_argument("--shards", type=Path, required=True, help="folder of the training shards")
    parser.add_argument("--manifest", type=Path, default=Path("../shared/data/manifest.tsv"))
    parser.add_argument("--mirrors", type=Path, default=Path("../.mirror"))
    parser.add_argument("--every", type=int, default=1, help="take one of so many examples")
    parser.add_argument(
        "--code-model", action="store_true", help="docstrings of the bundled code model as well"
    )
    parser.add_argument("--alone", action="store_true", help="leave out what people wrote near by")
    parser.add_argument(
        "--tasks", nargs="+", default=TASKS, choices=TASKS, help="where there are no predictions"
    )
    parser.add_argument("--set", help="the examples' set, where it is not the task's own")
    parser.add_argument("--log", type=Path, help="the training run's")
    parser.add_argument("--losses", type=Path, help="what textdiff.evaluate wrote")
    parser.add_argument("--rows", type=Path, help="rows are kept in this folder, and read from there")
    parser.add_argument("--out", type=Path, help="stem of the two files of figures")
    given = parser.parse_args(arguments)
    listed = list(of_training(given.log)) if given.log else []
    losses = msgspec.json.decode(given.losses.read_bytes(), type=list[Found]) if given.losses else []
    listed += of_losses(losses)
    report, versions = Report([], losses, {}), [_WITHOUT[given.code_model]]
    predicted = predictions(given.predictions)
    for task in predicted or given.tasks:
        for model, answers in predicted.get(task, {}).items():
            versions.append(f"{model}: codeworld-text {answers.version}, {answers.kind}; {answers.dials}")
            report.seconds[f"{task}: {model}"] = round(answers.seconds, 1)
        by_model = asked(given, task, predicted.get(task, {}))
        listed += of_task(next(iter(by_model.values())))
        for rows in (own for model, own in by_model.items() if model):
            listed += of_model(rows)
            gates = [gate(rows, where) for where in WHERE]
            listed += [*(figure for one in gates for figure in of_gate(one)), verdict(rows, gates)]
            report.gates += gates
    version = "; ".join(dict.fromkeys(versions))
    made = results.stamp(version)
    results.publish(given.out, "The text model", made, listed, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
