"""Literals that look like credentials: masked in what a model reads, refused in what it writes.

The rules are those that secret scanners agree on (issuers' own prefixes, key blocks, assignments to telling names);
for the last kind only literals count, so ``password = os.environ["PW"]`` is left alone.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

MASK = "x"
_MIN_ENTROPY_BITS = (
    3.5  # per character: random hexadecimal has up to 4, base64 up to 6, English words under 3
)
_MIN_RANDOM_CHARS = 16

# What issuers made recognisable: characters that must occur (a cheap test first), and the whole secret.
_ISSUED: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (needles, re.compile(pattern))
    for needles, pattern in (
        (
            ("PRIVATE KEY",),
            r"-----BEGIN[ A-Z0-9]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
            r"(?:-----END[ A-Z0-9]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
        ),
        (
            ("AKIA", "ASIA", "ABIA", "ACCA", "AROA", "AIDA"),
            r"\b(?:A(?:KI|SI|BI|RO|ID)A|ACCA)[A-Z2-7]{16}\b",
        ),  # Amazon
        (("AIza",), r"AIza[\w-]{35}"),  # Google
        (("ya29.",), r"ya29\.[\w-]{20,}"),
        (("GOCSPX-",), r"GOCSPX-[\w-]{20,}"),
        (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\bgh[pousr]_[A-Za-z0-9]{36,}"),  # GitHub
        (("github_pat_",), r"github_pat_\w{50,}"),
        (("glpat-", "glptt-", "glrt-", "gldt-"), r"\bgl(?:pat|ptt|rt|dt)-[\w-]{20,}"),  # GitLab
        (("xox",), r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),  # Slack
        (("xapp-",), r"\bxapp-\d-[A-Za-z0-9-]{20,}"),
        (("hooks.slack.com/",), r"hooks\.slack\.com/services/T\w+/B\w+/\w{20,}"),
        (("sk-",), r"\bsk-(?:ant-|proj-|svcacct-)?(?=[\w-]*\d)[\w-]{20,}"),  # OpenAI, Anthropic
        (("k_live_", "k_test_"), r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),  # Stripe
        (("whsec_",), r"\bwhsec_[A-Za-z0-9]{24,}"),
        (("hf_",), r"\bhf_[A-Za-z0-9]{30,}"),  # Hugging Face
        (("npm_",), r"\bnpm_[A-Za-z0-9]{36}"),
        (("pypi-",), r"\bpypi-[\w-]{40,}"),
        (("SG.",), r"\bSG\.[\w-]{16,}\.[\w-]{16,}"),  # SendGrid
        (("key-",), r"\bkey-[0-9a-f]{32}\b"),  # Mailgun
        (("dop_v1_",), r"\bdop_v1_[0-9a-f]{64}\b"),  # DigitalOcean
        (("dapi",), r"\bdapi[0-9a-f]{32}\b"),  # Databricks
        (("shpat_", "shpss_", "shpca_", "shppa_"), r"\bshp(?:at|ss|ca|pa)_[0-9a-fA-F]{32}\b"),  # Shopify
        (("AGE-SECRET-KEY-",), r"AGE-SECRET-KEY-1[0-9A-Z]{58}\b"),
        ((":AA",), r"\b\d{8,10}:AA[\w-]{33}\b"),  # Telegram
        (("eyJ", "eyI"), r"\bey[IJ][\w-]{10,}\.e[wy][\w-]{10,}\.[\w-]{10,}"),  # JSON web token
    )
)
_IN_URL = re.compile(r"://[^\s:/@\"'<>{}]*:(?P<value>[^\s:/@\"'<>{}$%]{3,})@")
_QUOTED = r"""(?:[rbfu]{0,2})(?P<quote>["'])(?P<value>(?:\\.|(?!(?P=quote))[^\\\n]){4,})(?P=quote)"""
_ASSIGNED = r"""["']?\]?\s*(?::\s*[\w.\[\]| ]+?\s*)?(?:=|:|=>|,)\s*"""
# Telling names, in lower case. Each is searched for by itself, which is faster than one pattern, before a look at what
# follows it.
_PASSWORDS = ("password", "passwd", "pwd", "passphrase")
_NAMES = (
    *_PASSWORDS,
    *("secret", "token", "auth", "credential"),
    *(
        f"{kind}{joint}key"
        for kind in ("api", "access", "private", "signing", "account")
        for joint in ("", "_")
    ),
)
_VALUE = re.compile(rf"(?P<more>\w*){_ASSIGNED}{_QUOTED}")
_MASKED = re.compile(rf"{MASK}{{8,}}")

# What stands for a secret without being one: a template, the name of a variable, a sentence.
_PLACEHOLDER = re.compile(r"[<{%$*].*|.*[{}<>\s].*|[A-Z][A-Z0-9_]*|(.)\1*|.*\$\(.*", re.DOTALL)


def find(text: str) -> list[tuple[int, int]]:
    """Character ranges [start, end) of secrets, ascending and apart."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(_all(text)):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def mask(text: str) -> str:
    """``text`` with every character of a secret replaced by MASK; of the same length, its line ends kept."""
    parts: list[str] = []
    at = 0
    for start, end in find(text):
        parts += text[at:start], re.sub(r"[^\r\n]", MASK, text[start:end])
        at = end
    return "".join([*parts, text[at:]])


def has_secret(text: str) -> bool:
    """Whether ``text`` holds anything that ``mask`` would hide."""
    return bool(find(text))


def is_masked(text: str) -> bool:
    """Whether ``text`` holds what ``mask`` leaves of a secret."""
    return _MASKED.search(text) is not None


def _all(text: str) -> Iterator[tuple[int, int]]:
    for needles, pattern in _ISSUED:
        if any(needle in text for needle in needles):
            yield from (match.span() for match in pattern.finditer(text))
    for match in _IN_URL.finditer(text):
        if not _PLACEHOLDER.fullmatch(match["value"]):
            yield match.span("value")
    lowered = text.lower()
    # A few letters are longer in lower case; then the offsets would not hold.
    lowered = lowered if len(lowered) == len(text) else text
    for name in _NAMES:
        for end in _ends(lowered, name):
            value = _VALUE.match(text, end)
            if value is None or _PLACEHOLDER.fullmatch(value["value"]):
                continue
            if (name in _PASSWORDS and not value["more"]) or _is_random(value["value"]):
                yield value.span("value")


def _ends(text: str, name: str) -> Iterator[int]:
    """Where each occurrence of ``name`` ends."""
    at = text.find(name)
    while at >= 0:
        yield at + len(name)
        at = text.find(name, at + len(name))


def _is_random(value: str) -> bool:
    """Long, not made of words, and as varied as keys are."""
    if len(value) < _MIN_RANDOM_CHARS or not re.search(r"\d", value) or not re.search(r"[A-Za-z]", value):
        return False
    counts = Counter(value)
    entropy_bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    return entropy_bits >= _MIN_ENTROPY_BITS * min(1.0, math.log2(len(value)) / 5)
