"""What may be told of a value that somebody else chose: in logs, spans, traces, reports.

A server may put anything into an id, a code or a name: what was said, or a key that it was given. So
such a value is told as it is only if it is plainly what it should be; else it is refused
(:func:`named`), or a hash stands for it that is the same wherever the value is (:func:`shown`).
Shares nothing with what it is used by.
"""

from __future__ import annotations

import re
import secrets
from functools import lru_cache
from hashlib import blake2s

__all__ = ["known_message", "named", "plain", "short_shown", "shown", "without_keys"]

_LONGEST = 96  # characters of an id or a name
_ALLOWED = re.compile(r"[A-Za-z0-9][\w.:\-/]*\Z", re.ASCII)
_HASHED = re.compile(r"#[0-9a-f]{12}\Z")
#: Of this process, so that nobody can try what a hash may stand for.
_SECRET = secrets.token_bytes(16)

#: Beginnings that vendors give to their keys, wherever they stand, and what follows.
_VENDORS = re.compile(
    r"""
    eyJ[\w-]{5,}                                    # JSON in base64: tokens (JWT)
    | (?<![A-Za-z0-9])(?:sk|pk|rk|ek)[-_][\w-]{4,}  # OpenAI, Anthropic, Stripe, ElevenLabs and many
    | AIza[\w-]{10,} | ya29\.[\w-]{5,} | GOCSPX-[\w-]{5,} | (?<!\d)1//0[\w-]{8,}             # Google
    | (?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}                                               # Amazon
    | xai-[\w-]{8,} | gsk_\w{8,} | pplx-\w{8,} | nvapi-[\w-]{8,} | hf_\w{8,} | r8_\w{8,} | csk-\w{8,}
    | (?:ghp|gho|ghu|ghs|ghr|github_pat|glpat|gldt|npm|pypi|dop_v1|doo_v1|shp[a-z]{2}|sbp|lin_api|figd
        |pcsk|tvly|lsv2|whsec|rpa|fw|dg|secret)[-_][A-Za-z0-9][\w-]{9,}
    | xox[abeoprs]-[\w-]{5,} | xapp-[\w-]{5,} | SG\.[\w-]{5,}\.[\w-]{5,} | dapi[0-9a-f]{16,}
    | hvs\.[\w-]{8,} | (?<![A-Za-z0-9])(?:AC|SK)[0-9a-f]{32}
    | (?i:bearer)[-_\s:]+[\w.+/=-]{4,}
    | (?i:key|token|password|passwd|secret|authorization|basic)["']?\s*[:=]\s*["']?[^\s"']{4,}
    | -----BEGIN[ A-Z]+
    """,
    re.VERBOSE,
)
_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
#: Ids as providers, LiveKit and we make them: what follows the name is drawn at random, and no key is
#: that short, or of just that length.
_ID = re.compile(
    r"(?:(?:item|msg|message|resp|response|event|evt|call|fc|fco|func|rs|sess|session|conv|conversation"
    r"|turn|speech|mcp|mcpl|mcpr|mcpa|rt|gen|generation|input|output|user|assistant)(?P<more>(?:_[a-z]+)*)[-_]"
    rf"(?:(?!\d{{9}})[A-Za-z0-9]{{1,24}}|[0-9a-f]{{48,52}}|{_UUID})|{_UUID}|rfsm_[a-z]+_[0-9a-f]{{12}})\Z"
)
#: Vendors' keys that fit into one.
_WITHIN = re.compile(r"eyJ|AIza|A[KSBC][IC]A[A-Z0-9]{12}")
_PARTS = re.compile(r"[^A-Za-z0-9]+")
_DIGITS = re.compile(r"(?<!\d)\d{9,}(?!\d)")  # a card, a telephone
_ODD = re.compile(r"[a-z][A-Z]|[A-Za-z]\d|\d[A-Za-z]|[A-Z]{2}[a-z]")
_RANDOM = 16  # characters drawn at random: fewer are an id, more may be a key
_DIGIT = re.compile(r"\d", re.ASCII)
#: Where letters, capitals and digits change; a capital begins a word.
_CHANGE = re.compile(r"(?<=[a-z])[A-Z\d]|(?<=[A-Z])\d|(?<=\d)[A-Za-z]", re.ASCII)
#: Parts of a text within which a key may stand.
_TOKEN = re.compile(r"[A-Za-z0-9][\w.\-/+=]{15,}", re.ASCII)

#: Whole messages, by providers and by us, in which nothing but an id or a number differs. Some errors
#: have nothing else to be known by: code null (openai/openai-realtime-agents#3).
_MESSAGES = tuple(
    re.compile(pattern)
    for pattern in (
        r"Conversation already has an active response(?: in progress)?(?:: (?P<id>\S{1,96}?))?\.?(?: Wait until the response is finished before creating a new one\.)?",
        r"Cancellation failed: no active response found\.?",
        r"The server had an error while processing your request(?:\. Sorry about that!)?\.?",
        r"The server had an error processing your request\. Sorry about that!",
        r"Your session hit the maximum duration of \d{1,4} (?:minutes|hours)\.?",
        r"the connection (?:was lost|is dead|was replaced)",
    )
)


def plain(value: str) -> bool:
    """Whether a text is plainly an id, a code or a name: not words, not a key, not a token."""
    return 0 < len(value) <= _LONGEST and _plain(value)


def _is_plain(value: str) -> bool:
    found = _ID.match(value)
    if found is not None and not found["more"]:
        return not _WITHIN.search(value)
    if _HASHED.match(value):
        return True
    if not _ALLOWED.match(value) or _VENDORS.search(value):
        return False
    return found is not None or not (_DIGITS.search(value) or _random(value))


_plain = lru_cache(1024)(_is_plain)


def named(value: object) -> str | None:
    """A code or a name as it is; None for anything else."""
    return value if isinstance(value, str) and plain(value) else None


def shown(value: object) -> str:
    """An id or a name as it is, or ``#`` and a hash, which is the same for the same value as long as
    this process runs."""
    text = value if isinstance(value, str) else str(type(value).__name__)
    return short_shown(text) if len(text) <= _LONGEST else _hashed(text)


@lru_cache(1024)
def short_shown(text: str) -> str:
    """The same of a text that is no longer than an id."""
    return text if text and _is_plain(text) else _hashed(text)


def _hashed(text: str) -> str:
    digest = blake2s(text.encode("utf-8", "surrogatepass"), key=_SECRET, digest_size=6)
    return f"#{digest.hexdigest()}"


def known_message(value: object) -> str | None:
    """A message that is known, whole; None for any other: it may quote what was said."""
    if not isinstance(value, str) or len(value) > 400:
        return None
    for pattern in _MESSAGES:
        found = pattern.fullmatch(value)
        if found is not None:
            named_id = found.groupdict().get("id")
            return value if named_id is None or plain(named_id) else None
    return None


def without_keys(text: str) -> str:
    """Words without what looks like a key or a token."""
    return _without_keys(text) if len(text) <= _LONGEST else _all_without_keys(text)


def _all_without_keys(text: str) -> str:
    text = _VENDORS.sub("[key]", text)
    return _TOKEN.sub(lambda found: "[key]" if _key(found[0]) else found[0], text)


#: Most are ids and names, which come again and again.
_without_keys = lru_cache(1024)(_all_without_keys)


def _key(token: str) -> bool:
    return not _ID.match(token) and _random(token)


def _random(value: str) -> bool:
    """Whether so much of it is drawn at random that it may be a key, or it is a token's three parts."""
    parts = value.split(".")
    if sum(map(_mixed, parts)) >= _RANDOM:
        return True
    odd = [len(part) >= 4 and _ODD.search(part) is not None for part in parts]
    return any(all(odd[n : n + 3]) for n in range(len(odd) - 2))


def _mixed(text: str) -> int:
    """How many characters of it are in what is made neither of words nor of numbers."""
    return sum(len(part) for part in _PARTS.split(text) if not _worded(part))


def _worded(part: str) -> bool:
    """Whether it is a word, words written together, or a number: letters, capitals and digits hardly
    change in these."""
    changes = len(_CHANGE.findall(part))
    if _DIGIT.search(part):
        return changes <= 2
    return changes * 6 < len(part) or not part
