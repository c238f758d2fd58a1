"""Does the hybrid use a long context, and what does it cost? Against its dense twin, on held-out repositories.

On this machine, once (a shard and its holes, 2 MB, travel to the GPU; so do shards of corpus/repositories):

    python -m codeworld.training.corpus --manifest M --mirrors DIR --out corpus --decontamination H --by-repository
    python -m benchmarks.long_context prepare --mirror DIR --manifest M --out corpus/heldout

On one H100, in this order, ten minutes in all (``--max-steps`` shortens training, alike for every model):

    python -m codeworld.training.train_hybrid configs/hybrid.toml --model gated_delta dense favor
    python -m codeworld.training.train_hybrid configs/hybrid-states.toml --model gated_delta favor gated_favor
    python -m benchmarks.long_context measure --heldout corpus/heldout --models runs/hybrid/*/final \
        --states runs/states/*/final --seconds 40 --recall-steps 2000 --out docs/results/long_context
    python -m benchmarks.repository_reading --heldout corpus/heldout --model runs/hybrid/gated_delta/final \
        --tokens 1000000 --out docs/results/repository_reading_h100

Completion: greedy, the rest of a line whose name only a file at the far end of the context has
(``long_context_holes``); small models are seldom exact, so the bits that the line costs are given too. Reading and
writing are timed apart; on a GPU a written token is a replayed CUDA graph, for the dense model too. Bits per byte:
sequences of whole repositories, by the place in the sequence. Every model gets the same holes in the same order: cells
have as many as fit into ``--seconds`` a model, and as all models did.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import torch
import torch.nn.functional as F

from benchmarks import recall
from benchmarks.long_context_holes import Contexts, Hole, holes, judged, read_heldout, write_heldout
from benchmarks.results import Figure, publish, share, stamp
from codeworld.context.reading_order import by_imports
from codeworld.model import hybrid
from codeworld.model.hybrid import HybridNetwork
from codeworld.model.hybrid_decoding import Decoder, first_token
from codeworld.model.tokenizer import EOF, CodeTokenizer
from codeworld.training.holes import git_files, manifest_rows
from codeworld.training.repository_rows import file_tokens

LENGTHS = (0, 8192, 16384, 32768, 131072)  # tokens of context; 0: the file alone
WRITTEN = 24  # tokens at most
LOGITS_AT_ONCE = 8192


class Answer(msgspec.Struct, frozen=True):
    """To one hole: was the name right, was the line, how well was the line foreseen, and seconds."""

    name: bool
    line: bool
    bits: float  # per byte of the line
    foreseen: float  # share of the line's tokens that were the most probable ones, those before them given
    tokens: int
    read_s: float
    write_s: float


class Cell(msgspec.Struct, frozen=True):
    """A model at one length of context."""

    model: str
    context: int
    answers: list[Answer]
    graph: str  # "replayed", or why not

    def seconds(self, of: Callable[[Answer], float] = lambda one: one.read_s + one.write_s) -> float:
        """The median of the answers."""
        return float(np.median([of(one) for one in self.answers])) if self.answers else math.nan


class Bits(msgspec.Struct, frozen=True):
    """Bits per byte of a model, in all and by the first token of a part of the sequence."""

    model: str
    sequence: int
    state_bytes: int
    whole: float
    parts: dict[int, float]


class Report(msgspec.Struct, frozen=True):
    cells: list[Cell]
    bits: list[Bits]
    states: list[Bits]
    recall: list[recall.Recall]


class Clock:
    """Seconds, after everything on the device has been done."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def __call__(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def load(folder: Path, device: torch.device) -> HybridNetwork:
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    return hybrid.load(folder).to_inference(dtype).to(device)


@torch.inference_mode()
def answer(
    network: HybridNetwork, decoder: Decoder, ids: list[int], hole: Hole, tokenizer: CodeTokenizer
) -> Answer:
    """What is written behind ``ids``, with the times of reading and writing; then the line is read, to judge it."""
    device = decoder.ids.device
    clock, ends = Clock(device), {i for i, one in enumerate(tokenizer.token_bytes) if b"\n" in one} | {EOF}
    begin = clock()
    hidden, reading = network(torch.tensor([ids], device=device))
    token = first_token(network, hidden)
    middle = clock()
    written = decoder.write(reading, token, WRITTEN, ends)
    end = clock()
    target = torch.tensor([tokenizer.encode(hole.target)], device=device)
    rest = network(target[:, :-1], reading)[0] if target.shape[1] > 1 else hidden[:, :0]
    logits = network.logits(torch.cat((hidden[:, -1:], rest), 1))[0].float()
    bits = (
        float(F.cross_entropy(logits, target[0], reduction="sum")) / math.log(2) / len(hole.target.encode())
    )
    foreseen = float((logits.argmax(-1) == target[0]).float().mean())
    name, line = judged(hole, tokenizer.decode(written))
    times = round(middle - begin, 5), round(end - middle, 5)
    return Answer(name, line, round(bits, 4), round(foreseen, 3), len(written), *times)


def complete(
    network: HybridNetwork, tokenizer: CodeTokenizer, contexts: Contexts, asked: Sequence[Hole],
    lengths: Sequence[int], seconds: float,
) -> Iterator[Cell]:  # fmt: skip
    """A cell for each length, which get equal shares of the time."""
    for left, length in zip(range(len(lengths), 0, -1), lengths, strict=True):
        begin = time.perf_counter()
        decoder = Decoder(network, max(length, 4096) + WRITTEN + 8)
        answer(network, decoder, contexts.of(asked[0], length), asked[0], tokenizer)  # kernels are compiled
        answers: list[Answer] = []
        for hole in asked:
            if answers and time.perf_counter() - begin > seconds / left:
                break
            answers.append(answer(network, decoder, contexts.of(hole, length), hole, tokenizer))
        graph = "replayed" if decoder.graph else decoder.problem or "no GPU"
        yield Cell(network.config.name, length, answers, graph)
        seconds -= time.perf_counter() - begin
        del decoder


def sequences(
    repositories: dict[str, dict[str, str]], tokenizer: CodeTokenizer, tokens: int
) -> Iterator[list[int]]:
    """Sequences of the repositories in turn, each the next ``tokens`` of its repository."""

    def of(files: dict[str, str]) -> Iterator[list[int]]:
        ids = [EOF]
        for path in by_imports(files, sorted(files)):
            ids += file_tokens(tokenizer, path, files[path])
            while len(ids) >= tokens:
                yield ids[:tokens]
                ids = ids[tokens:]

    going = [of(files) for _, files in sorted(repositories.items())]
    while going:
        for one in list(going):
            found = next(one, None)
            if found is None:
                going.remove(one)
            else:
                yield found


@torch.inference_mode()
def bits_per_byte(network: HybridNetwork, tokenizer: CodeTokenizer, given: Sequence[list[int]]) -> Bits:
    """Over sequences of one length; a token's bytes are its text's, special ones have none but are paid for."""
    device = network.embedding.weight.device
    sizes = torch.tensor([len(one) for one in tokenizer.token_bytes], device=device)
    length = len(given[0])
    nats, size = (torch.zeros(length - 1, dtype=torch.float64, device=device) for _ in range(2))
    state = 0
    for ids in given:
        row = torch.tensor([ids], device=device)
        hidden, reading = network(row[:, :-1])
        state = reading.bytes
        for at in range(0, length - 1, LOGITS_AT_ONCE):
            here = slice(at, at + LOGITS_AT_ONCE)
            logits = network.logits(hidden[0, here]).float()
            nats[here] += F.cross_entropy(logits, row[0, 1:][here], reduction="none")
        size += sizes[row[0, 1:]]
    bits = nats / math.log(2)
    edges = [edge for edge in (0, 512, 2048, 8192, 16384) if edge < length - 1]
    parts = {
        edge: round(float(bits[edge:end].sum() / size[edge:end].sum()), 4)
        for edge, end in zip(edges, [*edges[1:], length - 1], strict=True)
    }
    return Bits(network.config.name, length, state, round(float(bits.sum() / size.sum()), 4), parts)


def figures(report: Report) -> list[Figure]:
    """A row for each model at each length; the model called "dense" is what others are compared with."""
    rows: list[Figure] = []
    for length in dict.fromkeys(cell.context for cell in report.cells):
        cells = [cell for cell in report.cells if cell.context == length]
        dense = next((cell.seconds() for cell in cells if cell.model == "dense"), math.nan)
        count = min(len(cell.answers) for cell in cells)
        for cell in cells:
            rows.append(_of_cell(cell, count, dense))
    for kind, found in (("", report.bits), ("equal state, ", report.states)):
        for one in found:
            parts = ", ".join(f"from token {at:,} on {value}" for at, value in one.parts.items())
            about = f"{kind}{one.model}, memory {one.state_bytes:,} bytes: bits per byte of {one.sequence:,} tokens"
            rows.append(Figure(about, f"{one.whole} ({parts})"))
    for each in report.recall:
        right = ", ".join(f"{pairs}: {value:.1%}" for pairs, value in each.right.items())
        rows.append(Figure(f"recall by pairs, {each.name}, {each.state_bytes:,} bytes of state", right))
    return rows


def _of_cell(cell: Cell, count: int, dense: float) -> Figure:
    """``count``: holes that all models were asked; ``dense``: seconds of a completion of the dense one's."""
    asked, length = cell.answers[:count], cell.context
    names, lines = (
        share(sum(right), count) for right in zip(*((a.name, a.line) for a in asked), strict=True)
    )
    bits, foreseen = (float(np.mean(one)) for one in zip(*((a.bits, a.foreseen) for a in asked), strict=True))
    written = sum(a.tokens - 1 for a in cell.answers) / max(1e-9, sum(a.write_s for a in cell.answers))
    read = f"read {length / cell.seconds(lambda a: a.read_s):,.0f} tokens/s, " if length else ""
    values = (
        f"name {names:.1%}, line {lines:.1%} of {count}, {bits:.3f} bits a byte, {foreseen:.1%} of tokens foreseen; "
        f"{read}wrote {written:,.0f}/s ({cell.graph}); "
        f"{1e3 * cell.seconds():.1f} ms, {dense / cell.seconds():.2f} x dense"
    )
    about = f"{length:,} tokens" if length else "file only"
    target = "exact as dense, ≥ 2 x dense" if length >= 16384 and cell.model != "dense" else ""
    return Figure(f"{about}, {cell.model}", values, target)


def prepare(given: argparse.Namespace) -> None:
    """Held-out repositories and the holes in them, to a folder."""
    rows = manifest_rows(given.manifest, "heldout-dev")
    found = (
        (repo, git_files(given.mirror / repo.replace("/", "+") / "repo", commit)) for repo, commit in rows
    )
    write_heldout(found, given.out / "shard-000.jsonl.xz")
    tokenizer = CodeTokenizer(given.tokenizer)
    made = holes(read_heldout(given.out / "shard-000.jsonl.xz"), tokenizer, given.holes)
    (given.out / "holes.json").write_bytes(msgspec.json.encode(made))
    print(f"{len(made)} holes, {(given.out / 'shard-000.jsonl.xz').stat().st_size:,} bytes")


def measure(given: argparse.Namespace) -> None:
    """Everything there is a checkpoint for, one table."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    repositories = read_heldout(given.heldout / "shard-000.jsonl.xz")
    asked = msgspec.json.decode((given.heldout / "holes.json").read_bytes(), type=list[Hole])
    tokenizer = CodeTokenizer((given.models or given.states)[0] / "tokenizer.json")
    contexts = Contexts(repositories, tokenizer)
    report = Report([], [], [], [])
    for folders, tokens, bits in (
        (given.models, given.sequence, report.bits),
        (given.states, 2048, report.states),
    ):
        rows = list(islice(sequences(repositories, tokenizer, min(tokens, given.sequence)), given.sequences))
        for folder in folders:
            network = load(folder, device)
            bits.append(bits_per_byte(network, tokenizer, rows))
            print(bits[-1], flush=True)
            if folders is given.models:
                for cell in complete(network, tokenizer, contexts, asked, given.lengths, given.seconds):
                    report.cells.append(cell)
                    print(cell.model, cell.context, len(cell.answers), cell.seconds(), flush=True)
    report.cells.sort(key=lambda cell: cell.model == "dense")
    for name, kind in recall.KINDS.items():
        if given.recall_steps:
            report.recall.append(recall.measure(name, kind, given.recall_steps, device, given.pairs))
            print(report.recall[-1], flush=True)
    where = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    publish(given.out, "Long context: hybrid and dense", stamp(where), figures(report), report)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    first = commands.add_parser("prepare")
    first.add_argument("--mirror", type=Path, required=True, help="folder of {owner+name}/repo")
    first.add_argument("--manifest", type=Path, required=True)
    first.add_argument("--tokenizer", type=Path, default=Path("codeworld/model/weights/tokenizer.json"))
    first.add_argument("--holes", type=int, default=300)
    first.add_argument("--out", type=Path, required=True)
    first.set_defaults(run=prepare)
    second = commands.add_parser("measure")
    second.add_argument("--heldout", type=Path, required=True, help="what prepare wrote")
    second.add_argument("--models", type=Path, nargs="*", default=[], help="checkpoints; the hybrid first")
    second.add_argument("--states", type=Path, nargs="*", default=[], help="checkpoints of equal state")
    second.add_argument("--lengths", type=int, nargs="*", default=LENGTHS)
    second.add_argument("--seconds", type=float, default=60, help="of completing, for each model")
    second.add_argument("--sequence", type=int, default=32768, help="tokens that bits are measured over")
    second.add_argument("--sequences", type=int, default=24)
    second.add_argument("--recall-steps", type=int, default=0)
    second.add_argument("--pairs", type=int, nargs="*", default=(16, 32, 64, 128))
    second.add_argument("--out", type=Path)
    second.set_defaults(run=measure)
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
