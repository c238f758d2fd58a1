"""The rules of ARCHITECTURE.md that a linter cannot see, and those it can in a form that runs with the tests."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "transformers", "triton", "safetensors")
TORCH_FREE = (
    "lsp_server.server",
    "codeworld.canvas",
    "codeworld.cli",
    "codeworld.complete",
    "codeworld.context.budget",
    "codeworld.context.ignore",
    "codeworld.context.retrieval",
    "codeworld.context.secrets",
    "codeworld.engine.client",
    "codeworld.engine.protocol",
    "codeworld.ranking",
    "codeworld.repair.repair",
    "codeworld.summary.check",
    "codeworld.summary.summarize",
    "codeworld.syntax.document",
    "codeworld.testgen.generate",
    "codeworld.verify.checks",
    "codeworld.verify.sandbox",
    "textdiff.commit.message",
    "textdiff.docstring.document",
)
PACKAGES = ("codeworld", "kernels", "lsp_server", "textdiff")


def in_fresh_process(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("module", TORCH_FREE)
def test_torch_is_never_loaded_by(module: str) -> None:
    script = f"import sys, {module}; sys.exit(' '.join({set(HEAVY)} & set(sys.modules)) or 0)"
    done = in_fresh_process(script)
    assert done.returncode == 0, done.stderr


def test_import_contracts() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(lint), "--no-cache"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_package_files_are_empty() -> None:
    files = [path for path in sources(*PACKAGES) if path.name == "__init__.py"]
    assert len(files) > 5
    assert not [path for path in files if path.read_text(encoding="utf-8").strip()]


def test_files_can_be_read_in_one_sitting() -> None:
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in sources(*PACKAGES)}
    assert not {str(path): count for path, count in lines.items() if count > 450}


def test_folders_are_at_most_two_levels_deep_and_names_say_something() -> None:
    empty_words = ("util", "helper", "manager", "service", "misc", "common")
    for path in sources(*PACKAGES):
        relative = path.relative_to(ROOT)
        assert len(relative.parts) <= 3, relative
        assert not [word for word in empty_words if word in path.stem], relative


def test_the_name_kernels_is_ours() -> None:
    """The package index has another project of that name, which transformers looks for by import name."""
    found = importlib.util.find_spec("kernels")
    places = list(found.submodule_search_locations or ()) if found else []
    assert not [place for place in places if Path(place) != ROOT / "kernels"]
    package = ROOT / "kernels" / "__init__.py"
    if package.exists():
        assert found is not None
        assert found.origin == str(package)


def test_transformers_still_imports_beside_our_kernels() -> None:
    if importlib.util.find_spec("transformers") is None:
        pytest.skip("transformers is not installed")
    done = in_fresh_process("import transformers; from transformers import AutoTokenizer, PreTrainedModel")
    assert done.returncode == 0, done.stderr
