"""What a Python file says about itself, from its syntax tree: broken code gives what could be read of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import tree_sitter_python
from tree_sitter import Language, Node, Parser, Query, QueryCursor

from codeworld.context.secrets import is_masked
from codeworld.summary.facts import FileFacts, Import, Symbol

_QUERY = """
(import_statement) @import
(import_from_statement) @import
(ERROR) @error
(function_definition name: (identifier) @test (#match? @test "^test"))
"""
_DEFINITIONS = {"class_definition": "class", "function_definition": "function"}
_BLOCKS = ("if_statement", "try_statement", "with_statement", "else_clause", "elif_clause", "except_clause",
           "finally_clause", "block", "decorated_definition", "except_group_clause")  # fmt: skip
_MAIN = re.compile(r"""if\s+\(?\s*(__name__\s*==\s*["']__main__["']|["']__main__["']\s*==\s*__name__)""")
_IS_CODE = re.compile(r">>>|\$ |[\w.]+ = |[\w.]+\(|@|import |from \S+ import ")  # an example is no role
_MAKES_A_CLASS = re.compile(
    r"\s*=\s*(collections\.|typing\.|enum\.)?(namedtuple|NamedTuple|TypedDict|Enum)\("
)
_MADE_WHEN_IT_RUNS = (
    "list_comprehension",
    "call",
    "identifier",
    "attribute",
    "generator_expression",
)  # of __all__
_MAX_WORDS = 30
_IS_NO_SENTENCE = re.compile(r"[=\-~*#^\"'`+_.\s]*")


@cache
def _grammar() -> tuple[Parser, Query]:
    language = Language(tree_sitter_python.language())
    return Parser(language), Query(language, _QUERY)


def read(lines: list[str]) -> FileFacts:
    """The facts of a file's lines."""
    parser, query = _grammar()
    root = parser.parse("\n".join(lines).encode("utf-8", errors="replace")).root_node
    found = QueryCursor(query).captures(root)
    symbols: dict[str, Symbol] = {}
    exported: list[tuple[str, int]] | None = None
    main_line = 0
    for node in _top_level(root):
        if node.type in _DEFINITIONS:
            symbol = _definition(node)
            symbols.setdefault(symbol.name, symbol)
        elif node.type == "if_statement" and _MAIN.match(text_of(node)[:80]):
            main_line = main_line or _line(node)
        elif node.type == "expression_statement":
            for value in _assigned(node):
                symbols.setdefault(value.name, value)
            exported = _extended(exported, node)
    doc, doc_line = _docstring(root)
    return FileFacts(
        lines=len(lines) - (not lines[-1]),  # what follows the last line end is no line
        doc=doc,
        doc_line=doc_line,
        symbols=tuple(symbols.values()),
        imports=tuple(_import(node) for node in _in_order(found.get("import", []))),
        exported=None if exported is None else tuple(one for one in exported if not is_masked(one[0])),
        main_line=main_line,
        error_line=_error_line(root, found.get("error", [])),
        tests=len(found.get("test", [])),
    )


def first_sentence(text: str) -> tuple[str, int]:
    """The first sentence of a docstring or paragraph on one line, and how many lines of ``text`` come before it."""
    skipped = 0
    lines = text.split("\n")
    while skipped < len(lines) and _IS_NO_SENTENCE.fullmatch(lines[skipped]):
        skipped += 1
    sentence = []
    for line in lines[skipped:]:
        if not line.strip() or _IS_NO_SENTENCE.fullmatch(line):
            break
        sentence.append(line.strip())
    joined = " ".join(sentence)
    end = re.search(r"(?<![.\s][a-z])(?<!\be\.g)(?<!\bi\.e)[.!?](?=\s|$)", joined)
    words = (joined[: end.end()] if end else joined).split()
    return " ".join(words[:_MAX_WORDS]) + (" …" if len(words) > _MAX_WORDS else ""), skipped


def _error_line(root: Node, errors: list[Node]) -> int:
    if not root.has_error:
        return 0
    return min((_line(node) for node in errors), default=_first_missing(root))


def _first_missing(root: Node) -> int:
    node = root
    while True:
        below = next((child for child in node.children if child.has_error or child.is_missing), None)
        if below is None:
            return _line(node)
        node = below


def _top_level(node: Node) -> Iterator[Node]:
    """Statements that run when the module is imported, those under conditions included."""
    for child in node.children:
        yield child
        if child.type in _BLOCKS:
            yield from _top_level(child)


def _definition(node: Node) -> Symbol:
    name = node.child_by_field_name("name")
    body = node.child_by_field_name("body")
    doc, doc_line = _docstring(body) if body is not None else ("", 0)
    shown = name or node
    return Symbol(text_of(shown), _DEFINITIONS[node.type], _line(shown), doc, doc_line, _is_conditional(node))


def _is_conditional(node: Node) -> bool:
    parent = node.parent
    if parent is not None and parent.type == "decorated_definition":
        parent = parent.parent
    return parent is not None and parent.parent is not None


def _docstring(block: Node) -> tuple[str, int]:
    for child in block.children:
        if child.type == "comment":
            continue
        string = child.children[0] if child.type == "expression_statement" and child.children else None
        if string is None or string.type != "string" or text_of(string)[:1].lower() in ("f", "b"):
            break
        raw = "".join(text_of(part) for part in string.children if part.type == "string_content")
        sentence, skipped = first_sentence(raw)
        return (sentence, _line(string) + skipped) if sentence and not _IS_CODE.match(sentence) else ("", 0)
    return "", 0


def _assigned(statement: Node) -> Iterator[Symbol]:
    for node in statement.children:
        while node is not None and node.type == "assignment":
            left = node.child_by_field_name("left")
            if left is not None and left.type == "identifier":
                makes = _MAKES_A_CLASS.match(text_of(node), len(text_of(left)))
                yield Symbol(text_of(left), "class" if makes else "value", _line(left))
            right = node.child_by_field_name("right")
            if right is None:
                break
            node = right


def _extended(exported: list[tuple[str, int]] | None, statement: Node) -> list[tuple[str, int]] | None:
    """``__all__`` after this statement: assigned, added to, extended or appended to with literals."""
    node = statement.children[0] if statement.children else None
    if node is None:
        return exported
    if node.type in ("assignment", "augmented_assignment"):
        left = node.child_by_field_name("left")
        if left is not None and text_of(left) == "__all__":
            right = node.child_by_field_name("right")
            if right is None or right.type in _MADE_WHEN_IT_RUNS:
                return exported
            names = list(_strings(right))
            return names if node.type == "assignment" else [*(exported or []), *names]
    elif node.type == "call":
        function = node.child_by_field_name("function")
        arguments = node.child_by_field_name("arguments")
        if function is not None and arguments is not None and text_of(function).startswith("__all__."):
            return [*(exported or []), *_strings(arguments)]
    return exported


def _strings(node: Node) -> Iterator[tuple[str, int]]:
    if node.type == "string":
        try:
            value = ast.literal_eval(text_of(node))
        except (ValueError, SyntaxError):
            return
        if isinstance(value, str):
            yield value, _line(node)
    elif node.type in (
        "list",
        "tuple",
        "set",
        "parenthesized_expression",
        "binary_operator",
        "argument_list",
    ):
        for child in node.children:
            yield from _strings(child)


def _import(node: Node) -> Import:
    top = node.parent is not None and _is_top(node.parent)
    if node.type == "import_statement":
        return Import(
            "", 0, tuple(_name(child) for child in node.children_by_field_name("name")), _line(node), top
        )
    module = node.child_by_field_name("module_name")
    written = text_of(module).replace(" ", "") if module is not None else ""
    names = [_name(child) for child in node.children_by_field_name("name")]
    names += [("*", "*", _line(child)) for child in node.children if child.type == "wildcard_import"]
    bare = written.lstrip(".")
    return Import(bare, len(written) - len(bare), tuple(names), _line(node), top)


def _is_top(node: Node) -> bool:
    while node.parent is not None:
        if node.type not in _BLOCKS or _is_for_types_only(node):
            return False
        node = node.parent
    return True


def _is_for_types_only(node: Node) -> bool:
    condition = node.child_by_field_name("condition") if node.type == "if_statement" else None
    return condition is not None and text_of(condition).rpartition(".")[2] == "TYPE_CHECKING"


def _name(node: Node) -> tuple[str, str, int]:
    if node.type != "aliased_import":
        return text_of(node), text_of(node), _line(node)
    name, alias = node.child_by_field_name("name"), node.child_by_field_name("alias")
    return text_of(name or node), text_of(alias or node), _line(node)


def _in_order(nodes: list[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: node.start_byte)


def _line(node: Node) -> int:
    return node.start_point.row + 1


def text_of(node: Node) -> str:
    """The source of ``node``."""
    return (node.text or b"").decode("utf-8", errors="replace")


def function(lines: list[str], name: str) -> Node | None:
    """The definition of a function at the top level of a file."""
    parser, _ = _grammar()
    root = parser.parse("\n".join(lines).encode("utf-8", errors="replace")).root_node
    for node in _top_level(root):
        found = node.child_by_field_name("name") if node.type == "function_definition" else None
        if found is not None and text_of(found) == name:
            return node
    return None


def local_names(node: Node) -> set[str]:
    """Parameters and names that are bound below ``node``, without those of imports: too many rather than too few."""
    names = set()
    for child in node.children:
        if child.type in (
            "parameters",
            "lambda_parameters",
            "for_statement",
            "for_in_clause",
            "as_pattern_target",
        ):
            names |= _identifiers(child)
        elif child.type in ("assignment", "named_expression"):
            left = child.child_by_field_name("left") or child.child_by_field_name("name")
            names |= _identifiers(left) if left is not None else set()
        elif child.type in _DEFINITIONS:
            names.add(text_of(child.child_by_field_name("name") or child))
        names |= local_names(child)
    return names


def _identifiers(node: Node) -> set[str]:
    if node.type == "identifier":
        return {text_of(node)}
    parts = (
        node.children_by_field_name("left")
        if node.type in ("for_statement", "for_in_clause")
        else node.children
    )
    return {name for part in parts for name in _identifiers(part)}


def calls(node: Node) -> Iterator[Node]:
    """The calls below ``node`` in the order of the text, those of functions defined within it included."""
    for child in node.children:
        if child.type == "call":
            yield child
        yield from calls(child)
