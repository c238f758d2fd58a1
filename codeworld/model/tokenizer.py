"""Text to token ids and back: SmolLM2's byte-level BPE with the vocabulary pruned to what Python code uses."""

from __future__ import annotations

import bisect
import re
from functools import cached_property
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer

_WORD: Final = re.compile(r" ?[^\W\d_]+$")  # as the pre-tokeniser has it: letters, with one blank
_INDENTATION: Final = re.compile(r"^ +(?=\S)", re.MULTILINE)
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


def _last_word(text: str) -> str:
    """The run of letters that ends ``text``, with the blank before it."""
    found = _WORD.search(text[-64:])
    return found.group() if found else ""


def _is_mid_indentation(text: str) -> bool:
    """Does ``text`` end in an indentation that no line of it would have? Then more blanks follow, not a word."""
    typed = text[text.rfind("\n") + 1 :]
    if not typed or typed.strip(" "):
        return False
    unit = min((len(found) for found in _INDENTATION.findall(text)), default=4)
    return len(typed) % unit > 0


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

    def opening(self, path: str, outline: str = "") -> list[int]:
        """What stands before a file's text: its path, if that is known, and with it the outline of what is not read."""
        if not path:
            return [EOF]
        ids = [PATH, *self.encode(path[-80:] + "\n")]
        return [*ids, *self.encode(outline), EOF] if outline else ids

    def encode_typed(self, text: str) -> tuple[list[int], bytes]:
        """Ids of ``text`` up to the token that the cursor behind it cuts, and the typed bytes of that token.

        What is typed is tokenised as it will be once more stands behind it, which is how the model has seen it: the
        last blank of an indentation belongs to the word that follows, and a word is cut where one token can still
        complete all of it.
        """
        blank = text[-1:] in (" ", "\t") and not _is_mid_indentation(text)
        ids = self.encode(text + "x" if blank else text)
        if blank:
            ids.pop()  # "x" alone, or with the blank before it
        whole = text.encode()
        known = sum(len(self.token_bytes[i]) for i in ids)
        head = whole[known:]
        word = len(whole) - len(_last_word(text).encode())
        while ids and (not head or (not blank and known - len(self.token_bytes[ids[-1]]) >= word)):
            longer = self.token_bytes[ids[-1]] + head
            if head and not self.starting_with(longer):
                break
            head = longer
            known -= len(self.token_bytes[ids.pop()])
        return ids, head

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
