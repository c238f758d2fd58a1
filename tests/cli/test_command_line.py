from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import Codeworld

ROOT = Path(__file__).parents[2]
COMMANDS = ("lsp", "complete", "infill", "doctor", "bench", "eval", "train")


def test_help_lists_the_commands_and_loads_nothing_heavy() -> None:
    script = (
        "import sys; from codeworld.cli import run; code = run(['--help']);"
        "heavy = {'torch', 'pygls', 'git', 'tree_sitter', 'codeworld.complete'} & set(sys.modules);"
        "sys.exit(code or (f'loaded {heavy}' if heavy else 0))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert all(f" {command} " in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", ["lsp", "complete", "infill", "doctor", "bench", "train"])
def test_each_command_has_help(codeworld: Codeworld, command: str) -> None:
    outcome = codeworld(command, "--help")
    assert outcome.code == 0
    assert "Usage" in outcome.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["complete"],
        ["complete", "a.py:1:1", "--treshold", "1"],
        ["complete", "a.py:1:1", "--threshold", "2"],
        ["complete", "none.py:1:1"],
        ["complete", "a.py"],
        ["infill", "none.jsonl", "out.jsonl"],
        ["infill", "none.jsonl"],
        ["bench", "--count", "0"],
        ["train", "none.toml"],
        ["fly"],
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(codeworld: Codeworld, arguments: list[str]) -> None:
    outcome = codeworld(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("codeworld: ")
    assert outcome.err.count("\n") == 1


def test_the_installed_module_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "codeworld", "complete", "none.py:1:1"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "codeworld: none.py: No such file or directory\n"
