"""The pages of TensorBoard as a test uses them: menus, texts, pictures.

``LAYERPROF_SCREENSHOTS`` names a folder that gets a picture of every page.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from browser import Complaints
from viewer_servers import Served

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Locator, Page

_TO_BE_DRAWN_MS = 1_000
PLUGIN_PAGE = "/data/plugin/pytorch_profiler/index.html"


class Viewer:
    """The plugin's page in the browser, and what went wrong in it."""

    def __init__(self, page: Page, complaints: Complaints, served: Served) -> None:
        self.page = page
        self.complaints = complaints
        self.served = served

    def show(self, run: str, view: str) -> Page:
        """The page of one run and view, by the menus at its side."""
        self.page.goto(self.served.url + PLUGIN_PAGE)
        self.choose(0, run)
        self.choose(1, view)
        return self.page

    def choose(self, menu: int, name: str) -> None:
        """Takes one entry of a menu at the side."""
        box = self.page.locator("div[role=button][aria-haspopup=listbox]").nth(menu)
        box.wait_for()
        if box.inner_text().strip() == name:
            return
        box.click()
        self.page.locator("li[role=option]").filter(has_text=re.compile(f"^{re.escape(name)}$")).click()
        self.page.locator("li[role=option]").first.wait_for(state="detached")

    def tab(self, name: str) -> Page:
        """A page of TensorBoard itself, by the end of its address."""
        self.page.goto("about:blank")  # else only what is behind the mark changes, and nothing is loaded
        self.page.goto(f"{self.served.url}/#{name}")
        return self.page

    def keep(self, name: str) -> None:
        """A picture of the page, where pictures are wanted."""
        folder = os.environ.get("LAYERPROF_SCREENSHOTS")
        if folder:
            self.page.wait_for_timeout(_TO_BE_DRAWN_MS)  # TensorBoard's own pages ask again and again
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def expect_text(place: Page | Frame | Locator, text: str) -> None:
    place.get_by_text(text).first.wait_for()
