"""Chromium without a network, for tests of pages that this machine serves.

Every name but that of the loopback is unknown to the browser. What a page asks for in vain is kept, and what it
complains of.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_ARGUMENTS = (
    "--no-sandbox",  # a container has no user namespaces
    "--disable-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
)
_HERE = ("127.0.0.1", "localhost", "")
WIDTH, HEIGHT = 1440, 1000  # pixels
WAIT_MS = 90_000  # pages take two seconds on a machine with nothing else to do, and half a minute on a busy one


@dataclass(slots=True, kw_only=True)
class Complaints:
    """What went wrong on a page.

    Attributes:
        requests: that failed, were answered by an error, or were for another machine.
        console: errors that the browser told the console.
        errors: that a script of the page did not catch.
    """

    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def all(self) -> list[str]:
        return [*self.requests, *self.console, *self.errors]


@contextmanager
def offline_browser() -> Iterator[Browser]:
    """A browser without a network; skips the test where there is none to drive."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for found in map(shutil.which, _NAMES) if found), None)
    if path is None:
        pytest.skip(f"no browser of the names {', '.join(_NAMES)} is installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_of(browser: Browser) -> Iterator[tuple[Page, Complaints]]:
    """A page that shares nothing with the browser's other ones, and what goes wrong on it."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    complaints = Complaints()
    _listen(page, complaints)
    try:
        yield page, complaints
    finally:
        context.close()


def _listen(page: Page, complaints: Complaints) -> None:
    def failed(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # what a page no longer wants when it is left
            complaints.requests.append(f"{request.url}: {request.failure}")

    def answered(response: Response) -> None:
        if response.status >= 400:
            complaints.requests.append(f"{response.url}: status {response.status}")

    def asked(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.hostname not in _HERE:
            complaints.requests.append(f"{request.url}: is of another machine")

    def told(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.console.append(message.text)

    page.on("requestfailed", failed)
    page.on("response", answered)
    page.on("request", asked)
    page.on("console", told)
    page.on("pageerror", lambda error: complaints.errors.append(str(error)))
