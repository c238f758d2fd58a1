"""What cannot be tested: a clear report, nothing lost, nothing left behind."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from codeworld.canvas import Reject
from codeworld.errors import BadInput
from codeworld.testgen.generate import Settings, generate
from tests.testgen.conftest import Make, made


def rejected(found: object) -> Reject:
    assert isinstance(found, Reject), found
    return found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import no_such_module\n\n\ndef f(): return 1\n", "ModuleNotFoundError"),
        ("raise SystemExit(3)\n\n\ndef f(): return 1\n", "SystemExit"),
        ("import os\nos._exit(4)\n\n\ndef f(): return 1\n", "ended"),
        ("import ctypes\nctypes.string_at(0)\n\n\ndef f(): return 1\n", "ended"),
    ],
)
def test_a_module_that_does_not_import(make: Make, text: str, why: str) -> None:
    found = rejected(make(text))
    assert found.reason == "does-not-import"
    assert why in found.detail


def test_an_infinite_loop(make: Make) -> None:
    found = rejected(make("def f(n: int) -> int:\n    while True:\n        n += 1\n"))
    assert (found.reason, "did not end" in found.detail) == ("no-test", True)


def test_a_loop_for_some_inputs_does_not_hide_the_others(make: Make) -> None:
    found = made(make("def f(n: int) -> int:\n    while n < 0:\n        pass\n    return n + 1\n"))
    assert "f(" in found.text


def test_a_number_that_is_opened_as_a_file(make: Make) -> None:
    text = (
        "def f(n: int) -> int:\n    if n >= 0:\n        with open(n, 'wb', closefd=False) as file:\n"
        "            file.write(bytes(9))\n    return n\n"
    )
    assert not re.search(r"f\(\d", made(make(text)).text)


def test_a_native_crash(make: Make) -> None:
    found = rejected(make("import ctypes\n\n\ndef f(n: int) -> bytes:\n    return ctypes.string_at(n % 2)\n"))
    assert (found.reason, "SIGSEGV" in found.detail) == ("no-test", True)


def test_the_network(make: Make) -> None:
    text = (
        "import socket\n\n\ndef f(port: int) -> int:\n"
        "    socket.create_connection(('127.0.0.1', 22), 1)\n    return port\n"
    )
    found = rejected(make(text))
    assert (found.reason, "Error" in found.detail) == ("no-test", True)


def test_deleted_files(make: Make, root: Path) -> None:
    (root / "precious.txt").write_text("kept")
    text = (
        "import os\nimport pathlib\nimport shutil\n\n\ndef f(n: int) -> int:\n"
        "    here = pathlib.Path(__file__).parent\n"
        "    shutil.rmtree(here, ignore_errors=True)\n    os.remove(here / 'precious.txt')\n    return n\n"
    )
    found = rejected(make(text))
    assert (root / "precious.txt").read_text() == "kept"
    assert "OSError" in found.detail or "PermissionError" in found.detail


def test_a_gpu(make: Make) -> None:
    found = rejected(make("def f(n: int) -> int:\n    open('/dev/nvidia0').close()\n    return n\n"))
    assert "FileNotFoundError" in found.detail


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_module_of_five_thousand_lines(make: Make, root: Path) -> None:
    text = "\n\n".join(
        f"def f{at}(n: int) -> int:\n    if n > {at}:\n        return n - {at}\n    return n\n"
        for at in range(850)
    )
    assert text.count("\n") > 4_900
    found = made(make(text, "f7"))
    assert {one.target.qualname for one in found.kept} == {"f7"}
    path = root / "shop.py"
    some = generate(path, text, root, settings=Settings(most_s=4.0, runs=1))
    assert any("no time" in one.reason for one in made(some).untested)


def test_what_does_not_parse_or_is_not_there(make: Make) -> None:
    with pytest.raises(BadInput):
        make("def f(:\n")
    with pytest.raises(BadInput):
        make("x = 1\n", "f")
    assert rejected(make("x = 1\n")).reason == "nothing-to-test"
    assert rejected(make("def f(): pass\n")).detail == "f: it does nothing"


def test_memory(make: Make) -> None:
    found = rejected(make("def f(n: int) -> int:\n    return len(bytearray(10 ** 12))\n"))
    assert "memory" in found.detail


def test_it_can_be_cancelled_and_leaves_nothing(root: Path) -> None:
    text = (
        "import subprocess\n\n\ndef f(n: int) -> int:\n    subprocess.run(['sleep', '86399'])\n    return n\n"
    )
    (root / "shop.py").write_text(text)
    begin_s = time.monotonic()
    found = generate(
        root / "shop.py",
        text,
        root,
        settings=Settings(budget_s=600.0, most_s=600.0),
        should_stop=lambda: time.monotonic() - begin_s > 1.0,
    )
    assert rejected(found).reason == "cancelled"
    deadline_s = time.monotonic() + 10
    while "sleep 86399" in _running() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert "sleep 86399" not in _running()
    assert sorted(one.name for one in root.iterdir()) == [".git", "shop.py"]


def _running() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
