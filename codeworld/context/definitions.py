"""What files define, by their signatures: one pass of a regular expression, so that it also serves text that does not
parse (somebody is typing) and costs little on a whole repository.

``Definitions`` holds them for a repository and follows imports: from the name that a file imports to the signature of
what it is, over re-exports.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

SIGNATURE_CHARS: Final = 200  # of one function or field, cut there
CLASS_CHARS: Final = 420  # of a class with its members, as others see it
OUTSIDE: Final = -2
_HOPS: Final = 3  # re-exports that are followed
_HEAD: Final = re.compile(
    r"^([ \t]*)(?:(async[ \t]+def|def|class)[ \t]+([^\W\d]\w*)"
    r"|([^\W\d]\w*)[ \t]*(?::(?!=)[^=\n#]+|(?==))(?:=(?!=)[^\n]*)?$)",
    re.MULTILINE,
)
_SELF: Final = re.compile(r"^[ \t]+self\.([^\W\d]\w*)[ \t]*(?::[^=\n]+)?=(?!=)", re.MULTILINE)
_FROM: Final = re.compile(r"^[ \t]*from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)", re.MULTILINE)
_PLAIN: Final = re.compile(r"^[ \t]*import[ \t]+[^\n#]+", re.MULTILINE)
_KEYWORDS: Final = frozenset(
    ("else", "try", "finally", "except", "with", "lambda", "return", "if", "for", "while")
)
_COMMENT: Final = re.compile(r"#[^\n]*")
_BLANKS: Final = re.compile(r"\s+")


class Definition(NamedTuple):
    """One signature. ``text`` is a single line without its indentation; ``owner`` is the index of the class it is a
    member of, -1 at module level, OUTSIDE for a class that is not in the text."""

    kind: str  # "class", "def" or "name"
    name: str
    start: int  # character
    owner: int
    text: str


class Import(NamedTuple):
    """An import statement on one line, at characters [start, end) of its text; ``names`` are (name there, name here),
    empty for ``import x``."""

    start: int
    end: int
    module: str
    names: tuple[tuple[str, str], ...]
    text: str


def definitions(text: str, within: int = 0) -> list[Definition]:
    """Classes, functions, members and module-level names of a text in their order. What is inside a function is not
    for others and left out. A text that begins inside a class whose members are indented by ``within`` columns has them
    too, with OUTSIDE as their owner."""
    found: list[Definition] = []
    open_ = [(0, OUTSIDE)] if within else []  # (indentation, index of the class or -1 for a function) around
    for match in _HEAD.finditer(text):
        indent = len(match[1].expandtabs())
        while open_ and open_[-1][0] >= indent:
            open_.pop()
        owner = open_[-1][1] if open_ else -1
        if (owner == -1 and indent) or (owner == OUTSIDE and indent != within):
            continue  # in a function, under an ``if`` or ``try``, or a line of a call
        name = match[3] or match[4]
        if match[2] is None:
            if name not in _KEYWORDS and match[0][-1] != ",":
                found.append(Definition("name", name, match.start(), owner, match[0].strip()[:80]))
            continue
        kind = "class" if match[2] == "class" else "def"
        open_.append((indent, len(found) if kind == "class" else -1))
        found.append(Definition(kind, name, match.start(), owner, _signature(text, match.start(2))))
    return found


def _signature(text: str, start: int) -> str:
    """From ``def`` or ``class`` to the colon that ends the head, on one line."""
    depth = 0
    for at in range(start, min(start + 3 * SIGNATURE_CHARS, len(text))):
        char = text[at]
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif (char == ":" and not depth) or (char == "\n" and not depth):
            return _cut(_one_line(text[start:at]) + ":")
    return _cut(_one_line(text[start : start + SIGNATURE_CHARS]))


def _cut(line: str) -> str:
    return line if len(line) <= SIGNATURE_CHARS else line[: line.rfind(" ", 0, SIGNATURE_CHARS)] + " ..."


def _one_line(text: str) -> str:
    if "\n" not in text:
        return text
    flat = _BLANKS.sub(" ", _COMMENT.sub("", text))
    return flat.replace("( ", "(").replace(", )", ")").replace(" )", ")")


def attributes(text: str) -> list[tuple[int, str]]:
    """(character, name) of each ``self.name = …``."""
    return [(match.start(), match[1]) for match in _SELF.finditer(text)]


def imports(text: str) -> list[Import]:
    """The import statements of a text, in their order."""
    found = [Import(m.start(), m.end(), "", (), m[0].strip()) for m in _PLAIN.finditer(text)]
    for match in _FROM.finditer(text):
        names = []
        for part in _COMMENT.sub("", match[2]).strip("() \t\\").split(","):
            words = part.replace("\\", " ").split()
            if words and words[0].isidentifier():
                names.append((words[0], words[2] if len(words) == 3 else words[0]))
        line = _one_line(match[0]).strip()
        found.append(Import(match.start(), match.end(), match[1], tuple(names), line))
    return sorted(found)


class _File(NamedTuple):
    signatures: dict[str, str]
    imported: dict[str, tuple[str, str]]  # name here: (module, name there)


class Modules:
    """Which file of a repository a module is. Paths are strings relative to its root. Not thread-safe."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._paths: set[str] = set()
        self._named: dict[str, list[str]] = {}  # last part of a module's name: its files
        for path in paths:
            self.add(path)

    def add(self, path: str) -> None:
        """There is such a file."""
        if path not in self._paths:
            self._paths.add(path)
            self._named.setdefault(_stem(path), []).append(path)

    def remove(self, path: str) -> None:
        """There is no such file any more."""
        if path in self._paths:
            self._paths.remove(path)
            self._named[_stem(path)].remove(path)

    def imported(self, path: str, text: str) -> list[str]:
        """The files that the imports of ``text``, the file ``path``, name, in the order of its import statements; the
        module's own file where what is imported from it is none."""
        found: dict[str, None] = {}
        for one in imports(text):
            if not one.module:
                named = [part.split()[0] for part in one.text[len("import") :].split(",") if part.split()]
            else:
                dot = "" if one.module.endswith(".") else "."
                named = [
                    name if self.resolve(path, name) else one.module
                    for name in (f"{one.module}{dot}{there}" for there, _ in one.names)
                ] or [one.module]
            found |= dict.fromkeys(self.resolve(path, module) for module in named)
        return [other for other in found if other and other != path]

    def resolve(self, importer: str, module: str) -> str:
        """The file of a module as the importing file names it, "" when it is not of this repository."""
        dots = len(module) - len(module.lstrip("."))
        tail = module[dots:].replace(".", "/")
        if dots:
            folder = posixpath.dirname(importer)
            for _ in range(dots - 1):
                folder = posixpath.dirname(folder)
            base = posixpath.join(folder, tail) if tail else folder
            return next(
                (p for p in (f"{base}.py", f"{base}/__init__.py", f"{base}.pyi") if p in self._paths), ""
            )
        endings = (f"/{tail}.py", f"/{tail}/__init__.py", f"/{tail}.pyi")
        paths = [p for p in self._named.get(posixpath.basename(tail), ()) if f"/{p}".endswith(endings)]
        # The nearest to the root: no copy in a test's folder.
        return min(paths, key=lambda p: (len(p), p), default="")


class Definitions:
    """What the files of a repository define. Paths are strings relative to its root. Not thread-safe."""

    def __init__(self) -> None:
        self._texts: dict[str, Callable[[], str]] = {}  # of the files that nobody has asked for
        self._files: dict[str, _File] = {}
        self._modules = Modules()

    def __len__(self) -> int:
        return len(self._files) + len(self._texts)

    def update(self, path: str, text: Callable[[], str]) -> None:
        """The file's content is now what ``text()`` says once something of it is imported."""
        self._modules.add(path)
        self._files.pop(path, None)
        self._texts[path] = text

    def remove(self, path: str) -> None:
        """Forget a file; nothing happens when it is not there."""
        self._files.pop(path, None)
        self._texts.pop(path, None)
        self._modules.remove(path)

    def _file(self, path: str) -> _File:
        if path in self._texts:
            text = self._texts.pop(path)()
            imported = {
                here: (one.module, there) for one in imports(text) for there, here in one.names if one.module
            }
            self._files[path] = _File(_shown_to_others(text), imported)
        return self._files[path]

    def imported(self, path: str, statements: list[Import]) -> Iterator[str]:
        """The signatures, in their order, of what these import statements of the file ``path`` bring from this
        repository."""
        for one in statements:
            for there, _ in one.names:
                found = self._find(path, one.module, there, _HOPS)
                if found:
                    yield found

    def _find(self, importer: str, module: str, name: str, hops: int) -> str:
        path = self._modules.resolve(importer, module)
        if not path:
            return ""
        file = self._file(path)
        if name in file.signatures:
            return file.signatures[name]
        if hops and name in file.imported:
            source, there = file.imported[name]
            return self._find(path, source, there, hops - 1)
        return ""


def _stem(path: str) -> str:
    name = posixpath.basename(path).rpartition(".")[0]
    return posixpath.basename(posixpath.dirname(path)) if name == "__init__" else name


def _shown_to_others(text: str) -> dict[str, str]:
    """Signatures by module-level name; a class comes with its members' up to CLASS_CHARS."""
    shown: dict[str, str] = {}
    all_ = definitions(text)
    for one in all_:
        if one.owner < 0:
            shown[one.name] = one.text
        else:
            owner = all_[one.owner]
            private = one.name[0] == "_" and one.name != "__init__"
            whole = shown.get(owner.name, "")
            if owner.owner < 0 and not private and len(whole) + len(one.text) < CLASS_CHARS:
                shown[owner.name] = f"{whole}\n    {one.text}"
    return {sys.intern(name): text for name, text in shown.items()}
