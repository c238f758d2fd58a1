"""Where nothing follows, the reader writes the block to its end and not beyond."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codeworld.canvas import InfillRequest
from codeworld.model import checkpoint
from codeworld.model.continuation import block_end, go_on, next_indentation
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


def test_the_continuation_is_what_the_stream_predicts(tiny: Path) -> None:
    """Token by token in the memory, against the whole text read anew."""
    infiller = model(tiny)
    prefix = "def total(values):\n    result = 0\n    for value in values:\n"
    reader = infiller.reader
    ids, _, logprob = go_on(reader, reader.context(prefix, "\nnot seen", ""), "", 12)
    fresh = Reader(reader.network, reader.tokenizer, 256, 64, 64)
    start = fresh._prefix_ids(prefix, reader.tokenizer.opening(""))[0]
    with torch.inference_mode():
        hidden = []
        for i in range(len(start) + len(ids) - 1):
            token = torch.tensor([[[*start, *ids][i]]])
            at = fresh.suffix_tokens + i
            hidden.append(
                fresh._run(fresh.network.embed(token), torch.tensor([i]), fresh.suffix_tokens, at, None)
            )
        logprobs = fresh.network.logits(torch.cat(hidden)[len(start) - 1 :]).log_softmax(-1)
    own = logprobs.gather(1, torch.tensor(ids)[:, None])[:, 0]
    assert logprob == pytest.approx(float(own.sum()), abs=1e-2)


def test_a_hole_without_a_suffix_is_continued(tiny: Path) -> None:
    infiller = model(tiny)
    request = InfillRequest(prefix='def f(x):\n    """Twice x."""\n', suffix="\n", shape="span")
    for candidate in infiller.infill(request).candidates:
        assert candidate.text.startswith("    ")
        assert block_end("", candidate.text) is None
    with pytest.raises(Stopped):
        infiller.infill(request, lambda: True)
