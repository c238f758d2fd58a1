"""Top-level symbols of files that are not Python: JavaScript, TypeScript, Go, Rust, C, C++ and Java.

The grammars are the extra ``codeworld[languages]``; without it such files are counted and their symbols unknown.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from tree_sitter import Language, Node, Parser

from codeworld.summary.facts import FileFacts, Symbol
from codeworld.summary.python_facts import first_sentence, text_of

EXTRA = "codeworld[languages]"
_MAX_BYTES = 1_000_000  # what is larger, nobody wrote by hand
_GENERATED = re.compile(
    r"\.min\.js$|\.pb\.(go|cc|h)$|_pb\.(js|d\.ts)$|(^|/)(node_modules|third_party|vendor)/"
)


class Spoken(NamedTuple):
    """A language: its name, and its grammar's package and function ("" when its symbols are never read)."""

    name: str
    package: str = ""
    grammar: str = "language"


# TypeScript's grammar with JSX takes JavaScript as well.
_TSX = ("tree_sitter_typescript", "language_tsx")
_JAVASCRIPT, _C = Spoken("JavaScript", *_TSX), Spoken("C", "tree_sitter_c")
_CPP = Spoken("C++", "tree_sitter_cpp")
_TYPESCRIPT = Spoken("TypeScript", "tree_sitter_typescript", "language_typescript")
LANGUAGES = {
    ".js": _JAVASCRIPT, ".mjs": _JAVASCRIPT, ".cjs": _JAVASCRIPT, ".jsx": _JAVASCRIPT,
    ".ts": _TYPESCRIPT, ".mts": _TYPESCRIPT, ".cts": _TYPESCRIPT, ".tsx": Spoken("TypeScript", *_TSX),
    ".go": Spoken("Go", "tree_sitter_go"), ".rs": Spoken("Rust", "tree_sitter_rust"),
    ".java": Spoken("Java", "tree_sitter_java"), ".c": _C, ".h": _C,
    ".cpp": _CPP, ".cc": _CPP, ".cxx": _CPP, ".hpp": _CPP, ".hh": _CPP, ".hxx": _CPP,
    ".py": Spoken("Python"), ".pyi": Spoken("Python"), ".rb": Spoken("Ruby"), ".sh": Spoken("shell"),
    ".pyx": Spoken("Cython"), ".pxd": Spoken("Cython"), ".cu": Spoken("CUDA"), ".kt": Spoken("Kotlin"),
    ".swift": Spoken("Swift"), ".cs": Spoken("C#"), ".scala": Spoken("Scala"), ".php": Spoken("PHP"),
    ".lua": Spoken("Lua"), ".jl": Spoken("Julia"), ".r": Spoken("R"), ".f90": Spoken("Fortran"),
    ".vue": Spoken("Vue"), ".ex": Spoken("Elixir"), ".hs": Spoken("Haskell"), ".ml": Spoken("OCaml"),
}  # fmt: skip

_KINDS = {
    # JavaScript, TypeScript, Java
    "function_declaration": "function", "generator_function_declaration": "function", "function_signature": "function",
    "class_declaration": "class", "abstract_class_declaration": "class", "interface_declaration": "interface",
    "type_alias_declaration": "type", "enum_declaration": "enum", "internal_module": "namespace",
    "variable_declarator": "value", "record_declaration": "record", "annotation_type_declaration": "annotation",
    # Go
    "type_spec": "type", "type_alias": "type", "const_spec": "value", "var_spec": "value",
    # Rust
    "function_item": "function", "struct_item": "struct", "enum_item": "enum", "union_item": "union",
    "trait_item": "trait", "type_item": "type", "const_item": "value", "static_item": "value", "mod_item": "module",
    "macro_definition": "macro",
    # C, C++
    "function_definition": "function", "struct_specifier": "struct", "union_specifier": "union",
    "class_specifier": "class", "enum_specifier": "enum", "type_definition": "type", "alias_declaration": "type",
    "concept_definition": "concept", "preproc_function_def": "macro", "preproc_def": "macro", "declaration": "value",
}  # fmt: skip
_NEEDS_BODY = ("struct_specifier", "union_specifier", "class_specifier", "enum_specifier")
_BETWEEN = frozenset((
    "export_statement", "ambient_declaration", "lexical_declaration", "variable_declaration", "expression_statement",
    "type_declaration", "var_declaration", "const_declaration", "var_spec_list",
    "preproc_ifdef", "preproc_if", "preproc_else", "preproc_elif", "linkage_specification", "namespace_definition",
    "declaration_list", "template_declaration", "declaration", "type_definition",
))  # fmt: skip
_FUNCTIONS = ("arrow_function", "function_expression", "function", "generator_function")
_COMMENTS = ("comment", "line_comment", "block_comment")
_ATTRIBUTES = ("attribute_item", "modifiers", "marker_annotation", "annotation", "decorator")
_PREAMBLE = ("package_clause", "import_statement", "preproc_include", "preproc_ifdef", "use_declaration")
_MARKS = re.compile(r"^\s*(///?!?|/\*[*!]?|\*(?!/))?\s?|\s*\*+/\s*$")
_NO_ROLE = re.compile(
    r"copyright|licen[cs]e|spdx|eslint|prettier|@ts-|go:|nolint|clang-format|^[!@#]|use strict|"
    r"generated|^\s*\W*\s*$",
    re.IGNORECASE,
)


def language_of(path: str, headers: Spoken = _C) -> Spoken | None:
    """The language of a file by its name; ``headers`` is what ``.h`` is here."""
    suffix = path[path.rfind(".") :].lower() if "." in path.rsplit("/", 1)[-1] else ""
    return headers if suffix == ".h" else LANGUAGES.get(suffix)


def headers_of(paths: Sequence[str]) -> Spoken:
    """Whether the ``.h`` files among ``paths`` are C or C++: what most of the other files are."""
    found = [LANGUAGES.get(path[path.rfind(".") :].lower()) for path in paths if not path.endswith(".h")]
    return _CPP if found.count(_CPP) > found.count(_C) else _C


def is_available() -> bool:
    """Whether the grammars are installed."""
    return all(_parser(spoken) is not None for spoken in set(LANGUAGES.values()) if spoken.package)


@cache
def _parser(spoken: Spoken) -> Parser | None:
    try:
        module = importlib.import_module(spoken.package)
    except ImportError:
        return None
    return Parser(Language(getattr(module, spoken.grammar)()))


def is_read(path: str, size: int, spoken: Spoken) -> bool:
    """Whether the symbols of such a file are looked for: not of a generated one, nor without its grammar."""
    is_own = size <= _MAX_BYTES and not _GENERATED.search(path)
    return bool(spoken.package) and is_own and _parser(spoken) is not None


def read(lines: list[str], spoken: Spoken) -> FileFacts:
    """The facts of a file's lines, with ``exported`` for what others can use. Raises LookupError without a grammar."""
    parser = _parser(spoken)
    if parser is None:
        raise LookupError(f"{spoken.name} needs {EXTRA}")
    root = parser.parse("\n".join(lines).encode("utf-8", errors="replace")).root_node
    symbols: dict[str, Symbol] = {}
    exported: dict[str, int] = {}
    for node in _declared(root):
        for symbol in _symbols(node):
            symbols.setdefault(symbol.name, symbol)
            if _is_public(node, symbol.name, spoken):
                exported.setdefault(symbol.name, symbol.line)
    doc, doc_line = _comment(_leading(root))
    return FileFacts(
        lines=len(lines) - (not lines[-1]),
        doc=doc,
        doc_line=doc_line,
        symbols=tuple(symbols.values()),
        imports=(),
        exported=tuple(exported.items()),
        main_line=0,
        error_line=0,
        tests=0,
    )


def _declared(node: Node) -> Iterator[Node]:
    """What is declared at the top level, in the order of the text."""
    for child in node.children:
        if child.type in _KINDS and not (
            child.type in _NEEDS_BODY and child.child_by_field_name("body") is None
        ):
            yield child
        if child.type in _BETWEEN:
            yield from _declared(child)


def _symbols(node: Node) -> Iterator[Symbol]:
    kind = _KINDS[node.type]
    if node.type == "preproc_def" and node.child_by_field_name("value") is None:
        return  # an include guard, or a switch
    value = node.child_by_field_name("value")
    if node.type == "variable_declarator" and value is not None and value.type in _FUNCTIONS:
        kind = "function"
    doc, doc_line = _comment(_before(node))
    for name in _names(node):
        if not name.text:  # the parser put in what it missed
            continue
        if node.type == "declaration" and _is_function(name):
            kind = "function"
        yield Symbol(text_of(name), kind, name.start_point.row + 1, doc, doc_line)


def _names(node: Node) -> Iterator[Node]:
    for name in node.children_by_field_name("name"):
        if name.type.endswith("identifier") and name.type != "qualified_identifier":
            yield name
    for declarator in node.children_by_field_name("declarator"):
        below: Node | None = declarator
        while below is not None and not below.type.endswith(("identifier", "operator_name")):
            below = below.child_by_field_name("declarator") or next(
                (one for one in below.named_children if one.type.endswith(("declarator", "identifier"))), None
            )
        # A qualified name belongs to a class that is declared elsewhere.
        if below is not None and below.type != "qualified_identifier":
            yield below


def _is_function(name: Node) -> bool:
    """Whether a declared name is a function's, not that of a pointer to one."""
    return name.parent is not None and name.parent.type == "function_declarator"


def _is_public(node: Node, name: str, spoken: Spoken) -> bool:
    if spoken.name == "Go":
        return name[:1].isupper()
    if spoken.name in ("JavaScript", "TypeScript"):
        return any(one.type == "export_statement" for one in _above(node))
    if spoken.name == "Rust":
        return any(child.type == "visibility_modifier" for child in node.children)
    if spoken.name == "Java":
        return any(child.type == "modifiers" and "public" in text_of(child) for child in node.children)
    return not any(
        child.type == "storage_class_specifier" and text_of(child) == "static" for child in node.children
    )


def _above(node: Node) -> Iterator[Node]:
    parent = node.parent
    while parent is not None and parent.type in _BETWEEN:
        yield parent
        parent = parent.parent


def _before(node: Node) -> list[Node]:
    """The comments right above a declaration, the last one first."""
    top = node
    for parent in _above(node):
        if parent.type in ("declaration_list", "namespace_definition") or parent.type.startswith("preproc"):
            break
        if parent.start_point.row == top.start_point.row:
            top = parent
    found: list[Node] = []
    row = top.start_point.row
    above = top.prev_sibling
    while above is not None and above.type in (*_COMMENTS, *_ATTRIBUTES):
        if _last_row(above) < row - 1:
            break
        row = above.start_point.row
        if text_of(above).startswith("//!"):
            break  # Rust: of the file
        if above.type in _COMMENTS:
            found.append(above)
        above = above.prev_sibling
    return found


def _leading(root: Node) -> list[Node]:
    """The comments that a file begins with, unless they belong to what follows at once."""
    found: list[Node] = []
    for child in root.children:
        if found and child.start_point.row > _last_row(found[-1]) + 1:
            break
        if child.type not in _COMMENTS:
            return [] if child.type not in _PREAMBLE else found
        found.append(child)
    return found


def _last_row(node: Node) -> int:
    """The row in which the text of a comment ends; some grammars count the line end to it."""
    return node.start_point.row + text_of(node).rstrip("\n").count("\n")


def _comment(nodes: list[Node]) -> tuple[str, int]:
    """The first sentence of comments (the last one first), and its line; nothing of a licence."""
    ordered = sorted((node for node in nodes if node.type in _COMMENTS), key=lambda node: node.start_byte)
    if not ordered:
        return "", 0
    raw = "\n".join(text_of(node).rstrip("\n") for node in ordered).split("\n")
    text = "\n".join(_MARKS.sub("", line) for line in raw)
    sentence, skipped = first_sentence(text)
    is_role = sentence and not _NO_ROLE.search(sentence)
    return (sentence, ordered[0].start_point.row + 1 + skipped) if is_role else ("", 0)
