"""The benchmark of long contexts: its holes need what it says, and its figures are what they are called."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from benchmarks import long_context, recall, repository_reading
from benchmarks.long_context_holes import Contexts, Hole, holes, judged, read_heldout, write_heldout
from codeworld.model import checkpoint
from codeworld.model.hybrid import HybridConfig, HybridNetwork
from codeworld.model.tokenizer import EOF, CodeTokenizer

PRICES = """class PriceTable:
    def with_discount(self, share):
        return share
"""
CART = """from shop.prices import PriceTable


def total(table):
    return table.with_discount(0.5)
"""
FILES = [
    ("shop/prices.py", PRICES),
    ("shop/cart.py", CART),
    ("shop/unrelated.py", "def nothing_of_it(x):\n    return [x for _ in range(10)]\n" * 20),
    ("shop/namesake.py", "def total(table):\n    return table.with_discount(1)\n"),  # imports nothing
]


@pytest.fixture(scope="module")
def tokenizer() -> CodeTokenizer:
    return CodeTokenizer(checkpoint.BUNDLED / "tokenizer.json")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    shard = tmp_path_factory.mktemp("heldout") / "shard-000.jsonl.xz"
    write_heldout([("a/shop", FILES), ("b/other", [("other.py", "value = compute(1)\n" * 900)])], shard)
    return read_heldout(shard)


def tiny() -> HybridNetwork:
    torch.manual_seed(0)
    config = HybridConfig(
        pattern=("gated_delta", "window"), layers=2, width=32, heads=1, kv_heads=1, linear_heads=1, head_size=32,
        mlp_width=32, window=32,
    )  # fmt: skip
    return HybridNetwork(config).to_inference(torch.float32)


def test_holes_are_first_mentions_of_what_another_file_defines(
    repositories: dict[str, dict[str, str]], tokenizer: CodeTokenizer
) -> None:
    found = [holes(repositories, tokenizer, 10, seed)[0] for seed in range(8)]
    assert {(hole.path, hole.name) for hole in found} == {
        ("shop/cart.py", "PriceTable"), ("shop/cart.py", "with_discount")
    }  # fmt: skip
    for hole in found:
        text = repositories[hole.repo][hole.path]
        assert hole.definer == "shop/prices.py"
        assert hole.name not in text[: hole.start_char]
        assert text[hole.start_char :].startswith(hole.target)
        assert hole.target.startswith(hole.lead)
        assert hole.lead.endswith(hole.name)


@pytest.mark.parametrize("length", [256, 512, 1500])
def test_only_the_far_end_of_a_context_has_the_name(
    repositories: dict[str, dict[str, str]], tokenizer: CodeTokenizer, length: int
) -> None:
    hole = next(
        h for seed in range(8) for h in holes(repositories, tokenizer, 1, seed) if h.name == "PriceTable"
    )
    ids = Contexts(repositories, tokenizer).of(hole, length)
    assert len(ids) == length
    assert ids[0] == EOF
    far = 1 + max(64, length // 16)
    assert "PriceTable" in tokenizer.decode(ids[:far])
    assert "PriceTable" not in tokenizer.decode(ids[far:])
    text = repositories[hole.repo][hole.path]
    assert tokenizer.decode(ids).endswith(text[: hole.start_char])


def test_a_context_that_is_too_long_is_refused(
    repositories: dict[str, dict[str, str]], tokenizer: CodeTokenizer
) -> None:
    hole = holes(repositories, tokenizer, 1)[0]
    with pytest.raises(ValueError, match="too few"):
        Contexts(repositories, tokenizer).of(hole, 100_000)


@pytest.mark.parametrize(
    ("written", "right"),
    [
        (".total_price(3)\nnext", (True, True)),
        (".total_price(4)\n", (True, False)),
        (".total_prices(3)\n", (False, False)),
        (".total", (False, False)),
        (".total_price", (True, False)),
    ],
)
def test_name_and_line_are_judged(written: str, right: tuple[bool, bool]) -> None:
    hole = Hole("r", "p", 0, ".total_price", ".total_price(3)", "total_price", "q", 0)
    assert judged(hole, written) == right


def test_bits_are_those_of_the_cross_entropy(
    repositories: dict[str, dict[str, str]], tokenizer: CodeTokenizer
) -> None:
    network = tiny()
    rows = list(islice(long_context.sequences(repositories, tokenizer, 700), 3))
    found = long_context.bits_per_byte(network, tokenizer, rows)
    nats = size = 0.0
    for row in rows:
        ids = torch.tensor(row)
        logits = network.logits(network(ids[None, :-1])[0][0])
        nats += float(F.cross_entropy(logits, ids[1:], reduction="sum"))
        size += sum(len(tokenizer.token_bytes[i]) for i in row[1:])
    assert found.whole == pytest.approx(nats / math.log(2) / size, rel=1e-3)
    assert list(found.parts) == [0, 512]


def test_questions_ask_for_what_was_told() -> None:
    ids, target = recall.questions(5, 3, torch.Generator().manual_seed(0))
    assert ids.shape == target.shape == (3, 20)
    for row, wanted in zip(ids.tolist(), target.tolist(), strict=True):
        told = dict(zip(row[0:10:2], row[1:10:2], strict=True))
        assert wanted[:10] == [-100] * 10
        assert [told[key] for key in row[10::2]] == wanted[10::2] == row[11::2]
        assert wanted[11::2] == [-100] * 5


@pytest.mark.slow
def test_the_delta_rule_learns_to_recall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "VOCABULARY", 32)
    monkeypatch.setattr(recall, "ROWS", 64)
    monkeypatch.setattr(recall, "PEAK_RATE", 1e-2)
    made = recall.measure("gated delta", "gated_delta", 200, torch.device("cpu"), (4,))
    assert made.right[4] > 0.33  # one of the four values that were told, at random: 0.25
    assert made.state_bytes == 4 * 2 * 2 * 32 * 32  # bytes, layers, heads, 32 x 32


def test_a_whole_measurement(
    tmp_path: Path, repositories: dict[str, dict[str, str]], tokenizer: CodeTokenizer
) -> None:
    asked = holes(repositories, tokenizer, 3)
    contexts = Contexts(repositories, tokenizer)
    cells = list(long_context.complete(tiny(), tokenizer, contexts, asked, (0, 128), 60))
    assert [(cell.context, len(cell.answers)) for cell in cells] == [(0, len(asked)), (128, len(asked))]
    file_only, far = long_context.figures(long_context.Report(cells, [], [], []))
    assert (file_only.name, far.name) == ("file only, hybrid", "128 tokens, hybrid")
    assert f"of {len(asked)}, " in str(far.value)
    answers = [one for cell in cells for one in cell.answers]
    assert all(2 < one.bits < 20 for one in answers)  # untrained: log2(16384) bits for a token of a few bytes


def test_reading_a_repository_is_measured(
    tmp_path: Path, repositories: dict[str, dict[str, str]], tokenizer: CodeTokenizer
) -> None:
    files = repository_reading.some_files(repositories, tokenizer, 100_000)
    assert sorted(files) == sorted([*(f"a/shop/{path}" for path, _ in FILES), "b/other/other.py"])
    report = repository_reading.measure(tiny(), tokenizer, files, tmp_path)
    *most, last = (len(repository_reading.file_tokens(tokenizer, *one)) for one in files.items())
    assert (report.files, report.tokens) == (len(most), 1 + sum(most))
    assert report.new_file_tokens == last
    assert len(report.keystroke_ms) == repository_reading.KEYSTROKES
    assert len(repository_reading.figures(report)) == 9
