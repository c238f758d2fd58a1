"""The user's settings: one frozen tree, read from whatever an editor sends. Nothing here raises.

An editor sends settings three ways (``initializationOptions``, ``workspace/didChangeConfiguration``, the
answer to ``workspace/configuration``), with or without a ``codeworld`` key around them. Later ones are laid
over earlier ones; ``null`` means "not set". Keys are camelCase: ``{"codeworld": {"completion": {"inComments":
true}}}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar, cast

import msgspec

if TYPE_CHECKING:
    from codeworld.verify.settings import CompletionSettings

SECTION = "codeworld"

Probability = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=60_000)]

_Tree = TypeVar("_Tree", bound=msgspec.Struct)


class Completion(msgspec.Struct, frozen=True, rename="camel"):
    """What is offered, and when. ``threshold``: lowest confidence shown, None = the model's own."""

    enabled: bool = True
    threshold: Probability | None = None
    in_comments: bool = False
    in_strings: bool = False
    in_words: bool = False
    multiline: bool = False
    quiet_after_undo_ms: Milliseconds = 500  # nothing this soon after something was deleted or undone
    max_latency_ms: Milliseconds = 1_000  # an editor that still waits then gets an empty list
    menu: Literal["auto", "always", "never"] = "auto"  # "auto": only for editors without ghost text

    def pipeline(self) -> CompletionSettings:
        """The part that codeworld.complete takes."""
        from codeworld.verify.settings import CompletionSettings

        return CompletionSettings(
            threshold=self.threshold,
            in_comments=self.in_comments,
            in_strings=self.in_strings,
            in_words=self.in_words,
            multiline=self.multiline,
            open_headers=True,  # "if x:" is on its way to a body
        )


class Index(msgspec.Struct, frozen=True, rename="camel"):
    """The index of the repository's lines. ``budget_s``: seconds after which building stops with what it
    has."""

    enabled: bool = True
    budget_s: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 120


class EngineSettings(msgspec.Struct, frozen=True, rename="camel"):
    """The process with the model. ``spawn``: start it when none runs; ``preload``: before the first
    completion."""

    spawn: bool = True
    preload: bool = True


class Tests(msgspec.Struct, frozen=True, rename="camel"):
    """Making tests. ``trusted``: the workspace's code may be run, in the sandbox; ``budget_s``: for each function, at
    most; ``model``: have the model propose inputs, too."""

    trusted: bool = False
    budget_s: Annotated[int, msgspec.Meta(ge=1, le=600)] = 10
    model: bool = False


class Settings(msgspec.Struct, frozen=True, rename="camel"):
    """Everything a user can set."""

    completion: Completion = Completion()
    index: Index = Index()
    engine: EngineSettings = EngineSettings()
    tests: Tests = Tests()


class Reading(NamedTuple):
    """Settings, and what was wrong with what they were read from: ``invalid`` values were replaced by
    defaults."""

    settings: Settings
    unknown: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()


def own_part(sent: object) -> dict[str, Any]:
    """What of an editor's message is ours: the value of ``codeworld`` if there is one, else the message
    itself."""
    if not isinstance(sent, Mapping):
        return {}
    inner = sent.get(SECTION)
    return dict(inner if isinstance(inner, Mapping) else sent)


def overlay(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid over ``under``, object by object; None does not cover anything."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = overlay(below, value)
        elif value is not None:
            merged[key] = value
    return merged


def read(raw: Mapping[str, Any]) -> Reading:
    """Read the settings in ``raw``; each value that cannot be used is left at its default and reported."""
    unknown: list[str] = []
    invalid: list[str] = []
    settings = _read(Settings, raw, SECTION, unknown, invalid)
    return Reading(settings, tuple(unknown), tuple(invalid))


def _read(
    tree: type[_Tree], raw: Mapping[str, Any], at: str, unknown: list[str], invalid: list[str]
) -> _Tree:
    fields = {field.encode_name: field for field in msgspec.structs.fields(tree)}
    values: dict[str, Any] = {}
    for key, value in raw.items():
        field, where = fields.get(key), f"{at}.{key}"
        if field is None:
            unknown.append(where)
        elif value is None:
            continue
        elif isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            if isinstance(value, Mapping):
                values[field.name] = _read(field.type, value, where, unknown, invalid)
            else:
                invalid.append(f"{where}: expected an object")
        else:
            try:
                values[field.name] = msgspec.convert(value, field.type)
            except msgspec.ValidationError as error:
                invalid.append(f"{where}: {error} (using {cast(object, field.default)!r})")
    return tree(**values)
