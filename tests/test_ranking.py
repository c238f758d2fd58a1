from __future__ import annotations

import random
import subprocess
import sys

import pytest

from codeworld import ranking
from codeworld.canvas import Candidate, Seed, Source
from codeworld.ranking import Weights
from codeworld.training import ranker
from codeworld.training.ranker import Record


def made(text: str, source: Source = Source.DENOISER, logprob: float = -1.0, **more: object) -> Candidate:
    return Candidate(text, source, logprob, **{"tokens": 4, **more})  # type: ignore[arg-type]


def copied(text: str, order: int = 1, support: int = 1, total: int = 2) -> Candidate:
    return Candidate(text, Source.RETRIEVED, 0.0, tokens=0, seed=Seed(text, order, support, total))


def test_equal_texts_become_one_candidate_that_keeps_what_each_knew() -> None:
    seed = Seed("a", 3, 2, 2)
    found = ranking.rank([made("a", certainty=0.9), made("b"), made("a", Source.RETRIEVED, -0.5, seed=seed)])
    assert sorted(c.text for c in found) == ["a", "b"]
    best = next(c for c in found if c.text == "a")
    assert (best.source, best.seed, best.certainty, best.logprob_nats) == (Source.RETRIEVED, seed, 0.9, -0.5)


def test_best_first_and_confidence_is_a_probability() -> None:
    found = ranking.rank([made("c", logprob=-1e9), made("b", logprob=-0.01), made("a", logprob=-9.0)])
    assert [c.confidence for c in found] == sorted((c.confidence for c in found), reverse=True)
    assert all(0 <= c.confidence <= 1 for c in found)


def test_nothing_to_rank() -> None:
    assert ranking.rank([]) == ()
    assert ranking.rank([made("")]) == ()


def test_copies_without_a_model_have_weights_of_their_own() -> None:
    weights = Weights(0.5, with_model={"bias": 9.0}, without_model={"bias": -9.0})
    assert ranking.rank([copied("a")], weights)[0].confidence < 0.01
    assert ranking.rank([made("a")], weights)[0].confidence > 0.99


def test_packaged_weights_trust_agreement_of_both_neighbours_more() -> None:
    strong, weak = (ranking.rank([copied("return x", order, 3, 3)])[0] for order in (3, 1))
    assert strong.confidence > weak.confidence
    assert ranking.rank([copied("return x", 3, 3, 3)], shape="span")[0].confidence < strong.confidence
    assert 0 < ranking.DEFAULT_THRESHOLD < 1


def test_gap_is_measured_to_the_best_other_text() -> None:
    first, second = ranking.features(ranking.merge([made("a", logprob=-1.0), made("b", logprob=-3.0)]))
    assert first["gap"] == pytest.approx(0.2)
    assert second["gap"] == pytest.approx(-0.2)


def records(count: int = 300) -> list[Record]:
    """Right answers have a high log probability, mostly; the copies' share is what is right."""
    chance = random.Random(1)
    found = []
    for number in range(count):
        logprob = -6 * chance.random()
        target = "right" if chance.random() < 2.0**logprob else "something else"
        candidates = (made("right", logprob=logprob), made("wrong", logprob=-5.0))
        found.append(Record(f"repo{number % 3}", candidates, target))
    return found


def test_fit_learns_what_is_right_and_is_calibrated_on_groups_it_never_saw() -> None:
    weights = ranker.fit(records())
    likely = ranking.rank([made("right", logprob=-0.1), made("wrong", logprob=-5.0)], weights)[0]
    unlikely = ranking.rank([made("right", logprob=-5.5), made("wrong", logprob=-5.0)], weights)[0]
    assert likely.confidence > 0.7 > 0.3 > unlikely.confidence
    tops = [
        (top.confidence, top.text == r.target)
        for r, top in ranker.cross_validated(records(), records())
        if top
    ]
    assert sum(c for c, _ in tops) / len(tops) == pytest.approx(
        sum(right for _, right in tops) / len(tops), abs=0.06
    )


def test_fit_is_at_the_optimum() -> None:
    """Any small move from the weights found makes the penalised likelihood worse."""
    rows = [({"bias": 1.0, "x": float(k % 5)}, k % 5 + k % 3 > 3) for k in range(60)]
    best = ranker._newton(rows, penalty=1.0)

    def loss(weights: dict[str, float]) -> float:
        import math

        scores = [sum(weights[n] * v for n, v in found.items()) for found, _ in rows]
        return weights["x"] ** 2 / 2 + sum(
            math.log1p(math.exp(-s if right else s)) for s, (_, right) in zip(scores, rows, strict=True)
        )

    for name in best:
        for move in (-0.01, 0.01):
            assert loss({**best, name: best[name] + move}) > loss(best)


def test_threshold_is_the_lowest_with_half_right() -> None:
    tops = [(0.9 - at / 100, True) for at in range(20)] + [(0.5 - at / 100, False) for at in range(30)]
    assert ranker.choose_threshold(tops) == pytest.approx(0.5 - 19 / 100)
    assert ranker.choose_threshold([(0.9, False)] * 50) == 1.0
    assert ranker.choose_threshold([]) == 1.0


def test_threshold_does_not_split_equal_confidences() -> None:
    assert ranker.choose_threshold([(0.5, True)] * 15 + [(0.5, False)] * 30) == 1.0


def test_nothing_to_fit() -> None:
    with pytest.raises(ValueError, match="no candidates"):
        ranker.fit([Record("r", (), "x")])


def test_the_server_can_rank_without_numpy_or_torch() -> None:
    code = "import sys, codeworld.ranking; sys.exit(any(m in sys.modules for m in ('numpy', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
