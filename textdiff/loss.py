"""From a batch of packed rows to a loss, for the diffusion model and its twins: the same rows, encoder and output
matrix.

A row holds many examples: their sources in one stream and their targets in another, ``doc`` says which belong
together. The diffusion kinds look at each target ``copies`` times, with other noise each time, for one reading of its
source.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, create_mask, flex_attention

from codeworld.model.loss import linear_cross_entropy
from codeworld.model.network import Attend
from codeworld.model.tokenizer import FILL, MASK
from codeworld.training.train import FLEX_OPTIONS
from textdiff.denoiser import KeysValues, Memory, TextNetwork
from textdiff.embedding import CHUNK_ROWS
from textdiff.pointer import NEVER, PointedCrossEntropy, Sources, share_of_target
from textdiff.schedule import alpha_sigma, spread_times

Batch = dict[str, Tensor]

SMALLEST_RATE = 0.05  # of masked tokens


class Seen(NamedTuple):
    """What the decoder sees of the sources: in its layers, and to point at."""

    layers: list[KeysValues]
    sources: Sources


class Targets(NamedTuple):
    """Targets of all copies, [B, copies * T] each; weight is 0 where nothing is to be predicted."""

    ids: Tensor
    doc: Tensor
    group: Tensor  # doc and copy: what sees each other
    position: Tensor
    weight: Tensor
    given: Tensor  # bool


def copied(batch: Batch, copies: int) -> Targets:
    """The batch's targets, ``copies`` times behind one another."""

    def repeated(name: str) -> Tensor:
        return batch[name].repeat(1, copies)

    length = batch["target_ids"].shape[1]
    copy = torch.arange(copies, device=batch["target_ids"].device).repeat_interleave(length)
    doc = repeated("target_doc")
    return Targets(
        repeated("target_ids"), doc, doc * copies + copy, repeated("target_position"),
        repeated("target_weight"), repeated("target_given").bool(),
    )  # fmt: skip


def source_sees(batch: Batch) -> Any:
    """mask_mod of the encoder: tokens of one example see each other."""
    doc = batch["source_doc"]

    def mask_mod(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return doc[b, q] == doc[b, k]

    return mask_mod


def target_sees(batch: Batch, targets: Targets, causal: bool) -> Any:
    """mask_mod of the decoder over [sources | targets]: its example's source, and its own copy of the target."""
    sources = batch["source_doc"].shape[1]
    doc, group = targets.doc, targets.group
    key_doc = torch.cat((batch["source_doc"], doc), dim=1)
    key_group = torch.cat((batch["source_doc"], group), dim=1)

    def mask_mod(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        of_source = (k < sources) & (key_doc[b, k] == doc[b, q])
        return of_source | ((k >= sources) & (key_group[b, k] == group[b, q]))

    def causal_mask_mod(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return mask_mod(b, h, q, k) & (k <= q + sources)

    return causal_mask_mod if causal else mask_mod


class Objective(nn.Module):
    """What is differentiated. ``flex``: FlexAttention and compiled blocks (a GPU); dense masks otherwise."""

    def __init__(self, network: TextNetwork, copies: int, flex: bool) -> None:
        super().__init__()
        self.network, self.flex = network, flex
        self.copies = 1 if network.config.kind == "autoregressive" else copies
        self.passes = random.Random(
            1
        )  # the same in all processes, whose passes then take as long; begins with two passes
        self.create_block_mask: Callable[..., BlockMask] = create_block_mask
        if flex:
            for block in (*network.encoder.blocks, *network.decoder.blocks):
                block.compile(dynamic=False, fullgraph=True)
            self.create_block_mask = torch.compile(create_block_mask, dynamic=False)

    def attention(self, mask_mod: Any, rows: int, queries: int, keys: int, device: torch.device) -> Attend:
        """Attention under a mask."""
        if self.flex:
            block_mask = self.create_block_mask(mask_mod, rows, None, queries, keys, device=str(device))
            options: Any = FLEX_OPTIONS

            def attend_flex(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
                out: Tensor = flex_attention(
                    q, k, v, block_mask=block_mask, enable_gqa=True, kernel_options=options
                )
                return out

            return attend_flex
        dense = create_mask(mask_mod, rows, 1, queries, keys, device=str(device))

        def attend_dense(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return F.scaled_dot_product_attention(q, k, v, attn_mask=dense, enable_gqa=True)

        return attend_dense

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and its parts in nats: token (per target token), length, and for diffusion schedule (misfit)."""
        network, device = self.network, batch["source_ids"].device
        rows, sources = batch["source_ids"].shape
        targets = copied(batch, self.copies)
        causal = network.config.kind == "autoregressive"
        width = targets.ids.shape[1]
        read = self.attention(source_sees(batch), rows, sources, sources, device)
        write = self.attention(target_sees(batch, targets, causal), rows, width, sources + width, device)
        on_gpu = device.type == "cuda"
        with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
            dtype = torch.bfloat16 if on_gpu else torch.float32
            memory = network.encode(batch["source_ids"], batch["source_position"], read, dtype)
            length = self._length_loss(memory, batch)
            sources_of = Sources(memory.states, batch["source_ids"], batch["source_doc"])
            seen = Seen(network.remember(memory), sources_of)
            if network.config.kind == "gaussian":
                token, parts = self._gaussian(seen, targets, write, dtype)
            elif network.config.kind == "masked":
                token, parts = self._masked(seen, targets, write, dtype)
            else:
                token, parts = self._autoregressive(seen, targets, write, dtype)
        return token + 0.1 * length + sum(parts.values()), {
            "token": token.detach(),
            "length": length.detach(),
            **{name: value.detach() for name, value in parts.items()},
        }

    def _length_loss(self, memory: Memory, batch: Batch) -> Tensor:
        """Cross-entropy of the smallest canvas that holds the target, from each source's first token."""
        index = batch["head"]
        first = torch.gather(memory.states, 1, index[..., None].expand(-1, -1, memory.states.shape[-1]))
        logits = self.network.length_logits(first).float().flatten(0, 1)
        return F.cross_entropy(logits, batch["length"].flatten(), ignore_index=-100)

    def _cross_entropy(
        self, states: Tensor, posterior: Tensor | None, seen: Seen, targets: Targets, scale: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sum of scale * nats, and the nats [B, T], of targets given the decoder's states [B, T, width]."""
        network = self.network
        hidden, weight = states, network.embedding.weight
        if posterior is not None:
            hidden = torch.cat((states, posterior.to(states.dtype)), dim=-1)
            weight = torch.cat((weight, network.codebook.rows()), dim=1)
        flat, ids = hidden.flatten(0, 1), targets.ids.flatten()
        chunk = -(-len(flat) // -(-len(flat) // CHUNK_ROWS))  # equal chunks: one compiled shape
        if not network.config.pointer_size:
            total, nats = linear_cross_entropy(flat, weight, ids, scale.flatten(), chunk)
            return total, nats.view(scale.shape)
        log_odds = network.pointer.log_odds(states)
        offset = (log_odds + self._shares(states, posterior, seen.sources, targets)).flatten()
        total, nats = PointedCrossEntropy.apply(
            flat, weight.to(flat.dtype), ids, scale.flatten(), offset, chunk
        )  # type: ignore[no-untyped-call]
        rest = F.softplus(log_odds)
        return total + (scale * rest).sum(), nats.view(scale.shape) + rest.detach()

    def _shares(self, states: Tensor, posterior: Tensor | None, sources: Sources, targets: Targets) -> Tensor:
        """``share_of_target`` of every row; scores of one row live at a time but for what the gradient needs."""
        rows = []
        for i, (own, ids, doc) in enumerate(zip(*sources, strict=True)):
            noisy = None if posterior is None else posterior[i]
            scores = self.network.source_scores(states[i], own, ids, noisy)
            rows.append(share_of_target(scores, (ids, doc), (targets.ids[i], targets.doc[i])))
        return torch.stack(rows)

    def _gaussian(
        self, seen: Seen, targets: Targets, write: Attend, dtype: torch.dtype
    ) -> tuple[Tensor, dict[str, Tensor]]:
        network = self.network
        rows = network.codebook.rows()
        # The schedule learns from texts that are noisy as a whole.
        times, weight = self._times(targets), targets.weight
        if network.config.decided:
            targets, times, weight = self._partly_decided(targets, times)
        clean = F.embedding(targets.ids, rows)
        gamma = network.schedule.gamma(times)
        alpha, sigma = (a[..., None] for a in alpha_sigma(gamma))
        z = alpha * clean + sigma * torch.randn_like(clean)
        posterior = network.posterior(z, gamma)

        def states(guess: Tensor) -> Tensor:
            x = network.noisy_input(z, gamma, guess, targets.given, targets.ids).to(dtype)
            return network.decode(x, targets.position, seen.layers, write)

        guess = torch.zeros_like(z)
        if self.passes.random() < 0.5 or not self.training:
            # Not under no_grad: that would be one more graph to compile.
            guess = self._expected(states(guess).detach(), posterior, seen.sources, targets)
        scale = targets.weight / targets.weight.sum().clamp(min=1e-6)
        token, nats = self._cross_entropy(states(guess), posterior, seen, targets, scale)
        return token, {"schedule": 0.1 * network.schedule.misfit(gamma, nats, weight)}

    def _partly_decided(self, targets: Targets, times: Tensor) -> tuple[Targets, Tensor, Tensor]:
        """With tokens decided in the configured share of texts, at a rate drawn for each text; times of the others of
        such a text; and the weights of the tokens of texts that are noisy as a whole."""
        config = self.network.config
        partly = self._of_texts(targets, torch.rand_like(times)) < config.decided
        rate = self._of_texts(targets, torch.rand_like(times))
        decided = partly & (torch.rand_like(times) < rate) & ~targets.given
        changed = targets._replace(given=targets.given | decided, weight=targets.weight * ~decided)
        times = torch.where(partly, config.clearest + (1 - config.clearest) * times, times)
        return changed, times, targets.weight * ~partly

    @torch.no_grad()
    def _expected(self, states: Tensor, posterior: Tensor, sources: Sources, targets: Targets) -> Tensor:
        """The expected rows of a first pass (self-conditioning, Chen et al. 2022), fp32 [B, T, code_size]."""
        network, rows = self.network, self.network.codebook.rows()
        hidden = torch.cat((states, posterior.to(states.dtype)), dim=-1).flatten(0, 1)
        weight = torch.cat((network.embedding.weight, rows), dim=1).to(states.dtype)
        parts: tuple[Tensor, ...] = torch.split(hidden, CHUNK_ROWS // 2)
        found = torch.cat([network.codebook.expected(part @ weight.T) for part in parts]).view(
            posterior.shape
        )
        if not network.config.pointer_size:
            return found
        gate = network.pointer.log_odds(states).sigmoid()[..., None]
        pointed = []
        for i, (own, ids, doc) in enumerate(zip(*sources, strict=True)):
            scores = network.source_scores(states[i], own, ids, posterior[i])
            scores = scores.masked_fill(doc != targets.doc[i][:, None], NEVER)
            pointed.append(scores.softmax(-1) @ F.embedding(ids, rows))
        return (1 - gate) * found + gate * torch.stack(pointed)

    @classmethod
    def _times(cls, targets: Targets) -> Tensor:
        """One time per example and copy, told to each of its tokens, [B, copies * T]."""
        rows, width = targets.group.shape
        return cls._of_texts(targets, spread_times((rows, width), targets.group.device))

    @staticmethod
    def _of_texts(targets: Targets, values: Tensor) -> Tensor:
        """One of the values of its row for each example and copy, [B, copies * T]."""
        return torch.gather(values, 1, targets.group.clamp(min=0) % targets.group.shape[1])

    def _masked(
        self, seen: Seen, targets: Targets, write: Attend, dtype: torch.dtype
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Absorbing diffusion (Sahoo et al. 2024, MDLM): masked at a rate drawn per example, weighted by its
        inverse."""
        network = self.network
        rate = self._times(targets).clamp(min=SMALLEST_RATE)
        masked = (torch.rand_like(rate) < rate) & ~targets.given
        x = network.embedding(torch.where(masked, MASK, targets.ids)).to(dtype)
        weight = targets.weight * masked / rate
        scale = weight / targets.weight.sum().clamp(min=1e-6)
        states = network.decode(x, targets.position, seen.layers, write)
        token, _ = self._cross_entropy(states, None, seen, targets, scale)
        return token, {}

    def _autoregressive(
        self, seen: Seen, targets: Targets, write: Attend, dtype: torch.dtype
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Each token from those before it; a text is begun by FILL."""
        network = self.network
        before = F.pad(targets.ids[:, :-1], (1, 0), value=FILL)
        before = torch.where(targets.position == 0, FILL, before)
        states = network.decode(network.embedding(before).to(dtype), targets.position, seen.layers, write)
        scale = targets.weight / targets.weight.sum().clamp(min=1e-6)
        token, _ = self._cross_entropy(states, None, seen, targets, scale)
        return token, {}
