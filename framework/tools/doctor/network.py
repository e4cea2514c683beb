"""Proxies and certificates, which downloads of data sets need. No request leaves the machine."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from firstlight.tools.doctor.finding import Finding, Place, ok, warning

PATIENCE = 1.0  # seconds to connect to a proxy
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
WHY = "data sets cannot be downloaded"


def examine(place: Place) -> Iterator[Finding]:
    """Examine the settings of downloads."""
    yield from _proxy()
    for name in CERTIFICATES:
        path = os.environ.get(name)
        if path and not Path(path).exists():
            yield warning(
                "certificates",
                "certificates-missing",
                f"{name}={path} does not exist",
                WHY,
                f"unset {name}, or set it to your institution's file of certificates",
            )


def _proxy():
    settings = {
        name: os.environ.get(f"{name}_proxy") or os.environ.get(f"{name.upper()}_PROXY")
        for name in ("http", "https", "all")
    }
    proxy = settings["https"] or settings["all"]
    if not proxy:
        if settings["http"]:
            yield warning(
                "proxy",
                "proxy-http-only",
                "http_proxy is set, but https_proxy is not",
                f"{WHY}: their addresses begin with https",
                "export https_proxy=$http_proxy",
            )
        else:
            yield ok("proxy", "none")
        return
    address = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        host, port = address.hostname, address.port or 80
    except ValueError:
        host = port = None
    if not host or address.scheme not in ("http", "https", "socks4", "socks5", "socks5h"):
        yield warning(
            "proxy",
            "proxy-unreadable",
            "https_proxy is no address of the form http://host:port",
            WHY,
            "export https_proxy=http://host:port",
        )
        return
    shown = f"{address.scheme}://{host}:{port}"  # without the password
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except OSError as error:
        yield warning(
            "proxy",
            "proxy-silent",
            f"the proxy {shown} does not answer: {error}",
            WHY,
            "unset https_proxy http_proxy, or correct the address; it may be of another network",
        )
    else:
        yield ok("proxy", f"{shown} answers")
