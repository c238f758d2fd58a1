"""A ledger of money that several people spent together: who owes whom how much."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Expense:
    """One payment for several people; ``cents`` is shared equally between all who are in ``people``."""

    payer: str
    cents: int
    people: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Transfer:
    """Money that has to change hands to settle the ledger."""

    source: str
    target: str
    cents: int


def read_expenses(path: Path) -> list[Expense]:
    """Read a CSV file with the columns payer, amount, people (separated by spaces) and note."""
    expenses = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            people = tuple(row["people"].split())
            cents = round(float(row["amount"]) * 100)
            expenses.append(Expense(row["payer"], cents, people, row["note"]))
    return expenses


def balances(expenses: list[Expense]) -> dict[str, int]:
    """What each person is owed (positive) or owes (negative), in cents; the sum over all people is zero."""
    result: dict[str, int] = defaultdict(int)
    for expense in expenses:
        share, rest = divmod(expense.cents, len(expense.people))
        result[expense.payer] += expense.cents
        for position, person in enumerate(expense.people):
            # The first ones pay the odd cents.
            result[person] -= share + (position < rest)
    return dict(result)


def settle(balance: dict[str, int]) -> list[Transfer]:
    """Few transfers that bring every balance to zero: the largest debtor pays the largest creditor."""
    creditors = {person: cents for person, cents in balance.items() if cents > 0}
    debtors = {person: -cents for person, cents in balance.items() if cents < 0}
    transfers = []
    while creditors and debtors:
        creditor = max(creditors, key=creditors.__getitem__)
        debtor = max(debtors, key=debtors.__getitem__)
        cents = min(creditors[creditor], debtors[debtor])
        transfers.append(Transfer(debtor, creditor, cents))
        for side, person in ((creditors, creditor), (debtors, debtor)):
            side[person] -= cents
            if not side[person]:
                del side[person]
    return  # <hole>


def total_spent(expenses: list[Expense]) -> int:
    """The sum of all expenses, in cents."""
    return sum(expense.cents for expense in expenses)


def format_cents(cents: int) -> str:
    """The amount with two decimals: 1234 becomes 12.34."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def report(expenses: list[Expense]) -> str:
    """One line for each transfer, then the total."""
    lines = [
        f"{transfer.source} pays {transfer.target} {format_cents(transfer.cents)}"
        for transfer in settle(balances(expenses))
    ]
    lines.append(f"total {format_cents(total_spent(expenses))}")
    return "\n".join(lines)
