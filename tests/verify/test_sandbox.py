"""A planted set of misdeeds: each is stopped and reported, and nothing is left behind. In three machines: as this
one is, without bubblewrap, and without user namespaces either."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codeworld import sandbox_probe
from codeworld.verify import sandbox
from codeworld.verify.sandbox import Limits, Outcome

LIMITS = Limits(wall_s=20.0, cpu_s=2, memory_mb=512, processes=24, file_mb=4)
REAL = sandbox_probe.probe()


@pytest.fixture(params=["bubblewrap", "namespaces", "landlock"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "bubblewrap" and not REAL.bubblewrap:
        pytest.skip("no bubblewrap here")
    if request.param == "namespaces" and not REAL.user_namespaces:
        pytest.skip("no user namespaces here")
    if request.param != "bubblewrap" and not REAL.landlock_abi:
        pytest.skip("no Landlock here")
    offered = sandbox_probe.Sandbox(
        bubblewrap=request.param == "bubblewrap",
        user_namespaces=request.param != "landlock",
        landlock_abi=REAL.landlock_abi,
        seccomp=REAL.seccomp,
    )
    monkeypatch.setattr(sandbox, "_offered", lambda: offered)
    return str(request.param)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "shop.py").write_text("price = 1\n")
    return root


def run(project: Path, code: str, limits: Limits = LIMITS, **changed: str) -> Outcome:
    texts = {project / f"{name}.py": text for name, text in changed.items()}
    return sandbox.run([sys.executable, "-c", code], project=project, changed=texts, limits=limits)


def test_an_honest_program_passes(machine: str, project: Path) -> None:
    done = run(project, "import shop, tempfile; tempfile.TemporaryFile(); print(shop.price)")
    assert (done.status, done.output) == ("passed", "1\n")
    assert any("bubblewrap" in line for line in done.missing) == (machine != "bubblewrap")


def test_the_changed_text_is_what_runs_and_the_file_stays(machine: str, project: Path) -> None:
    done = run(project, "import shop; print(shop.price)", shop="price = 2\n")
    assert done.output == "2\n"
    assert (project / "shop.py").read_text() == "price = 1\n"


def test_a_failure_is_told_with_its_output(machine: str, project: Path) -> None:
    done = run(project, "raise SystemExit('no such luck')")
    assert (done.status, done.exit_code, done.output) == ("failed", 1, "no such luck\n")


def test_no_network(machine: str, project: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = run(project, f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)")
        if machine == "landlock":  # nothing switches it off there, and that is said
            assert any("namespaces" in line for line in done.missing)
        else:
            assert done.status == "failed"
            assert "Error" in done.output


@pytest.mark.parametrize("where", ["outside", "inside"])
def test_no_writing(machine: str, project: Path, tmp_path: Path, where: str) -> None:
    target = (tmp_path if where == "outside" else project) / "planted"
    done = run(project, f"open({str(target)!r}, 'w').write('x')")
    assert not target.exists()
    # Under bubblewrap, /tmp is the sandbox's own, and what is written there is gone with it.
    assert done.status == "failed" or (machine, where) == ("bubblewrap", "outside")


def test_no_reading_of_what_is_private(machine: str, project: Path, tmp_path: Path) -> None:
    key = tmp_path / ".ssh" / "id_ed25519"
    key.parent.mkdir()
    key.write_text("private")
    done = run(project, f"print(open({str(key)!r}).read())")
    assert done.status == "failed"
    assert "private" not in done.output
    home = run(project, "import os; print(os.listdir(os.path.expanduser('~')))")
    assert home.output == "[]\n"


def test_no_secrets_in_the_environment(machine: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_TOKEN", "private")
    assert "private" not in run(project, "import os; print(dict(os.environ))").output


def test_many_processes_are_stopped(machine: str, project: Path) -> None:
    # Bounded, in case nothing stops it.
    code = "import os, time\nfor _ in range(150):\n if not os.fork(): time.sleep(30); os._exit(0)\nprint('every one')"
    done = run(project, code)
    assert done.status != "passed"
    assert "every one" not in done.output
    assert done.reason == "processes" or "BlockingIOError" in done.output


def test_a_large_allocation_is_stopped(machine: str, project: Path) -> None:
    done = run(project, "x = bytearray(10 << 30)")
    assert done.status != "passed"
    assert done.reason == "memory" or "MemoryError" in done.output


def test_memory_of_all_processes_counts(machine: str, project: Path) -> None:
    code = "import os, time\nfor _ in range(4): os.fork()\nx = b'x' * (60 << 20)\ntime.sleep(30)"
    assert run(project, code).reason == "memory"


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(60)"])
def test_a_program_without_end_is_stopped(machine: str, project: Path, code: str) -> None:
    done = run(project, code, Limits(wall_s=3.0, cpu_s=1, memory_mb=512, processes=24))
    assert done.status == "stopped"
    assert done.reason == "time"


def test_large_files_are_stopped(machine: str, project: Path) -> None:
    done = run(project, "import tempfile; tempfile.TemporaryFile().write(b'x' * (5 << 20))")
    assert done.status == "failed"


def test_nothing_outlives_it(machine: str, project: Path) -> None:
    mark = f"86400.{os.getpid()}"
    code = (
        f"import subprocess; subprocess.Popen(['sleep', '{mark}'], start_new_session=True); "
        f"subprocess.Popen(['sh', '-c', 'sleep {mark} & '])"
    )
    run(project, code)
    deadline_s = time.monotonic() + 10
    while (left := _running(mark)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert left == 0
    assert not list(Path("/tmp").glob("codeworld-sandbox-*/home"))


def test_it_can_be_cancelled(machine: str, project: Path) -> None:
    done = sandbox.run([sys.executable, "-c", "while True: pass"], project=project, should_stop=lambda: True)
    assert (done.status, done.reason) == ("stopped", "cancelled")


def test_a_command_that_does_not_exist_fails(machine: str, project: Path) -> None:
    done = sandbox.run(["no-such-command"], project=project)
    assert (done.status, done.exit_code) == ("failed", 127)


def _running(mark: str) -> int:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return listed.count(f"sleep {mark}")


def test_a_conversation(machine: str, project: Path) -> None:
    code = "import shop\nwhile True: print(input() + str(shop.price), flush=True)"
    with sandbox.converse([sys.executable, "-u", "-c", code], project=project, limits=LIMITS) as talk:
        assert talk.process.stdin is not None
        assert talk.process.stdout is not None
        for word in (b"one", b"two"):
            talk.process.stdin.write(word + b"\n")
            talk.process.stdin.flush()
            assert talk.process.stdout.readline() == word + b"1\n"
    assert talk.process.returncode is not None


def test_a_conversation_ends_at_a_limit_and_says_what_went_wrong(machine: str, project: Path) -> None:
    code = "import sys, time; print('oh', file=sys.stderr, flush=True); time.sleep(60)"
    limits = Limits(wall_s=2.0, memory_mb=512, processes=24)
    with sandbox.converse([sys.executable, "-c", code], project=project, limits=limits) as talk:
        assert talk.process.stdout is not None
        assert talk.process.stdout.read() == b""
        assert "oh" in talk.errors()


def test_a_file_can_be_new(machine: str, project: Path) -> None:
    (project / "kept").mkdir()
    (project / "kept" / "old.py").write_text("value = 1\n")
    new = {project / "kept" / "new.py": "value = 2\n", project / "fresh" / "newer.py": "value = 3\n"}
    code = (
        "import sys; sys.path[:0] = ['kept', 'fresh']; import old, new, newer, shop\n"
        "print(old.value, new.value, newer.value, shop.price)\n"
        "try: open('fresh/more', 'w')\n"
        "except OSError: print('not written')"
    )
    done = sandbox.run([sys.executable, "-c", code], project=project, changed=new, limits=LIMITS)
    assert done.output == "1 2 3 1\nnot written\n"
    assert sorted(one.name for one in project.iterdir()) == ["kept", "shop.py"]
    assert [one.name for one in (project / "kept").iterdir()] == ["old.py"]
