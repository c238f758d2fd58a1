"""What the hybrid remembers of a repository, kept on disk and brought up to date by reading only what is new.

``RepositoryReader`` reads files one behind the other and keeps checkpoints. A checkpoint's name is a digest of the
model and of everything read up to it: the longest chain of unchanged files is found by name, and reading goes on from
there. It serves every pattern of layers.

``SummedFiles`` is FAVOR+'s own: without decay a state is a sum over tokens (Choromanski et al. 2021), so files are read
apart, each by itself, and the repository's state is the sum of theirs: one file's part is subtracted and another added
whatever stands before or behind it. Deeper layers then have not seen the other files while they read this one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from codeworld.model.hybrid import HybridNetwork, LinearBlock, Memory, Reading
from codeworld.model.tokenizer import EOF, CodeTokenizer
from kernels.favor_plus.state import FavorState, add, subtract

CHECKPOINT_TOKENS: Final = 16_384  # between checkpoints
RECENT_FILES: Final = 4  # behind each of the last ones there is a checkpoint: they are what changes
PIECE_TOKENS: Final = 2_048  # read at once on a CPU: how long a cancelled reading still goes on

_NAME: Final = re.compile(r"[0-9a-f]+-\d+\.safetensors")

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]


def never() -> bool:
    """For readings that nobody cancels."""
    return False


def fingerprint(network: HybridNetwork) -> bytes:
    """Of sizes and weights: memories of one network mean nothing to another."""
    digest = hashlib.blake2b(repr(network.config).encode(), digest_size=16)
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().float().numpy().tobytes())
    return digest.digest()


class ReadingStore:
    """Readings in a folder, each a safetensors file; ``held``: name → tokens read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.held = {path.stem.split("-")[0]: int(path.stem.split("-")[1]) for path in self._files()}

    def _files(self) -> list[Path]:
        return [path for path in self.folder.glob("*.safetensors") if _NAME.fullmatch(path.name)]

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}-{self.held[name]}.safetensors"

    def save(self, name: str, reading: Reading) -> None:
        """Under a hexadecimal name; renamed into place: nobody ever sees half a file."""
        tensors = {"read": reading.read[None]}
        for i, memory in enumerate(reading.layers):
            tensors |= {f"{i}.{j}": part.contiguous() for j, part in enumerate(memory)}
        self.held[name] = int(reading.read)
        partial = self._path(name).with_suffix(".part")
        save_file(tensors, partial)
        partial.replace(self._path(name))

    def load(self, name: str, device: torch.device) -> Reading | None:
        """None when it is not there or damaged."""
        if name not in self.held:
            return None
        try:
            tensors = load_file(self._path(name), device=str(device))
        except (OSError, SafetensorError):
            del self.held[name]
            return None
        layers: dict[int, dict[int, Tensor]] = {}
        for key, value in tensors.items():
            if key != "read":
                i, j = map(int, key.split("."))
                layers.setdefault(i, {})[j] = value
        made = tuple(tuple(parts[j] for j in sorted(parts)) for _, parts in sorted(layers.items()))
        return Reading(tensors["read"][0], made)

    def keep(self, names: set[str]) -> None:
        """Delete all others."""
        self.held = {name: read for name, read in self.held.items() if name in names}
        for path in self._files():
            if path.stem.split("-")[0] not in names:
                path.unlink(missing_ok=True)


class _Reads:
    """What both ways of reading share. ``tokens_read`` counts those of the last call."""

    def __init__(self, network: HybridNetwork, tokenizer: CodeTokenizer, folder: Path) -> None:
        self.network, self.tokenizer = network, tokenizer
        self.store = ReadingStore(folder)
        self.tokens_read = 0

    @cached_property
    def origin(self) -> bytes:
        """The digest of having read nothing with this network."""
        return fingerprint(self.network)

    @property
    def _device(self) -> torch.device:
        return self.network.embedding.weight.device

    @property
    def _piece(self) -> int:
        """Tokens read at once. A GPU is all launches below that, and soon done."""
        return CHECKPOINT_TOKENS if self._device.type == "cuda" else PIECE_TOKENS

    @torch.no_grad()
    def _read_on(self, ids: list[int], reading: Reading, stop: Stop) -> Reading | None:
        for at in range(0, len(ids), self._piece):
            if stop():
                return None
            piece = ids[at : at + self._piece]
            _, reading = self.network(torch.tensor([piece], device=self._device), reading)
            self.tokens_read += len(piece)
        return reading

    def _tokens(self, path: str, text: str) -> list[int]:
        return [*self.tokenizer.opening(path), *self.tokenizer.encode(text)]


def _digest(before: bytes, path: str, text: str) -> bytes:
    name, content = path.encode(), text.encode()
    sizes = f"{len(name)} {len(content)} ".encode()
    return hashlib.blake2b(before + sizes + name + content, digest_size=16).digest()


class RepositoryReader(_Reads):
    """Reads files one behind the other, EOF first, as training rows have them."""

    def read(
        self, files: Sequence[tuple[str, str]], progress: Progress | None = None, stop: Stop = never
    ) -> Reading | None:
        """The reading behind these (path, text), in this order; what was read before is not read again. None when
        ``stop()`` said so: the next call goes on from there. ``progress(files done, files)``."""
        chain = [self.origin]
        for path, text in files:
            chain.append(_digest(chain[-1], path, text))
        self.tokens_read = 0
        done, reading = self._latest(chain)
        waiting: list[int] = []  # small files are read together
        at = kept = int(reading.read)
        for number in range(done, len(files)):
            if progress is not None:
                progress(number, len(files))
            waiting += self._tokens(*files[number])
            keep = at + len(waiting) - kept >= CHECKPOINT_TOKENS or number >= len(files) - RECENT_FILES
            if not keep and len(waiting) < self._piece:
                continue
            after = self._read_on(waiting, reading, stop)
            if after is None:
                self._save(chain[done], reading)
                return None
            reading, done, at, waiting = after, number + 1, at + len(waiting), []
            if keep:
                self._save(chain[done], reading)
                kept = at
        self._forget(chain)
        if progress is not None:
            progress(len(files), len(files))
        return reading

    def _latest(self, chain: list[bytes]) -> tuple[int, Reading]:
        """How many files the furthest checkpoint has read, and the checkpoint."""
        for number in range(len(chain) - 1, 0, -1):
            reading = self.store.load(chain[number].hex(), self._device)
            if reading is not None:
                return number, reading
        reading = self._read_on([EOF], self.network.empty(), never)
        assert reading is not None
        return 0, reading

    def _save(self, digest: bytes, reading: Reading) -> None:
        if digest != self.origin and digest.hex() not in self.store.held:
            self.store.save(digest.hex(), reading)

    def _forget(self, chain: list[bytes]) -> None:
        """Keep of this chain the checkpoints that are far enough apart and those behind the last files."""
        kept, last = {digest.hex() for digest in chain[-RECENT_FILES - 1 :]}, 0
        for name in (digest.hex() for digest in chain[1:]):
            read = self.store.held.get(name, 0)
            if read - last >= CHECKPOINT_TOKENS:
                kept.add(name)
                last = read
        self.store.keep(kept)


def summable(network: HybridNetwork) -> bool:
    """Are all its linear layers FAVOR+ without decay?"""
    kinds = {network.config.kind(i) for i in range(network.config.layers)}
    return "favor" in kinds and kinds <= {"favor", "window"}


class SummedFiles(_Reads):
    """The sum of files that are read apart. Raises ValueError for a network whose states are no sums."""

    def __init__(self, network: HybridNetwork, tokenizer: CodeTokenizer, folder: Path) -> None:
        if not summable(network):
            raise ValueError(f"states of {network.config.pattern} layers cannot be added")
        super().__init__(network, tokenizer, folder)
        self.files: dict[str, Reading] = {}
        self.digests: dict[str, bytes] = {}
        self.total = network.empty()

    def update(
        self, files: Mapping[str, str], progress: Progress | None = None, stop: Stop = never
    ) -> Reading | None:
        """The state of these files, path → text: those that went are subtracted, those that came are added, those that
        changed are both. None when ``stop()`` said so; the next call goes on from there."""
        self.tokens_read = 0
        wanted = {path: _digest(self.origin, path, text) for path, text in files.items()}
        for path in [path for path, digest in self.digests.items() if wanted.get(path) != digest]:
            self.total = self._combined(subtract, self.files.pop(path))
            del self.digests[path]
        new = [path for path in wanted if path not in self.digests]
        for number, path in enumerate(new):
            if progress is not None:
                progress(number, len(new))
            reading = self._file(path, files[path], wanted[path], stop)
            if reading is None:
                return None
            self.files[path], self.digests[path] = reading, wanted[path]
            self.total = self._combined(add, reading)
        self.store.keep({digest.hex() for digest in wanted.values()})
        if progress is not None:
            progress(len(new), len(new))
        return self.total

    def _file(self, path: str, text: str, digest: bytes, stop: Stop) -> Reading | None:
        """Read by itself, or found on disk."""
        reading = self.store.load(digest.hex(), self._device)
        if reading is None:
            reading = self._read_on([EOF, *self._tokens(path, text)], self.network.empty(), stop)
            if reading is not None:
                self.store.save(digest.hex(), reading)
        return reading

    def _combined(self, operation: Callable[[FavorState, FavorState], FavorState], part: Reading) -> Reading:
        """Sums of the linear layers; windows and convolutions, which see a few tokens, begin anew behind a sum."""
        empty = self.network.empty()
        layers: list[Memory] = []
        for block, fresh, one, other in zip(
            self.network.blocks, empty.layers, self.total.layers, part.layers, strict=True
        ):
            linear = isinstance(block, LinearBlock)
            summed = operation(FavorState(*one[1:]), FavorState(*other[1:])) if linear else None
            layers.append((fresh[0], *summed) if summed else fresh)
        return Reading(empty.read, tuple(layers))
