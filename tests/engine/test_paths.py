from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from codeworld.engine import paths


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODEWORLD_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


def test_override_comes_first_and_is_made_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEWORLD_RUNTIME_DIR", str(tmp_path / "a" / "b"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = paths.runtime_dir()
    assert found == tmp_path / "a" / "b"
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    assert {paths.socket_path().parent, paths.lock_path().parent, paths.log_path().parent} == {found}


def test_session_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert paths.runtime_dir() == tmp_path / "codeworld"


@pytest.mark.parametrize("session", [None, "", "/nonexistent/run/user"])
def test_fallback(session: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if session is not None:
        monkeypatch.setenv("XDG_RUNTIME_DIR", session)
    assert paths.runtime_dir() == Path(f"/tmp/codeworld-{os.geteuid()}")


def test_session_directory_of_somebody_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    try:
        with pytest.raises(paths.RuntimeDirectoryError, match="not a directory owned by user 54321"):
            paths.runtime_dir()
    finally:
        os.rmdir("/tmp/codeworld-54321")
    assert not (tmp_path / "codeworld").exists()


def test_too_open_directory_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEWORLD_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o755)
    assert stat.S_IMODE(paths.runtime_dir().stat().st_mode) == 0o700


def test_directory_others_could_have_written_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEWORLD_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o777)
    with pytest.raises(paths.RuntimeDirectoryError, match="writable by others"):
        paths.runtime_dir()


def test_link_and_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").touch()
    for name in ("link", "file", "file/below"):
        monkeypatch.setenv("CODEWORLD_RUNTIME_DIR", str(tmp_path / name))
        with pytest.raises(paths.RuntimeDirectoryError):
            paths.runtime_dir()


def test_too_long_for_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEWORLD_RUNTIME_DIR", str(tmp_path / ("x" * 100)))
    with pytest.raises(paths.RuntimeDirectoryError, match="too long"):
        paths.socket_path()


def test_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert paths.is_own_peer(one)
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
        assert not paths.is_own_peer(one)
        monkeypatch.delattr(socket, "SO_PEERCRED")
        assert paths.is_own_peer(one)
