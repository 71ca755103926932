"""Signals are kept while a server is begun or closed, and let through while it is up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from layerprof.viewer.signals import kept_back


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, _interrupt)
    yield
    signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_the_block_is_left(number: int) -> None:
    done = []

    with pytest.raises(KeyboardInterrupt), kept_back():
        signal.raise_signal(number)
        done.append("begun")

    assert done == ["begun"]


def test_a_signal_from_the_beginning_is_let_through_once() -> None:
    done = []

    with pytest.raises(KeyboardInterrupt), kept_back() as let_through:
        signal.raise_signal(signal.SIGINT)
        done.append("begun")
        try:
            with let_through():
                done.append("up")
        finally:
            signal.raise_signal(signal.SIGINT)
            done.append("closed")

    assert done == ["begun", "closed"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_while_it_is_up_counts_at_once() -> None:
    done = []

    with pytest.raises(KeyboardInterrupt), kept_back() as let_through, let_through():
        signal.raise_signal(signal.SIGINT)
        done.append("never")

    assert done == []


def test_a_handler_that_does_not_raise_is_called_once_for_a_signal() -> None:
    called: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: called.append(number))

    with kept_back() as let_through:
        signal.raise_signal(signal.SIGTERM)
        with let_through():
            pass

    assert called == [signal.SIGTERM]


def test_another_thread_keeps_nothing() -> None:
    done = []

    def run() -> None:
        with kept_back() as let_through, let_through():
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert done == [signal.default_int_handler]
