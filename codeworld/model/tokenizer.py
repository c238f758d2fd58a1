"""Text to token ids and back: SmolLM2's byte-level BPE with the vocabulary pruned to what Python code uses."""

from __future__ import annotations

import bisect
from functools import cached_property
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer

SPECIAL: Final = (
    "<|endoftext|>",
    "<|pad|>",
    "<|mask|>",
    "<|end_of_hole|>",
    "<|suffix|>",
    "<|fill|>",
    "<|path|>",
)
EOF, PAD, MASK, END, SUFFIX, FILL, PATH = range(len(SPECIAL))


def _byte_decoder() -> dict[str, int]:
    """The GPT-2 table of printable stand-ins for bytes (Radford et al. 2019), inverted."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(b): b for b in printable}
    spare = (b for b in range(256) if b not in printable)
    return table | {chr(256 + i): b for i, b in enumerate(spare)}


class CodeTokenizer:
    """Ids below ``len(SPECIAL)`` never come out of ``encode``."""

    def __init__(self, path: Path) -> None:
        self.bpe: Tokenizer = Tokenizer.from_file(str(path))
        self.size: int = self.bpe.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """Ids of ``text``; none is special."""
        return list(self.bpe.encode(text, add_special_tokens=False).ids)

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids and, for each, the half-open span of characters that it covers."""
        encoded = self.bpe.encode(text, add_special_tokens=False)
        return list(encoded.ids), list(encoded.offsets)

    def decode(self, ids: list[int]) -> str:
        """Text of ``ids``; special tokens are dropped and broken UTF-8 is replaced."""
        return b"".join(self.token_bytes[i] for i in ids if i >= len(SPECIAL)).decode("utf-8", "replace")

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes of each token (empty for special ones)."""
        table = _byte_decoder()
        tokens = (self.bpe.id_to_token(i) or "" for i in range(self.size))
        return [b"" if i < len(SPECIAL) else bytes(table[c] for c in t) for i, t in enumerate(tokens)]

    @cached_property
    def _sorted(self) -> list[tuple[bytes, int]]:
        return sorted((b, i) for i, b in enumerate(self.token_bytes) if b)

    def starting_with(self, head: bytes) -> list[int]:
        """Ids of all tokens whose bytes start with ``head`` (token healing at the cursor)."""
        start = bisect.bisect_left(self._sorted, (head, -1))
        found = []
        for token, token_id in self._sorted[start:]:
            if not token.startswith(head):
                break
            found.append(token_id)
        return found
