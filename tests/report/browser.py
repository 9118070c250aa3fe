"""Headless Chromium by its DevTools protocol, as far as these tests need it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_PATIENCE = 60.0  # seconds


class Page:
    """One page. *problems* are what its console has of errors and warnings, and its exceptions."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self._reader = asyncio.ensure_future(self._read())

    async def open(self, path: Path) -> None:
        """Load a file, by its absolute path, and wait until what is in view is drawn."""
        self._loaded.clear()
        await self.send("Page.navigate", url=path.as_uri())
        await asyncio.wait_for(self._loaded.wait(), _PATIENCE)
        await self.until("document.documentElement.dataset.ready === 'yes'")
        await self.settled()  # a call is drawn when it is first seen to be in view

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command, and its result."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        return await asyncio.wait_for(answer, _PATIENCE)

    async def run(self, script: str) -> Any:
        """The value of an expression. Raises RuntimeError for an exception."""
        result = await self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until an expression is true, looked at once a frame."""
        wait = f"new Promise(f => {{const g = () => ({script}) ? f() : requestAnimationFrame(g); g()}})"
        await self.run(wait)

    async def settled(self) -> None:
        """Wait until what was asked for is drawn."""
        await self.run(
            "new Promise(f => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(f))))"
        )

    async def key(self, name: str) -> None:
        """Press a key, such as ``Enter``, ``ArrowDown`` or ``n``."""
        codes = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "End": (35, ""),
                 "Home": (36, ""), "ArrowDown": (40, ""), "ArrowUp": (38, ""),
                 "ArrowLeft": (37, ""), "ArrowRight": (39, ""), "PageDown": (34, "")}  # fmt: skip
        code, text = codes.get(name, (ord(name[0].upper()), name))
        told = {"key": name, "windowsVirtualKeyCode": code}
        await self.send(
            "Input.dispatchKeyEvent", type="keyDown", **told, **({"text": text} if text else {})
        )
        await self.send("Input.dispatchKeyEvent", type="keyUp", **told)
        await self.settled()

    async def mouse(self, x: float, y: float, *, press: bool = True) -> None:
        """Move to a place in the window, and click."""
        await self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased") if press else ():
            await self.send(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )
        await self.settled()

    async def look(self, *, width: int = 1440, height: int = 1000, dark: bool = False) -> None:
        """The window, and whether the reader likes it dark."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def screenshot(self) -> bytes:
        """The window as PNG."""
        return base64.b64decode((await self.send("Page.captureScreenshot"))["data"])

    async def close(self) -> None:
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader

    async def _read(self) -> None:
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                answer = self._answers.pop(told["id"])
                if "error" in told:
                    answer.set_exception(RuntimeError(str(told["error"])))
                elif not answer.done():
                    answer.set_result(told["result"])
                continue
            params = told["params"]
            if told["method"] == "Page.loadEventFired":
                self._loaded.set()
            elif told["method"] == "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            elif told["method"] == "Runtime.exceptionThrown":
                self.problems.append(str(params["exceptionDetails"]))
            elif told["method"] == "Log.entryAdded":
                self.problems.append(str(params["entry"]["text"]))
            elif told["method"] == "Runtime.consoleAPICalled":
                self.problems.append(f"console.{params['type']}: {params['args']}")


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """A page in a Chromium of its own, which is gone afterwards."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            address = await asyncio.wait_for(_address(process), _PATIENCE)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://{address}/json/list") as answer:
                    targets = await answer.json()
                url = next(t["webSocketDebuggerUrl"] for t in targets if t["type"] == "page")
                async with session.ws_connect(url, max_msg_size=0) as socket:
                    page = Page(socket)
                    for domain in ("Page", "Runtime", "Log", "Network"):
                        await page.send(f"{domain}.enable")
                    await page.look()
                    try:
                        yield page
                    finally:
                        await page.close()
        finally:
            # The whole group: it has children, which may outlive it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    while line := await process.stderr.readline():
        if found := re.search(rb"DevTools listening on ws://([^/]+)/", line):
            return found[1].decode()
    raise RuntimeError("Chromium did not start")
