"""What a docstring said of the code before, and what of that has become false."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable

import msgspec

from textdiff.docstring.sections import Parsed
from textdiff.docstring.understand import Parameter, Raised, Target

_ALIKE = 0.6  # names that share so much may be two names of one thing


class Changes(msgspec.Struct, frozen=True):
    """``renamed`` old → new; ``removed`` names; ``added`` parameters to document; ``retyped`` and ``defaults`` (old,
    new) by new name; the same for results and exceptions. ``complete``: the docstring told everything before."""

    now: Target
    renamed: dict[str, str] = {}
    removed: frozenset[str] = frozenset()
    added: tuple[Parameter, ...] = ()
    retyped: dict[str, tuple[str, str]] = {}
    defaults: dict[str, tuple[str, str]] = {}
    returns_gone: bool = False
    returns_new: bool = False
    return_type: tuple[str, str] | None = None
    raises_new: tuple[Raised, ...] = ()
    raises_gone: frozenset[str] = frozenset()
    raise_renamed: dict[str, str] = {}
    complete: bool = False


def between(before: Target | None, now: Target, parsed: Parsed) -> Changes:
    """What is false in ``parsed`` now; without ``before`` only what the signature shows."""
    documented = [name for item in parsed.items("parameters") for name in item.names]
    if before is None:
        return _by_signature(now, documented)
    old, new = _by_name(before.parameters), _by_name(now.parameters)
    gone = [name for name in old if name not in new]
    come = [name for name in new if name not in old]
    stale = _stale(before, now, documented)
    renamed = _renamed(before, now, gone, come)
    complete = bool(documented) and set(old) <= set(documented)
    pairs = {renamed.get(name, name): one for name, one in old.items() if renamed.get(name, name) in new}
    raises_new, raises_gone, raise_renamed = _exceptions(before, now)
    gives, gave = _gives(now), _gives(before)
    said = bool(parsed.items("returns"))
    told_all = complete and (said or not gave)
    return Changes(
        now,
        renamed | stale.renamed,
        frozenset(name for name in gone if name not in renamed and name in documented) | stale.removed,
        tuple(new[name] for name in come if name not in renamed.values()) if complete else (),
        {
            name: (one.annotation, new[name].annotation)
            for name, one in pairs.items()
            if one.annotation != new[name].annotation
        },
        {
            name: (one.default, new[name].default)
            for name, one in pairs.items()
            if one.default != new[name].default
        },
        returns_gone=gave and not gives and not now.yields and not _is_stub(now),
        returns_new=gives and not gave and complete,
        return_type=(before.returns, now.returns)
        if before.returns and now.returns and before.returns != now.returns
        else None,
        complete=told_all,
        raises_new=raises_new,
        raises_gone=raises_gone,
        raise_renamed=raise_renamed,
    )


def _by_signature(now: Target, documented: list[str]) -> Changes:
    """What a signature alone contradicts: parameters that it does not have. One that may be passed on is not among
    them."""
    new = _by_name(now.parameters)
    if any(one.name.startswith("**") for one in now.parameters) or not new or now.kind == "class":
        return Changes(now)
    gone = [name for name in documented if name not in new]
    come = [name for name in new if name not in documented]
    kept = [name for name in documented if name in new]
    renamed = _at_their_places(gone, come, documented, list(new))
    mostly = 2 * len(kept) >= len(documented) > len(gone)
    added = [new[name] for name in come if name not in renamed.values()] if mostly else []
    return Changes(now, renamed, frozenset(name for name in gone if name not in renamed), tuple(added))


def _at_their_places(
    gone: list[str], come: list[str], documented: list[str], names: list[str]
) -> dict[str, str]:
    """Names that stand where others stood, as many as those: alike, or the only ones."""
    if len(gone) != len(come) or len(documented) != len(names):
        return {}
    pairs = list(zip(gone, come, strict=True))
    here = all(documented.index(one) == names.index(other) for one, other in pairs)
    return {one: other for one, other in pairs if len(pairs) == 1 or _alike(one, other)} if here else {}


def _stale(before: Target, now: Target, documented: list[str]) -> Changes:
    """What was false already before this change, and still is."""
    listed = _by_signature(now, documented)
    old = _by_name(before.parameters)
    renamed = {one: other for one, other in listed.renamed.items() if one not in old}
    return Changes(now, renamed, frozenset(name for name in listed.removed if name not in old))


def _by_name(parameters: Iterable[Parameter]) -> dict[str, Parameter]:
    return {one.name.lstrip("*"): one for one in parameters}


def _renamed(before: Target, now: Target, gone: list[str], come: list[str]) -> dict[str, str]:
    """Pairs of a name that went and one that came which are the same parameter: the body uses the one as it used the
    other, or they stand at the same place with the same type and default and are alike."""
    old, new = _by_name(before.parameters), _by_name(now.parameters)
    places = list(old), list(new)
    renamed: dict[str, str] = {}
    for one in gone:
        for other in come:
            if other in renamed.values() or old[one].name.count("*") != new[other].name.count("*"):
                continue
            here = places[0].index(one) == places[1].index(other)
            same = (old[one].default, old[one].annotation) == (new[other].default, new[other].annotation)
            if (here and same and _alike(one, other)) or _used_alike(before, now, one, other):
                renamed[one] = other
                break
    return renamed


def _alike(one: str, other: str) -> bool:
    return one in other or other in one or difflib.SequenceMatcher(None, one, other).ratio() >= _ALIKE


def _used_alike(before: Target, now: Target, one: str, other: str) -> bool:
    """Whether the two bodies are the same but for the name, which they use."""
    old, new = (_body(target) for target in (before, now))
    return f"id='{one}'" in old and old.replace(f"id='{one}'", f"id='{other}'") == new


def _body(target: Target) -> str:
    body = getattr(target.node, "body", [])
    return "\n".join(ast.dump(one) for one in (body[1:] if target.docstring is not None else body))


def _gives(target: Target) -> bool:
    return target.returns_value or (target.returns not in ("", "None", "NoReturn") and not target.yields)


def _is_stub(target: Target) -> bool:
    """Whether a body says nothing of results: abstract methods and the like."""
    body = getattr(target.node, "body", [])[1 if target.docstring is not None else 0 :]
    says_nothing = (ast.Pass, ast.Raise)
    return len(body) <= 1 and all(
        isinstance(one, says_nothing) or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
        for one in body
    )


def _exceptions(before: Target, now: Target) -> tuple[tuple[Raised, ...], frozenset[str], dict[str, str]]:
    """Exceptions that the body raises now, those it does not raise any more, and one for one other: a new name."""
    old = {one.type.rpartition(".")[2]: one for one in before.raises}
    new = {one.type.rpartition(".")[2]: one for one in now.raises}
    gone = [name for name in old if name not in new]
    come = [name for name in new if name not in old]
    if len(gone) == len(come) == 1:
        return (), frozenset(), {gone[0]: new[come[0]].type}
    return tuple(new[name] for name in come), frozenset(() if now.raises_unknown else gone), {}
