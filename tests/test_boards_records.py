"""Event files byte by byte, against TensorBoard's own writer."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

from layerprof.boards.base import event_file, scalars, text
from layerprof.boards.base.base import framed


def written_by_tensorboard(contents: list[bytes]) -> bytes:
    stream = io.BytesIO()
    writer = RecordWriter(stream)
    for content in contents:
        writer.write(content)
    return stream.getvalue()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=400), max_size=6))
def test_records_are_those_of_tensorboards_own_writer(contents: list[bytes]) -> None:
    assert framed(contents) == written_by_tensorboard(contents)


def test_values_at_one_step_are_one_event_and_steps_ascend() -> None:
    points = [*scalars("b", [(2, 1.0), (1, 2.0)]), text("a", "words"), *scalars("c", [(1, 3.0)])]

    content = event_file(points, wall_time_s=5.0)

    version, *events = events_in(content)
    assert version.file_version == "brain.Event:2"
    assert [event.step for event in events] == [0, 1, 2]
    assert [[value.tag for value in event.summary.value] for event in events] == [["a"], ["b", "c"], ["b"]]
    assert {event.wall_time for event in (version, *events)} == {5.0}


def events_in(content: bytes) -> list[Event]:
    events, place = [], 0
    while place < len(content):
        length = int.from_bytes(content[place : place + 8], "little")
        events.append(Event.FromString(content[place + 12 : place + 12 + length]))
        place += 12 + length + 4
    return events
