"""What both servers of Gemini Live share: the SDK without TLS, and what its plugin means by its texts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any
from unittest import mock

from ._fake import need

__all__ = ["PLACEHOLDER", "instructions_in", "texts_of", "without_tls"]

#: What the plugin wraps instructions in (livekit-plugins-google 1.8), and its empty user turn.
_INSTRUCTIONS = re.compile(r"<instructions?>(.*?)</instructions?>", re.DOTALL)
PLACEHOLDER = "."


def texts_of(content: Any) -> list[tuple[str, str]]:
    """The role and the words of each part of a ``client_content``."""
    return [
        (str(turn.role), part.text)
        for turn in content.turns or ()
        for part in turn.parts or ()
        if part.text
    ]


def instructions_in(text: str) -> str | None:
    """The instructions in a user's turn, if it has any."""
    found = _INSTRUCTIONS.search(text)
    return found[1].strip() if found else None


@contextlib.contextmanager
def without_tls() -> Iterator[None]:
    """The SDK asks for TLS whatever the address is; nothing else of it is changed."""
    client = need("google.genai._api_client").BaseApiClient
    live = need("google.genai.live")
    url, connect = client._websocket_base_url, live.ws_connect

    def plain_url(self: Any, *args: Any, **kwargs: Any) -> str:
        return str(url(self, *args, **kwargs)).replace("wss://", "ws://")

    def plain_connect(uri: str, **options: Any) -> Any:
        options.pop("ssl", None)
        return connect(uri, **options)

    with (
        mock.patch.object(client, "_websocket_base_url", plain_url),
        mock.patch.object(live, "ws_connect", plain_connect),
    ):
        yield
