"""Near-duplicates (MinHash with banding) and overlap with evaluation sets (hashed 13-token windows).

The sketch is one-permutation hashing with rotation densification (Li, Owen, Zhang 2012; Shrivastava, Li 2014): each
5-word shingle is hashed once, the top 7 bits choose one of 128 bins, each bin keeps its minimum. Equal positions of two
sketches estimate the Jaccard similarity of the shingle sets, with a standard error of about 0.035 at 0.8.
"""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

BINS: Final = 128
BANDS: Final = 16
SHINGLE_WORDS: Final = 5
NEAR: Final = 0.75
WINDOW_TOKENS: Final = 13
MAX_HITS: Final = 2

_WORD: Final = re.compile(rb"[\w\x80-\xff]+")
_TOKEN: Final = re.compile(r"\w+|[^\w\s]")
_EMPTY: Final = np.uint64(2**64 - 1)
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)


def sketch(text: str) -> NDArray[np.uint32]:
    """The text's MinHash sketch: BINS values of 32 bits."""
    words = _WORD.findall(text.encode())
    ids = np.fromiter(map(crc32, words), dtype=np.uint64, count=len(words))
    if len(ids) < SHINGLE_WORDS:
        ids = np.pad(ids, (0, SHINGLE_WORDS - len(ids)))
    count = len(ids) - SHINGLE_WORDS + 1
    hashed = ids[:count].copy()
    for offset in range(1, SHINGLE_WORDS):
        hashed *= _MULTIPLIER
        hashed += ids[offset : offset + count]
    hashed = _mix(hashed)
    low = np.full(BINS, _EMPTY, dtype=np.uint64)
    np.minimum.at(low, (hashed >> np.uint64(57)).astype(np.intp), hashed & np.uint64(0xFFFFFFFF))
    return _densify(low)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The splitmix64 finaliser: every input bit moves every output bit."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _densify(low: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Fill each empty bin from the next filled one, marked by its distance so that short texts do not look alike."""
    filled = np.flatnonzero(low != _EMPTY)
    bins = np.arange(BINS)
    source = filled[np.searchsorted(filled, bins) % len(filled)]
    distance = ((source - bins) % BINS).astype(np.uint64)
    return ((low[source] + distance * _MULTIPLIER) & np.uint64(0xFFFFFFFF)).astype(np.uint32)


class NearDuplicates:
    """Greedy near-duplicate finder: a text is a copy of the first kept text that is similar enough.

    Copies are not registered, so a chain of small changes does not pull distant texts into one group.
    """

    def __init__(self, threshold: float = NEAR) -> None:
        """threshold: smallest estimated Jaccard similarity, in [0, 1], that counts as a copy."""
        self._threshold = threshold
        self._kept: list[NDArray[np.uint32]] = []
        self._buckets: dict[int, list[int]] = {}

    def add(self, values: NDArray[np.uint32]) -> int | None:
        """The number of the kept text that this one copies; None when it is new, and then it is kept."""
        keys = self._keys(values)
        seen: set[int] = set()
        for key in keys:
            for other in self._buckets.get(key, ()):
                if other in seen:
                    continue
                seen.add(other)
                if float(np.count_nonzero(self._kept[other] == values)) >= self._threshold * BINS:
                    return other
        for key in keys:
            self._buckets.setdefault(key, []).append(len(self._kept))
        self._kept.append(values)
        return None

    def __len__(self) -> int:
        """How many texts are kept."""
        return len(self._kept)

    @staticmethod
    def _keys(values: NDArray[np.uint32]) -> list[int]:
        """One key per band: equal bands of two sketches share a bucket."""
        rows = values.reshape(BANDS, BINS // BANDS).astype(np.uint64)
        keys = np.arange(1, BANDS + 1, dtype=np.uint64)
        for column in range(rows.shape[1]):
            keys = keys * _MULTIPLIER + rows[:, column]
        keys_list: list[int] = _mix(keys).tolist()
        return keys_list


@lru_cache(maxsize=2)
def load_windows(path: Path) -> frozenset[bytes]:
    """The 8-byte hashes of evaluation windows: sorted little-endian uint64, gzip."""
    raw = gzip.decompress(path.read_bytes())
    return frozenset(raw[start : start + 8] for start in range(0, len(raw) - 7, 8))


def window_hashes(text: str) -> set[bytes]:
    """blake2b (8 bytes) of each window of WINDOW_TOKENS tokens joined by blanks.

    The tokens are joined once and windows are slices of that buffer: half the time of joining each window.
    """
    tokens = _TOKEN.findall(text)
    if len(tokens) < WINDOW_TOKENS:
        return set()
    buffer = " ".join(tokens).encode()
    lengths = map(len, tokens) if text.isascii() else (len(token.encode()) for token in tokens)
    starts = [0, *accumulate(length + 1 for length in lengths)]
    ends = starts[WINDOW_TOKENS:]
    hasher = blake2b
    return {
        hasher(buffer[start : end - 1], digest_size=8).digest()
        for start, end in zip(starts, ends, strict=False)
    }


def evaluation_hits(text: str, windows: frozenset[bytes]) -> int:
    """How many distinct windows of the text occur in the evaluation sets."""
    return len(window_hashes(text) & windows)
