"""Run many small untrusted programs and say which finish without an error. Standard library only.

Each of ``jobs`` worker processes forks once per program: no interpreter start, a fresh state, limits on processor time,
memory, file size and open files, an empty working directory, and no network where ``unshare`` is allowed. This keeps
accidents in; it is no jail for an attacker.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

MEMORY_BYTES = 2 << 30
FILE_BYTES = 1 << 20
_NO_NETWORK = ["unshare", "-rn"]


def network_is_off() -> bool:
    """Whether programs run without a network here."""
    if shutil.which(_NO_NETWORK[0]) is None:
        return False
    return subprocess.run([*_NO_NETWORK, "true"], capture_output=True, check=False).returncode == 0


def run_programs(
    programs: Mapping[str, str],
    *,
    jobs: int = 0,
    timeout_s: float = 5.0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, str]:
    """Outcome of each program by its id: "passed", "failed" or "timeout".

    A program passes when it runs to its end; one that exits by itself, with whatever code, has failed. ``jobs`` 0 means
    one for each processor.
    """
    jobs = jobs or os.cpu_count() or 1
    prefix = _NO_NETWORK if network_is_off() else []
    waiting = iter(programs.items())
    outcomes: dict[str, str] = {}

    def work(_: int) -> None:
        command = [*prefix, sys.executable, "-I", __file__, str(timeout_s)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdin is not None
            assert worker.stdout is not None
            for name, program in waiting:
                worker.stdin.write(json.dumps(program) + "\n")
                worker.stdin.flush()
                outcomes[name] = worker.stdout.readline().strip() or "failed"
                if progress is not None:
                    progress(len(outcomes), len(programs))
            worker.stdin.close()

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(work, range(jobs)))
    return {name: outcomes[name] for name in programs}


def _serve(timeout_s: float) -> None:
    """The worker: a JSON string per line in, an outcome per line out."""
    # The programs get neither the questions still waiting on stdin nor the channel of the answers.
    questions, answers = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    for line in questions:
        with tempfile.TemporaryDirectory(prefix="codeworld-run-", ignore_cleanup_errors=True) as folder:
            answers.write(_outcome(json.loads(line), folder, timeout_s) + "\n")
        answers.flush()


def _outcome(program: str, folder: str, timeout_s: float) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _become(program, folder, writing, timeout_s)
    os.close(writing)
    ready = select.select([reading], [], [], timeout_s)[0]
    said = os.read(reading, 8) if ready else b""
    os.close(reading)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # also what it left running
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)  # when it had no time to become a group
    _, status = os.waitpid(child, 0)
    if said == b"passed":
        return "passed"
    used_up = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
    return "timeout" if used_up or not ready else "failed"


def _become(program: str, folder: str, writing: int, timeout_s: float) -> None:
    """In the child: run the program, say so when it reached its end, and never return."""
    try:
        os.setsid()
        os.chdir(folder)
        os.closerange(3, writing)
        os.closerange(writing + 1, 256)
        seconds = int(timeout_s) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
        os.write(writing, b"passed")
    except BaseException:  # SystemExit too: a program that leaves early has not passed
        pass
    finally:
        os._exit(0)


if __name__ == "__main__":
    _serve(float(sys.argv[1]))
