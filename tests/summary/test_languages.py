"""Files that are not Python: counted always, read where the grammars are."""

from __future__ import annotations

from pathlib import Path

import pytest

from codeworld.summary import other_languages
from codeworld.summary.check import check
from codeworld.summary.other_languages import headers_of, language_of, read
from codeworld.summary.summarize import summarize
from tests.summary.repository import keys, page_of, write

needs_grammars = pytest.mark.skipif(
    not other_languages.is_available(), reason="the extra languages is not there"
)

SOURCES = {
    "a.tsx": "// What it shows.\n\nexport default function f() {}\n/** Twice the one. */\n"
    "export const a = () => 1, b = 2;\nexport { x } from './x';\n"
    "namespace N {}\nabstract class A { inner() {} }\ntype T = A;\nlet { c } = f;\n",
    "a.js": "'use strict';\nvar x = function () {}, y = 1;\nclass K {}\nfunction* g() { function no() {} }\n",
    "a.go": "// Copyright Somebody\n\n// Package p counts coins.\npackage p\n\nvar (\n a = 1\n b, C int\n)\ntype (\n"
    " // T is a coin.\n T struct{}\n U = T\n)\nfunc (t T) M() {}\nfunc F() {}\n",
    "a.rs": "//! Coins.\n\n/// Holds all.\n#[derive(Debug)]\npub struct S;\nmacro_rules! m { () => {} }\n"
    "pub(crate) fn f() {}\nimpl S { fn no() {} }\nmod t { fn no() {} }\n",
    "a.c": "#ifndef A_H\n#define A_H\n#define MAX(a,b) a\n#define K 3\n/* Adds coins. */\nint f(int a);\n"
    "static char *g(void) { return 0; }\ntypedef struct s { int no; } s_t;\n"
    "struct later;\nint (*fp)(int);\n#endif\n",
    "a.cpp": "namespace n { class C { void no(); }; template <class T> T id(T x) { return x; } using V = int; }\n"
    'void n::C::no() {}\nextern "C" { int z(void); }\nenum class E { no };\n'
    "bool operator==(C a, C b) { return true; }\n",
    "a.java": "package a;\n/** A coin. */\n@Deprecated\npublic class C { void no() {} }\ninterface I {}\n"
    "enum E { NO }\n"
    "record R(int a) {}\n",
}
WANTED = {
    "a.tsx": {"f": "function", "a": "function", "b": "value", "N": "namespace", "A": "class", "T": "type"},
    "a.js": {"x": "function", "y": "value", "K": "class", "g": "function"},
    "a.go": {"a": "value", "b": "value", "C": "value", "T": "type", "U": "type", "F": "function"},
    "a.rs": {"S": "struct", "m": "macro", "f": "function", "t": "module"},
    "a.c": {"MAX": "macro", "K": "macro", "f": "function", "g": "function", "s_t": "type",
            "s": "struct", "fp": "value"},
    "a.cpp": {"C": "class", "id": "function", "V": "type", "z": "function", "E": "enum", "operator==": "function"},
    "a.java": {"C": "class", "I": "interface", "E": "enum", "R": "record"},
}  # fmt: skip
PUBLIC = {"a.tsx": {"f", "a", "b"}, "a.go": {"C", "T", "U", "F"}, "a.rs": {"S", "f"}, "a.java": {"C"}}
ROLES = {
    "a.tsx": {"": "What it shows.", "a": "Twice the one."}, "a.go": {"": "", "T": "T is a coin."},
    "a.rs": {"": "Coins.", "S": "Holds all."}, "a.c": {"f": "Adds coins."}, "a.java": {"C": "A coin."},
}  # fmt: skip


@needs_grammars
@pytest.mark.parametrize("path", SOURCES)
def test_top_level_symbols(path: str) -> None:
    lines = SOURCES[path].split("\n")
    spoken = language_of(path)
    assert spoken is not None
    facts = read(lines, spoken)
    assert {one.name: one.kind for one in facts.symbols} == WANTED[path]
    assert all(one.name in lines[one.line - 1] for one in facts.symbols)
    if path in PUBLIC:
        assert {name for name, _ in facts.exported or ()} == PUBLIC[path]
    docs = {one.name: one.doc for one in facts.symbols} | {"": facts.doc}
    assert {name: docs[name] for name in ROLES.get(path, {})} == ROLES.get(path, {})
    assert all(one.doc.split()[0] in lines[one.doc_line - 1] for one in facts.symbols if one.doc)


@needs_grammars
@pytest.mark.parametrize("path", SOURCES)
def test_broken_code_gives_what_could_be_read(path: str) -> None:
    spoken = language_of(path)
    assert spoken is not None
    for cut in range(0, len(SOURCES[path]), 7):
        read((SOURCES[path][:cut] + "\n}}}((( \x00").split("\n"), spoken)
    whole = {one.name for one in read((SOURCES[path] + "\n}}}(((").split("\n"), spoken).symbols}
    assert len(whole & set(WANTED[path])) >= len(WANTED[path]) / 2


@needs_grammars
def test_a_mixed_repository_is_not_misread(shop: Path, tmp_path: Path) -> None:
    write(shop, {f"web/{path}": text for path, text in SOURCES.items()})
    write(shop, {"web/big.min.js": "function no(){};" * 400})
    summary, _, _ = summarize(shop)
    found = keys(summary, "Other languages")
    assert found[0] == "JavaScript"  # most bytes
    assert {"Go", "Rust", "C", "C++", "Java", "TypeScript"} <= set(found)
    assert {f"web/{path}" for path in SOURCES} <= set(found)
    assert "web/big.min.js" not in found
    path = tmp_path / "page.md"
    path.write_text(page_of(shop, to=path), encoding="utf-8")
    assert "C 1 (" in path.read_text().split("\n")[2]
    assert check(path, shop).stale == ()
    (shop / "web" / "a.go").write_text(SOURCES["a.go"] + "func G() {}\n")
    stale = {(one.path, one.reason) for one in check(path, shop).stale}
    assert ("web/a.go", "what the claim counts is different now") in stale


def test_without_the_grammars_files_are_counted(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(shop, {"web/page.ts": "let x = 1\n", "web/other.kt": "val x = 1\n"})
    monkeypatch.setattr(other_languages, "_parser", lambda spoken: None)
    page = page_of(shop)
    assert "- `TypeScript`: 1 file, 10 bytes, symbols not determined" in page
    assert "_symbols need the grammars of codeworld[languages]_" in page
    with pytest.raises(LookupError):
        read(["let x = 1"], other_languages.LANGUAGES[".ts"])


def test_only_python_needs_no_word_about_others(shop: Path) -> None:
    assert "Other languages" not in page_of(shop)


def test_headers_are_what_the_other_files_are() -> None:
    assert headers_of(["a.h", "a.c", "b.cc", "c.cpp"]).name == "C++"
    assert headers_of(["a.h", "b.h"]).name == "C"
    assert language_of("x.h", headers_of(["a.cc"])) == language_of("x.cc")
    assert language_of("Makefile") is None
    assert language_of("dir.py/file") is None
