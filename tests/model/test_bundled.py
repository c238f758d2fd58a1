"""The weights that ship: their size, and that they have learnt what anybody would expect."""

from __future__ import annotations

import pytest

from codeworld.canvas import InfillRequest, Source
from codeworld.model import checkpoint, infill

OBVIOUS = [
    ("def add(a, b):\n    return a + ", "\n", "b"),
    ("for i in range(10", "\n    print(i)\n", "):"),
    ("import os\n\npath = os.path.jo", '"a", "b")\n', "in("),
    ("class Point:\n    def __init__(self, x, y):\n        self.x = x\n        self.y = ", "\n", "y"),
    ("try:\n    value = int(text)\nexcept Value", "\n    value = 0\n", "Error:"),
    ('if __name__ == "__ma', "\n    main()\n", 'in__":'),
    (
        "def total(values):\n    result = 0\n    for value in values:\n        result += ",
        "\n    return result\n",
        "value",
    ),
    ("with open(name) as file:\n    text = file.re", "\n", "ad()"),
]


@pytest.fixture(scope="module")
def model() -> infill.Infiller:
    return infill.load("cpu", checkpoint.BUNDLED)


def test_it_fits() -> None:
    sizes = [path.stat().st_size for path in checkpoint.BUNDLED.glob("*.safetensors")]
    assert max(sizes) < 95e6
    assert sum(sizes) <= 130e6


def test_it_fills_what_is_obvious(model: infill.Infiller) -> None:
    right = 0
    for prefix, suffix, expected in OBVIOUS:
        reply = model.infill(InfillRequest(prefix, suffix, sources=(Source.VERIFIED,)))
        right += any(candidate.text == expected for candidate in reply.candidates)
    assert right >= 6, f"{right} of {len(OBVIOUS)}"


def test_a_line_of_the_repository_is_preferred_where_it_fits(model: infill.Infiller) -> None:
    from codeworld.canvas import Seed

    seed = Seed(text="logger = logging.getLogger(__name__)", order=3, support=4, total=4)
    odd = Seed(text="banana = logging.frobnicate(__name__)", order=1, support=1, total=4)
    request = InfillRequest("import logging\n\n", "\n", seeds=(odd, seed))
    found = {c.text: c.logprob_nats for c in model.infill(request).candidates if c.source is Source.RETRIEVED}
    assert found[seed.text] > found[odd.text]
