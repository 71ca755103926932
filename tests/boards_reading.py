"""Runs of TensorBoard read back by TensorBoard's own readers, as its server reads them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of html5lib, which bleach has a copy of
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugin_util import markdown_to_safe_html
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.custom_scalar import layout_pb2, metadata
    from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

_ALL = {"scalars": 0, "tensors": 0}  # 0 keeps every value


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRun:
    """What TensorBoard finds in a run's folder.

    Attributes:
        scalars: (step, number) pairs by tag.
        texts: Markdown by tag.
        pictures: PNGs by tag.
        layout: of the custom scalars page, or None.
        times_s: that stand in its events.
        abouts: what stands beside each chart of scalars, by tag.
    """

    scalars: dict[str, list[tuple[int, float]]]
    texts: dict[str, str]
    pictures: dict[str, bytes]
    layout: layout_pb2.Layout | None
    times_s: set[float]
    abouts: dict[str, str]

    def text(self, beginning: str) -> str:
        """The texts whose tags begin so."""
        return "\n".join(words for tag, words in self.texts.items() if tag.startswith(beginning))


def read(folder: Path) -> ReadRun:
    found = EventAccumulator(str(folder), size_guidance=_ALL)
    found.Reload()
    tags = found.Tags()
    scalars = {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in tags["scalars"]}
    by_plugin: dict[str, dict[str, list[bytes]]] = {"text": {}, "images": {}}
    layout = None
    for tag in tags["tensors"]:
        strings = list(found.Tensors(tag)[-1].tensor_proto.string_val)
        plugin = found.SummaryMetadata(tag).plugin_data.plugin_name
        if tag == metadata.CONFIG_SUMMARY_TAG:
            layout = layout_pb2.Layout.FromString(strings[0])
        elif plugin in by_plugin:
            by_plugin[plugin][tag] = strings
    times_s = {event.wall_time for tag in tags["scalars"] for event in found.Scalars(tag)}
    return ReadRun(
        scalars=scalars,
        texts={tag: strings[0].decode() for tag, strings in by_plugin["text"].items()},
        pictures={tag: strings[2] for tag, strings in by_plugin["images"].items()},
        layout=layout,
        times_s=times_s,
        abouts={tag: found.SummaryMetadata(tag).summary_description for tag in tags["scalars"]},
    )


def as_page(markdown: str) -> str:
    """The HTML that the text page shows."""
    return str(markdown_to_safe_html(markdown))


class Hparams:
    """The HParams page of a folder, as its server answers."""

    def __init__(self, logdir: Path) -> None:
        runs = EventMultiplexer()
        runs.AddRunsFromDirectory(str(logdir))
        runs.Reload()
        provider = MultiplexerDataProvider(runs, str(logdir))
        self._context = backend_context.Context(TBContext(data_provider=provider, logdir=str(logdir)))

    def experiment(self) -> api_pb2.Experiment:
        request = api_pb2.GetExperimentRequest(include_metrics=True)
        return get_experiment.Handler(RequestContext(), self._context, "", request).run()

    def groups(self) -> dict[str, api_pb2.SessionGroup]:
        """The rows of the table by the name of the run."""
        experiment = self.experiment()
        request = api_pb2.ListSessionGroupsRequest(
            start_index=0,
            slice_size=1000,
            include_metrics=True,
            allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING],
            col_params=[
                *(api_pb2.ColParams(hparam=info.name) for info in experiment.hparam_infos),
                *(api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos),
            ],
        )
        answer = list_session_groups.Handler(RequestContext(), self._context, "", request).run()
        return {group.sessions[0].name: group for group in answer.session_groups}
