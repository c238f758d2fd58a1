"""Run a project's own commands, such as its tests, where they can do no harm.

With bubblewrap: no network, nothing of the machine but the system's and the interpreter's folders and the project,
all of it read-only, an empty temporary home, processes of their own that end together. Without it: the same limits,
no network where user namespaces are allowed, Landlock for files where the kernel has it; ``Outcome.missing`` says
what is not there. Limits on processor time, memory, file size and processes hold in both; a watchdog looks at the
whole family of processes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Literal

import msgspec

from codeworld import sandbox_probe
from codeworld.verify import sandbox_launcher

_SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/localtime",
)
_GROUPS = Path("/sys/fs/cgroup/pids")
_HOME = Path("/run/home")  # under bubblewrap
_LOOK_S = 0.02  # between two looks of the watchdog
_OWN_PROCESSES = 8  # of the sandbox itself
_OUTPUT_BYTES = 64_000  # of the end of what was printed


class Limits(msgspec.Struct, frozen=True):
    """What a run may use; memory and processes are those of all its processes together. ``address_mb`` bounds the
    addresses of each process, 0 as ``memory_mb``."""

    wall_s: float = 60.0
    cpu_s: int = 60
    memory_mb: int = 2048
    address_mb: int = 0
    processes: int = 64
    file_mb: int = 64


class Outcome(msgspec.Struct, frozen=True):
    """``status`` "stopped": it went past the limit that ``reason`` names ("time", "memory", "processes", "cancelled").
    ``output`` is the end of what it printed on both channels; ``missing`` has a line for each protection that is
    off."""

    status: Literal["passed", "failed", "stopped"]
    exit_code: int
    output: str
    reason: str = ""
    missing: tuple[str, ...] = ()


def run(
    command: Sequence[str],
    *,
    project: Path,
    changed: Mapping[Path, str] | None = None,
    limits: Limits = Limits(),
    readable: Sequence[Path] = (),
    variables: Mapping[str, str] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Run ``command`` in ``project``, where ``changed`` texts stand instead of files or are new ones (absolute paths
    within it), with the folders ``readable`` and the environment ``variables`` beside what every command needs. Nothing
    that it starts outlives the call. Raises OSError when it cannot be started at all."""
    with tempfile.TemporaryFile("w+b") as output:
        job = _Job(command, project, changed or {}, limits, readable, variables or {})
        with _started(job, subprocess.DEVNULL, output) as (process, missing):
            reason = _watch(process, limits, should_stop)
        return _outcome(process.returncode, reason, output, missing)


class Conversation(msgspec.Struct, frozen=True):
    """A command that runs and is spoken with over its standard input and output. ``said`` is what it wrote on the
    error channel."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]
    missing: tuple[str, ...]

    def errors(self) -> str:
        """The end of what it wrote on the error channel."""
        return _tail(self.said)


@contextlib.contextmanager
def converse(
    command: Sequence[str],
    *,
    project: Path,
    changed: Mapping[Path, str] | None = None,
    limits: Limits = Limits(),
    readable: Sequence[Path] = (),
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Conversation]:
    """As ``run``, for a command that answers questions: who reads from it sees the end of its output once it went past
    a limit or ``should_stop`` turned true. It ends with the block."""
    with tempfile.TemporaryFile("w+b") as said:
        pipe = subprocess.PIPE
        job = _Job(command, project, changed or {}, limits, readable)
        with _started(job, pipe, pipe, said) as (process, missing):
            over = threading.Event()

            def watch() -> None:
                _watch(process, limits, lambda: over.is_set() or should_stop())
                _end(process)

            watching = threading.Thread(target=watch, name="sandbox", daemon=True)
            watching.start()
            try:
                yield Conversation(process, said, missing)
            finally:
                over.set()
                watching.join()


class _Job(msgspec.Struct, frozen=True):
    command: Sequence[str]
    project: Path
    changed: Mapping[Path, str]
    limits: Limits
    readable: Sequence[Path] = ()
    variables: Mapping[str, str] = {}


@contextlib.contextmanager
def _started(
    job: _Job, stdin: int, stdout: int | IO[bytes], stderr: int | IO[bytes] = subprocess.STDOUT
) -> Iterator[tuple[subprocess.Popen[bytes], tuple[str, ...]]]:
    """The process; what is left of it is killed with the end of the block."""
    project, limits = job.project.resolve(), job.limits
    folders = [*_readable(job.command, project), *job.readable]
    with tempfile.TemporaryDirectory(prefix="codeworld-sandbox-", ignore_cleanup_errors=True) as name:
        jailed = _prepared(job.command, project, folders, job.changed, Path(name), limits)
        with _few_processes(limits.processes) as enter:
            process = subprocess.Popen(
                [*enter, *jailed.arguments],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=jailed.cwd,
                env={**_environment(jailed.home), **job.variables},
                start_new_session=True,
            )
            try:
                yield process, jailed.missing
            finally:
                _end(process)
                for channel in (process.stdin, process.stdout):
                    if channel is not None:
                        with contextlib.suppress(OSError):
                            channel.close()


class _Jailed(msgspec.Struct, frozen=True):
    arguments: list[str]
    cwd: Path
    home: Path
    missing: tuple[str, ...]


@cache
def _offered() -> sandbox_probe.Sandbox:
    return sandbox_probe.probe()


def _prepared(
    command: Sequence[str],
    project: Path,
    readable: Sequence[Path],
    changed: Mapping[Path, str],
    place: Path,
    limits: Limits,
) -> _Jailed:
    """The command line that runs ``command`` under what this machine offers."""
    offered = _offered()
    spaced = offered.bubblewrap or offered.user_namespaces  # where processes are counted for each sandbox
    sizes = (
        limits.cpu_s,
        limits.address_mb or limits.memory_mb,
        limits.file_mb,
        limits.processes + _OWN_PROCESSES if spaced else 0,
    )
    if offered.bubblewrap:
        launch = _launch(sandbox_launcher.Plan(*sizes), command)
        jail = _bubblewrap(project, readable, changed, place)
        return _Jailed([*jail, *launch], Path("/"), _HOME, _unbounded())
    home, copy = place / "home", place / "project"  # nothing can be laid over single files here
    home.mkdir()
    shutil.copytree(
        project, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", ".venv", "node_modules")
    )
    for path, text in changed.items():
        instead = copy / path.relative_to(project)
        instead.parent.mkdir(parents=True, exist_ok=True)
        instead.write_text(text, encoding="utf-8", newline="")
    files = [*_SYSTEM, *map(str, readable), "/dev", "/proc", str(copy), str(Path(__file__).parent)]
    launch = _launch(sandbox_launcher.Plan(*sizes, landlock=files, writable=[str(home)]), command)
    jail = ["unshare", "-rnpf", "--kill-child"] if offered.user_namespaces else []
    return _Jailed([*jail, *launch], copy, home, (*offered.missing(), *_unbounded()))


def _has_groups() -> bool:
    return os.access(_GROUPS, os.W_OK)


def _unbounded() -> tuple[str, ...]:
    if os.geteuid() != 0 or _has_groups():
        return ()
    return ("root's processes are limited by a watchdog only: run as another user",)


@contextlib.contextmanager
def _few_processes(most: int) -> Iterator[list[str]]:
    """What to put before a command so that it cannot fork without end. The kernel's limit per user does not bind root,
    so root's sandboxes get a control group; elsewhere, nothing is needed."""
    group = _GROUPS / f"codeworld-{os.getpid()}-{secrets.token_hex(4)}"
    if os.geteuid() != 0 or not _has_groups():
        yield []
        return
    group.mkdir()
    try:
        (group / "pids.max").write_text(str(most + _OWN_PROCESSES))
        yield ["/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group)]
    finally:
        _empty(group)
        group.rmdir()


def _empty(group: Path) -> None:
    """Kill what is left in a control group; none of it can hide."""
    while left := (group / "cgroup.procs").read_text().split():
        for one in left:
            _kill(int(one))
        time.sleep(_LOOK_S)


def _readable(command: Sequence[str], project: Path) -> list[Path]:
    """Folders outside the project that the command's interpreter needs."""
    folders = {Path(sys.prefix), Path(sys.base_prefix)}
    found = shutil.which(
        command[0], path=f"{Path(sys.prefix, 'bin')}{os.pathsep}{os.environ.get('PATH', '')}"
    )
    if found is not None:
        folders |= {Path(found).absolute().parents[1], Path(found).resolve().parents[1]}
    private = {Path("/"), Path.home(), Path(tempfile.gettempdir())}
    return sorted(folders - private - {project})


def _bubblewrap(
    project: Path, readable: Sequence[Path], changed: Mapping[Path, str], place: Path
) -> list[str]:
    arguments = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    arguments += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", str(_HOME)]
    for folder in (*_SYSTEM, *map(str, readable), str(project), str(Path(__file__).parent)):
        arguments += ["--ro-bind-try", folder, folder]
    opened = _opened(project, changed)
    # A new file needs a folder that can be written to: one of our own with the same entries.
    for new in opened:
        arguments += ["--tmpfs", str(new)]
        for entry in new.iterdir() if new.is_dir() else ():
            if entry not in opened:
                arguments += ["--ro-bind-try", str(entry), str(entry)]
    for number, (path, text) in enumerate(changed.items()):
        instead = place / f"changed-{number}"
        instead.write_text(text, encoding="utf-8", newline="")
        arguments += ["--ro-bind", str(instead), str(path)]
    for new in opened:
        arguments += ["--remount-ro", str(new)]
    return [*arguments, "--remount-ro", "/", "--chdir", str(project), "--"]


def _opened(project: Path, changed: Mapping[Path, str]) -> list[Path]:
    """The folders of the project, outermost first, on the way to files that are not there yet."""
    found = set()
    for path in changed:
        if not path.exists():
            found |= {folder for folder in path.parents if folder.is_relative_to(project)}
    return sorted(found, key=lambda folder: len(folder.parts))


def _launch(plan: sandbox_launcher.Plan, command: Sequence[str]) -> list[str]:
    return [sys.executable, "-I", "-S", sandbox_launcher.__file__, plan.encode(), *command]


def _environment(home: Path) -> dict[str, str]:
    """Nothing of the user's but the search path: variables hold tokens."""
    path = f"{Path(sys.prefix, 'bin')}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {
        "PATH": path,
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
    }


def _watch(process: subprocess.Popen[bytes], limits: Limits, should_stop: Callable[[], bool]) -> str:
    """Wait; why it has to be stopped, "" when it ended by itself."""
    deadline_s = time.monotonic() + limits.wall_s
    while process.poll() is None:
        if should_stop():
            return "cancelled"
        if time.monotonic() > deadline_s:
            return "time"
        begin_s = time.monotonic()
        family = _family(process.pid)
        if len(family) > limits.processes:
            return "processes"
        if sum(family.values()) > limits.memory_mb:
            return "memory"
        time.sleep(max(_LOOK_S, 4 * (time.monotonic() - begin_s)))  # looking must not be the work
    return ""


def _family(root: int) -> dict[int, float]:
    """Resident MiB of the process and of all that descend from it."""
    children: dict[int, list[int]] = {}
    resident: dict[int, float] = {}
    page_mb = os.sysconf("SC_PAGE_SIZE") / 2**20
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended
            children.setdefault(int(fields[1]), []).append(int(entry))
            resident[int(entry)] = int(fields[21]) * page_mb
    found, unseen = {}, [root]
    while unseen:
        one = unseen.pop()
        found[one] = resident.get(one, 0.0)
        unseen += children.get(one, [])
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left. The first of a process namespace takes all others with it; elsewhere they are looked for."""
    while True:
        family = _family(process.pid) if process.poll() is None else {}
        for one in family:
            _kill(one)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
            break
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _outcome(code: int, reason: str, output: IO[bytes], missing: tuple[str, ...]) -> Outcome:
    text = _tail(output)
    if not reason and code in (-signal.SIGXCPU, 128 + signal.SIGXCPU):
        reason = "time"
    status: Literal["passed", "failed", "stopped"] = (
        "stopped" if reason else "passed" if code == 0 else "failed"
    )
    return Outcome(status, code, text, reason, missing)


def _tail(output: IO[bytes]) -> str:
    output.seek(max(0, output.seek(0, os.SEEK_END) - _OUTPUT_BYTES))
    return output.read().decode("utf-8", "replace")
