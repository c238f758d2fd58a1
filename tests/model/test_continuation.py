"""Where nothing follows, the reader writes the block to its end and not beyond."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch

from codeworld.canvas import InfillRequest
from codeworld.model import checkpoint
from codeworld.model.continuation import block_end, go_on, next_indentation, others
from codeworld.model.infill import CPU, Infiller
from codeworld.model.reader import Reader, Stopped
from codeworld.model.tokenizer import CodeTokenizer


@pytest.mark.parametrize(
    ("line_before", "text", "kept"),
    [
        ("    ", "x = 1\n    return x\ndef g():", "x = 1\n    return x\n"),
        ("    ", "x = 1\n\n\n    return x\n", None),
        ("    ret", "urn x\nprint(", "urn x\n"),
        ("", "import os\n    x", None),
        ("\t", "if a:\n\t\treturn\n\n# end", "if a:\n\t\treturn\n\n"),
        ("    ", "\n    pass\n  # less", "\n    pass\n"),
    ],
)
def test_a_block_ends_where_a_line_is_indented_less(line_before: str, text: str, kept: str | None) -> None:
    end = block_end(line_before, text)
    assert (None if end is None else text[:end]) == kept


@pytest.mark.parametrize(
    ("prefix", "indent"),
    [
        ("def f():\n", "    "),
        ('def f():\n  """Two."""\n\n', "  "),
        ("x = 1\n", ""),
        ("def f():\n    ret", ""),
        ("", ""),
    ],
)
def test_what_the_next_line_begins_with(prefix: str, indent: str) -> None:
    assert next_indentation(prefix) == indent


def model(tiny: Path) -> Infiller:
    torch.manual_seed(4)
    network = checkpoint.load(tiny).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return Infiller(network, CodeTokenizer(tiny / "tokenizer.json"), "cpu", CPU)


def read_anew(reader: Reader, prefix: str, ids: list[int]) -> float:
    """The log-probability of ids behind the prefix, the whole text read token by token by a reader without a past."""
    fresh = Reader(reader.network, reader.tokenizer, 256, 64, 64)
    start = fresh._prefix_ids(prefix, reader.tokenizer.opening(""))[0]
    base, hidden = fresh.suffix_tokens, []
    with torch.inference_mode():
        for i, token in enumerate([*start, *ids][:-1]):
            x = fresh.network.embed(torch.tensor([[token]]))
            hidden.append(fresh._run(x, torch.tensor([i]), base, base + i, None))
        logprobs = fresh.network.logits(torch.cat(hidden)[len(start) - 1 :]).log_softmax(-1)
    return float(logprobs.gather(1, torch.tensor(ids)[:, None]).sum())


PREFIX = "def total(values):\n    result = 0\n    for value in values:\n"


def test_the_continuation_is_what_the_stream_predicts(tiny: Path) -> None:
    reader = model(tiny).reader
    found = go_on(reader, reader.context(PREFIX, "\nnot seen", ""), "", 12)
    assert found.logprob_nats == pytest.approx(read_anew(reader, PREFIX, found.ids), abs=1e-2)


def test_another_continuation_turns_off_and_is_read_behind_what_both_share(tiny: Path) -> None:
    reader = model(tiny).reader
    context = reader.context(PREFIX, "", "")
    greedy = go_on(reader, context, "", 12)
    found = others(reader, context, "", greedy, 4, 1e9, 12)
    assert len(found) == 4
    for one in found:
        assert one.ids != greedy.ids
        assert one.logprob_nats == pytest.approx(read_anew(reader, PREFIX, one.ids), abs=1e-2)
    assert len(others(reader, context, "", greedy, 4, -1e9, 12)) == 0


def test_a_hole_without_a_suffix_is_continued(tiny: Path) -> None:
    infiller = model(tiny)
    request = InfillRequest(prefix='def f(x):\n    """Twice x."""\n', suffix="\n", shape="span")
    for candidate in infiller.infill(request).candidates:
        assert candidate.text.startswith("    ")
        assert block_end("", candidate.text) is None
    with pytest.raises(Stopped):
        infiller.infill(request, lambda: True)


def test_a_hole_without_a_suffix_has_alternatives(tiny: Path) -> None:
    request = InfillRequest(prefix="def f(x):\n    y = x\n", suffix="", shape="span", alternatives=3)
    infiller = model(tiny)
    infiller.profile = msgspec.structs.replace(CPU, turn_margin_nats=1e9, continued=12)
    found = infiller.infill(request).candidates
    assert len({one.text for one in found}) > 1
