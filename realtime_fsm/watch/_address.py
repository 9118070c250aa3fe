"""The addresses that the page may be asked for by, and is printed with."""

from __future__ import annotations

import ipaddress
import socket

__all__ = ["is_local", "is_ours", "shown"]

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_ANYWHERE = ("0.0.0.0", "::")


def shown(host: str) -> str:
    """The address that was listened on, as it stands in a URL."""
    return socket.gethostname() if host in _ANYWHERE else _bracketed(host)


def is_local(host: str) -> bool:
    """Whether only this machine can reach it."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_ours(given: str, host: str, port: int) -> bool:
    """Whether a ``Host`` is the page's own: a name of somebody else may lead here, too.

    Args:
        given: the header.
        host, port: what was listened on.
    """
    name, _, number = given.rpartition(":")
    if number != str(port):
        return False
    if name in (*_LOOPBACK, _bracketed(host)):
        return True
    # At all addresses of this machine: any of them, or its name.
    return host in _ANYWHERE and (name == socket.gethostname() or _is_address(name))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
