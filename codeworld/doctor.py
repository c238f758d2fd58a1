"""``codeworld doctor``: what this machine has, what works, how fast it is, and what is degraded and why."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from codeworld import sandbox_probe
from codeworld.backend import open_model
from codeworld.canvas import InfillRequest
from codeworld.engine import spawn
from codeworld.engine.client import EngineClient, EngineUnavailable
from codeworld.engine.paths import RuntimeDirectoryError, crash_path, socket_path
from codeworld.engine.protocol import EngineStatus
from codeworld.errors import CommandError

_SELF_TEST = InfillRequest(prefix="def add(a, b):\n    return ", suffix="\n", path="add.py")
_SELF_TEST_RUNS = 5
_WEIGHTS = Path(__file__).parent / "model" / "weights"


class Device(msgspec.Struct, frozen=True):
    """One processor the model can run on; ``memory_mb`` is its own memory, 0 where unknown."""

    name: str
    kind: str
    memory_mb: int = 0


class Torch(msgspec.Struct, frozen=True):
    """``cpu_capability`` is the widest instruction set torch's kernels use here."""

    version: str
    cuda: str
    cpu_capability: str
    threads: int
    bf16: bool


class ModelFile(msgspec.Struct, frozen=True):
    """One file of the checkpoint."""

    name: str
    bytes: int
    sha256: str


class SelfTest(msgspec.Struct, frozen=True):
    """A small completion through the engine: milliseconds to a ready model, then the median of some runs."""

    ready_ms: float
    p50_ms: float
    device: str
    model: str


class Report(msgspec.Struct, frozen=True):
    """Everything the doctor found; ``ok`` is false when completion does not work at all."""

    codeworld: str
    python: str
    platform: str
    torch: Torch | None
    devices: tuple[Device, ...]
    model_path: str
    model_files: tuple[ModelFile, ...]
    engine_socket: str
    engine: EngineStatus | None
    sandbox: sandbox_probe.Sandbox
    self_test: SelfTest | None
    degraded: tuple[str, ...]
    ok: bool


def examine(*, self_test: bool) -> Report:
    """Look at everything. ``self_test`` starts the engine when none runs and times completions through it."""
    degraded: list[str] = []
    torch, devices = _torch(degraded)
    folder = Path(os.environ.get("CODEWORLD_MODEL") or _WEIGHTS)
    files = _model_files(folder)
    if not files:
        degraded.append(f"no model in {folder}: nothing can be completed")
    sandbox = sandbox_probe.probe()
    degraded += sandbox.missing()
    timed = _self_test(degraded) if self_test and files and torch else None
    degraded += _crashes()
    return Report(
        codeworld=_version(),
        python=platform.python_version(),
        platform=platform.platform(),
        torch=torch,
        devices=devices,
        model_path=str(folder),
        model_files=files,
        engine_socket=_socket(degraded),
        engine=_engine_status(),
        sandbox=sandbox,
        self_test=timed,
        degraded=tuple(degraded),
        ok=bool(torch and files and (timed or not self_test)),
    )


def show(console: Console, report: Report) -> None:
    """Print the report, one fact a line, what is degraded last."""
    row = _printer(console)
    row("codeworld", f"{report.codeworld}, Python {report.python}, {report.platform}")
    if found := report.torch:
        bf16 = "bf16" if found.bf16 else "no bf16"
        row("torch", f"{found.version}, CPU {found.cpu_capability} ({bf16}), {found.threads} threads")
    for device in report.devices:
        row(device.kind, f"{device.name}" + (f", {device.memory_mb} MB" if device.memory_mb else ""))
    size_mb = sum(file.bytes for file in report.model_files) / 1e6
    row("model", f"{report.model_path}, {len(report.model_files)} files, {size_mb:.1f} MB")
    for file in report.model_files:
        row("", f"{file.sha256[:16]}  {file.bytes / 1e6:7.2f} MB  {file.name}")
    row("engine", f"{_engine_line(report.engine)} ({report.engine_socket})")
    row("sandbox", report.sandbox.describe())
    if timed := report.self_test:
        row("self-test", f"{timed.p50_ms:.0f} ms on {timed.device}, ready after {timed.ready_ms:.0f} ms")
    for line in report.degraded or ("nothing",):
        row("degraded", line)


def _printer(console: Console) -> Callable[[str, str], None]:
    return lambda name, value: console.print(
        f"[bold]{name:>10}[/bold]  ", Text(value), sep="", soft_wrap=True
    )


def _engine_line(status: EngineStatus | None) -> str:
    if status is None:
        return "not running; starts on demand"
    line = (
        f"{status.state}, process {status.pid}, {status.resident_mb:.0f} MB, {status.served} requests served"
    )
    return f"{line}; {status.detail}" if status.detail else line


def _version() -> str:
    try:
        return importlib.metadata.version("codeworld")
    except importlib.metadata.PackageNotFoundError:
        return "not installed (run from its source)"


def _torch(degraded: list[str]) -> tuple[Torch | None, tuple[Device, ...]]:
    try:
        import torch

        from codeworld.model import quantised
    except ImportError as error:
        degraded.append(f"torch cannot be imported: {error}")
        return None, ()
    devices = [Device(cpu_name(), "cpu")]
    for i in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(i)
        devices.append(Device(properties.name, "cuda", properties.total_memory // 1_000_000))
    if len(devices) == 1:
        degraded.append("no GPU that torch can use: the model runs on the CPU")
        if not quantised.supported():
            degraded.append("this torch has no int8 matrix product here: the model runs in fp32, slower")
    found = Torch(
        str(torch.__version__),
        torch.version.cuda or "",
        torch.backends.cpu.get_cpu_capability(),
        torch.get_num_threads(),
        _cpu_has_bf16(),
    )
    return found, tuple(devices)


def _model_files(folder: Path) -> tuple[ModelFile, ...]:
    """The checkpoint's files, or nothing where there are no weights."""
    if not any(folder.glob("*.safetensors")):
        return ()
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file():
            with path.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            found.append(ModelFile(path.name, path.stat().st_size, digest))
    return tuple(found)


def _self_test(degraded: list[str]) -> SelfTest | None:
    begin = time.perf_counter()
    try:
        with open_model() as model:
            ready_ms = 1e3 * (time.perf_counter() - begin)
            latencies = []
            for _ in range(_SELF_TEST_RUNS):
                begin = time.perf_counter()
                model.infill(_SELF_TEST)
                latencies.append(1e3 * (time.perf_counter() - begin))
    except CommandError as error:
        degraded.append(f"the self-test failed: {error}")
        return None
    return SelfTest(round(ready_ms, 1), round(statistics.median(latencies), 1), model.device, model.name)


def _socket(degraded: list[str]) -> str:
    try:
        return str(socket_path())
    except RuntimeDirectoryError as error:
        degraded.append(str(error))
        return ""


def _crashes() -> list[str]:
    with contextlib.suppress(RuntimeDirectoryError):  # told with the socket
        if count := spawn.crashes():
            minutes = spawn.CRASH_WINDOW_S / 60
            return [f"the engine crashed in the last {minutes:.0f} minutes ({count}×), see {crash_path()}"]
    return []


def _engine_status() -> EngineStatus | None:
    """What the running engine says; None when none runs (none is started)."""
    try:
        with EngineClient(spawn=False) as client:
            return client.status()
    except EngineUnavailable:
        return None


def _cpu_lines(key: str) -> str:
    """The first value of ``key`` in /proc/cpuinfo, or nothing where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(key)), "")


def cpu_name() -> str:
    """This machine's processor."""
    return f"{_cpu_lines('model name') or platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def _cpu_has_bf16() -> bool:
    flags = (_cpu_lines("flags") or _cpu_lines("Features")).split()
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(flags))
