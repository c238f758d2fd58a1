"""Which files may be read at all: not what git ignores, not what looks like a secret, not what is no text.

``.gitignore`` and ``.codeworldignore`` (the same syntax, read after it) hold for their folder and below, as in git:
deeper files win, and nothing under an ignored folder can be taken back. The rules built in here cannot be overruled.
"""

from __future__ import annotations

import stat
from pathlib import Path

from pathspec import GitIgnoreSpec

RULE_FILES = (".gitignore", ".codeworldignore")
MAX_BYTES = 1_000_000  # larger files are data
_SNIFFED_BYTES = 8_192  # where git, too, looks for a NUL byte

# Contents that are secret whatever git thinks of the file, and folders that are nobody's own code.
_NEVER = GitIgnoreSpec.from_lines(
    """
    .env*
    *.env
    .envrc
    *.pem
    *.key
    *.p8
    *.p12
    *.pfx
    *.pkcs12
    *.jks
    *.keystore
    *.kdbx
    *.gpg
    *.asc
    *.ovpn
    id_rsa*
    id_dsa*
    id_ecdsa*
    id_ed25519*
    .netrc
    _netrc
    .pgpass
    .pypirc
    .npmrc
    .htpasswd
    .git-credentials
    .dockercfg
    .docker/config.json
    .aws/
    .ssh/
    .gnupg/
    .kube/config
    credentials
    credentials.json
    secrets.json
    secrets.toml
    secrets.y*ml
    secrets.ini
    *.tfstate*
    .git/
    .hg/
    .svn/
    node_modules/
    __pycache__/
    .venv/
    venv/
    .tox/
    .nox/
    site-packages/
    """.replace("    ", "").splitlines()
)


class IgnoreRules:
    """The rules of one workspace. Rule files are read once: make new rules when ``is_rule_file`` says one changed."""

    def __init__(self, root: Path, top: Path) -> None:
        self.root = root
        self._top = top  # where rules begin: the git work tree may reach above the workspace
        self._resolved_top = top.resolve()
        self._specs: dict[Path, GitIgnoreSpec | None] = {}
        self._ignored_folders: dict[Path, bool] = {top: False}

    @classmethod
    def for_root(cls, root: Path) -> IgnoreRules:
        """The rules for files under ``root`` (a folder), those of the git work tree around it included."""
        root = root.absolute()
        return cls(root, next((d for d in (root, *root.parents) if (d / ".git").exists()), root))

    @staticmethod
    def is_rule_file(path: Path) -> bool:
        """Whether a change of this file changes the rules."""
        return path.name in RULE_FILES or (path.name == "exclude" and path.parent.name == "info")

    def allows(self, path: Path) -> bool:
        """Whether this file or folder may be read; relative paths are under the root.

        A file that does not exist (not saved yet) is judged by its name. Outside the root only the rules built in
        hold, but a link from inside to outside is refused.
        """
        path = self.root / path
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError):  # a link that leads to itself
            return False
        if path.is_relative_to(self._top):
            if not resolved.is_relative_to(self._resolved_top) or self._ignored(path):
                return False
            named = {path.relative_to(self._top), resolved.relative_to(self._resolved_top)}
        else:
            named = {path.relative_to(path.anchor), resolved.relative_to(resolved.anchor)}
        if any(
            _NEVER.match_file(name.as_posix()) or _NEVER.match_file(f"{name.as_posix()}/") for name in named
        ):
            return False
        return _is_small_text(resolved)

    def _ignored(self, path: Path) -> bool:
        if path == self._top:
            return False
        parent = path.parent
        if parent not in self._ignored_folders:
            self._ignored_folders[parent] = self._ignored(parent)
        return self._ignored_folders[parent] or self._matches(path)

    def _matches(self, path: Path) -> bool:
        """The verdict of the deepest rule file that has one."""
        is_folder = path.is_dir()
        for folder in path.parents:
            spec = self._spec(folder)
            if spec is not None:
                name = path.relative_to(folder).as_posix() + ("/" if is_folder else "")
                verdict = spec.check_file(name).include
                if verdict is not None:
                    return verdict
            if folder == self._top:
                break
        return False

    def _spec(self, folder: Path) -> GitIgnoreSpec | None:
        if folder not in self._specs:
            files = [folder / ".git" / "info" / "exclude"] if folder == self._top else []
            lines = [
                line for file in (*files, *(folder / name for name in RULE_FILES)) for line in _lines(file)
            ]
            patterns = [line for line in lines if _is_pattern(line)]
            self._specs[folder] = GitIgnoreSpec.from_lines(patterns) if patterns else None
        return self._specs[folder]


def _is_pattern(line: str) -> bool:
    """Whether a line can be understood; git passes over the others, too (a lone "!", a backslash at the end)."""
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # most folders have none
        return []


def _is_small_text(path: Path) -> bool:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return True
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return False
        with path.open("rb") as file:
            return b"\0" not in file.read(_SNIFFED_BYTES)
    except FileNotFoundError:
        return True
    except OSError:
        return False
