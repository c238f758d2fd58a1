"""What the editors are shown: a small shop whose code repeats itself, so that the model is sure of some lines."""

from __future__ import annotations

import subprocess
from pathlib import Path

PRICES = '''"""Prices."""


def compute_total(prices, taxes):
    """The sum of prices and taxes."""
    return sum(prices) + sum(taxes)
'''
BILLS = '''"""Bills."""

from shop.prices import compute_total


def net_total(prices, taxes, name):
    """What a customer pays without taxes."""
    result = compute_total(prices, taxes)
    if not result:
        raise ValueError(name)
    return round(result, 2)


def gross_total(prices, taxes, name):
    """What a customer pays."""
    result = compute_total(prices, taxes)
    if not result:
        raise ValueError(name)
    return round(result, 2)
'''
# The user types behind this.
OFFERS = '''"""Offers."""

from shop.prices import compute_total


def offer_total(prices, taxes, name):
    """What a customer would pay."""
    result = compute_total(prices, taxes)
'''
TYPED = "    if"
GHOST = " not result:"  # what is offered behind TYPED, at the model's own threshold
BROKEN = '''"""A file that does not parse."""


def total(prices):
    """The sum of prices."""
    result = sum(prices
    return round(result, 2)
'''
REPAIRED = "result = sum(prices)\n"


FILES = {
    "README.md": "# Shop\n\nPrices, bills and offers.\n",
    "shop/__init__.py": "",
    "shop/prices.py": PRICES,
    "shop/bills.py": BILLS,
    "shop/offers.py": OFFERS,
    "shop/broken.py": BROKEN,
}


def make(root: Path) -> Path:
    """A repository with one commit."""
    (root / "shop").mkdir(parents=True)
    for name, text in FILES.items():
        (root / name).write_text(text, encoding="utf-8")
    git = ["git", "-C", str(root), "-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "A shop"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    return root


def restore(root: Path) -> None:
    """The repository as it was at first: nothing changed, staged or added."""
    for command in (["reset", "-q", "--hard"], ["clean", "-fdqx"]):
        subprocess.run(["git", "-C", str(root), *command], check=True, capture_output=True)
