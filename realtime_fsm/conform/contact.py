"""Reaching the server, and learning how it is spoken to."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import aiohttp

from ..simulator import rules as simulated
from . import rules
from .dialect import dialect_of, flat_fields, is_beta_name, is_current_name
from .errors import describe, error_of
from .frames import Seen
from .known import SESSION, ConformError, Known, Refused, Unjudged
from .result import Value, Verdict
from .talk import Talk
from .wire import ConnectionOver, within

__all__ = [
    "connection",
    "endpoint",
    "first_contact",
    "judge_names",
    "public_url",
    "ready",
    "without_user",
]

_LARGEST = 32 * 1024 * 1024  # bytes of a frame
_FAMILIES = ("session.", "conversation.", "response.", "input_audio_buffer.", "rate_limits.")


def endpoint(url: str, model: str | None) -> str:
    """Return the WebSocket URL: of ``http(s)`` the base, of ``ws(s)`` all of it is given.

    Raises:
        ConformError: It is no such URL.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise ConformError(f"{url!r} is no URL: {error}") from None
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if parts.scheme not in schemes or not host:
        raise ConformError(f"{url!r} is no URL that begins with ws://, wss://, http:// or https://")
    path = parts.path
    if parts.scheme.startswith("http") and not path.rstrip("/").endswith("/realtime"):
        path = path.rstrip("/") + "/realtime"
    query = parse_qsl(parts.query, keep_blank_values=True)
    if model is not None and not {"model", "deployment"} & {name for name, _ in query}:
        query.append(("model", model))
    return urlunsplit((schemes[parts.scheme], parts.netloc, path, urlencode(query), ""))


def public_url(url: str) -> str:
    """Return a URL without user, password, and query, where keys stand."""
    parts = urlsplit(without_user(url))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def without_user(url: str) -> str:
    """Return a URL without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


@contextlib.asynccontextmanager
async def connection(http: aiohttp.ClientSession, known: Known) -> AsyncIterator[Talk]:
    """Connect. Raises :class:`ConformError` when that is not possible."""
    patience = min(known.pace.patience, known.left())
    try:
        ws = await within(
            patience,
            http.ws_connect(
                known.url, headers=known.headers, autoping=False, max_msg_size=_LARGEST
            ),
        )
    except Exception as error:  # whatever a stranger's server made of it
        raise ConformError(_why(error, known, patience)) from None
    async with Talk(ws, known) as talk:
        yield talk


def _why(error: Exception, known: Known, patience: float) -> str:
    where = public_url(known.url)
    if isinstance(error, asyncio.TimeoutError):
        return f"{where} does not answer the handshake within {patience:g} s"
    if isinstance(error, aiohttp.WSServerHandshakeError):
        status = error.status
        reasons = {
            401: "it refuses the key (HTTP 401); --key-env names the variable that holds it",
            403: "it refuses access (HTTP 403)",
            404: "there is nothing at that path (HTTP 404)",
            429: "it refuses for now: too many requests, or no quota (HTTP 429)",
        }
        if status in reasons:
            return f"{where}: {reasons[status]}"
        if status >= 500:
            return f"{where} has an error of its own (HTTP {status})"
        return f"{where} is no WebSocket: it answers the handshake with HTTP {status}"
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError)):
        return f"{where} has a certificate that is not trusted"
    if isinstance(error, (aiohttp.ClientConnectorSSLError, ssl.SSLError)):
        return f"{where} does not speak TLS; is it ws:// rather than wss://?"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"{where}: there is no such host"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{where} cannot be reached: {error.os_error.strerror or error.os_error}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return f"{where} closes the connection without answering the handshake"
    if isinstance(error, (aiohttp.ClientResponseError, aiohttp.http.HttpProcessingError)):
        return f"{where} does not speak HTTP, or not in a way that can be read"
    return f"{where} cannot be reached: {type(error).__name__} {error}".strip()


async def first_contact(talk: Talk) -> None:
    """Learn the dialect, and what an update of the session may hold.

    Raises :class:`ConformError` when what is there is no Realtime server.
    """
    known = talk.known
    where = public_url(known.url)
    try:
        await _first_event(talk, where)
        await _learn_session(talk)
    except ConnectionOver as over:
        raise ConformError(f"{where}: {_last_words(talk)}{over}") from None
    except Unjudged as why:
        raise ConformError(f"{where}: {why}") from None


def _last_words(talk: Talk) -> str:
    error = talk.find("error")
    return f"{describe(error)}; " if error is not None else ""


def _heard(talk: Talk) -> list[Seen] | None:
    """The server's frames, None while there are none."""
    return [seen for seen in talk.frames if seen.by == "server"] or None


async def _first_event(talk: Talk, where: str) -> None:
    known = talk.known
    first = await talk.until(lambda: _heard(talk))
    if first is None:
        await talk.send("session.update", session=SESSION)
        first = await talk.until(lambda: _heard(talk))
        if not first:
            twice = 2 * known.pace.patience
            raise ConformError(f"{where} accepts the connection, and says nothing for {twice:g} s")
        talk.deviates(
            rules.FIRST_EVENT, f"nothing comes before session.update; then {first[0].type}"
        )
        known.greets = False
        known.note("session.created does not come by itself")
    event = next((seen.event for seen in talk.frames if seen.by == "server"), {})
    kind = event.get("type")
    if kind == "error":
        await talk.until(lambda: None, known.pace.settle)
        raise ConformError(f"{where} refuses the session: {describe(event)}")
    if not isinstance(kind, str) or not kind.startswith(_FAMILIES):
        shown = str(event.get("text") or event)[:120]
        binary = "binary " if talk.binary else ""
        raise ConformError(
            f"{where} does not speak the Realtime protocol: its first {binary}frame is {shown!r}"
        )
    session = event.get("session")
    if kind == "session.created" and isinstance(session, Mapping):
        talk.kept(rules.FIRST_EVENT, "session.created")
    else:
        talk.deviates(rules.FIRST_EVENT, f"the first event is {kind}")
    if isinstance(session, Mapping):
        raw = next(seen.raw for seen in talk.frames if seen.by == "server").get("session")
        known.first_session = session
        known.raw_session = raw if isinstance(raw, Mapping) else session
        if not known.forced:
            known.dialect = dialect_of(known.raw_session)
    if talk.binary:
        known.note("events come in binary frames")


async def _learn_session(talk: Talk) -> None:
    """Find out what of the wanted session is taken, as a whole or in parts."""
    known = talk.known
    heard = await talk.update(**SESSION)
    if heard.closed is not None:
        raise ConnectionOver(f"over a session.update {heard.closed}")
    if heard.first("session.updated") is not None:
        known.session = dict(SESSION)
        return
    if heard.error is None:
        known.fences = False
        known.session = dict(SESSION)
        known.note("session.update is not answered: absence is judged by time")
        return
    known.session = {"type": "realtime"}
    for name in ("instructions", "output_modalities", "audio"):
        part = {name: SESSION[name]}
        heard = await talk.update(**part)
        if heard.closed is not None:
            raise ConnectionOver(heard.closed)
        if heard.first("session.updated") is not None:
            known.session.update(part)
        else:
            known.note(f"session.update does not take {name}: {describe(heard.error)}")
    if len(known.session) == 1:
        known.fences = False


async def ready(talk: Talk) -> None:
    """Bring a new connection to where questions begin."""
    known = talk.known
    talk.session = dict(known.session)
    if not known.greets or not known.first_session:
        await talk.until(lambda: _heard(talk), known.pace.settle)
    else:
        event = await talk.until(lambda: talk.find("session.created", "error", "session.updated"))
        if event is not None and event["type"] == "error":
            raise Refused(f"the server refuses the session: {describe(event)}")
    sent = await talk.send("session.update", fence=True, session=talk.session)
    answer = None
    if known.fences:
        answer = await talk.until(
            lambda: talk.find("session.updated", since=sent.at) or talk.error_for(sent)
        )
        talk.time_answer(sent, answer)
    else:
        await talk.rest(known.pace.settle)
    if answer is not None and answer["type"] == "error" and error_of(answer):
        raise Unjudged(f"the session cannot be prepared: {describe(answer)}")


def judge_names(known: Known) -> tuple[str, Verdict, str, Value | None]:
    """Return rule, verdict, how and value of the dialect, by all names that were seen."""
    beta = sorted(name for name in known.names if is_beta_name(name))
    current = sorted(name for name in known.names if is_current_name(name))
    flat = known.dialect == "beta"
    rule = simulated.BETA_NAMES.id
    mixed = [] if flat else flat_fields(known.raw_session)
    if mixed and not beta:
        how = f"a mixture: the current names, and a session with {', '.join(mixed)} beside audio"
        return rule, "deviates", how, None
    if not beta and not flat:
        return rule, "kept", "the current names, and the nested session", "ga"
    if flat and not current:
        return rule, "deviates", "the beta names, and the flat session", "beta"
    session = "the flat session" if flat else "the nested session"
    return rule, "deviates", f"a mixture: {session}, with {', '.join([*beta, *current][:6])}", None
