"""What the page says, and that it says nothing it must not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from codeworld.summary.cache import FactCache
from codeworld.summary.check import check
from codeworld.summary.citations import ARROW, cited_in
from codeworld.summary.page import render
from codeworld.summary.summarize import summarize
from tests.planted import PLANTED, Planted
from tests.summary.repository import commit, keys, page_of, write


def test_the_page_says_what_the_repository_says(shop: Path) -> None:
    summary, _, _ = summarize(shop)
    assert keys(summary, "Purpose") == [
        "Counts money.",
        "Shop counts money and never loses a coin of it.",
    ]
    assert keys(summary, "Install")[0] == "pip install shop"
    assert keys(summary, "Run") == ["shop"]
    assert keys(summary, "Test") == ["make test", "pytest"]
    assert keys(summary, "Entry points") == ["shop", "shop/command.py"]
    assert sorted(keys(summary, "Public API")) == ["shop.Coin", "shop.count"]
    assert keys(summary, "Dependencies") == ["requests", "pytest"]
    assert keys(summary, "Tests") == ["tests"]
    assert summary.undetermined == ("Hot spots and owners",)


def test_the_purpose_is_the_paragraph_that_names_the_project(shop: Path) -> None:
    prose = "Shop adds\nup *what* you [owe](x) [now].\n\nShop is more.\n"
    unread = (
        "<!-- Shop hides\nShop from you -->\nYou need a machine for this.\n\n```\nshop is run by this\n```\n"
    )
    write(shop, {"README.md": f"# S\n\n{unread}{prose}"})
    assert keys(summarize(shop).summary, "Purpose")[1] == "Shop adds up *what* you owe now."
    write(shop, {"README.md": "# S\n\nYou need a machine for this.\n\nAnd a bit of patience, too.\n"})
    assert keys(summarize(shop).summary, "Purpose")[1] == "You need a machine for this."


def test_commands_are_taken_from_task_files_documents_and_pipelines(shop: Path) -> None:
    write(
        shop,
        {
            "tox.ini": "[testenv]\ncommands =\n    pytest {posargs}\n[testenv:docs]\ncommands = sphinx-build\n",
            "noxfile.py": "@nox.session\ndef tests(session):\n    session.run('pytest')\n",
            "CONTRIBUTING.md": "Run `pytest tests/ -x` first.\n\n"
            "```\n$ python -m pytest --slow # or less\n```\npytest is fine.\n",
            ".github/workflows/ci.yml": "steps:\n  - run: tox -e ${{ matrix.env }}\n  - run: pytest -n 2\n",
        },
    )
    assert keys(summarize(shop).summary, "Test") == [
        "make test",
        "tox",
        "nox -s tests",
        "pytest",
        "pytest tests/ -x",
        "python -m pytest --slow",
        "pytest -n 2",
    ]


def test_a_script_cites_its_declaration_and_its_function(shop: Path) -> None:
    assert "[`pyproject.toml:13`](pyproject.toml#L13) [`shop/command.py:4`](shop/command.py#L4)" in page_of(
        shop
    )


def test_the_flow_follows_calls_from_the_script(shop: Path) -> None:
    line = (
        "- `shop`: `main` calls `count` [`shop/command.py:5`](shop/command.py#L5) "
        "[`shop/coins.py:10`](shop/coins.py#L10)"
    )
    assert line in page_of(shop).split("\n")


def test_the_flow_does_not_take_a_local_name_for_a_function(shop: Path) -> None:
    command = "from .coins import count, Coin\n\ndef main(count):\n    for Coin in []:\n        Coin()\n    count()\n"
    write(shop, {"shop/command.py": command})
    assert keys(summarize(shop).summary, "Flow from the entry points") == []
    write(
        shop,
        {"shop/command.py": "from . import coins\n\ndef main():\n    coins.count(1)\n    coins.lost()\n"},
    )
    assert keys(summarize(shop).summary, "Flow from the entry points") == ["shop: count"]


def test_roles_are_docstrings_or_names(shop: Path) -> None:
    lines = page_of(shop).split("\n")
    assert any(line.startswith("- `shop.coins` (11 lines): Coins and their sum.") for line in lines)
    assert "- `shop.command` (9 lines): defines `main` [`shop/command.py:4`](shop/command.py#L4)" in lines


def test_diagram_shows_the_imports_there_are(shop: Path) -> None:
    page = page_of(shop)
    block = re.search(r"```mermaid\ngraph LR\n(.*?)\n```", page, re.DOTALL)
    assert block
    arrows = [line for line in block[1].split("\n") if ARROW.fullmatch(line)]
    edges = {tuple(re.findall(r'\["([^"]*)"\]', line)) for line in arrows}
    assert edges == {("shop", "shop.coins"), ("shop.command", "shop.coins")}
    assert len(arrows) * 2 == len(block[1].split("\n"))  # each with the import it stands for


def test_every_claim_is_cited_and_every_citation_is_a_line(shop: Path) -> None:
    page = page_of(shop)
    body = page.split("<!--")[0].split("\n")
    cited = list(cited_in(body, ""))
    claims = [number for number, line in enumerate(body, 1) if line.startswith("- ")]
    assert len(claims) > 20
    assert set(claims) <= {one.page_line for one in cited}
    for one in cited:
        assert 1 <= one.line <= len((shop / one.path).read_text().split("\n"))


def test_links_lead_from_the_page_to_the_file(shop: Path) -> None:
    page = page_of(shop, to=shop / "docs" / "about.md")
    assert "](../shop/coins.py#L" in page


def test_reruns_are_equal_byte_for_byte(shop: Path) -> None:
    commit(shop)
    first = page_of(shop)
    assert page_of(shop) == first
    assert summarize(shop).changed == 0


def test_incremental_is_the_same_as_fresh(shop: Path) -> None:
    page_of(shop)
    coins = shop / "shop" / "coins.py"
    coins.write_text("# moved\n" + coins.read_text().replace("A coin of some value", "A round thing"))
    (shop / "shop" / "command.py").unlink()
    write(shop, {"shop/till.py": '"""Where coins go."""\n\nfrom shop.coins import Coin\n'})
    summary, sources, changed = summarize(shop)
    assert changed == 2
    fresh, fresh_sources, _ = summarize(shop, cached=False)
    assert render(summary, sources) == render(fresh, fresh_sources)
    assert "A round thing" in render(summary, sources)


def test_a_damaged_cache_costs_nothing_but_time(shop: Path) -> None:
    page = page_of(shop)
    cache = FactCache(shop).path
    assert cache.exists()
    cache.write_bytes(b"\xff" * 50)
    assert page_of(shop) == page


@pytest.mark.parametrize("planted", PLANTED, ids=lambda one: one.name)
def test_secrets_are_never_on_the_page(shop: Path, planted: Planted) -> None:
    quoted = planted.source.replace('"""', "'''")
    write(
        shop,
        {
            "shop/keys.py": f'"""Uses {planted.source.strip()} for it."""\n\n{planted.source}',
            "README.md": f"# Shop\n\nThis is the way to log in: {quoted}\n",
            "requirements.txt": f"thing @ {quoted}\n",
            ".env": f"HIDDEN={planted.secret}\n",
        },
    )
    summary, sources, _ = summarize(shop)
    page = render(summary, sources)
    assert "shop/keys.py" in page or "shop.keys" in page
    assert planted.secret not in page
    assert planted.secret.encode() not in FactCache(shop).path.read_bytes()


def test_ignored_files_are_not_read(shop: Path) -> None:
    write(
        shop,
        {".gitignore": "private/\n", "private/plan.py": '"""The plan."""\n', ".codeworldignore": "*.cfg\n"},
    )
    write(shop, {"setup.cfg": "[metadata]\nname = hidden\n"})
    page = page_of(shop)
    assert "plan" not in page
    assert "hidden" not in page


def test_syntax_errors_are_named_and_the_rest_is_read(shop: Path) -> None:
    write(
        shop,
        {"shop/broken.py": '"""Half a thought."""\n\nclass Whole:\n    pass\n\ndef half(:\n    return\n'},
    )
    summary, sources, _ = summarize(shop)
    assert keys(summary, "Read only in part") == ["shop/broken.py"]
    assert "[`shop/broken.py:6`]" in render(summary, sources)
    assert "Half a thought." in render(summary, sources)


def test_code_nested_without_end_is_read_in_part(shop: Path) -> None:
    deep = " + ".join(["['x']"] * 5_000)
    write(shop, {"shop/deep.py": f"__all__ = {deep}\n", "setup.py": f"setup(install_requires={deep})\n"})
    assert set(keys(summarize(shop).summary, "Read only in part")) >= {"shop/deep.py"}


def test_an_empty_folder_is_not_determined(tmp_path: Path) -> None:
    root = tmp_path / "nothing"
    root.mkdir()
    summary, sources, _ = summarize(root)
    assert {"Purpose", "Install", "Run", "Test", "Public API", "Dependencies"} <= set(summary.undetermined)
    page = render(summary, sources)
    assert page.count("_not determined_") == len(summary.undetermined)
    assert "\n- " not in page


def test_history_gives_hot_spots_and_owners(shop: Path) -> None:
    commit(shop)
    (shop / "shop" / "coins.py").write_text("x = 1\n")
    commit(shop)
    summary, sources, _ = summarize(shop)
    assert keys(summary, "Hot spots and owners")[0] == "shop/coins.py"
    assert "`shop/coins.py`: 2 commits, most by Ada (2)" in render(summary, sources)


@pytest.mark.parametrize("budget", [20, 40, 60])
def test_a_budget_is_kept(shop: Path, budget: int) -> None:
    page = page_of(shop, budget=budget)
    body = page.split("\n\n<!--")[0].split("\n")
    assert len(body) <= budget
    assert body[0] == "# shop"
    assert sum(line.startswith("#") for line in body) > budget // 6
    assert budget < 60 or [line for line in body if line.startswith("- Counts money.")]
    path = shop.parent / "page.md"
    path.write_text(page)
    assert check(path, shop).stale == ()


def test_a_budget_takes_from_the_longest_section(shop: Path) -> None:
    write(shop, {"shop/__init__.py": "".join(f"def offer{number}(): ...\n" for number in range(200))})
    body = page_of(shop, budget=100).split("\n\n<!--")[0].split("\n")
    assert len(body) <= 100
    assert any(line.startswith("- `tests`: 1 test functions") for line in body)
    assert len([line for line in body if "shop.offer" in line]) > 3


def test_what_a_dependency_is_for_is_quoted_or_shown_by_names(shop: Path) -> None:
    write(
        shop,
        {
            "README.md": "# Shop\n\n* [`requests`](https://x) - Asks the bank, politely.\n* `pytest` - no\n",
            "requirements.txt": "rich>=1  # shows the till in colour\nattrs  # dev\nlxml  # >=4 has no wheels\n",
            "shop/till.py": "from rich.table import Table\nfrom attr import (\n    define,\n    field as f,\n)\n",
            "tests/test_till.py": "from lxml import etree\nfrom attr import asdict\n",
        },
    )
    summary, sources, _ = summarize(shop)
    section = next(one for one in summary.sections if one.title == "Dependencies")
    said = {one.key: one for one in section.claims}
    assert said["requests"].text.endswith(", imported by 1 file: Asks the bank, politely.")
    assert said["rich"].text.endswith(": shows the till in colour")
    assert said["attrs"].text.endswith(": its `define`, `field`")
    assert ("shop/till.py", 4) in {(one.path, one.line) for one in said["attrs"].citations}
    assert said["lxml"].text.endswith(
        "imported by 1 file"
    )  # what tests import says nothing about the product
    assert ":" not in said["pytest"].text
    page = shop.parent / "page.md"
    page.write_text(render(summary, sources, to=page))
    assert check(page, shop).stale == ()
    (shop / "shop" / "till.py").write_text("from rich.table import Table\n")
    assert "shop/till.py" in {one.path for one in check(page, shop).stale}


def test_roles_come_from_documents_and_main_symbols_when_there_is_no_docstring(shop: Path) -> None:
    readme = "# Shop\n\nShop counts.\n\n- `shop/command.py`: What the clerk types.\n- `till`: none of it\n"
    write(
        shop,
        {
            "README.md": readme,
            "shop/purse.py": 'import os\n\nlimit = 3\n\n\nclass Purse:\n    """Holds coins."""\n',
            "shop/many.py": 'def one():\n    """First."""\n\n\ndef two():\n    """Second."""\n',
        },
    )
    page = page_of(shop)
    assert "- `shop/command.py`: What the clerk types. (imported by 0 files) [`README.md:5`]" in page
    assert "- `shop/purse.py`: `Purse`: Holds coins. (imported by 0 files) [`shop/purse.py:6`]" in page
    assert "- `shop/many.py`: defines `one`, `two` (imported by 0 files) [`shop/many.py:1`]" in page
    assert "- `shop/coins.py`: Coins and their sum." in page


@pytest.mark.parametrize("broken", ["no git", "no repository"])
def test_without_a_history_there_are_no_owners(
    shop: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    commit(shop)
    if broken == "no git":
        monkeypatch.setenv("PATH", str(shop / "nowhere"))
    else:
        (shop / ".git" / "HEAD").write_text("nonsense")
    summary, _, _ = summarize(shop)
    assert "Hot spots and owners" in summary.undetermined
    assert keys(summary, "Run") == ["shop"]


def test_many_projects_in_one_repository(tmp_path: Path) -> None:
    root = tmp_path / "mono"
    for number in range(120):
        name = f"part{number}"
        metadata = f'[project]\nname = "{name}"\n[project.scripts]\n{name} = "{name}:main"\n'
        write(
            root / "services" / name,
            {
                "pyproject.toml": metadata,
                f"{name}/__init__.py": f'"""Part {number}."""\n\n\ndef main(): ...\n',
                f"{name}/again.py": "from . import main\nimport part0\n",
            },
        )
    summary, sources, _ = summarize(root)
    assert summary.python_files == 240
    page = render(summary, sources, budget=150)
    assert len(page.split("\n\n<!--")[0].split("\n")) <= 150
    path = tmp_path / "page.md"
    path.write_text(render(summary, sources, to=path))
    assert check(path, root).stale == ()
