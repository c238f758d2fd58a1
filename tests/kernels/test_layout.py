"""How sequences are cut into segments and chunks."""

from __future__ import annotations

import pytest
import torch

from kernels.layout import layout, segment_chunks, sequence_bounds

CPU = torch.device("cpu")


def test_every_token_is_in_one_chunk_of_one_segment() -> None:
    bounds = (0, 5, 5, 23, 24)
    table = layout(bounds, 4, 2, CPU)
    covered = [token for first, end in table.chunks.tolist() for token in range(first, end)]
    assert covered == list(range(24))
    assert all(end - first <= 4 for first, end in table.chunks.tolist())
    tokens: list[int] = []
    for number, (sequence, first, end, chunk) in enumerate(table.segments.tolist()):
        assert bounds[sequence] <= first < end <= bounds[sequence + 1]
        low, high = table.sequences.tolist()[sequence]
        assert low <= number < high
        assert table.chunks[chunk, 0] == first
        tokens += range(first, end)
    assert tokens == list(range(24))
    assert table.sequences.tolist()[1] == [1, 1]  # the empty one
    assert table.split


def test_nothing_to_read() -> None:
    assert layout((0, 0), 64, 4, CPU).counts == (1, 0, 0)


def test_bounds_of_a_batch_and_of_cu_seqlens() -> None:
    assert sequence_bounds(3, 4, None) == (0, 4, 8, 12)
    assert sequence_bounds(2, 0, None) == (0, 0, 0)
    assert sequence_bounds(1, 9, torch.tensor([0, 4, 4, 9])) == (0, 4, 4, 9)


@pytest.mark.parametrize(
    ("batch", "cuts"), [(2, [0, 9]), (1, [0, 8]), (1, [1, 9]), (1, [0, 5, 3, 9]), (1, [0])]
)
def test_bounds_that_make_no_sense(batch: int, cuts: list[int]) -> None:
    with pytest.raises(ValueError, match="cu_seqlens"):
        sequence_bounds(batch, 9, cuts)


def test_few_heads_are_split_and_many_are_not() -> None:
    long = (0, 64 * 1000)
    assert segment_chunks(long, 64, lanes=4, programs=132, least=8) == 31
    assert segment_chunks(long, 64, lanes=132, programs=132, least=8) == 1000
    assert segment_chunks((0, 640), 64, lanes=4, programs=132, least=8) == 8
    assert segment_chunks((0, 100), 64, lanes=4, programs=132, least=8) == 2


@pytest.mark.parametrize("lanes", [3, 4, 5, 16, 100, 200])
def test_no_more_programs_than_fit_unless_sequences_alone_are_more(lanes: int) -> None:
    for bounds in ((0, 64 * 2048), (0, 64 * 100, 64 * 101, 64 * 1500)):
        count = segment_chunks(bounds, 64, lanes, programs=264, least=1)
        segments = layout(bounds, 64, count, CPU).counts[1]
        assert segments * lanes <= max(264, lanes * (len(bounds) - 1))
        if lanes <= 16:
            assert segments * lanes > 230
