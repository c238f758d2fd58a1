"""How long it takes to read a repository, to bring the reading up to date, and to read on while somebody types.

    python -m benchmarks.repository_reading --heldout corpus/heldout [--model CHECKPOINT] [--tokens 100000] [--out STEM]

``--heldout`` is what ``benchmarks.long_context prepare`` wrote; without ``--model`` the weights are random, which the
times do not depend on. Tokenising and writing checkpoints to disk are part of the times.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import torch

from benchmarks.long_context import load
from benchmarks.long_context_holes import read_heldout
from benchmarks.results import Figure, publish, quantile, stamp
from codeworld.context.reading_order import by_imports, kept_order
from codeworld.model import checkpoint
from codeworld.model.hybrid import HybridConfig, HybridNetwork, Reading
from codeworld.model.repository_state import RepositoryReader
from codeworld.model.tokenizer import CodeTokenizer
from codeworld.training.repository_rows import file_tokens

KEYSTROKES = 60


class Report(msgspec.Struct, frozen=True):
    """Seconds but where the name says otherwise; memory is what a reading adds to the process or the GPU."""

    tokens: int
    files: int
    whole: float
    memory_mb: float
    checkpoints_mb: float
    unchanged: float
    new_file: float
    new_file_tokens: int
    changed_in_the_middle: float
    changed_tokens: int
    keystroke_ms: list[float]
    sixteen_tokens_ms: list[float]


def some_files(
    repositories: dict[str, dict[str, str]], tokenizer: CodeTokenizer, tokens: int
) -> dict[str, str]:
    """Files of the repositories, path → text, one repository after the other, of so many tokens in all."""
    files: dict[str, str] = {}
    for repo, texts in sorted(repositories.items()):
        for path in by_imports(texts, sorted(texts)):
            if tokens <= 0:
                return files
            files[f"{repo}/{path}"] = texts[path]
            tokens -= len(file_tokens(tokenizer, path, texts[path]))
    return files


def memory_mb(device: torch.device) -> float:
    """The most that the process or the GPU had in use so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def timed(call: Callable[[], object], device: torch.device) -> float:
    """Seconds until the device has done all of it."""
    begin = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


@torch.no_grad()
def typing_ms(network: HybridNetwork, reading: Reading, tokens: int, device: torch.device) -> list[float]:
    """Of reading so many tokens behind the reading, again and again."""
    ids = torch.randint(7, network.config.vocabulary, (1, tokens), device=device)
    times = [1e3 * timed(lambda: network(ids, reading), device) for _ in range(KEYSTROKES + 5)]
    return [round(one, 2) for one in times[5:]]


def measure(network: HybridNetwork, tokenizer: CodeTokenizer, files: dict[str, str], folder: Path) -> Report:
    """Read all files, read again, add one, change the one in the middle, type."""
    device = network.embedding.weight.device
    reader = RepositoryReader(network, tokenizer, folder)
    reader.read([("warm.py", "x = 1\n" * 2000)])  # kernels are compiled
    *most, last = files.items()
    before = memory_mb(device)
    whole = timed(lambda: reader.read(most), device)
    tokens, memory = reader.tokens_read, memory_mb(device) - before
    size = sum(path.stat().st_size for path in folder.iterdir())
    unchanged = timed(lambda: reader.read(most), device)
    new_file = timed(lambda: reader.read([*most, last]), device)
    new_tokens = reader.tokens_read
    middle = list(files)[len(files) // 2]
    changed = files | {middle: files[middle] + "\nchanged = True\n"}
    order = kept_order(files, changed, list(files))
    changed_s = timed(lambda: reader.read([(path, changed[path]) for path in order]), device)
    changed_tokens = reader.tokens_read
    reading = reader.read([(path, changed[path]) for path in order])
    assert reading is not None
    return Report(
        tokens, len(most), round(whole, 2), round(memory, 1), round(size / 1e6, 1), round(unchanged, 3),
        round(new_file, 3), new_tokens, round(changed_s, 2), changed_tokens, typing_ms(network, reading, 1, device),
        typing_ms(network, reading, 16, device),
    )  # fmt: skip


def figures(report: Report) -> list[Figure]:
    def ms(times: list[float]) -> str:
        return f"{quantile(times, 0.5)} / {quantile(times, 0.95)}"

    return [
        Figure(
            f"{report.tokens:,} tokens in {report.files} files read, s", report.whole, "1M on an H100: ≤ 5"
        ),
        Figure("tokens/s", round(report.tokens / report.whole)),
        Figure("memory that this added at its peak, MB", report.memory_mb),
        Figure("checkpoints on disk, MB", report.checkpoints_mb),
        Figure("nothing has changed, s", report.unchanged),
        Figure(f"a new file of {report.new_file_tokens:,} tokens, s", report.new_file),
        Figure(
            f"the file in the middle changed, {report.changed_tokens:,} tokens again, s",
            report.changed_in_the_middle,
        ),
        Figure("one token more, ms p50 / p95", ms(report.keystroke_ms), "≤ 20 on a CPU"),
        Figure("16 tokens more, ms p50 / p95", ms(report.sixteen_tokens_ms)),
    ]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heldout", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="checkpoint (default: the default sizes, random weights)")
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument(
        "--threads", type=int, default=1, help="1: in the background, where others need the processors too"
    )
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(given.threads)
    if given.model:
        network = load(given.model, device)
    else:
        network = HybridNetwork(HybridConfig()).to_inference(torch.float32).to(device)
    tokenizer = CodeTokenizer(checkpoint.BUNDLED / "tokenizer.json")
    files = some_files(read_heldout(given.heldout / "shard-000.jsonl.xz"), tokenizer, given.tokens)
    with tempfile.TemporaryDirectory() as folder:
        report = measure(network, tokenizer, files, Path(folder))
    where = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    name = network.config.name if given.model else "random weights"
    about = f"{name}, {where}, {given.threads} threads, load average {os.getloadavg()[1]:.1f}"
    publish(given.out, "Reading a repository", stamp(about), figures(report), report)


if __name__ == "__main__":
    main()
