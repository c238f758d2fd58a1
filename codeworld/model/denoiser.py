"""The canvas denoiser: the network read in both directions over a canvas of masked tokens, and its sampler.

Masked diffusion with an absorbing state (Sahoo et al. 2024, MDLM): a step predicts all masked slots at once and reveals
those it is surest of. Several canvases (lengths, starts) are denoised side by side in one pass.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import torch

from codeworld.model.fill import Allowed
from codeworld.model.reader import Context, Reader, Stopped, never
from codeworld.model.tokenizer import END, MASK


class Canvas(msgspec.Struct):
    """Slots being denoised. ``labels`` are syntax-label ids, 0 where unknown; ``doubt`` sums -ln p of what was
    revealed over ``revealed`` slots."""

    ids: list[int]
    labels: list[int]
    doubt: float = 0.0
    revealed: int = 0
    steps: int = 0

    @classmethod
    def empty(cls, length: int) -> Canvas:
        """All slots masked."""
        return cls([MASK] * length, [0] * length)

    @property
    def masked(self) -> list[int]:
        """Indices of the slots still to be revealed."""
        return [i for i, t in enumerate(self.ids) if t == MASK]

    def reveal(self, slot: int, token: int, label: int, probability: float) -> None:
        """Fix a slot; the end of the hole takes all slots behind it."""
        self.ids[slot], self.labels[slot] = token, label
        self.doubt -= float(torch.log(torch.tensor(max(probability, 1e-9))))
        self.revealed += 1
        if token == END:  # nothing stands behind the end of the hole
            self.ids[slot:] = [END] * (len(self.ids) - slot)

    def text_ids(self) -> list[int]:
        """Tokens before the end of the hole."""
        return self.ids[: self.ids.index(END)] if END in self.ids else list(self.ids)

    @property
    def certainty(self) -> float:
        """Geometric mean of the probabilities of the revealed slots."""
        return float(torch.exp(torch.tensor(-self.doubt / max(self.revealed, 1))))


class Predicted(msgspec.Struct):
    """Best token, its probability, and best label of each slot of one canvas."""

    tokens: list[int]
    probabilities: list[float]
    labels: list[int]
    wrong: list[float]  # quality head: probability that the visible token is wrong


@torch.inference_mode()
def predict(reader: Reader, context: Context, canvases: list[Canvas], allowed: Allowed) -> list[Predicted]:
    """One denoiser call over all canvases."""
    hidden, logits, sizes = _seen(reader, context, canvases, allowed)
    probability, token = logits.softmax(-1).max(-1)
    label = reader.network.label_head(hidden).float().argmax(-1)
    wrong = reader.network.quality_head(hidden).float().sigmoid()[:, 0]
    columns = [t.split(sizes) for t in (token.cpu(), probability.cpu(), label.cpu(), wrong.cpu())]
    return [Predicted(*(part.tolist() for part in row)) for row in zip(*columns, strict=True)]


def _seen(
    reader: Reader, context: Context, canvases: list[Canvas], allowed: Allowed
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Hidden states [T, width] and fp32 logits [T, vocabulary] of the canvases' slots, side by side, and their
    lengths."""
    network, device = reader.network, reader.like.device
    sizes = [len(c.ids) for c in canvases]
    ids = torch.tensor([[t for c in canvases for t in c.ids]], device=device)
    labels = torch.tensor([[t for c in canvases for t in c.labels]], device=device)
    offsets = [i for n in sizes for i in range(n)]
    group = torch.tensor([i for i, n in enumerate(sizes) for _ in range(n)], device=device)
    x = network.embed(ids, labels, torch.ones_like(ids, dtype=torch.bool))
    positions = torch.tensor(offsets, device=device) + context.position
    own = group[:, None] == group if len(canvases) > 1 else None
    hidden = reader.segment(context, x, positions, own)
    raw = network.logits(hidden).float()
    logits = raw + allowed.bias(first=False)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    logits[starts] = raw[starts] + allowed.bias(first=True)
    return hidden, logits, sizes


class Revision(msgspec.Struct):
    """``token`` instead of the one in ``slot``; ``odds`` is the probability of the new one against the old one, in
    (0, 1): one half where both are as likely."""

    slot: int
    token: int
    odds: float


@torch.inference_mode()
def revisions(
    reader: Reader, context: Context, ids: list[int], slots: list[int], allowed: Allowed, most: int
) -> tuple[list[Revision], list[float]]:
    """What the denoiser would rather see in each of ``slots`` of a text, masked one at a time: the likeliest ``most``
    of each slot, best first. And, for each token of the text as it is, the quality head's probability that it is
    wrong."""
    shown = Canvas([*ids, MASK], [0] * (len(ids) + 1))  # in training at least one slot was masked
    canvases = [shown]
    for slot in slots:
        canvases.append(Canvas([*ids[:slot], MASK, *ids[slot + 1 :], END], [0] * (len(ids) + 1)))
    hidden, logits, sizes = _seen(reader, context, canvases, allowed)
    wrong = reader.network.quality_head(hidden[: len(ids)]).float().sigmoid()[:, 0]
    starts = [sum(sizes[: 1 + i]) for i in range(len(slots))]
    rows = logits[[start + slot for start, slot in zip(starts, slots, strict=True)]].log_softmax(-1)
    found = []
    for slot, row in zip(slots, rows, strict=True):
        for token in row.topk(most + 1).indices.tolist():
            if token not in (ids[slot], END):
                found.append(Revision(slot, token, float(torch.sigmoid(row[token] - row[ids[slot]]))))
    return sorted(found, key=lambda one: -one.odds), wrong.tolist()


def denoise(
    reader: Reader,
    context: Context,
    canvases: list[Canvas],
    allowed: Allowed,
    steps: int,
    *,
    sure: float = 0.9,
    should_stop: Callable[[], bool] = never,
) -> None:
    """Reveal every slot in at most ``steps`` calls: in each, all that are at least ``sure``, and as many of the surest
    as keep the pace. Raises Stopped."""  # fmt: skip
    for left in range(steps, 0, -1):
        open_canvases = [c for c in canvases if c.masked]
        if not open_canvases:
            return
        if should_stop():
            raise Stopped
        for canvas, best in zip(open_canvases, predict(reader, context, open_canvases, allowed), strict=True):
            canvas.steps += 1
            ranked = sorted(canvas.masked, key=lambda i: -best.probabilities[i])
            pace = -(-len(ranked) // left)
            for order, slot in enumerate(ranked):
                if order >= pace and best.probabilities[slot] < sure:
                    break
                if canvas.ids[slot] == MASK:
                    canvas.reveal(slot, best.tokens[slot], best.labels[slot], best.probabilities[slot])
