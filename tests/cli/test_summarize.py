"""The command: exit codes, what is written, what is not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.command import Codeworld
from tests.summary.repository import FILES, write


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path / "shop", FILES)
    return tmp_path / "shop"


def test_a_page_is_printed_or_written_and_checks(codeworld: Codeworld, shop: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    printed = codeworld("summarize", shop)
    assert printed.code == 0
    assert printed.out.startswith("# shop\n")
    assert codeworld("summarize", shop, "-o", page) == (0, "", "")
    done = codeworld("summarize", shop, "--check", page)
    assert done.code == 0
    assert done.out.endswith("citations, 0 stale\n")


def test_a_page_within_the_repository_is_no_part_of_it(codeworld: Codeworld, shop: Path) -> None:
    page = shop / "ABOUT.md"
    codeworld("summarize", shop, "-o", page)
    first = page.read_bytes()
    codeworld("summarize", shop, "-o", page)
    assert page.read_bytes() == first
    assert codeworld("summarize", shop, "--check", page).code == 0


def test_a_stale_citation_is_listed(codeworld: Codeworld, shop: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    codeworld("summarize", shop, "-o", page)
    (shop / "Makefile").write_text("check:\n\ttrue\n")
    done = codeworld("summarize", shop, "--check", page)
    assert done.code == 1
    assert done.out.startswith("Makefile:1 (line ")
    told = codeworld("summarize", shop, "--check", page, "--json")
    assert told.code == 1
    assert [one["path"] for one in json.loads(told.out)["stale"]] == ["Makefile"]


def test_json_holds_every_claim(codeworld: Codeworld, shop: Path) -> None:
    done = codeworld("summarize", shop, "--json")
    sections = {section["title"]: section["claims"] for section in json.loads(done.out)["sections"]}
    assert [claim["key"] for claim in sections["Run"]] == ["shop"]
    assert sections["Run"][0]["citations"] == [
        {"path": "pyproject.toml", "line": 13, "quote": "shop.command:main"}
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("nowhere",),
        ("shop/README.md",),
        ("shop", "-o", "nowhere/page.md"),
        ("shop", "-o", "shop"),
        ("shop", "--check", "nowhere.md"),
        ("shop", "--check", "shop/README.md"),
        ("shop", "--check", "shop/README.md", "-o", "page.md"),
        ("shop", "--check", "shop/README.md", "--model"),
        ("shop", "--budget", "3"),
    ],
)
def test_bad_input(
    codeworld: Codeworld, shop: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(shop.parent)
    before = {path: path.stat().st_mtime_ns for path in shop.parent.rglob("*")}
    done = codeworld("summarize", *arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in shop.parent.rglob("*")} == before


def test_the_page_keeps_its_permissions(codeworld: Codeworld, shop: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("old")
    os.chmod(page, 0o640)
    assert codeworld("summarize", shop, "-o", page).code == 0
    assert page.stat().st_mode & 0o777 == 0o640
    assert page.read_text().startswith("# shop\n")
