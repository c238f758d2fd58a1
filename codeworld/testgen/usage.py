"""What kind of value a parameter without annotation takes, from what the function does with it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from codeworld.testgen.shapes import ANY, NONE, Shape, of_annotation, union

Function = ast.FunctionDef | ast.AsyncFunctionDef

_INT, _FLOAT, _STR, _BOOL = Shape("int"), Shape("float"), Shape("str"), Shape("bool")
_INTEGER_OPERATORS = (
    ast.FloorDiv, ast.LShift, ast.RShift, ast.BitAnd, ast.BitXor, ast.Mod, ast.Sub, ast.Pow,
)  # fmt: skip
_METHODS = {
    "str": "split rsplit strip lstrip rstrip lower upper title startswith endswith replace encode format isdigit "
    "isalpha isalnum isspace isupper islower splitlines partition rpartition zfill casefold capitalize swapcase "
    "translate rjust ljust center removeprefix removesuffix isidentifier find rfind",
    "list": "append extend sort insert pop reverse remove",
    "dict": "items keys values get setdefault",
    "set": "add discard union intersection difference issubset issuperset",
    "bytes": "decode hex",
    "text io": "read readline readlines write seek",
    "path": "exists is_file is_dir read_text write_text mkdir iterdir with_suffix open",
    "date": "isoformat strftime weekday",
    "int": "bit_length to_bytes",
}
_OF_METHOD = {name: kind for kind, names in _METHODS.items() for name in names.split()}
_OF_CALL = {
    "range": "int", "abs": "int", "chr": "int", "hex": "int", "bin": "int", "oct": "int", "round": "float",
    "divmod": "int", "float": "float", "ord": "char", "open": "path",
    "makedirs": "path", "mkdir": "path", "listdir": "path", "scandir": "path", "isfile": "path", "isdir": "path",
    "getsize": "path", "rmtree": "path", "copyfile": "path",
    "sqrt": "float", "floor": "float",
    "ceil": "float", "log": "float", "gcd": "int", "factorial": "int", "loads": "str", "int": "str",
    "len": "list", "sorted": "list", "sum": "list", "max": "list", "min": "list", "set": "list", "list": "list",
    "tuple": "list", "enumerate": "list", "reversed": "list", "zip": "list", "iter": "list", "all": "list",
    "any": "list", "Counter": "list", "deque": "list", "heapify": "list", "dict": "dict",
}  # fmt: skip
_NAMED = {
    "int": "n k i j m x y num number count size length index target depth limit total start end left right low "
    "high a b c width height port year month day age value val step steps capacity amount base exponent power",
    "str": "s t text string name word line key pattern msg message title url prefix suffix sentence char chars "
    "content label path filename sep delimiter expr expression html query email password token str1 str2 s1 s2",
    "ints": "nums arr array lst data values numbers items seq sequence coins prices heights weights list1 list2 l",
    "strs": "words names lines strs strings keys tokens args argv paths parts",
    "grid": "matrix grid board mat maze table image",
    "pairs": "intervals edges points pairs",
    "dict": "d dict mapping config options params kwargs graph headers settings env context metadata",
    "callable": "func fn f callback function predicate cmp handler",
    "bool": "flag verbose reverse strict recursive force",
}
_OF_NAME = {name: kind for kind, names in _NAMED.items() for name in names.split()}
_LINKS = ("next", "prev", "previous", "left", "right", "parent")  # of nodes
_GUESSES = {
    "int": _INT,
    "str": _STR,
    "bool": _BOOL,
    "ints": Shape("list", (_INT,)),
    "strs": Shape("list", (_STR,)),
    "grid": Shape("list", (Shape("list", (_INT,)),)),
    "pairs": Shape("list", (Shape("fixed tuple", (_INT, _INT)),)),
    "dict": Shape("dict", (_STR, ANY)),
    "callable": Shape("callable", (ANY,)),
}


def guessed(name: str) -> Shape:
    """What a parameter of this name mostly is; ANY for names that say nothing."""
    return _GUESSES.get(_OF_NAME.get(name.lower(), ""), ANY)


class Usage:
    """One function's body. ``classes``: the attributes that the module's classes have, by class."""

    def __init__(self, function: Function, classes: Mapping[str, frozenset[str]]) -> None:
        self._nodes, self._name = [*ast.walk(function)], function.name
        self._parents = {child: node for node in self._nodes for child in ast.iter_child_nodes(node)}
        self._classes = classes

    def shape(self, name: str, default: ast.expr | None = None) -> Shape:
        """Of the parameter ``name``."""
        names = {name, *self._aliases(name)}
        uses = [one for one in self._nodes if isinstance(one, ast.Name) and one.id in names]
        shape = self._of(uses, 0)
        says = default is not None and of_value(default) not in (ANY, NONE)
        # A default says more than a name does.
        if (shape == ANY and not says) or shape == Shape("list", (ANY,)):
            guess = guessed(name)
            shape = guess if guess != ANY and shape.kind in ("any", guess.kind) else shape
        if default is None:
            return shape
        of_default = of_value(default)
        return union((shape, of_default)) if shape != ANY else of_default

    def _of(self, uses: Iterable[ast.expr], depth: int) -> Shape:
        votes: Counter[Shape] = Counter()
        elements: list[ast.expr] = []
        attributes: dict[str, list[ast.Attribute]] = {}
        for use in uses:
            votes.update(self._votes(use))
            elements += self._elements(use)
            parent = self._parents.get(use)
            if isinstance(parent, ast.Attribute):
                attributes.setdefault(parent.attr, []).append(parent)
        kinds = [one for one, _ in votes.most_common(2)] or [ANY]
        if kinds[0].kind in ("list", "any") and depth < 2 and elements:
            inner = self._of(elements, depth + 1)
            return Shape("list", (inner if inner != ANY else _INT,))
        if kinds[0] == ANY and attributes:
            return self._with_attributes(attributes, depth)
        if len(kinds) == 2 and votes[kinds[1]] * 2 >= votes[kinds[0]] and kinds[1] != ANY:
            return union((kinds[0], kinds[1]))
        return kinds[0]

    def _with_attributes(self, attributes: dict[str, list[ast.Attribute]], depth: int) -> Shape:
        """A class of the module that has them all, or what has these and nothing else, if none of them is called."""
        fitting = [name for name, has in self._classes.items() if attributes.keys() <= has]
        if fitting:
            return union((Shape("object", name=fitting[0]), NONE))
        used = [one for uses in attributes.values() for one in uses]
        called = any(getattr(self._parents.get(one), "func", None) is one for one in used)
        if called or depth or any(one.startswith("_") for one in attributes):
            return ANY
        shapes = tuple(self._of_attribute(name, uses) for name, uses in attributes.items())
        plain = Shape("namespace", shapes, options=tuple(attributes))
        return union((plain, NONE)) if any(one.kind == "link" for one in shapes) else plain

    def _of_attribute(self, name: str, uses: list[ast.Attribute]) -> Shape:
        """A "link" leads to another object of the same kind: what is followed, or handed to the function itself."""
        for one in uses:
            parent = self._parents.get(one)
            own = isinstance(parent, ast.Call) and ast.unparse(parent.func).rpartition(".")[2] == self._name
            followed = (
                isinstance(parent, ast.Assign)
                and isinstance(one.value, ast.Name)
                and one.value.id in {ast.unparse(target) for target in parent.targets}
            )
            if own or followed or isinstance(parent, ast.Attribute):
                return Shape("link")
        if name in _LINKS:
            return Shape("link")
        shape = self._of(uses, 1)
        return shape if shape != ANY else guessed(name) if guessed(name) != ANY else _INT

    def _aliases(self, name: str) -> set[str]:
        """Variables that are set to the parameter itself."""
        given = [
            one
            for one in self._nodes
            if isinstance(one, ast.Assign) and isinstance(one.value, ast.Name) and one.value.id == name
        ]
        return {target.id for one in given for target in one.targets if isinstance(target, ast.Name)}

    def _elements(self, use: ast.expr) -> Iterator[ast.expr]:
        """Occurrences of what is in it."""
        parent = self._parents.get(use)
        if (
            isinstance(parent, ast.Subscript)
            and parent.value is use
            and not isinstance(parent.slice, ast.Slice)
        ):
            is_key = isinstance(parent.slice, ast.Constant) and not isinstance(parent.slice.value, int)
            yield from () if is_key else (parent,)
        elif isinstance(parent, (ast.For, ast.comprehension)) and isinstance(parent.target, ast.Name):
            name = parent.target.id
            yield from (n for n in self._nodes if isinstance(n, ast.Name) and n.id == name)

    def _votes(self, use: ast.expr) -> Iterator[Shape]:
        parent = self._parents.get(use)
        if isinstance(parent, ast.Attribute):
            kind = _OF_METHOD.get(parent.attr)
            if kind is not None and isinstance(self._parents.get(parent), ast.Call):
                yield _container(kind)
                yield _container(kind)
        elif isinstance(parent, ast.BinOp):
            yield from _operand(parent, use)
        elif isinstance(parent, ast.UnaryOp) and isinstance(parent.op, (ast.USub, ast.Invert)):
            yield _INT
        elif isinstance(parent, ast.Compare):
            yield from _compared(parent, use)
        elif isinstance(parent, ast.Call):
            yield from self._passed(parent, use)
        elif isinstance(parent, ast.Subscript):
            yield from _subscripted(parent, use)
        elif isinstance(parent, (ast.For, ast.comprehension)) and parent.iter is use:
            yield Shape("list", (ANY,))
            if isinstance(parent.target, ast.Tuple):
                yield Shape("list", (Shape("fixed tuple", (_INT,) * len(parent.target.elts)),))
        elif isinstance(parent, ast.AugAssign) and isinstance(parent.value, ast.Constant):
            yield of_value(parent.value)

    def _passed(self, call: ast.Call, use: ast.expr) -> Iterator[Shape]:
        if call.func is use:
            yield Shape("callable", (ANY,))
            return
        function = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        if function == "isinstance" and call.args[0] is use and len(call.args) == 2:
            kinds = call.args[1].elts if isinstance(call.args[1], ast.Tuple) else [call.args[1]]
            yield union(tuple(map(of_annotation, kinds)))
        elif function == "join" and isinstance(call.func, ast.Attribute):
            yield Shape("list", (_STR,))
        elif function in _OF_CALL and use in call.args:
            yield _container(_OF_CALL[function])


def of_value(node: ast.expr) -> Shape:
    """The shape of a default or constant."""
    if isinstance(node, ast.Constant):
        return (
            NONE if node.value is None else Shape(type(node.value).__name__) if node.value is not ... else ANY
        )
    if isinstance(node, ast.UnaryOp):
        return of_value(node.operand)
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        inner = union(tuple(map(of_value, node.elts))) if node.elts else ANY
        kinds: dict[type, str] = {ast.List: "list", ast.Tuple: "tuple", ast.Set: "set"}
        return Shape(kinds[type(node)], (inner,))
    if isinstance(node, ast.Dict):
        return Shape("dict", (_STR, ANY))
    return ANY


def _container(kind: str) -> Shape:
    if kind == "char":
        return Shape("char")
    if kind == "dict":
        return Shape("dict", (_STR, ANY))
    return Shape(kind, (ANY,)) if kind in ("list", "set") else Shape(kind)


def _operand(parent: ast.BinOp, use: ast.expr) -> Iterator[Shape]:
    other = parent.right if parent.left is use else parent.left
    if isinstance(other, ast.Constant) and isinstance(other.value, (int, float, str, bytes)):
        shape = of_value(other)
        if not (isinstance(parent.op, (ast.Mult, ast.Mod)) and shape == _STR):
            yield shape
    elif isinstance(parent.op, _INTEGER_OPERATORS):
        yield _INT
    elif isinstance(parent.op, ast.Div):
        yield _FLOAT


def _compared(parent: ast.Compare, use: ast.expr) -> Iterator[Shape]:
    sides = [parent.left, *parent.comparators]
    if isinstance(parent.ops[0], (ast.In, ast.NotIn)):
        if parent.comparators[0] is use:
            yield Shape("list", (of_value(parent.left),))
        elif isinstance(parent.comparators[0], (ast.Tuple, ast.List, ast.Set)):
            yield from (of_value(one) for one in parent.comparators[0].elts[:1])
        return
    for one in sides:
        if one is not use and isinstance(one, (ast.Constant, ast.UnaryOp)):
            shape = of_value(one)
            if shape not in (ANY, NONE):
                yield shape
        elif one is not use and not isinstance(parent.ops[0], (ast.Eq, ast.NotEq, ast.Is, ast.IsNot)):
            yield _INT


def _subscripted(parent: ast.Subscript, use: ast.expr) -> Iterator[Shape]:
    if parent.value is not use:
        yield _INT  # an index
    elif isinstance(parent.slice, ast.Constant) and isinstance(parent.slice.value, str):
        yield Shape("dict", (Shape("literal", options=(repr(parent.slice.value),)), ANY))
    elif isinstance(parent.slice, ast.Slice):
        yield Shape("list", (ANY,))
    else:
        yield Shape("list", (ANY,))
