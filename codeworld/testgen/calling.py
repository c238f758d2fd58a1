"""How a target is called: from arguments to a case, and back from calls that somebody wrote to arguments."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence

import msgspec

from codeworld.testgen.cases import Built, Case, Parameter, Target
from codeworld.testgen.expressions import filled
from codeworld.testgen.inputs import Maker, Scale
from codeworld.testgen.neighbours import neighbour
from codeworld.testgen.pools import bound
from codeworld.testgen.shapes import ANY, Shape

_OPERATORS = {
    "__len__": "len({self})", "__str__": "str({self})", "__repr__": "repr({self})", "__bool__": "bool({self})",
    "__iter__": "list({self})", "__next__": "next({self})", "__int__": "int({self})", "__neg__": "-{self}",
    "__reversed__": "list(reversed({self}))", "__contains__": "{0} in {self}", "__getitem__": "{self}[{0}]",
    "__eq__": "{self} == {0}", "__lt__": "{self} < {0}", "__add__": "{self} + {0}", "__sub__": "{self} - {0}",
    "__mul__": "{self} * {0}", "__and__": "{self} & {0}", "__or__": "{self} | {0}",
}  # fmt: skip
_OF_SAME_CLASS = ("__eq__", "__lt__", "__add__", "__sub__", "__and__", "__or__")
_OTHER_TYPES = ("None", "1", "2.5", "'a'", "[]", "{}")  # for what refuses some
REFUSED = "refused"  # the origin of inputs of a type that the target refuses, or should
_MOST_BEFORE = 4
_CHANGED = 0.2  # of the inputs near others, where examples change what the argument is
_WRITTEN = 0.4  # of the receivers, where there are some that somebody wrote


class Input(msgspec.Struct, frozen=True):
    """Expressions for one call: of the receiver, "" for none, of the arguments by parameter, and calls of the
    receiver's methods before it."""

    receiver: str
    arguments: dict[str, str]
    before: tuple[str, ...] = ()
    origin: str = "search"


class Caller:
    """Makes inputs for one target. ``siblings``: other methods of its class, to bring the receiver into a state;
    ``names``: what inputs may be made with; ``preparing``: names of the siblings without which the target mostly
    fails; ``receivers``: expressions that somebody wrote."""

    def __init__(
        self,
        target: Target,
        maker: Maker,
        siblings: Sequence[Target],
        names: Collection[str] = (),
        preparing: Collection[str] = (),
        receivers: Sequence[str] = (),
    ) -> None:
        self.target, self._maker, self._names = target, maker, names
        self._has_receiver = target.kind in ("method", "property")
        self._siblings = [
            one
            for one in siblings
            if one.kind == "method" and one.owner == target.owner and one.qualname != target.qualname
        ]
        self._preparing = [one for one in self._siblings if one.name in preparing and not one.is_async]
        self._receiver, self._receivers = Shape("object", name=target.owner), receivers
        self.parameters = tuple(map(self._with_shape, target.parameters))

    def why_not(self) -> str:
        """What makes it impossible to call, "" when nothing does."""
        if self._has_receiver and not self._receivers and not self._maker.can_make(self._receiver):
            return f"{self.target.owner} cannot be constructed"
        for one in self.parameters:
            if one.required and not self._maker.can_make(one.shape):
                return f"no value of type {one.shape} can be made for {one.name}"
        return ""

    def fresh(self) -> Input:
        """Made anew."""
        maker, scale = self._maker, self._maker.scale()
        arguments = {
            one.name: maker.make(one.shape, scale, one.name)
            for one in self.parameters
            if one.required or maker.chance.random() < 0.5
        }
        origin = "search"
        if self.target.refuses_types and arguments and maker.chance.random() < 0.2:
            arguments[maker.chance.choice([*arguments])] = maker.chance.choice(_OTHER_TYPES)
            origin = REFUSED
        if not self._has_receiver:
            return Input("", arguments, origin=origin)
        return Input(self._made_receiver(scale), arguments, self._calls_before(scale), origin)

    def near(self, other: Input) -> Input:
        """A little different from another one."""
        maker, scale = self._maker, self._maker.scale()
        chance = maker.chance
        origin = other.origin if other.origin == REFUSED else "search"
        names = [*other.arguments]
        changeable = [one for one in names if maker.pool.changes.get(one)]
        if changeable and len(other.before) < _MOST_BEFORE and chance.random() < _CHANGED:
            change = self._change(chance.choice(changeable), scale)
            return msgspec.structs.replace(other, before=(*other.before, change), origin=origin)
        luck = chance.random()
        if self._has_receiver and (not names or luck < 0.3):
            if luck < 0.15 or not other.before:
                receiver = neighbour(other.receiver, maker, scale)
                return msgspec.structs.replace(other, receiver=receiver, origin=origin)
            return msgspec.structs.replace(other, before=self._calls_before(scale), origin=origin)
        absent = [one for one in self.parameters if one.name not in other.arguments]
        if absent and (not names or luck < 0.1):
            one = chance.choice(absent)
            added = {**other.arguments, one.name: maker.make(one.shape, scale, one.name)}
            return msgspec.structs.replace(other, arguments=added, origin=origin)
        if not names:
            return other
        if other.before and not self._has_receiver and luck < 0.4:
            at = chance.randrange(len(other.before))
            changed_statement = neighbour(other.before[at], maker, scale)
            before = (*other.before[:at], changed_statement, *other.before[at + 1 :])
            return msgspec.structs.replace(other, before=before, origin=origin)
        changed = dict(other.arguments)
        for name in chance.sample(names, k=1 if len(names) == 1 or luck < 0.7 else 2):
            shape = next((one.shape for one in self.parameters if one.name == name), ANY)
            if self.target.refuses_types and chance.random() < 0.2:
                changed[name], origin = chance.choice(_OTHER_TYPES), REFUSED
            elif chance.random() < 0.2 or changed[name] in ("[]", "''", "None", "{}"):
                changed[name] = maker.make(shape, scale, name)
            else:
                changed[name] = neighbour(changed[name], maker, scale)
        return msgspec.structs.replace(other, arguments=changed, origin=origin)

    def _change(self, name: str, scale: Scale) -> str:
        """A statement that changes an argument as an example does, or with other values."""
        maker = self._maker
        statement = maker.chance.choice(maker.pool.changes[name])
        new = _variable(name, self.target)
        if new != name:
            statement = _renamed(statement, name, new)
        return neighbour(statement, maker, scale) if maker.chance.random() < 0.6 else statement

    def case(self, one: Input) -> Case:
        """The input as something that runs."""
        target = self.target
        setup = [(_receiver_name(target), one.receiver)] if self._has_receiver else []
        names = {}
        for parameter in self.parameters:
            if parameter.name in one.arguments:
                name = _variable(parameter.name, target)
                names[parameter.name] = name
                setup.append((name, one.arguments[parameter.name]))
        text = " ".join(value for _, value in setup) + " ".join(one.before)
        uses = ("tmp_path",) if "tmp_path" in text else ()
        return Case(tuple(setup), self._call(names), one.before, uses, one.origin)

    def written(self, call: ast.Call, origin: str, built: Sequence[Built] = ()) -> Input | None:
        """The arguments of a call that somebody wrote, None when one that is required does not stand for itself nor is
        ``built`` before."""
        held = {one.name: one for one in built}
        arguments = bound(self.target, call, {*self._names, *held})
        before: list[str] = []
        for name, text in [*arguments.items()]:
            if text in held:
                arguments[name] = held[text].value
                new = _variable(name, self.target)
                before += [_renamed(statement, text, new) for statement in held[text].statements]
            elif held.keys() & set(re.findall(r"\w+", text)):
                del arguments[name]
        if any(one.required and one.name not in arguments for one in self.parameters):
            return None
        receiver = self._made_receiver(self._maker.scale()) if self._has_receiver else ""
        return Input(receiver, arguments, tuple(before), origin)

    def _made_receiver(self, scale: Scale) -> str:
        if self._receivers and (
            self._maker.chance.random() < _WRITTEN or not self._maker.can_make(self._receiver)
        ):
            return self._maker.chance.choice(self._receivers)
        return self._maker.make(self._receiver, scale)

    def _call(self, names: dict[str, str]) -> str:
        target = self.target
        this = _receiver_name(target)
        if target.kind == "property":
            return f"{this}.{target.name}"
        passed = []
        by_keyword = False
        for one in self.parameters:
            if one.name not in names:
                by_keyword = True
            elif one.keyword_only or by_keyword:
                passed.append(f"{one.name}={names[one.name]}")
            else:
                passed.append(names[one.name])
        if target.kind == "method" and target.name in _OPERATORS:
            return _OPERATORS[target.name].format(*passed, self=this)
        called = f"{this}.{target.name}" if target.kind == "method" else target.qualname
        return f"{called}({', '.join(passed)})"

    def _calls_before(self, scale: Scale) -> tuple[str, ...]:
        chance = self._maker.chance
        usable = [one for one in self._siblings if not one.is_async and not one.name.startswith("_")]
        first: list[Target] = []
        if self._preparing and chance.random() < 0.7:
            first = [chance.choice(self._preparing)]
        if not usable or chance.random() < (0.6 if first else 0.3):
            return tuple(self._statement(one, scale) for one in first)
        others = [chance.choice(usable) for _ in range(chance.randint(1, _MOST_BEFORE))]
        return tuple(self._statement(one, scale) for one in [*first, *others])

    def _statement(self, method: Target, scale: Scale) -> str:
        passed = []
        for one in method.parameters:
            if one.required:
                made = self._maker.make(one.shape, scale, one.name)
                passed.append(f"{one.name}={made}" if one.keyword_only else made)
        return f"{_receiver_name(self.target)}.{method.name}({', '.join(passed)})"

    def _with_shape(self, one: Parameter) -> Parameter:
        if one.shape == ANY and self.target.name in _OF_SAME_CLASS:
            return msgspec.structs.replace(one, shape=self._receiver)
        return one


def _receiver_name(target: Target) -> str:
    name = (
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", target.owner.rpartition(".")[2]).lower().strip("_")
        or "instance"
    )
    return f"{name}_" if name in {one.name for one in target.parameters} or name == target.owner else name


def _renamed(statement: str, old: str, new: str) -> str:
    tree = ast.parse(statement, mode="eval")
    return ast.unparse(filled(tree.body, {old: ast.Name(new)}))


def _variable(name: str, target: Target) -> str:
    return f"{name}_" if name in (target.qualname.split(".")[0], "tmp_path") else name
