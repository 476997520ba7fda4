"""A server as `ohrwurm serve` starts it, and a page on it in a real browser."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from ohrwurm.cli.serve import listen, page_address
from ohrwurm.collection import Collection
from ohrwurm.web.api import create_app

CHROMIUM = os.environ.get("OHRWURM_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@contextmanager
def serving(collection: Collection) -> Iterator[str]:
    """The address of a running server."""
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(collection), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield page_address(listening)
    server.should_exit = True
    thread.join(10)


@contextmanager
def visiting(browser: Any, address: str) -> Iterator[Any]:
    """A page on the server; fails the test on any script error, CSP violation or request to another host."""
    context = browser.new_context(viewport={"width": 1100, "height": 760}, base_url=address)
    page = context.new_page()
    page.set_default_timeout(15_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if "Security Policy" in line.text else None)
    page.on("request", lambda r: None if r.url.startswith((address, "blob:")) else problems.append(r.url))
    page.goto("/")
    yield page
    context.close()
    assert problems == []


def audio(page: Any) -> dict[str, Any]:
    """What the page's player does."""
    state: dict[str, Any] = page.evaluate(
        "(({currentTime, paused, duration, src}) => ({currentTime, paused, duration, src}))(audio)"
    )
    return state


def wait_for(page: Any, condition: str) -> None:
    """Poll a condition. Playwright's own `wait_for_function` evaluates in the page, which the CSP forbids."""
    end = time.monotonic() + 15
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"never true: {condition}; {audio(page)}"
        time.sleep(0.03)


def wait_until_playing(page: Any) -> None:
    """Until it sounds."""
    wait_for(page, "!audio.paused && audio.readyState >= 3 && !audio.seeking")
