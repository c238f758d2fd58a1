"""Draft and verify: the denoiser proposes all that is missing at once, the reader's next-token head keeps what it would
have written itself and puts its own token behind that, and the denoiser goes on from there. What comes out is the
reader's greedy fill at several tokens a pass: speculative decoding (Leviathan et al. 2023) with diffusion as the draft
(Christopher et al. 2024), both by the same weights. Lines from the repository are drafts as well, checked in the first
pass beside the first canvas, and get their probability there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import msgspec
import torch
from torch import Tensor

from codeworld.model.fill import Allowed
from codeworld.model.reader import Context, Reader, Stopped, never
from codeworld.model.tokenizer import END, FILL, MASK

ROOM = 6  # masked slots that a canvas should have at least; else a longer one is taken


class Turn(msgspec.Struct, frozen=True):
    """Where the path could have gone instead: its second choice."""

    at: int  # tokens of the path before it
    token: int
    logprob_nats: float  # of those and this one


class Path(msgspec.Struct):
    """The reader's greedy fill as far as it is known, without the end."""

    ids: list[int] = []
    logprob_nats: float = 0.0  # of ids, and of the end once it is there
    ended: bool = False
    kept: int = 0  # tokens of [FILL, *ids] whose keys and values lie in the reader's memory
    passes: int = 0
    drafts: int = 0  # passes with a canvas: denoiser calls
    first: list[int] | None = None  # what the denoiser drafted in its first call, in one step
    certainty: float = 0.0  # the denoiser's mean probability of that
    seed_logprobs: list[float] = []
    turns: list[Turn] = []


class _Group(msgspec.Struct):
    """Rows of a pass that read ``[FILL, *ids][kept:]`` and then ``draft``."""

    draft: list[int]
    at: int  # its first row
    pending: int  # rows before the draft's


class Speculation:
    """One hole. ``lengths`` are the canvases' sizes, shortest first."""

    def __init__(self, reader: Reader, context: Context, allowed: Allowed, lengths: Sequence[int]) -> None:
        self.reader, self.context, self.allowed = reader, context, allowed
        self.lengths = lengths
        self.path = Path()

    def turned(self, turn: Turn) -> Speculation:
        """The same hole, its path bent at ``turn``."""
        other = Speculation(self.reader, self.context, self.allowed, self.lengths)
        other.path.logprob_nats = turn.logprob_nats
        other.path.ids = self.path.ids[: turn.at] + ([] if turn.token == END else [turn.token])
        other.path.ended = turn.token == END
        return other

    @torch.inference_mode()
    def run(
        self,
        seeds: Sequence[list[int]],
        most_passes: int,
        least_logprob_nats: float = -1e9,
        should_stop: Callable[[], bool] = never,
    ) -> Path:
        """Decode in at most ``most_passes`` passes, and while the fill is no less likely than that. Raises Stopped."""
        path, longest = self.path, self.reader.config.canvas_tokens - 1
        draft = None if path.ended else self._pass(list(seeds), canvas=not path.ids)
        while not path.ended and path.passes < most_passes and len(path.ids) < longest:
            if path.logprob_nats < least_logprob_nats:
                break
            if should_stop():
                raise Stopped
            ahead = None if draft is None or draft[: len(path.ids)] != path.ids else draft[len(path.ids) :]
            draft = self._pass([], canvas=True) if ahead is None else self._pass([ahead], canvas=False)
        return path

    def _pass(self, drafts: list[list[int]], *, canvas: bool) -> list[int] | None:
        """Verify ``drafts`` and, with ``canvas``, denoise one: the fill that it drafts, from its beginning."""
        path, device = self.path, self.reader.like.device
        known, pending = list(path.ids), [FILL, *path.ids][path.kept :]
        rows: list[int] = []
        places: list[int] = []
        owner: list[int] = []
        groups = []
        for draft in drafts:
            groups.append(_Group(draft, len(rows), len(pending)))
            owner += [len(groups)] * (len(pending) + len(draft))
            places += range(path.kept, path.kept + len(pending) + len(draft))
            rows += [*pending, *draft]
        start, size = len(rows), self._length() if canvas else 0
        rows += (known + [MASK] * size)[:size]
        places += range(size)
        owner += [0] * size
        group, order = torch.tensor(owner, device=device), torch.arange(len(rows), device=device)
        on_canvas = group == 0
        own = (group[:, None] == group) & (on_canvas[:, None] | (order[:, None] >= order))
        ids = torch.tensor([rows], device=device)
        x = self.reader.network.embed(ids, torch.zeros_like(ids), on_canvas[None])
        positions = torch.tensor(places, device=device) + self.context.position
        hidden = self.reader.segment(self.context, x, positions, own, behind=path.kept, blind=on_canvas)
        path.passes += 1
        if groups:
            self._advance(groups, hidden[:start])
        return known + self._drafted(hidden[start + len(known) :], first=not known) if size else None

    def _length(self) -> int:
        known = len(self.path.ids)
        return next((n for n in self.lengths if n >= known + ROOM), self.lengths[-1])

    def _advance(self, groups: list[_Group], hidden: Tensor) -> None:
        """Go on along the draft of which most was right."""
        path = self.path
        logits = self.reader.network.logits(hidden).float()
        logprobs = logits.log_softmax(-1)
        best: tuple[int, Tensor, _Group, list[float], list[float]] | None = None
        for group in groups:
            rows = slice(group.at + group.pending - 1, group.at + group.pending + len(group.draft))
            biased = logits[rows] + self.allowed.bias(first=False)
            if not path.ids:
                biased[0] = logits[rows][0] + self.allowed.bias(first=True)
            choices = biased.topk(2).indices
            ends = torch.tensor([*group.draft, END], device=choices.device)
            if path.passes == 1:
                path.seed_logprobs.append(float(logprobs[rows].gather(1, ends[:, None]).sum()))
            taken, instead = logprobs[rows].gather(1, choices).T.tolist()
            tokens = choices[:, 0].tolist()
            right = next((i for i, t in enumerate(group.draft) if t != tokens[i]), len(group.draft))
            if best is None or right > best[0]:
                best = right, choices, group, taken, instead
        assert best is not None
        right, choices, group, taken, instead = best
        tokens, seconds = choices.T.tolist()
        before = accumulate(taken[:right], initial=path.logprob_nats)
        for i, logprob in enumerate(before):
            path.turns.append(Turn(len(path.ids) + i, seconds[i], logprob + instead[i]))
        self._keep(group, group.pending + right)
        path.logprob_nats += sum(taken[: right + 1])
        path.ids += tokens[:right]
        path.ended = tokens[right] == END
        if not path.ended:
            path.ids.append(tokens[right])

    def _keep(self, group: _Group, count: int) -> None:
        """Move the keys and values of a group's first rows to where the path's lie."""
        to = self.context.end + self.path.kept
        if group.at:
            for memory in (self.reader.keys, self.reader.values):
                memory[:, :, to : to + count] = memory[:, :, to + group.at : to + group.at + count].clone()
        self.path.kept += count

    def _drafted(self, hidden: Tensor, *, first: bool) -> list[int]:
        """The best token of each masked slot up to the end of the hole."""
        raw = self.reader.network.logits(hidden).float()
        logits = raw + self.allowed.bias(first=False)
        if first:  # it may hold the newline that is typed already, which later ones may not
            logits[0] = raw[0] + self.allowed.bias(first=True)
        probability, token = logits.softmax(-1).max(-1)
        tokens = token.tolist()
        draft = tokens[: tokens.index(END)] if END in tokens else tokens
        if self.path.first is None:
            self.path.first = draft
            self.path.certainty = float(probability[: len(draft) + 1].log().mean().exp())
        self.path.drafts += 1
        return draft
