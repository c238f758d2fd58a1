"""A repository's state is what reading it anew gives, however it came about, and costs only what is new."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from codeworld.model import checkpoint, repository_state
from codeworld.model.hybrid import HybridConfig, HybridNetwork, Kind, Reading
from codeworld.model.repository_state import RepositoryReader, SummedFiles
from codeworld.model.tokenizer import CodeTokenizer

FILES = {f"part_{i}.py": f"def part_{i}(x):\n    return x + {i}\n" * (3 + i) for i in range(12)}
HYBRID: tuple[Kind, ...] = ("gated_delta", "favor", "window")
SUMS: tuple[Kind, ...] = ("favor", "window", "favor")


@pytest.fixture(scope="module")
def tokenizer() -> CodeTokenizer:
    return CodeTokenizer(checkpoint.BUNDLED / "tokenizer.json")


def network_of(pattern: tuple[Kind, ...], seed: int = 0) -> HybridNetwork:
    torch.manual_seed(seed)
    config = HybridConfig(
        pattern=pattern, layers=3, width=32, heads=1, kv_heads=1, linear_heads=1, head_size=32, features=32,
        mlp_width=32, window=16,
    )  # fmt: skip
    return HybridNetwork(config).to_inference(torch.float32)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository_state, "CHECKPOINT_TOKENS", 300)
    monkeypatch.setattr(repository_state, "PIECE_TOKENS", 64)


def same(one: Reading | None, other: Reading | None) -> None:
    """The readings agree to rounding."""
    assert one is not None
    assert other is not None
    assert int(one.read) == int(other.read)
    for mine, right in zip(one.layers, other.layers, strict=True):
        for a, b in zip(mine, right, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def tokens(tokenizer: CodeTokenizer, path: str, text: str) -> int:
    return len(tokenizer.opening(path)) + len(tokenizer.encode(text))


def pairs(names: Iterable[str], **changed: str) -> list[tuple[str, str]]:
    return [(name, changed.get(name[:-3], FILES[name])) for name in names]


@pytest.mark.parametrize("pattern", [HYBRID, ("dense",)], ids="-".join)
@pytest.mark.parametrize("place", [0, 4, 11])
def test_a_changed_file_is_read_again_and_what_stands_behind_it(
    tmp_path: Path, tokenizer: CodeTokenizer, pattern: tuple[Kind, ...], place: int
) -> None:
    network = network_of(pattern)
    reader = RepositoryReader(network, tokenizer, tmp_path / "kept")
    reader.read(pairs(FILES))
    after = pairs(FILES, **{f"part_{place}": "changed = True\n"})
    found = reader.read(after)
    read_again = reader.tokens_read
    anew = RepositoryReader(network, tokenizer, tmp_path / "anew")
    same(found, anew.read(after))
    behind = sum(tokens(tokenizer, *one) for one in after[place:])
    assert behind <= read_again < behind + 300  # the rest of what stands behind the last checkpoint
    if place == 11:
        assert read_again == behind


def test_only_new_files_are_read_and_nothing_twice(tmp_path: Path, tokenizer: CodeTokenizer) -> None:
    network, names = network_of(HYBRID), list(FILES)
    RepositoryReader(network, tokenizer, tmp_path).read(pairs(names[:11]))
    reader = RepositoryReader(network, tokenizer, tmp_path)  # another process
    found = reader.read(pairs(names))
    assert reader.tokens_read == tokens(tokenizer, names[11], FILES[names[11]])
    same(found, RepositoryReader(network, tokenizer, tmp_path / "anew").read(pairs(names)))
    reader.read(pairs(names))
    assert reader.tokens_read == 0


def test_checkpoints_that_are_close_are_forgotten(tmp_path: Path, tokenizer: CodeTokenizer) -> None:
    reader = RepositoryReader(network_of(HYBRID), tokenizer, tmp_path)
    for count in range(1, 13):
        reader.read(pairs(list(FILES)[:count]))
    recent = repository_state.RECENT_FILES + 1
    most = max(reader.store.held.values())
    assert len(list(tmp_path.iterdir())) == len(reader.store.held) <= recent + most // 300
    assert min(reader.store.held.values()) < most / 3  # and some are far back


def test_a_cancelled_reading_goes_on_where_it_was(tmp_path: Path, tokenizer: CodeTokenizer) -> None:
    network = network_of(HYBRID)
    reader = RepositoryReader(network, tokenizer, tmp_path)
    seen: list[tuple[int, int]] = []
    assert reader.read(pairs(FILES), lambda *at: seen.append(at), lambda: len(seen) > 8) is None
    assert seen == [(i, 12) for i in range(9)]
    seen.clear()
    found = reader.read(pairs(FILES), lambda *at: seen.append(at))
    assert seen == [(i, 12) for i in range(8, 13)]
    same(found, RepositoryReader(network, tokenizer, tmp_path / "anew").read(pairs(FILES)))


def test_a_damaged_checkpoint_and_another_model_are_passed_over(
    tmp_path: Path, tokenizer: CodeTokenizer
) -> None:
    network = network_of(HYBRID)
    reader = RepositoryReader(network, tokenizer, tmp_path)
    right = reader.read(pairs(FILES))
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:50])
    again = RepositoryReader(network, tokenizer, tmp_path)
    same(again.read(pairs(FILES)), right)
    assert again.tokens_read > 300
    other = RepositoryReader(network_of(HYBRID, seed=1), tokenizer, tmp_path)
    other.read(pairs(FILES))
    assert other.tokens_read == again.tokens_read


def test_sums_of_files_are_exact_whatever_came_and_went(tmp_path: Path, tokenizer: CodeTokenizer) -> None:
    """Added, changed, taken out, in any order: as if the final files had been read and nothing else ever."""
    network = network_of(SUMS)
    kept = SummedFiles(network, tokenizer, tmp_path / "kept")
    kept.update(dict(list(FILES.items())[6:]))
    kept.update(FILES)
    kept.update(FILES | {"part_3.py": "other = 1\n" * 40, "part_7.py": "y = 2\n"})
    final = {name: text for name, text in FILES.items() if name != "part_5.py"} | {"part_3.py": "last = 1\n"}
    found = kept.update(final)
    changed = {"part_3.py": "last = 1\n", "part_7.py": FILES["part_7.py"]}  # each behind an EOF
    assert kept.tokens_read == sum(1 + tokens(tokenizer, *one) for one in changed.items())
    anew = SummedFiles(network, tokenizer, tmp_path / "anew").update(dict(reversed(final.items())))
    query = torch.tensor([tokenizer.encode("def use(x):\n    return part_1(x)\n" * 3)])
    with torch.no_grad():
        one, other = (network(query, reading)[0] for reading in (found, anew))
        before = network(query, SummedFiles(network, tokenizer, tmp_path / "all").update(FILES))[0]
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert (one - before).abs().max() > 1e-3


def test_sums_are_kept_on_disk(tmp_path: Path, tokenizer: CodeTokenizer) -> None:
    network = network_of(SUMS)
    first = SummedFiles(network, tokenizer, tmp_path).update(FILES)
    again = SummedFiles(network, tokenizer, tmp_path)
    same(again.update(FILES), first)
    assert again.tokens_read == 0
    assert again.update(FILES | {"new.py": "x = 1\n"}, stop=lambda: True) is None


def test_states_that_fade_are_no_sums(tmp_path: Path, tokenizer: CodeTokenizer) -> None:
    with pytest.raises(ValueError, match="cannot be added"):
        SummedFiles(network_of(HYBRID), tokenizer, tmp_path)
