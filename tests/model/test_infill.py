from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from codeworld.canvas import InfillRequest, Seed, Source
from codeworld.model import checkpoint, fill, infill

PREFIX = "import os\n\n\ndef size(path: str) -> int:\n    return os.pa"
SUFFIX = "\n\n\nprint(size('x'))\n"


@pytest.fixture(scope="module")
def model(tiny: Path) -> infill.Infiller:
    return infill.load("cpu", tiny)


def test_every_source_answers_and_continues_what_is_typed(model: infill.Infiller) -> None:
    seed = Seed(text="th.getsize(path)", order=1, support=2, total=3)
    reply = model.infill(
        InfillRequest(PREFIX, SUFFIX, seeds=(seed,), sources=tuple(Source), max_candidates=9)
    )
    found = {c.source: c for c in reply.candidates}
    assert found[Source.RETRIEVED].text == seed.text
    assert Source.READER in found or Source.DENOISER in found
    assert all("\n" not in c.text and c.logprob_nats < 0 for c in reply.candidates)
    ordered = [c.logprob_nats for c in reply.candidates]
    assert ordered == sorted(ordered, reverse=True)


def test_same_request_same_answer(model: infill.Infiller) -> None:
    request = InfillRequest(PREFIX, SUFFIX, shape="span")
    first, second = model.infill(request), model.infill(request)
    assert [c.text for c in first.candidates] == [c.text for c in second.candidates]


@pytest.mark.parametrize(
    ("prefix", "suffix"), [("", ""), ("x", ""), ("", "x = 1\n"), ("é😀", "\r\n"), ("\n", "\n")]
)
def test_edges_do_not_fail(model: infill.Infiller, prefix: str, suffix: str) -> None:
    model.infill(InfillRequest(prefix, suffix))
    model.infill(InfillRequest(prefix, suffix, shape="span"))


def test_stop_is_obeyed_and_leaves_the_model_sound(tiny: Path, model: infill.Infiller) -> None:
    # fp32: int8 inputs are scaled per pass, so there how a text was cut into passes shows in the last digits
    network = checkpoint.load(tiny).eval().requires_grad_(False)
    stopped, fresh = (infill.Infiller(network, model.tokenizer, "cpu", infill.CPU) for _ in range(2))
    request = InfillRequest(PREFIX + " " * 7, SUFFIX)
    calls = iter([False, False, True])
    with pytest.raises(infill.Stopped):
        stopped.infill(request, lambda: next(calls, True))
    assert [c.text for c in stopped.infill(request).candidates] == [
        c.text for c in fresh.infill(request).candidates
    ]


def test_a_damaged_checkpoint_is_one_clear_line(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(checkpoint.CheckpointError, match=r"config\.json"):
        infill.load("cpu", tmp_path)
    checkpoint.tiny(tmp_path)
    (tmp_path / "model-0.safetensors").write_bytes(b"not a model")
    with pytest.raises(checkpoint.CheckpointError, match=r"model-0\.safetensors") as error:
        infill.load("cpu", tmp_path)
    assert "\n" not in str(error.value)


def test_given_fills_are_scored_as_if_each_were_alone(tiny: Path, model: infill.Infiller) -> None:
    network = checkpoint.load(tiny).eval().requires_grad_(False)  # fp32, see above
    exact = infill.Infiller(network, model.tokenizer, "cpu", infill.CPU)
    texts = tuple(f"th.join(path, '{i}')\n    return {i}" for i in range(60))  # more than one pass holds

    def scores(given: tuple[str, ...]) -> dict[str, float]:
        request = InfillRequest(
            PREFIX, SUFFIX, "", "span", given=given, sources=(Source.GIVEN,), max_candidates=99
        )
        return {c.text: c.logprob_nats for c in exact.infill(request).candidates}

    together = scores(texts)
    assert set(together) == set(texts)
    for text in texts[::20]:
        assert scores((text,))[text] == pytest.approx(together[text], abs=1e-3)


def test_candidates_are_compared_by_the_whole_text_read_as_it_stands(
    tiny: Path, model: infill.Infiller
) -> None:
    network = checkpoint.load(tiny).eval().requires_grad_(False)  # fp32, see above
    exact = infill.Infiller(network, model.tokenizer, "cpu", infill.CPU)
    seeds = tuple(Seed(f"th, {i})", 1, 1, 1) for i in range(3))
    request = InfillRequest(PREFIX, SUFFIX, "a.py", "span", seeds, alternatives=1, max_candidates=9)
    found = exact.infill(request).candidates
    assert len({c.text for c in found}) > 2

    for one in found:
        context = exact.reader.context(PREFIX, SUFFIX, "a.py")
        ids = exact.tokenizer.encode(context.head.decode() + one.text + SUFFIX)
        (logprobs,) = fill.joint(exact.reader, context, [ids])
        assert one.joint_nats == pytest.approx(float(logprobs.sum()), abs=1e-3)
        nats = exact.reader.surprise(PREFIX + one.text + SUFFIX, "a.py")[
            1
        ]  # the last token may go on: left out
        assert nats[1 - len(ids) :] == pytest.approx((-logprobs[:-1]).tolist(), abs=1e-3)
    again = exact.infill(msgspec.structs.replace(request, alternatives=0)).candidates
    assert {c.joint_nats for c in again} == {None}


def test_a_suffix_of_many_tokens_a_character_is_compared_too(model: infill.Infiller) -> None:
    seeds = tuple(Seed(f"th, {i})", 1, 1, 1) for i in range(3))
    prefix = "x = 1\n" * 900 + PREFIX  # more than the window holds
    request = InfillRequest(prefix, "\n# " + "𓀀𒀀" * 400, "", "span", seeds, alternatives=1, max_candidates=9)
    found = model.infill(request).candidates
    assert len({c.text for c in found}) > 2
    assert all(c.joint_nats is not None for c in found)


def test_a_given_fill_longer_than_a_canvas_is_left_out(model: infill.Infiller) -> None:
    request = InfillRequest(PREFIX, SUFFIX, given=("th", "x + " * 200), sources=(Source.GIVEN,))
    assert [c.text for c in model.infill(request).candidates] == ["th"]


def test_a_line_is_revised_token_by_token(model: infill.Infiller) -> None:
    own = "th.getsize(path)"
    reply = model.infill(
        InfillRequest(PREFIX, SUFFIX, given=(own,), sources=(Source.REVISED,), max_candidates=99)
    )
    same = [one for one in reply.candidates if one.text == own]
    assert [one.source for one in same] == [Source.REVISED]
    others = [one for one in reply.candidates if one.text != own]
    assert others
    encode = model.tokenizer.encode
    assert all(0.0 <= one.certainty <= 1.0 and "\n" not in one.text for one in reply.candidates)
    changed = [
        sum(a != b for a, b in zip(encode("pa" + one.text), encode("pa" + own), strict=False))
        for one in others
    ]
    assert min(changed) == 1
    scored = model.infill(InfillRequest(PREFIX, SUFFIX, given=(own,), sources=(Source.GIVEN,)))
    assert same[0].logprob_nats == pytest.approx(scored.candidates[0].logprob_nats, abs=0.2)


@pytest.mark.parametrize("own", ["", "x" * 2000])
def test_what_does_not_fit_a_canvas_is_not_revised(model: infill.Infiller, own: str) -> None:
    reply = model.infill(InfillRequest("x = (", ")\n", given=(own,), sources=(Source.REVISED,)))
    assert all(one.text == own or len(one.text) < 200 for one in reply.candidates)


@pytest.mark.parametrize("count", [0, 1, 4, 200])
def test_lines_are_read_as_they_stand(model: infill.Infiller, count: int) -> None:
    lines = [f"value_{i} = compute({i}, 'é')" if i % 3 else "" for i in range(count)]
    prefix = "".join(f"{line}\n" for line in lines) + "unfinished"
    read = model.infill(InfillRequest(prefix, "", sources=(Source.READ,))).candidates
    assert [one.text for one in read] == lines[len(lines) - len(read) :]
    assert len(read) >= min(count, 10)
    for one in read:
        assert (one.tokens > 0) == bool(one.text)
        assert one.logprob_nats <= 0.0 <= one.certainty <= 1.0


def test_reading_is_causal_and_leaves_the_cache_right(tiny: Path, model: infill.Infiller) -> None:
    network = checkpoint.load(tiny).eval().requires_grad_(False)
    exact = infill.Infiller(network, model.tokenizer, "cpu", infill.CPU)
    asked = InfillRequest(PREFIX, SUFFIX, given=("th",), sources=(Source.GIVEN,))
    before = exact.infill(asked).candidates[0].logprob_nats
    text = "first = 1\nsecond = 2\nthird = 3\n"
    short = exact.infill(InfillRequest(text, "", sources=(Source.READ,))).candidates
    longer = exact.infill(InfillRequest(text + "fourth = 4\n", "", sources=(Source.READ,))).candidates
    assert [one.logprob_nats for one in longer[:2]] == pytest.approx(
        [one.logprob_nats for one in short[:2]], abs=1e-3
    )
    assert exact.infill(asked).candidates[0].logprob_nats == pytest.approx(before, abs=1e-3)
