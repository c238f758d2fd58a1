from __future__ import annotations

import hashlib
import json
import os
import signal
from pathlib import Path

import pytest

from codeworld.engine import spawn
from codeworld.engine.client import EngineClient
from tests.cli.command import Codeworld


@pytest.mark.usefixtures("with_tiny_model", "runtime_dir")
def test_a_healthy_machine(codeworld: Codeworld, tiny_model: Path) -> None:
    outcome = codeworld("doctor", "--json")
    report = json.loads(outcome.out)
    assert outcome.code == 0, report["degraded"]
    assert report["ok"] is True
    assert report["model_path"] == str(tiny_model)
    assert {file["name"]: file["sha256"] for file in report["model_files"]} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tiny_model.iterdir()
    }
    assert report["self_test"]["p50_ms"] > 0
    assert report["engine"]["state"] == "ready"
    assert report["engine"]["served"] >= 5
    assert report["devices"][0]["kind"] == "cpu"


@pytest.mark.usefixtures("runtime_dir")
def test_no_model_is_reported_and_fails(
    codeworld: Codeworld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEWORLD_MODEL", str(tmp_path))
    outcome = codeworld("doctor", "--json")
    report = json.loads(outcome.out)
    assert (outcome.code, report["ok"], report["model_files"]) == (1, False, [])
    assert any("no model in" in line for line in report["degraded"])
    assert report["engine"] is None


@pytest.mark.usefixtures("runtime_dir")
def test_a_damaged_model_is_reported_and_fails(
    codeworld: Codeworld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model-0.safetensors").write_bytes(b"not safetensors")
    monkeypatch.setenv("CODEWORLD_MODEL", str(tmp_path))
    outcome = codeworld("doctor")
    assert outcome.code == 1
    assert "self-test failed" in outcome.out


@pytest.mark.usefixtures("with_tiny_model", "runtime_dir")
def test_a_crash_of_the_engine_is_reported(codeworld: Codeworld) -> None:
    with EngineClient() as client:
        os.kill(client.status().pid, signal.SIGKILL)
    for child in spawn._children:
        child.wait(30)
    report = json.loads(codeworld("doctor", "--json", "--no-self-test").out)
    assert [line for line in report["degraded"] if "the engine crashed" in line and "(1×)" in line]


@pytest.mark.usefixtures("with_tiny_model", "runtime_dir")
def test_without_a_self_test_no_engine_is_started(codeworld: Codeworld) -> None:
    outcome = codeworld("doctor", "--no-self-test")
    assert outcome.code == 0
    assert "not running" in outcome.out
