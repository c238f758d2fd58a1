"""Training rows: a stream of code that the reader learns causally, followed by holes cut out of that stream.

One row is ``stream_tokens`` of code (files packed end to end), then segments, one group of three for each hole:

    canvas   the hole with noise, read in both directions, sees the stream up to the hole, its suffix and itself
    suffix   the text after the hole, read causally on its own (so an editor can cache it while the prefix grows)
    fill     the hole left to right behind a sentinel: the autoregressive twin of the same hole, same weights

so a stream is paid for once and teaches a dozen holes. With the suffix in the middle, all that a token sees is two
intervals of the row (``codeworld.training.mask``). The hole starts at the beginning of the token that the cursor cuts
(token healing): at inference that token's typed part becomes a constraint on the first slot. As in an editor, a part of
a file comes behind an outline of what the part does not show (``codeworld.context.outline``).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from codeworld.context.definitions import Import, imports
from codeworld.context.outline import outline as outline_of
from codeworld.model.config import ModelConfig
from codeworld.model.tokenizer import END, EOF, FILL, MASK, PAD, SPECIAL, SUFFIX, CodeTokenizer
from codeworld.training.cuts import Slip, SourceFile, cut, leaf_label

STREAM, IN_SUFFIX, IN_CANVAS, IN_FILL = range(4)
OUTLINE_CHARS = (300, 600, 900, 900, 1_200)
OUTLINE_ROOM = 640
CANVAS_LENGTHS = (8, 12, 16, 24, 32, 48, 64, 96)
Ints = NDArray[np.int32]


class RowShape(msgspec.Struct, frozen=True, kw_only=True):
    """Fixed sizes of a row, so that one compiled graph serves all of them. All in tokens."""

    stream_tokens: int = 1024
    segment_tokens: int = 1280
    predicted: int = 1600  # positions with a token loss
    canvas_slots: int = 512  # canvas positions with label and quality losses

    @property
    def total(self) -> int:
        """Tokens of a whole row."""
        return self.stream_tokens + self.segment_tokens


class Mixture(msgspec.Struct, frozen=True, kw_only=True):
    """Probabilities and weights of the objectives, and of the repositories."""

    canvases: float = (
        1.0  # share of the holes that are a canvas too; with 0 it trains the autoregressive twin
    )
    labels: bool = True  # without: no syntax labels, neither shown nor asked for
    stream_weight: float = 0.3
    fill_weight: float = 1.0
    canvas_weight: float = 1.5
    padding_weight: float = 0.1  # END slots after the first
    all_masked: float = 0.3
    corrupted: float = 0.35  # canvases that show some wrong tokens
    corruption_rate: float = 0.25
    slips: float = 0.5  # of a piece's holes, until each line that is known to have been wrong is one of them
    labels_hidden: float = 0.5
    path_shown: float = 0.5
    outline_shown: float = 0.0  # of the pieces with a path, where the row has room for OUTLINE_ROOM tokens
    no_suffix: float = 0.06
    excerpts: float = 0.0  # of the functions at a file's top level, seen once more as files of their own
    repeats: dict[str, int] = {}  # repositories that are seen so many times an epoch


class Piece(NamedTuple):
    """Tokens [first, last) of a file, put at stream offset ``at`` behind ``head`` header tokens."""

    source: SourceFile
    offsets: list[tuple[int, int]]
    first: int
    last: int
    at: int
    head: int
    imports: list[Import]  # statements that stay whole, for the outline tells of what they bring

    def overlaps_import(self, start_char: int, end_char: int) -> bool:
        """Is part of these characters in such a statement?"""
        return any(one.start < end_char and start_char < one.end for one in self.imports)


class Row:
    """One row under construction; every array is filled front to back."""

    def __init__(self, shape: RowShape) -> None:
        n = shape.total
        self.shape = shape
        self.ids: Ints = np.full(n, PAD, np.int32)
        self.position: Ints = np.zeros(n, np.int32)
        self.kind: Ints = np.full(n, IN_FILL, np.int32)
        self.start: Ints = np.zeros(n, np.int32)  # first stream token that this token sees
        self.limit: Ints = np.zeros(n, np.int32)  # and the end of those
        self.first: Ints = np.arange(
            n, dtype=np.int32
        )  # first token of the own group that it sees (padding: itself)
        self.last: Ints = np.arange(1, n + 1, dtype=np.int32)  # and the end of those
        self.label: Ints = np.zeros(n, np.int32)
        self.predicted: list[tuple[int, int, float]] = []  # (position, target id, weight)
        self.slots: list[tuple[int, int, float]] = []  # (position, label target or -100, wrong: 0 / 1 / -1)
        self.used = shape.stream_tokens
        self.groups: list[
            tuple[int, int, int, int]
        ] = []  # (begin of canvas, of suffix, of fill, end of fill)
        self.slips = set[Slip]()  # that are one of them

    def segment(self, ids: list[int], position: int, kind: int, start: int, limit: int) -> int:
        """Append a segment that sees the stream from ``start`` to ``limit``; its index in the row."""
        at, end = self.used, self.used + len(ids)
        self.ids[at:end] = ids
        self.position[at:end] = np.arange(position, position + len(ids))
        self.kind[at:end] = kind
        self.start[at:end], self.limit[at:end] = start, limit
        self.used = end
        return at

    def group(self, canvas: int, suffix: int, fill: int) -> None:
        """Say of three segments, just appended in this order, that they are one hole's: the canvas sees itself and the
        suffix, the suffix itself causally, the fill the suffix and itself causally."""
        end = self.used
        self.first[canvas:suffix], self.last[canvas:suffix] = canvas, fill
        self.first[suffix:end] = suffix  # ``last`` is causal as it stands
        self.groups.append((canvas, suffix, fill, end))

    def arrays(self) -> dict[str, NDArray[np.int32] | NDArray[np.float32]]:
        """Fixed-size arrays; lists are padded with weight 0 / ignored targets."""
        shape = self.shape
        predicted = (self.predicted + [(0, 0, 0.0)] * shape.predicted)[: shape.predicted]
        slots = (self.slots + [(0, -100, -1.0)] * shape.canvas_slots)[: shape.canvas_slots]
        ints = np.array([(i, t) for i, t, _ in predicted], np.int32)
        return {
            "ids": self.ids, "position": self.position, "kind": self.kind, "label": self.label,
            "start": self.start, "limit": self.limit, "first": self.first, "last": self.last,
            "loss_index": ints[:, 0], "loss_target": ints[:, 1],
            "loss_weight": np.array([w for _, _, w in predicted], np.float32),
            "slot_index": np.array([i for i, _, _ in slots], np.int32),
            "label_target": np.array([t for _, t, _ in slots], np.int32),
            "wrong": np.array([w for _, _, w in slots], np.float32),
        }  # fmt: skip


class RowBuilder:
    """Turns files into rows. Not shared between processes; ``rng`` decides everything that is random."""

    def __init__(
        self,
        tokenizer: CodeTokenizer,
        labels: dict[str, int],
        config: ModelConfig,
        shape: RowShape,
        mixture: Mixture,
        rng: random.Random,
    ) -> None:
        self.tokenizer, self.labels, self.config = tokenizer, labels, config
        self.shape, self.mixture, self.rng = shape, mixture, rng

    def rows(self, files: Iterator[SourceFile]) -> Iterator[Row]:
        """Rows without end as long as ``files`` lasts; the last, partly filled one is given too."""
        row, pieces, room = Row(self.shape), list[Piece](), self.shape.stream_tokens
        for source in files:
            ids, offsets = self.tokenizer.encode_with_offsets(source.text)
            opening = self._opening(source.path)
            statements = imports(source.text) if source.brought else []
            first = 0
            while first < len(ids):
                if room < len(opening) + min(96, len(ids) - first):
                    yield self._with_holes(row, pieces)
                    row, pieces, room = Row(self.shape), [], self.shape.stream_tokens
                most = min(len(ids), first + room - len(opening))
                outline = self._outline(source, offsets[first][0], offsets[most - 1][1], opening, room)
                head = self.tokenizer.opening(source.path, outline) if outline else opening
                if len(head) >= room:  # a character of some scripts is several tokens
                    outline, head = "", opening
                last = min(len(ids), first + room - len(head))
                whole = statements if outline else []
                pieces.append(self._place(row, source, ids, offsets, first, last, head, room, whole))
                room -= len(head) + last - first
                first = last
        if pieces:
            yield self._with_holes(row, pieces)

    def _opening(self, path: str) -> list[int]:
        return self.tokenizer.opening(path if self.rng.random() < self.mixture.path_shown else "")

    def _outline(self, source: SourceFile, start: int, end: int, opening: list[int], room: int) -> str:
        """Of the file without characters [start, end), the most that the piece can hold: what the outline takes of the
        room is then in neither."""
        if len(opening) == 1 or room < OUTLINE_ROOM or self.rng.random() >= self.mixture.outline_shown:
            return ""
        return outline_of(source.text, start, end, source.brought, self.rng.choice(OUTLINE_CHARS))

    def _place(
        self, row: Row, source: SourceFile, ids: list[int], offsets: list[tuple[int, int]],
        first: int, last: int, head: list[int], room: int, whole: list[Import],
    ) -> Piece:  # fmt: skip
        at = self.shape.stream_tokens - room
        tokens = head + ids[first:last]
        end = at + len(tokens)
        row.ids[at:end] = tokens
        row.position[at:end] = np.arange(len(tokens))
        row.kind[at:end] = STREAM
        row.start[at:end], row.limit[at:end] = at, np.arange(at + 1, end + 1)
        skip = len(head) - 1
        weight = self.mixture.stream_weight
        row.predicted.extend((at + i, tokens[i + 1], weight) for i in range(skip, len(tokens) - 1))
        return Piece(source, offsets, first, last, at, len(head), whole)

    def _with_holes(self, row: Row, pieces: list[Piece]) -> Row:
        """Cut holes until the row is full."""
        sizes = [p.last - p.first for p in pieces]
        for _ in range(64):
            piece = self.rng.choices(pieces, sizes)[0]
            if self.shape.total - row.used < 64:
                break
            self._add_hole(row, piece)
        return row

    def _add_hole(self, row: Row, piece: Piece) -> None:
        """One hole with its three segments; nothing is added when the draw does not fit."""
        source, offsets = piece.source, piece.offsets
        low, high = offsets[piece.first][0] + 1, len(source.text)
        stop = offsets[piece.last - 1][1]
        slip = self._slip(row, piece, low, stop)
        span = None
        if slip is not None:
            span = _code_of(source, slip)
        elif stop > low:
            span = cut(source, low, stop, self.rng)
        if span is None or span[0] >= stop:
            return
        start_char, end_char = span[0], min(span[1], high)
        if piece.overlaps_import(start_char, end_char):
            return
        token = self._token_before(offsets, piece, start_char)
        hole_start = offsets[token][0]
        ids, spans = self.tokenizer.encode_with_offsets(source.text[hole_start:end_char])
        if not ids or len(ids) > self.config.canvas_tokens - 1:
            return
        suffix = self._suffix(source.text, end_char)
        as_canvas = self.rng.random() < self.mixture.canvases
        canvas_length = self._canvas_length(len(ids) + 1) if as_canvas else 0
        if row.used + len(suffix) + canvas_length + len(ids) + 1 > self.shape.total:
            return
        limit = piece.at + piece.head + token - piece.first
        position = int(row.position[limit - 1]) + 1
        canvas = row.used
        if as_canvas:
            names = [leaf_label(source, hole_start + a, hole_start + b) for a, b in spans]
            shown = self._shown(source.text[hole_start:start_char], ids, slip)
            self._add_canvas(row, ids, shown, names, canvas_length, position, piece.at, limit)
        behind = row.segment(suffix, position + self.config.suffix_gap, IN_SUFFIX, 0, 0)
        fill = row.segment([FILL, *ids], position, IN_FILL, piece.at, limit)
        row.group(canvas, behind, fill)
        weight = self.mixture.fill_weight
        row.predicted.extend((fill + i, target, weight) for i, target in enumerate([*ids, END]))

    @staticmethod
    def _token_before(offsets: list[tuple[int, int]], piece: Piece, char: int) -> int:
        """Index of the token that holds character ``char - 1``."""
        low, high = piece.first, piece.last - 1
        while low < high:
            middle = (low + high + 1) // 2
            if offsets[middle][0] <= char - 1:
                low = middle
            else:
                high = middle - 1
        return low

    def _slip(self, row: Row, piece: Piece, low: int, stop: int) -> Slip | None:
        """A line of these characters that was wrong and is not in the row yet, at times: its hole shows what people,
        or the model, do wrong instead of tokens drawn at random."""
        left = [
            one for one in piece.source.slips if one not in row.slips and _is_in(piece.source, one, low, stop)
        ]
        if not left or self.rng.random() >= self.mixture.slips:
            return None
        slip = self.rng.choice(left)
        row.slips.add(slip)
        return slip

    def _shown(self, healed: str, ids: list[int], slip: Slip | None) -> list[int] | None:
        """What a canvas shows of a slip; None where that is no other token in the place of one: slots do not move."""
        wrong = self.tokenizer.encode(healed + slip.wrong.strip()) if slip else []
        return wrong if len(wrong) == len(ids) and wrong != ids else None

    def _suffix(self, text: str, start_char: int) -> list[int]:
        if self.rng.random() < self.mixture.no_suffix:
            return [SUFFIX]
        count = self.rng.randint(8, self.config.suffix_tokens - 1)
        ids = self.tokenizer.encode(text[start_char : start_char + 6 * count])[:count]
        if len(ids) < count and start_char + 6 * count >= len(text):
            ids.append(EOF)
        return [SUFFIX, *ids]

    def _canvas_length(self, needed: int) -> int:
        fitting = [n for n in CANVAS_LENGTHS if n >= needed]
        return fitting[0] if self.rng.random() < 0.5 else self.rng.choice(fitting[:4])

    def _add_canvas(
        self, row: Row, ids: list[int], slip: list[int] | None, names: list[str], length: int, position: int,
        start: int, limit: int,
    ) -> None:  # fmt: skip
        """Noise the hole (masks, wrong tokens, hidden labels) and record what is to be predicted. The tokens of a
        ``slip`` are shown as they are, among more right ones."""
        mix, rng = self.mixture, self.rng
        clean = ids + [END] * (length - len(ids))
        labels = [self.labels.get(n, self.labels["other"]) for n in names]
        labels += [self.labels["end"]] * (length - len(ids))
        rate = 1.0 if rng.random() < mix.all_masked else rng.uniform(0.05, 1.0)
        wrong_rate = rng.uniform(0, mix.corruption_rate) if rng.random() < mix.corrupted else 0.0
        label_rate = 1.0 if rng.random() < mix.labels_hidden else rng.random()
        must, slipped = rng.randrange(len(ids) + 1), set[int]()
        if slip is not None:
            rate, wrong_rate = rng.uniform(0.0, 0.5), 0.0
            slipped = {i for i, (one, other) in enumerate(zip(slip, ids, strict=True)) if one != other}
        noisy, shown = list(clean), [0] * length
        at = row.segment(noisy, position, IN_CANVAS, start, limit)
        for i in range(length):
            masked = i not in slipped and (i == must or rng.random() < rate)
            wrong = not masked and (i in slipped or rng.random() < wrong_rate)
            if masked:
                noisy[i] = MASK
            elif slip is not None and wrong:
                noisy[i] = slip[i]
            elif wrong:
                noisy[i] = self._wrong_token(row, start, limit)
                wrong = noisy[i] != clean[i]
            if masked or wrong:
                weight = mix.canvas_weight if i <= len(ids) else mix.canvas_weight * mix.padding_weight
                row.predicted.append((at + i, clean[i], weight))
            label_hidden = rng.random() < label_rate or not mix.labels
            shown[i] = 0 if label_hidden else labels[i]
            target = labels[i] if label_hidden and mix.labels and i <= len(ids) else -100
            row.slots.append((at + i, target, -1.0 if masked else float(wrong)))
        row.ids[at : at + length] = noisy
        row.label[at : at + length] = shown

    def _wrong_token(self, row: Row, start: int, limit: int) -> int:
        """A token of the same file's visible text (a plausible mistake), at times any token."""
        if self.rng.random() < 0.7:
            return int(row.ids[self.rng.randrange(start, max(limit, start + 1))])
        return self.rng.randrange(len(SPECIAL), self.tokenizer.size)


def _is_in(source: SourceFile, slip: Slip, low: int, stop: int) -> bool:
    start, end = _code_of(source, slip)
    return low <= start < end <= stop


def _code_of(source: SourceFile, slip: Slip) -> tuple[int, int]:
    """Characters of the line without what is blank around it."""
    start, end = source.line_span(slip.line)
    line = source.text[start:end]
    return start + len(line) - len(line.lstrip()), start + len(line.rstrip())
