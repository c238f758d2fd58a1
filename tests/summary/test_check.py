"""A page is checked against the repository as it is now: each kind of change must be found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from codeworld.errors import BadInput
from codeworld.summary.check import Checked, check
from tests.summary.repository import commit, page_of, write


@pytest.fixture
def page(shop: Path, tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(page_of(shop, to=path), encoding="utf-8")
    return path


def reasons(checked: Checked) -> set[tuple[str, str]]:
    return {(one.path, one.reason) for one in checked.stale}


def test_a_fresh_page_holds(shop: Path, page: Path) -> None:
    checked = check(page, shop)
    assert checked.citations > 20
    assert checked.stale == ()


ODD = [
    "a b",
    "ü",
    "we[ir]d",
    "pa(ren)",
    "ba`ck",
    "new\nline",
    "per%20cent",
    "ha#sh",
    'qu"ote',
    "a -- > b",
    "<b>",
]


@pytest.mark.parametrize("name", ODD)
def test_files_of_any_name_can_be_cited(shop: Path, tmp_path: Path, name: str) -> None:
    write(
        shop,
        {
            f"shop/{name}.py": '"""Odd."""\nfrom shop.coins import Coin\n',
            f"tests/{name}_test.py": "def test(): 0\n",
        },
    )
    commit(shop)
    for path in (tmp_path / "page.md", shop / "shop" / "page.md"):
        path.write_text(page_of(shop, to=path), encoding="utf-8")
        assert check(path, shop).stale == ()
        (shop / "shop" / f"{name}.py").write_text('"""Even."""\n')
        assert f"shop/{name}.py" in {one.path for one in check(path, shop).stale}
        (shop / "shop" / f"{name}.py").write_text('"""Odd."""\nfrom shop.coins import Coin\n')


def test_text_that_looks_like_a_citation_is_left_out(shop: Path, tmp_path: Path) -> None:
    write(shop, {"pyproject.toml": '[project.scripts]\n"x [`a.py:1`](a.py#L1)" = "shop.command:main"\n'})
    path = tmp_path / "page.md"
    path.write_text(page_of(shop, to=path), encoding="utf-8")
    assert "a.py" not in path.read_text()
    assert check(path, shop).stale == ()


def test_files_that_are_no_clean_text(shop: Path, tmp_path: Path) -> None:
    (shop / "shop" / "latin.py").write_bytes(b'"""Caf\xe9 for all."""\r\nx = "\xff"\r\n')
    (shop / "shop" / "mark.py").write_bytes(b'\xef\xbb\xbf"""Marked."""\r\n\x0cx = 1\r\n')
    (shop / "shop" / "loop.py").symlink_to(shop / "shop" / "loop.py")
    path = tmp_path / "page.md"
    path.write_text(page_of(shop, to=path), encoding="utf-8")
    assert "Marked." in path.read_text(encoding="utf-8")
    assert check(path, shop).stale == ()


def test_a_changed_line_is_stale(shop: Path, page: Path) -> None:
    file = shop / "pyproject.toml"
    file.write_text(file.read_text().replace("shop.command:main", "shop.command:start"))
    assert reasons(check(page, shop)) == {("pyproject.toml", "the line was changed")}


def test_a_moved_line_is_stale_and_found_again(shop: Path, page: Path) -> None:
    file = shop / "shop" / "command.py"
    file.write_text("\n\n" + file.read_text())
    assert ("shop/command.py", "the line is now line 6") in reasons(check(page, shop))


def test_a_line_with_other_indentation_still_holds(shop: Path, page: Path) -> None:
    file = shop / "pyproject.toml"
    file.write_text(file.read_text().replace('  "requests>=2"', '    "requests>=2"'))
    assert check(page, shop).stale == ()


def test_a_count_that_changed_is_stale_though_its_line_did_not(shop: Path, page: Path) -> None:
    (shop / "shop" / "bank.py").write_text("from shop.coins import Coin\n")
    found = {(one.path, one.reason) for one in check(page, shop).stale}
    assert ("shop/coins.py", "what the claim counts is different now") in found
    assert ("tests/test_coins.py", "what the claim counts is different now") not in found


def test_a_docstring_may_count_what_it_likes(shop: Path, tmp_path: Path) -> None:
    coins = shop / "shop" / "coins.py"
    coins.write_text(coins.read_text().replace("A coin of some value.", "Made of 3 files and 12 lines."))
    path = tmp_path / "page.md"
    path.write_text(page_of(shop, to=path), encoding="utf-8")
    assert "Made of 3 files" in path.read_text()
    assert check(path, shop).stale == ()


def test_a_deleted_file_is_stale(shop: Path, page: Path) -> None:
    (shop / "Makefile").unlink()
    assert reasons(check(page, shop)) == {("Makefile", "the file is gone or may not be read")}


def test_a_file_that_is_now_ignored_is_stale(shop: Path, page: Path) -> None:
    (shop / ".gitignore").write_text("Makefile\n")
    assert reasons(check(page, shop)) == {("Makefile", "the file is gone or may not be read")}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("A coin of some value.", "A note of any value.", "the claim was changed"),
        ("Makefile#L1)", "Makefile#L2)", "the page did not cite this line when it was written"),
        ('["shop.command"] -->', '["shop.other"] -->', "the claim was changed"),
    ],
)
def test_a_planted_claim_is_found(shop: Path, page: Path, old: str, new: str, reason: str) -> None:
    text = page.read_text()
    assert old in text
    page.write_text(text.replace(old, new))
    assert reason in {one.reason for one in check(page, shop).stale}


def test_a_claim_or_an_arrow_without_citation_is_found(shop: Path, page: Path) -> None:
    text = page.read_text()
    text = text.replace("## Purpose\n", "## Purpose\n- It is the best shop.\n")
    text = text.replace("graph LR\n", 'graph LR\n    n0["shop"] --> n9["moon"]\n')
    page.write_text(text)
    found = {one.reason for one in check(page, shop).stale}
    assert found == {"a claim without a citation", "an arrow without a citation"}


def test_a_removed_citation_is_found(shop: Path, page: Path) -> None:
    lines = [line for line in page.read_text().split("\n") if not line.startswith("- `make test`")]
    page.write_text("\n".join(lines))
    assert reasons(check(page, shop)) == {("", "1 citations were taken out of the page")}


def test_commits_are_counted_again(shop: Path, tmp_path: Path) -> None:
    commit(shop)
    path = tmp_path / "page.md"
    path.write_text(page_of(shop, to=path), encoding="utf-8")
    (shop / "new.txt").write_text("later\n")
    commit(shop)
    assert check(path, shop).stale == ()  # what is said of that commit stays true
    text = path.read_text()
    path.write_text(text.replace("commits\t1\tMakefile", "commits\t3\tMakefile"))
    assert reasons(check(path, shop)) == {("Makefile", "it has 1 commits")}


def test_a_page_of_somebody_else_is_bad_input(shop: Path, tmp_path: Path) -> None:
    for text in ("# Hello\n", "x\n<!-- codeworld:citations 1\nnonsense\n-->\n"):
        path = tmp_path / "other.md"
        path.write_text(text)
        with pytest.raises(BadInput):
            check(path, shop)
