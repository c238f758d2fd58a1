"""One typed statement about a change: every name and number in it stands in the diff."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal[
    "added",
    "removed",
    "renamed",
    "moved",
    "signature",
    "body",
    "docstring",
    "value",
    "imports",
    "layout",
    "dependency",
    "version",
    "changelog",
    "typo",
    "section",
    "entry",
    "links",
    "file",
]
What = Literal[
    "function",
    "method",
    "class",
    "constant",
    "test",
    "parameter",
    "file",
    "dependency",
    "version",
    "text",
    "module",
]


class Fact(msgspec.Struct, frozen=True):
    """``kind`` of change of ``name`` in the file ``path``; ``old`` and ``new`` are values or names before and after,
    ``where`` the class or file around it, ``public`` whether others may use it."""

    kind: Kind
    what: What
    name: str
    path: str
    old: str = ""
    new: str = ""
    where: str = ""
    public: bool = True
