"""Why a file cannot be downloaded, read or written, in words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import RequestException

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DownloadError(OSError):
    """No mirror has a file, or none can be reached."""


@contextmanager
def explained(name: str, verb: str, advice: str, path: Path | None = None) -> Iterator[None]:
    """Say which file cannot be read or written, and what to do; by default the error's file."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno not in FULL:
            raise
        where = path or error.filename
        raise OSError(f"{name}: {where} cannot be {verb} ({error.strerror}); {advice}") from error


def wrong_content(path: Path) -> str:
    """Return what was downloaded instead of a file."""
    with path.open("rb") as content:
        page = content.read(64).lstrip()[:1] == b"<"
    kind = "a web page, such as the login of a network," if page else "another content"
    return f"it has {kind} of {path.stat().st_size:,} bytes, with a wrong checksum"


def reason(error: "RequestException") -> str:
    """Return why a request failed, without the words around it."""
    import requests

    text = str(getattr(error.args[0] if error.args else None, "reason", error))
    text = text.rpartition("): ")[2].partition(" for url: ")[0]
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy that https_proxy or http_proxy names: {text.rstrip(chr(34) + ')')}"
    return text
