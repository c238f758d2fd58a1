from __future__ import annotations

import pytest
from msgspec.structs import replace

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Seed, Source
from codeworld.engine.cache import ReplyCache

HOLE = InfillRequest("def f():\n    ", "\n", path="a.py")
SEED = Seed("return one", 3, 2, 3)


def reply(*texts: str, nats: float = -0.1) -> InfillReply:
    return InfillReply(tuple(Candidate(text, Source.DENOISER, nats, 3) for text in texts), 12.5, "cpu", "m")


def texts(found: InfillReply | None) -> list[str] | None:
    return None if found is None else [candidate.text for candidate in found.candidates]


def typed(characters: str, hole: InfillRequest = HOLE) -> InfillRequest:
    return replace(hole, prefix=hole.prefix + characters)


@pytest.fixture
def cache() -> ReplyCache:
    cache = ReplyCache()
    cache.store(HOLE, reply("return one", "return two", "pass"))
    return cache


def test_exact_hit_says_that_no_model_was_asked(cache: ReplyCache) -> None:
    found = cache.find(HOLE)
    assert found is not None
    assert texts(found) == ["return one", "return two", "pass"]
    assert (found.latency_ms, found.device, found.model) == (0.0, "cpu", "m")


@pytest.mark.parametrize(
    "other",
    [
        replace(HOLE, suffix="\n\n"),
        replace(HOLE, path="b.py"),
        replace(HOLE, shape="span"),
        replace(HOLE, steps=8),
        replace(HOLE, max_candidates=1),
        replace(HOLE, sources=(Source.READER,)),
        replace(HOLE, prefix=HOLE.prefix[1:]),
        replace(HOLE, prefix=HOLE.prefix[:-1]),
    ],
)
def test_any_difference_is_a_miss(cache: ReplyCache, other: InfillRequest) -> None:
    assert cache.find(other) is None
    assert cache.find(replace(other, prefix=other.prefix + "re")) is None


def test_typed_ahead_keeps_what_agrees_and_cuts_it(cache: ReplyCache) -> None:
    found = cache.find(typed("return "))
    assert texts(found) == ["one", "two"]
    assert found is not None
    assert found.candidates[0].logprob_nats == -0.1
    assert texts(cache.find(typed("return o"))) == ["ne"]


@pytest.mark.parametrize(
    "characters", ["p", "return t", "return onE", "return one", "return one or", " return"]
)
def test_typed_otherwise_or_to_the_end_is_a_miss(cache: ReplyCache, characters: str) -> None:
    assert cache.find(typed(characters)) is None


def test_a_candidate_typed_to_its_end_is_not_offered_empty() -> None:
    cache = ReplyCache()
    cache.store(HOLE, reply("foo()", "foo"))
    assert texts(cache.find(typed("foo"))) == ["()"]


def test_typed_ahead_of_several_lines() -> None:
    cache = ReplyCache()
    cache.store(replace(HOLE, shape="span"), reply("a = 1\n    b = 2"))
    assert texts(cache.find(replace(typed("a = 1\n "), shape="span"))) == ["   b = 2"]


def test_the_seed_is_cut_with_the_text() -> None:
    cache = ReplyCache()
    candidate = Candidate("return one", Source.RETRIEVED, -1.0, 2, seed=SEED)
    cache.store(replace(HOLE, seeds=(SEED,)), InfillReply((candidate,), 1.0, "cpu", "m"))
    found = cache.find(replace(typed("ret"), seeds=(replace(SEED, text="urn one"),)))
    assert found is not None
    assert found.candidates[0].seed == replace(SEED, text="urn one")


def test_an_answer_without_retrieved_lines_does_not_stand_in_for_one_with(cache: ReplyCache) -> None:
    assert cache.find(replace(HOLE, seeds=(SEED,))) is None
    assert cache.find(replace(typed("re"), seeds=(SEED,))) is None
    cache.store(replace(HOLE, seeds=(SEED,)), reply("seeded"))
    assert texts(cache.find(HOLE)) == ["seeded"]


def test_no_candidates_is_an_answer_too() -> None:
    cache = ReplyCache()
    cache.store(HOLE, reply())
    assert texts(cache.find(HOLE)) == []
    assert cache.find(typed("x")) is None


def test_the_newest_answer_to_the_same_hole_counts(cache: ReplyCache) -> None:
    size_bytes = cache.size_bytes
    cache.store(HOLE, reply("return one", "return two", "none"))
    assert texts(cache.find(HOLE)) == ["return one", "return two", "none"]
    assert (len(cache), cache.size_bytes) == (1, size_bytes)


def test_least_recently_used_goes_first() -> None:
    cache = ReplyCache(max_entries=2)
    cache.store(typed("a"), reply("1"))
    cache.store(typed("b"), reply("2"))
    cache.find(typed("a"))
    cache.store(typed("c"), reply("3"))
    assert [texts(cache.find(typed(name))) for name in "abc"] == [["1"], None, ["3"]]


def test_bytes_are_bounded_and_freed() -> None:
    cache = ReplyCache(max_bytes=100_000)
    for number in range(50):
        cache.store(replace(HOLE, prefix=f"{number}" + "x" * 5_000), reply("a"))
        assert cache.size_bytes <= 100_000
    assert 1 <= len(cache) <= 5
    cache.store(replace(HOLE, prefix="x" * 50_000), reply("too large to keep"))
    assert (len(cache), cache.size_bytes) == (0, 0)
    cache.store(HOLE, reply("a"))
    cache.clear()
    assert (len(cache), cache.size_bytes, cache.find(HOLE)) == (0, 0, None)
