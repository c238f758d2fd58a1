"""The text model as features use it: a task and a source in, ranked texts out. Importing this does not import torch.

    written = writer.write("docstring", docstring_source(code, path=..., name=...), allowed=only_known_names)

Sources come from ``textdiff.source``, so that the model sees what it was trained on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from codeworld.errors import ModelMissing
from textdiff import phrase
from textdiff.choose import ranked

if TYPE_CHECKING:
    from textdiff.sampler import Sampler

WEIGHTS: Final = Path(__file__).parent / "weights"


class Written(msgspec.Struct, frozen=True):
    """A text and, in [0, 1], how sure it is: its tokens' probability times its agreement with the other candidates."""

    text: str
    confidence: float


def anything(text: str) -> bool:
    """No constraint."""
    return bool(text)


def installed(device: str = "cpu") -> phrase.Writer | None:
    """What the features take; None where there are no weights, or damaged ones: they then go on without a model."""
    writer = Writer(device=device)
    try:
        writer.load()
    except ModelMissing:
        return None
    return writer.write


class Writer:
    """Loads the model when it is first asked to write. Not thread-safe.

    folder: the weights; else what the environment's CODEWORLD_TEXT_MODEL says, else the bundled ones.
    """

    def __init__(self, folder: Path | None = None, *, device: str = "cpu", seed: int = 0) -> None:
        named = os.environ.get("CODEWORLD_TEXT_MODEL")
        self.folder = folder or (Path(named) if named else WEIGHTS)
        self.device, self.seed = device, seed
        self._sampler: Sampler | None = None

    def installed(self) -> bool:
        """Whether there are weights to load."""
        return (self.folder / "config.json").exists()

    def write(
        self,
        task: str,
        source: str,
        *,
        prefix: str = "",
        count: int | None = None,
        steps: int = 16,
        diversity: float | None = None,
        allowed: Callable[[str], bool] = anything,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> list[Written]:
        """Different texts that ``allowed`` accepts, best first; none when ``should_stop`` said so.

        source: from ``textdiff.source``; its first line is the task. prefix: what the text begins with. diversity: the
        amplitude of the noise; 0 gives one text. Where ``count`` and ``diversity`` are left out: eight candidates at
        the noise that a diffusion model was trained on; the likeliest words of an autoregressive one, which are about
        as good as its best of eight (docs/results/text_dials.md). Raises ModelMissing, and CommandError when the
        weights are damaged.
        """
        import torch

        from textdiff.sampler import Dials

        if not source.startswith(task + "\n"):
            source = f"{task}\n{source}"
        sampler = self.load()
        generator = torch.Generator(device=sampler.device).manual_seed(self.seed)
        asked = sampler.read([source], [prefix])
        likeliest = sampler.network.config.kind == "autoregressive"
        dials = Dials(
            steps=steps,
            count=(1 if likeliest else 8) if count is None else count,
            diversity=(0.0 if likeliest else 1.0) if diversity is None else diversity,
        )
        found = sampler.sample(asked, dials, generator, should_stop)
        if found is None:
            return []
        texts = [sampler.tokenizer.decode(one.ids).strip() for one in found[0]]
        order = ranked(texts, [one.logprob_nats for one in found[0]])
        return [Written(text, confidence) for text, confidence in order if allowed(text)]

    def load(self) -> Sampler:
        """Raises ModelMissing."""
        if self._sampler is None:
            if not self.installed():
                raise ModelMissing(f"no text model is installed: {self.folder} has no config.json")
            from codeworld.model.checkpoint import CheckpointError
            from codeworld.model.tokenizer import CodeTokenizer
            from textdiff import checkpoint
            from textdiff.sampler import Sampler

            try:
                network = checkpoint.load(self.folder).eval().requires_grad_(False).to(self.device)
            except CheckpointError as error:
                raise ModelMissing(str(error)) from error
            self._sampler = Sampler(network, CodeTokenizer(self.folder / "tokenizer.json"))
        return self._sampler
