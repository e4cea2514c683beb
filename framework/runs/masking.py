"""Mask secrets before they are written to a run's folder, which may be copied and published."""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

MASK = "***"
# A token alone is one, but not pad_token, token_ids, tokenizer or tokens.
SECRET = re.compile(
    r"secret|passw(?:or)?d|passphrase|credential|jwt|authorization|private[_-]?key|"
    r"(?:access|api|auth|bearer|bot|refresh|session|user)[_-]?(?:key|token)|"
    r"(?:hub|hf|huggingface|gh|github|gitlab|wandb|neptune|comet|openai|slack)[_-]?(?:key|token)|"
    r"(?<!\w)(?<!\w-)token(?!\w|-\w)",
    re.IGNORECASE,
)
HINTS = ("auth", "credential", "jwt", "key", "pass", "secret", "token")  # in each secret's name
# A secret's name, = or :, also after a type, and the value, in quotes or up to the next space. A
# name has a limit, and a URL begins with a word: long lines without spaces would take quadratic
# time.
ASSIGNED = re.compile(
    rf"""((?:{SECRET.pattern})\w{{0,60}}["'\]]*\s*"""
    r"""(?::\s*(?:str|bytes)(?:\s*\|\s*None)?\s*=|[=:])\s*)"""
    r"""(?:[bfru]{0,2}(?:"[^"\n]*"|'[^'\n]*')|[\[(][^\])\n]{0,500}[\])]|"""
    r"""(?:(?:bearer|basic|token)[ ])?[^\s"',]+)""",
    re.IGNORECASE,
)
# "host=x password=abc", as databases take it; not "password={}" or "password=%s".
IN_TEXT = re.compile(r"""(\bpass(?:word|wd|phrase)=)([^\s{}%*&;,'"<>]+)""", re.IGNORECASE)
IN_URL = re.compile(r"(\b\w+://[^\s/:@]*):[^\s/@]+@")


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Return whether a setting's name suggests a secret value.

    Examples
    --------
    >>> from firstlight.runs.masking import is_secret
    >>> is_secret("HF_TOKEN"), is_secret("api_key"), is_secret("tokenizer"), is_secret("pad_token")
    (True, True, False, False)
    """
    return _may_hold_secrets(str(name)) and SECRET.search(str(name)) is not None


def masked(value: Any) -> Any:
    """Return nested settings with ``***`` for values of secret names and passwords in texts.

    Examples
    --------
    >>> from firstlight.runs.masking import masked
    >>> masked({"data": {"url": "https://me:abc@host/x", "api_key": "abc"}, "n": 3})
    {'data': {'url': 'https://me:***@host/x', 'api_key': '***'}, 'n': 3}
    """
    if isinstance(value, str):
        if "=" in value:
            value = IN_TEXT.sub(rf"\1{MASK}", value)
        return IN_URL.sub(rf"\1:{MASK}@", value) if "://" in value else value
    if isinstance(value, dict):
        return {n: MASK if is_secret(n) and v is not None else masked(v) for n, v in value.items()}
    return [masked(item) for item in value] if isinstance(value, (list, tuple)) else value


def masked_json(value: Any) -> str:
    """Return nested settings as JSON, masked as `masked` does.

    Few settings hold anything that may be a secret, and a text is searched in a tenth of the time.
    """
    text = json.dumps(value)
    suspect = _may_hold_secrets(text) or "://" in text or "\\u" in text  # letters beyond ASCII
    return json.dumps(masked(value)) if suspect else text


def _may_hold_secrets(text):
    text = text.casefold()
    return any([hint in text for hint in HINTS])


def masked_text(text: str) -> str:
    """Return a text, e.g. code, with ``***`` for values that are assigned to secret names.

    Examples
    --------
    >>> from firstlight.runs.masking import masked_text
    >>> masked_text('+API_KEY = "abc"  # mine')
    '+API_KEY = ***  # mine'
    >>> masked_text("fit --data.auth_token=abc --seed 1")
    'fit --data.auth_token=*** --seed 1'
    """
    if "=" not in text and ":" not in text:
        return text
    return ASSIGNED.sub(rf"\1{MASK}", IN_URL.sub(rf"\1:{MASK}@", text))


def masked_words(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with secrets masked, in ``--key=abc`` and ``--key abc``.

    Examples
    --------
    >>> from firstlight.runs.masking import masked_words
    >>> masked_words(["fit", "--api-key", "abc", "--data.password=x", "--seed", "1"])
    ['fit', '--api-key', '***', '--data.password=***', '--seed', '1']
    """
    found = []
    for word in words:
        before = found[-1] if found else ""
        is_value = before.startswith("-") and "=" not in before and is_secret(before)
        found.append(MASK if is_value else masked_text(word))
    return found
