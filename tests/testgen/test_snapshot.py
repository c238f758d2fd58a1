"""A value's expression makes the value again, or there is none."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import itertools
import pathlib
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from codeworld.testgen import snapshot


class Colour(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    one: int
    two: str


@dataclasses.dataclass
class Point:
    x: int
    names: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Secretive:
    x: int
    y: int = dataclasses.field(init=False, default=0)


class Plain:
    def __init__(self) -> None:
        self.size, self._hidden, self.lock = 3, 4, threading.Lock()


@pytest.mark.parametrize(
    "value",
    [
        None, True, -3, 1.5, "a'b\n", b"x", 2j, [], [1, [2]], (), (1,), {1, 2}, set(), frozenset(), frozenset({"a"}),
        {"a": [1]}, range(3), ..., Colour.RED, Pair(1, "a"), Point(1, ["b"]), {Colour.RED: Point(2)},
        collections.deque([1]), collections.Counter("aab"), collections.OrderedDict(a=1),
        collections.defaultdict(int, a=1),
        decimal.Decimal("1.5"), datetime.datetime(2024, 1, 2), datetime.timedelta(1), pathlib.Path("a/b"),
        int, Point, len, bytearray(b"x"), float("inf"),
    ],
    ids=repr,
)  # fmt: skip
def test_round_trip(value: Any) -> None:
    found = snapshot.take(value)
    names: dict[str, object] = {}
    for module, name in found["imports"]:
        exec(f"from {module} import {name}" if name else f"import {module}", names)
    assert eval(found["expr"], names) == value


@pytest.mark.parametrize("value", [object(), lambda: 1, Secretive(1), socket.AF_INET, "x" * 5000, [object()]])
def test_what_cannot_be_made_again(value: object) -> None:
    if value is socket.AF_INET:
        assert snapshot.take(value)["expr"] == "AddressFamily.AF_INET"
    else:
        assert snapshot.take(value)["expr"] is None


def test_a_number_of_thousands_of_digits_is_not_written() -> None:
    assert snapshot.take(10**5000)["expr"] is None


def test_an_object_is_known_by_its_public_attributes() -> None:
    found = snapshot.take(Plain())
    assert found["attributes"] == {"{}.size": "3"}
    assert found["named"] == "Plain"


class Bag:
    """A collection of its own kind."""

    def __init__(self, items: list[int]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, one: object) -> bool:
        return one in self._items

    def __iter__(self) -> Iterator[int]:
        return iter(self._items)

    @property
    def most(self) -> int:
        return max(self._items)

    @property
    def backwards(self) -> Bag:
        return Bag(self._items[::-1])

    @property
    def view(self) -> Bag:
        return self


def test_a_collection_is_known_by_what_it_holds() -> None:
    bag = Bag([3, 1, 2])
    assert snapshot.take(bag)["attributes"] == {"list({})": "[3, 1, 2]"}
    assert snapshot.take(bag, properties=True)["attributes"] == {
        "list({})": "[3, 1, 2]",
        "list({}.backwards)": "[2, 1, 3]",
        "{}.most": "3",
    }  # and not the view: it holds the same
    assert snapshot.take(Bag([*range(51)]))["attributes"] == {}
    assert snapshot.take(Bag([]), properties=True)["attributes"] == {"list({})": "[]"}  # there is no most


def test_a_tuple_is_known_by_its_elements() -> None:
    assert snapshot.take((True, Plain(), Bag([7]), (Plain(),)))["attributes"] == {
        "{}[0]": "True",
        "{}[1].size": "3",
        "list({}[2])": "[7]",
    }


def test_a_list_in_itself_ends() -> None:
    value: list[object] = []
    value.append(value)
    assert snapshot.take(value)["expr"] is None


def test_sets_are_written_the_same_in_every_process() -> None:
    assert snapshot.take({"b", "a", "c"})["expr"] == "{'a', 'b', 'c'}"


class Linked:
    def __init__(self, value: int, rest: Linked | None = None) -> None:
        self.value, self.rest = value, rest


class Stack:
    """Its state can be seen through what it is asked alone, but for its top."""

    def __init__(self, *values: int) -> None:
        self._asked = 0
        self.top: Linked | None = None
        for value in values:
            self.top = Linked(value, self.top)

    def pop(self) -> int:
        assert self.top is not None
        value, self.top = self.top.value, self.top.rest
        return value

    def peek(self) -> int:
        if self.top is None:
            raise IndexError
        return self.top.value

    def report(self) -> None:
        print(self.top)

    def below(self, depth: int) -> int:
        return depth

    def __iter__(self) -> Iterator[int]:
        node = self.top
        while node is not None:
            yield node.value
            node = node.rest


def test_an_object_is_asked_what_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    stack = Stack(1, 2)
    assert snapshot.asked(stack) == {"{}.peek()": 2, "list({})": [2, 1]}
    assert [*stack] == [2, 1]
    assert snapshot.asked(Stack()) == {"list({})": []}  # it has no top
    assert not capsys.readouterr().out


class Emptying:
    def __init__(self) -> None:
        self.items = [1, 2]

    def first(self) -> int:
        return self.items.pop()


def test_who_changes_what_one_could_see_is_not_asked() -> None:
    one = Emptying()
    assert snapshot.asked(one) == {}
    assert one.items == [1, 2]


class Clock:
    ticks = itertools.count()

    def now(self) -> int:
        return next(self.ticks)

    def kind(self) -> str:
        return f"{type(self).__name__}"


def test_what_is_not_the_same_again_is_no_answer() -> None:
    assert snapshot.asked(Clock()) == {"{}.kind()": "Clock"}


def test_what_an_attribute_holds_is_seen() -> None:
    found = snapshot.take(Stack(1, 2))["attributes"]
    assert found == {"{}.top.value": "2", "{}.top.rest.value": "1", "{}.top.rest.rest": "None"}
    loop = Linked(3)
    loop.rest = loop
    assert snapshot.take(loop)["attributes"].keys() == {"{}.value", "{}.rest.value", "{}.rest.rest.value"}


def test_a_mapping_of_its_own_kind_is_known_by_what_its_keys_lead_to() -> None:
    class Index(Mapping[str, list[int]]):
        def __init__(self, held: dict[str, list[int]]) -> None:
            self._held = held

        def __getitem__(self, key: str) -> list[int]:
            return self._held[key]

        def __iter__(self) -> Iterator[str]:
            return iter(self._held)

        def __len__(self) -> int:
            return len(self._held)

    assert snapshot.take(Index({"a": [1]}))["attributes"] == {"dict({})": "{'a': [1]}"}
    assert snapshot.take(Index({"a": []}))["attributes"] == {"list({})": "['a']"}
