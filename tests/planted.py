"""Secrets that tests plant: made up at import, so that no scanner finds any in this repository."""

from __future__ import annotations

import random
import string
from typing import NamedTuple

_CHANCE = random.Random("planted")
_MIXED = string.ascii_letters + string.digits


class Planted(NamedTuple):
    """``secret`` must never be seen again; ``source`` is the Python that holds it."""

    name: str
    secret: str
    source: str


def _random(length: int, alphabet: str = _MIXED) -> str:
    body = "".join(_CHANCE.choice(alphabet) for _ in range(length - 3))
    return body + "A7q" if alphabet is _MIXED else body + alphabet[:3]


def _issued(name: str, secret: str) -> Planted:
    return Planted(name, secret, f"client.connect({secret!r})\n")


def _assigned(name: str, source: str, secret: str | None = None) -> Planted:
    secret = secret or _random(24)
    return Planted(name, secret, source.replace("@@", secret) + "\n")


_KEY_LINES = [_random(64) for _ in range(3)]
_UPPER = string.ascii_uppercase + "234567"
_HEX = "3f7a90c5d2e1b846"

PLANTED = [
    _issued("amazon", "AKIA" + _random(16, _UPPER)),
    _issued("google", "AIza" + _random(35)),
    _issued("github", "ghp_" + _random(36)),
    _issued("github-fine", "github_pat_" + _random(60)),
    _issued("gitlab", "glpat-" + _random(20)),
    _issued("slack", "xoxb-" + _random(24)),
    _issued("openai", "sk-proj-" + _random(40)),
    _issued("anthropic", "sk-ant-" + _random(40)),
    _issued("stripe", "sk_live_" + _random(24)),
    _issued("hugging-face", "hf_" + _random(34)),
    _issued("npm", "npm_" + _random(36)),
    _issued("python-index", "pypi-" + _random(60)),
    _issued("mail", "SG." + _random(22) + "." + _random(43)),
    _issued("databricks", "dapi" + _random(32, _HEX)),
    _issued("telegram", "123456789" + ":AA" + _random(33)),
    _issued("web-token", "eyJ" + _random(20) + ".eyJ" + _random(40) + "." + _random(43)),
    _assigned("password", 'password = "@@"', "Tr0ub4dor&3"),
    _assigned("password-in-dict", 'settings = {"passwd": "@@"}', "hunter2hunter2"),
    _assigned("password-argument", "login(user, password='@@')", "correct-horse"),
    _assigned("annotated", 'db_password: str = "@@"', "s3same-open"),
    _assigned("token", 'API_TOKEN = "@@"'),
    _assigned("secret-key", "SECRET_KEY = '@@'"),
    _assigned("access-key", 'os.environ["AWS_ACCESS_KEY"] = "@@"'),
    _assigned("header", 'headers = {"Authorization": "@@"}'),
    _assigned("url", 'engine = create_engine("postgresql://app:@@@db/app")', "pa55phrase"),
    *(
        Planted(f"key-block-{number}", line, f'KEY = """-----BEGIN {kind}PRIVATE KEY-----\n{line}\n'
        f'-----END {kind}PRIVATE KEY-----"""\n')
        for number, (kind, line) in enumerate(zip(("", "RSA ", "OPENSSH "), _KEY_LINES, strict=True))
    ),
]  # fmt: skip
