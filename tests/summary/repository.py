"""A small repository with everything a page can say, without git unless a test makes it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from codeworld.summary.facts import Summary
from codeworld.summary.page import render
from codeworld.summary.summarize import summarize

FILES = {
    "README.md": "# Shop\n\n[![badge](x)](y)\n\nShop counts money and never loses a coin of it.\n\n"
    "```\npip install shop\n```\n",
    "pyproject.toml": '[build-system]\nbuild-backend = "hatchling.build"\n\n[project]\nname = "shop"\n'
    'description = "Counts money."\nrequires-python = ">=3.11"\ndependencies = [\n  "requests>=2",\n]\n\n'
    '[project.scripts]\nshop = "shop.command:main"\n\n[project.optional-dependencies]\ntest = ["pytest>=8"]\n\n'
    '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n',
    "Makefile": "test:\n\tpytest\n",
    "shop/__init__.py": '"""Money, counted."""\n\nfrom shop.coins import Coin, count\n\n'
    '__all__ = ["Coin", "count"]\n',
    "shop/coins.py": '"""Coins and their sum."""\n\nimport requests\n\n\nclass Coin:\n    """A coin of some value."""\n'
    "\n\ndef count(coins):\n    return sum(coins)\n",
    "shop/command.py": "from .coins import count\n\n\ndef main():\n    count([])\n\n\n"
    'if __name__ == "__main__":\n    main()\n',
    "tests/test_coins.py": "from shop import count\n\n\ndef test_count():\n    assert count([]) == 0\n",
}


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def commit(root: Path, message: str = "change") -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", message)):
        subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


def page_of(root: Path, **options: object) -> str:
    summary, sources, _ = summarize(root)
    return render(summary, sources, **options)  # type: ignore[arg-type]


def keys(summary: Summary, title: str) -> list[str]:
    return [claim.key for section in summary.sections if section.title == title for claim in section.claims]
