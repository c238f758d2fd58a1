"""The model behind one call: a hole in, candidates out. This is all that the engine process knows of torch."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import msgspec
import torch

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Seed, Source
from codeworld.model import checkpoint, fill, quantised
from codeworld.model.continuation import go_on, next_indentation, others
from codeworld.model.denoiser import Canvas, denoise, predict, revisions
from codeworld.model.fill import Allowed
from codeworld.model.network import Network
from codeworld.model.reader import SEGMENT, Context, Reader, Stopped, never
from codeworld.model.reading import read_lines
from codeworld.model.speculate import Speculation
from codeworld.model.tokenizer import END, MASK, CodeTokenizer

__all__ = ["Infiller", "Profile", "Stopped", "load"]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a device can afford in one keystroke. Lengths in tokens."""

    window: int
    outline: int = 0  # so much longer a window for a model that reads outlines
    jump: int
    suffix: int
    chunk: int  # tokens read between two looks at should_stop
    line_canvases: tuple[int, ...] = (16, 32, 64, 96)
    span_canvases: tuple[int, ...] = (32, 64, 96)
    line_passes: int = 16
    span_passes: int = 48
    continued: int = 256  # tokens of a continuation where nothing follows
    turn_margin_nats: float = 5.0  # an alternative may be so much less likely than the greedy fill
    joint_chars: int = 240  # of the suffix, where candidates are compared by what follows them
    seeds: int = 3  # retrieved lines that are scored
    edited: int = 1  # and those that are tried with noise
    edit_steps: int = 2
    edit_below: float = 0.3  # tokens of a retrieved line less likely than this are masked
    denoise_steps: int = 8  # of the denoiser on its own
    revised: int = 8  # tokens of a text that are masked in turn, and texts that come of it
    revisions: int = 3  # of each


CPU = Profile(window=640, outline=128, jump=128, suffix=128, chunk=128)
GPU = Profile(window=1024, jump=256, suffix=128, chunk=1024, edited=2)


class Draft(msgspec.Struct):
    """A fill on its way to becoming a candidate; ``ids`` begin with the healed token."""

    ids: list[int]
    source: Source
    certainty: float = 0.0
    steps: int = 0
    seed: Seed | None = None


class Infiller:
    """Not thread-safe: one request at a time."""

    def __init__(self, network: Network, tokenizer: CodeTokenizer, device: str, profile: Profile) -> None:
        self.device, self.profile, self.tokenizer = device, profile, tokenizer
        self.model = f"{network.config.name}-{network.config.version}"
        window = profile.window + (profile.outline if network.config.outlines else 0)
        self.reader = Reader(
            network, tokenizer, window, profile.jump, profile.suffix, profile.chunk,
            static=device.startswith("cuda"),
        )  # fmt: skip

    def infill(self, request: InfillRequest, should_stop: Callable[[], bool] = never) -> InfillReply:
        """Candidates for ``request``, most probable first. ``should_stop`` is polled between passes; raises Stopped."""
        begin = time.perf_counter()
        if request.sources == (Source.READ,):
            return self._reply(read_lines(self.reader, request.prefix, request.path, should_stop), begin)
        context = self.reader.context(
            request.prefix, request.suffix, request.path, should_stop, request.outline
        )
        one_line = request.shape == "line"
        allowed = Allowed(self.reader, context.head, one_line)
        given = request.seeds[: self.profile.seeds] if Source.RETRIEVED in request.sources else ()
        seeds = [Draft(self._seed_ids(context, s), Source.RETRIEVED, seed=s) for s in given]
        seeds = [s for s in seeds if self._continues(context, s)]
        found: list[Candidate] = []
        drafts: list[Draft] = []
        open_end = not one_line and not request.suffix.strip()
        if Source.VERIFIED in request.sources and not open_end:
            found += self._verified(context, allowed, request, seeds, should_stop)
        else:
            drafts += seeds
        if Source.DENOISER in request.sources:
            drafts += self._denoised(context, allowed, request, should_stop)
        if Source.READER in request.sources:
            ids, _ = fill.decode(self.reader, context, allowed, 32 if one_line else 95)
            drafts.append(Draft(ids, Source.READER, steps=len(ids) + 1))
        if Source.EDITED in request.sources and seeds:
            drafts += self._edited(context, allowed, seeds, should_stop)
        if Source.REVISED in request.sources and request.given:
            drafts += self._revised(context, allowed, request.given[0], should_stop)
        found += self._scored(context, drafts, should_stop)
        if Source.GIVEN in request.sources:
            found += self._given(context, request.given, should_stop)
        if Source.VERIFIED in request.sources and open_end:  # last, for it reads another context
            found += self._continued(request, should_stop)
        if request.alternatives and not open_end:
            found = self._compared(context, found, request.suffix, should_stop)
        found.sort(key=lambda c: -c.logprob_nats)
        return self._reply(found[: request.max_candidates], begin)

    def _reply(self, candidates: Sequence[Candidate], begin_s: float) -> InfillReply:
        latency = 1000 * (time.perf_counter() - begin_s)
        return InfillReply(tuple(candidates), latency, self.device, self.model)

    def _continued(self, request: InfillRequest, should_stop: Callable[[], bool]) -> list[Candidate]:
        """The block that the prefix has begun, to its end."""
        indent = next_indentation(request.prefix)
        prefix = request.prefix + indent
        context = self.reader.context(prefix, "", request.path, should_stop, request.outline)
        line_before, most = prefix[prefix.rfind("\n") + 1 :], self.profile.continued
        greedy = go_on(self.reader, context, line_before, most, should_stop)
        made = [greedy]
        if count := request.alternatives:
            margin = self.profile.turn_margin_nats
            made += others(self.reader, context, line_before, greedy, count, margin, most, should_stop)
        return [
            Candidate(indent + one.text, Source.READER, one.logprob_nats, len(one.ids), steps=len(one.ids))
            for one in made
            if one.text.strip()
        ]

    def _verified(
        self, context: Context, allowed: Allowed, request: InfillRequest, seeds: list[Draft],
        should_stop: Callable[[], bool],
    ) -> list[Candidate]:  # fmt: skip
        """The reader's greedy fill, found by drafting; the seeds get their probability in its first pass."""
        p, one_line = self.profile, request.shape == "line"
        speculation = Speculation(
            self.reader, context, allowed, p.line_canvases if one_line else p.span_canvases
        )
        most = request.steps or (p.line_passes if one_line else p.span_passes)
        least = request.least_logprob_nats
        path = speculation.run([s.ids for s in seeds], most, least, should_stop)
        found = [
            self._candidate(context, s, logprob) for s, logprob in zip(seeds, path.seed_logprobs, strict=True)
        ]
        draft = Draft(path.ids, Source.VERIFIED, path.certainty, path.passes)
        hopeless = path.logprob_nats < least
        if self._continues(context, draft) and (path.ended or not (found or hopeless)):
            found.append(self._candidate(context, draft, path.logprob_nats))
        if path.ended and request.alternatives:
            found += self._turned(context, speculation, request.alternatives, most, should_stop)
        return found

    def _turned(
        self,
        context: Context,
        speculation: Speculation,
        count: int,
        most: int,
        should_stop: Callable[[], bool],
    ) -> list[Candidate]:
        """Fills that differ from the greedy one from its least certain choices on, while they are not much less
        likely: greedy is not the most likely, and what does not pass the checks needs a second."""
        greedy, found = speculation.path, list[Candidate]()
        turns = sorted(greedy.turns, key=lambda turn: -turn.logprob_nats)[:count]
        least = greedy.logprob_nats - self.profile.turn_margin_nats
        for turn in turns:
            if turn.logprob_nats < least:
                break
            other = speculation.turned(turn)
            path = other.run([greedy.ids[turn.at + 1 :]], most, least, should_stop)
            draft = Draft(path.ids, Source.VERIFIED, greedy.certainty, greedy.passes + path.passes)
            if path.ended and path.logprob_nats >= least and self._continues(context, draft):
                found.append(self._candidate(context, draft, path.logprob_nats))
        return found

    def _denoised(
        self, context: Context, allowed: Allowed, request: InfillRequest, should_stop: Callable[[], bool]
    ) -> list[Draft]:
        p, one_line = self.profile, request.shape == "line"
        canvases = [Canvas.empty(n) for n in (p.line_canvases[:2] if one_line else p.span_canvases)]
        steps = request.steps or p.denoise_steps
        denoise(self.reader, context, canvases, allowed, steps, should_stop=should_stop)
        whole = [c for c in canvases if END in c.ids] or canvases[-1:]
        return [Draft(c.text_ids(), Source.DENOISER, c.certainty, c.steps) for c in whole]

    def _seed_ids(self, context: Context, seed: Seed) -> list[int]:
        limit = self.reader.config.canvas_tokens - 1
        return self.tokenizer.encode(context.head.decode("utf-8", "replace") + seed.text)[:limit]

    def _edited(
        self, context: Context, allowed: Allowed, seeds: list[Draft], should_stop: Callable[[], bool]
    ) -> list[Draft]:
        """Retrieved lines at partial noise: the tokens that the reader or the quality head doubts are masked, and the
        canvas is denoised from there."""
        seeds = seeds[: self.profile.edited]
        logprobs = fill.score(self.reader, context, [s.ids for s in seeds])
        canvases = [Canvas([*s.ids, END], [0] * (len(s.ids) + 1)) for s in seeds]
        quality = predict(self.reader, context, canvases, allowed)
        for canvas, own, seen in zip(canvases, logprobs, quality, strict=True):
            for i, (logprob, wrong) in enumerate(zip(own.exp().tolist(), seen.wrong, strict=True)):
                if logprob < self.profile.edit_below or wrong > 0.5:
                    canvas.ids[i] = MASK
        pairs = [(c, s) for c, s in zip(canvases, seeds, strict=True) if c.masked]
        denoise(
            self.reader,
            context,
            [c for c, _ in pairs],
            allowed,
            self.profile.edit_steps,
            should_stop=should_stop,
        )
        return [
            Draft(c.text_ids(), Source.EDITED, c.certainty, c.steps + 1, s.seed)
            for c, s in pairs
            if END in c.ids
        ]

    def _revised(
        self, context: Context, allowed: Allowed, text: str, should_stop: Callable[[], bool]
    ) -> list[Draft]:
        """The text as it is, and with one of its tokens changed: of those that surprise the reader most."""
        ids = self.tokenizer.encode(context.head.decode("utf-8", "replace") + text)
        if not ids or len(ids) >= self.reader.config.canvas_tokens:
            return []
        if should_stop():
            raise Stopped
        (logprobs,) = fill.score(self.reader, context, [ids])
        doubted = logprobs[: len(ids)].argsort()[: min(self.profile.revised, SEGMENT // (len(ids) + 1) - 1)]
        slots = sorted(doubted.tolist())
        found, wrong = revisions(self.reader, context, ids, slots, allowed, self.profile.revisions)
        drafts = [Draft(ids, Source.REVISED, 1.0 - max(wrong), steps=2)]
        for one in found[: self.profile.revised]:
            changed = [*ids[: one.slot], one.token, *ids[one.slot + 1 :]]
            drafts.append(Draft(changed, Source.REVISED, one.odds, steps=2))
        return drafts

    def _scored(
        self, context: Context, drafts: list[Draft], should_stop: Callable[[], bool]
    ) -> list[Candidate]:
        """Candidates with the reader's probability, in one pass over the distinct fills."""
        drafts = [d for d in drafts if self._continues(context, d)]
        distinct = list(dict.fromkeys(tuple(d.ids) for d in drafts))
        while sum(len(ids) + 1 for ids in distinct) > SEGMENT:
            distinct.pop()
        drafts = [d for d in drafts if tuple(d.ids) in distinct]
        if not drafts:
            return []
        if should_stop():
            raise Stopped
        scores = fill.score(self.reader, context, [list(ids) for ids in distinct])
        total = {ids: float(s.sum()) for ids, s in zip(distinct, scores, strict=True)}
        return [self._candidate(context, d, total[tuple(d.ids)]) for d in drafts]

    def _given(
        self, context: Context, texts: Sequence[str], should_stop: Callable[[], bool]
    ) -> list[Candidate]:
        """The caller's fills with the reader's probability, in as few passes as hold them."""
        head = context.head.decode("utf-8", "replace")
        ids = [self.tokenizer.encode(head + text) for text in texts]
        waiting = [
            (t, i) for t, i in zip(texts, ids, strict=True) if len(i) < self.reader.config.canvas_tokens
        ]
        found: list[Candidate] = []
        for batch in batched(waiting, should_stop):
            scores = fill.score(self.reader, context, [ids for _, ids in batch])
            found += [
                Candidate(text, Source.GIVEN, float(score.sum()), len(ids), steps=1)
                for (text, ids), score in zip(batch, scores, strict=True)
            ]
        return found

    def _compared(
        self, context: Context, found: list[Candidate], suffix: str, should_stop: Callable[[], bool]
    ) -> list[Candidate]:
        """The candidates with ``joint_nats``, unless there is nothing to compare."""
        head, following = context.head.decode("utf-8", "replace"), suffix[: self.profile.joint_chars]
        while len(self.tokenizer.encode(following)) > SEGMENT // 2:  # a character may be several tokens
            following = following[: len(following) // 2]
        texts = {text: self.tokenizer.encode(head + text + following) for text in {c.text for c in found}}
        if len(texts) < 2:
            return found
        nats = {
            text: float(logprobs.sum())
            for batch in batched(texts.items(), should_stop)
            for (text, _), logprobs in zip(
                batch, fill.joint(self.reader, context, [ids for _, ids in batch]), strict=True
            )
        }
        return [msgspec.structs.replace(c, joint_nats=nats[c.text]) for c in found]

    def _candidate(self, context: Context, draft: Draft, logprob_nats: float) -> Candidate:
        text = self.tokenizer.decode(draft.ids)[len(context.head.decode("utf-8", "replace")) :]
        return Candidate(
            text=text, source=draft.source, logprob_nats=logprob_nats, tokens=len(draft.ids),
            certainty=draft.certainty, steps=draft.steps, seed=draft.seed,
        )  # fmt: skip

    def _continues(self, context: Context, draft: Draft) -> bool:
        """Does the fill begin with what is already typed (always so unless the end came first)?"""
        return b"".join(self.tokenizer.token_bytes[i] for i in draft.ids).startswith(context.head)

    def warm_up(self) -> None:
        """Run every kind of pass once, so that the first keystroke does not pay for lazy set-up."""
        if self.reader.static is not None:
            self.reader.static.prepare()
        seed = Seed(text="x + y)", order=1, support=1, total=1)
        self.infill(InfillRequest(prefix="def add(x, y):\n    return (", suffix="\n", seeds=(seed,)))

    def unload(self) -> None:
        """Free the weights and caches; the object is of no use afterwards."""
        del self.reader
        gc.collect()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()


def batched(
    texts: Iterable[tuple[str, list[int]]], should_stop: Callable[[], bool]
) -> Iterator[list[tuple[str, list[int]]]]:
    """As many of the (text, ids) at a time as one pass holds with a token before each. Raises Stopped."""
    waiting = list(texts)
    while waiting:
        if should_stop():
            raise Stopped
        sizes = accumulate(len(ids) + 1 for _, ids in waiting)
        count = max(1, sum(size <= SEGMENT for size in sizes))
        yield waiting[:count]
        del waiting[:count]


def load(device: str = "auto", path: Path | None = None) -> Infiller:
    """The model of ``path`` (default: $CODEWORLD_MODEL, then the bundled one) on "cpu", "cuda" or "auto". Raises
    CheckpointError with a one-line message."""
    folder = path or Path(os.environ.get("CODEWORLD_MODEL") or checkpoint.BUNDLED)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    int8 = device == "cpu" and quantised.supported()
    network = quantised.load(folder) if int8 else checkpoint.load(folder).eval().requires_grad_(False)
    try:
        tokenizer = CodeTokenizer(folder / "tokenizer.json")
    except Exception as error:  # the tokenizers library raises bare Exception
        raise checkpoint.CheckpointError(f"cannot read {folder / 'tokenizer.json'}: {error}") from error
    if device == "cpu":
        # The editor needs cores too, and threads that wait for one another on busy cores are slower than one alone.
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, min(4, (os.cpu_count() or 2) // 2)))
        return Infiller(network, tokenizer, device, CPU)
    network.to(device=device, dtype=torch.bfloat16)
    return Infiller(network, tokenizer, device, GPU)
