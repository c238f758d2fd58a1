"""What the benchmarks of generated tests need of the heldout-dev repositories, for a machine without git:
``python -m benchmarks.testgen_pack OUT.tar.xz REPOSITORY… [--fixes FIXES.jsonl]``.

The archive has, of each repository, the files of the manifest's commit and of the commits of its fixes, without
people's tests; each version of a file once. Unpacked, it is a folder for CODEWORLD_MIRROR.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

IS_TEST = re.compile(r"tests?|test_\w+\.py|\w+_test\.py|conftest\.py")
CODE = (".py", ".pyi", ".toml", ".cfg", ".ini")
MOST_BYTES = 20_000  # of what is not code: data files are not asked for


def holds(mirror: Path, commit: str) -> bool:
    return (mirror / "trees" / commit).exists()


def unpack(mirror: Path, commit: str, root: Path) -> None:
    """The commit's files in ``root``; what is there and is the same stays untouched, with what was compiled of it."""
    lines = (mirror / "trees" / commit).read_text().splitlines()
    wanted = {path: blob for blob, path in (line.split("\t", 1) for line in lines)}
    index = root.with_name(f"{root.name}.index")
    there: dict[str, str] = json.loads(index.read_text()) if index.exists() else {}
    for path in there.keys() - wanted.keys():
        (root / path).unlink(missing_ok=True)
    for path, blob in wanted.items():
        if there.get(path) != blob:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes((mirror / "blobs" / blob).read_bytes())
    index.write_text(json.dumps(wanted))


def tree(git: list[str], commit: str) -> Iterator[tuple[str, str]]:
    """``(path, blob)`` of what is packed."""
    listed = subprocess.run([*git, "ls-tree", "-r", "-l", "-z", commit], capture_output=True, check=True)
    for line in listed.stdout.decode().split("\0")[:-1]:
        told, path = line.split("\t", 1)
        _, kind, blob, size = told.split()
        small = size.isdigit() and int(size) <= MOST_BYTES
        is_test = any(IS_TEST.fullmatch(part) for part in path.split("/"))
        if kind == "blob" and not is_test and (path.endswith(CODE) or small):
            yield path, blob


def contents(git: list[str], blobs: list[str]) -> Iterator[bytes]:
    asked = "".join(f"{one}\n" for one in blobs).encode()
    answer = io.BytesIO(
        subprocess.run([*git, "cat-file", "--batch"], input=asked, capture_output=True, check=True).stdout
    )
    for _ in blobs:
        size = int(answer.readline().split()[2])
        yield answer.read(size)
        answer.read(1)


def pack(archive: tarfile.TarFile, name: str, git: list[str], commits: list[str]) -> None:
    home = name.replace("/", "+")
    blobs: dict[str, str] = {}

    def add(path: str, data: bytes) -> None:
        member = tarfile.TarInfo(f"{home}/{path}")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))

    for commit in commits:
        found = sorted(tree(git, commit))
        add(f"trees/{commit}", "".join(f"{blob}\t{path}\n" for path, blob in found).encode())
        blobs |= {blob: path for path, blob in found}
    order = sorted(blobs, key=lambda one: blobs[one])  # versions of a file beside each other: they compress
    for blob, data in zip(order, contents(git, order), strict=True):
        add(f"blobs/{blob}", data)


def main() -> None:
    from benchmarks.testgen_functions import MANIFEST, MIRROR

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("repositories", nargs="+")
    parser.add_argument("--fixes", type=Path, help="of benchmarks.mine_fixes")
    options = parser.parse_args()
    lines = options.fixes.read_bytes().splitlines() if options.fixes else []
    fixes = [json.loads(line) for line in lines]
    rows = {row[0]: row for row in (line.split("\t") for line in MANIFEST.read_text().splitlines())}
    with tarfile.open(options.out, "w:xz", preset=9) as archive:
        for name in options.repositories:
            heads = [*(MIRROR / name.replace("/", "+")).glob("*/HEAD")]
            git = ["git", f"--git-dir={os.path.realpath(heads[0].parent)}"]
            commits = [rows[name][3], *(one["commit"] for one in fixes if one["repo"] == name)]
            pack(archive, name, git, [*dict.fromkeys(commits)])


if __name__ == "__main__":
    main()
