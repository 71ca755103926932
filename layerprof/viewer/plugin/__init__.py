"""The mended plugin: pages that load local files, and traces read by the categories of today."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import werkzeug
from torch_tb_profiler.plugin import TorchProfilerPlugin
from werkzeug import wrappers

from layerprof.viewer.base import CHARTS, CHARTS_STYLE, REPLACED, WEB_COMPONENTS
from layerprof.viewer.plugin.diffs import rounded
from layerprof.viewer.plugin.loading import MendedLoader, endings_left_to_the_server
from layerprof.viewer.plugin.modules import readable
from layerprof.viewer.plugin.pages import mended_page, policy_of
from layerprof.viewer.plugin.static_files import charts_script, charts_style, web_components_script

if TYPE_CHECKING:
    from tensorboard.plugins.base_plugin import TBContext
    from torch_tb_profiler.run import Run

__all__ = ["OfflineProfilerPlugin"]

_SCRIPT = "text/javascript; charset=utf-8"
_PAGES = (*REPLACED, "trace_viewer_full.html")

_logger = logging.getLogger("pytorch_profiler")


class OfflineProfilerPlugin(TorchProfilerPlugin):  # type: ignore[misc]  # the plugin has no types
    """The profiler plugin without a request to the web.

    Its pages come with a content security policy that allows this server alone, so that a name in a trace can
    neither run as a script nor load anything.
    """

    _runs: OrderedDict[str, Run]

    def __init__(self, context: TBContext) -> None:
        self._slots = threading.BoundedSemaphore(max(os.cpu_count() or 1, 2))  # the monitor starts at once
        with endings_left_to_the_server():  # it begins a process that keeps what traces share
            super().__init__(context)

    def get_plugin_apps(self) -> Mapping[str, Callable[..., object]]:
        """The plugin's routes, with those of the pages in the place of the installed ones and the local files."""
        routes = dict(super().get_plugin_apps())
        routes |= {f"/{name}": _route(partial(_page, name)) for name in _PAGES}
        routes[f"/{CHARTS}"] = _route(partial(_file, charts_script, _SCRIPT))
        routes[f"/{CHARTS_STYLE}"] = _route(partial(_file, charts_style, "text/css; charset=utf-8"))
        routes[f"/{WEB_COMPONENTS}"] = _route(partial(_file, web_components_script, _SCRIPT))
        return routes

    @wrappers.Request.application  # type: ignore[arg-type]  # a method, as the plugin's routes are
    def module_route(self, request: werkzeug.Request) -> werkzeug.Response:
        """The Module page's table."""
        profile = self._get_profile_for_request(request)
        view = profile.get_module_view()
        if not view:
            raise werkzeug.exceptions.NotFound("the trace has no modules")
        has_device = bool(profile.has_kernel or profile.has_memcpy_or_memset)
        answer: werkzeug.Response = self.respond_as_json(readable(view, has_device=has_device), True)
        return answer

    @wrappers.Request.application  # type: ignore[arg-type]
    def diff_run_route(self, request: werkzeug.Request) -> werkzeug.Response:
        """What two traces differ by, all of it."""
        summary = self.get_diff_status(*self.get_diff_runs(request)).get_diff_tree_summary()
        answer: werkzeug.Response = self.respond_as_json(rounded(summary), True)
        return answer

    @wrappers.Request.application  # type: ignore[arg-type]
    def diff_run_node_route(self, request: werkzeug.Request) -> werkzeug.Response:
        """What two traces differ by below one node."""
        path = request.args.get("path", "0")
        node = self.get_diff_stats_dict(*self.get_diff_runs(request)).get(path)
        if node is None:
            raise werkzeug.exceptions.NotFound(f"the traces have no node {path}")
        answer: werkzeug.Response = self.respond_as_json(rounded(node.get_diff_node_summary(path)), True)
        return answer

    def _load_run(self, run_dir: str) -> None:
        """Reads the traces of a folder; as many folders at a time as there are processors, unlike the installed one."""
        try:
            with self._slots:
                run = MendedLoader(self._get_run_name(run_dir), run_dir, self._cache).load()
            if run.profiles:
                self._add(run)  # at once: by the installed one's queue it is there only after "loading" is over
        except Exception as error:  # of whatever kind: one folder does not take the others along
            _logger.warning("layerprof: note: no trace in %s is shown: %s", run_dir, error)
        finally:
            self._forget_thread()

    def _add(self, run: Run) -> None:
        with self._runs_lock:
            known = {**self._runs, run.name: run}
            self._runs = OrderedDict((name, known[name]) for name in sorted(known))

    def _forget_thread(self) -> None:
        with self._load_lock, suppress(ValueError):
            self._load_threads.remove(threading.current_thread())


def _route(respond: Callable[[], werkzeug.Response]) -> Callable[..., object]:
    @wrappers.Request.application
    def answer(_: werkzeug.Request) -> werkzeug.Response:
        return respond()

    return answer


def _page(name: str) -> werkzeug.Response:
    page = mended_page(name)
    headers = [*TorchProfilerPlugin.headers, ("Content-Security-Policy", policy_of(name, page))]
    return werkzeug.Response(page, content_type="text/html; charset=utf-8", headers=headers)


def _file(content: Callable[[], bytes], content_type: str) -> werkzeug.Response:
    return werkzeug.Response(content(), content_type=content_type, headers=TorchProfilerPlugin.headers)
