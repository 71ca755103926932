"""Data sets read from the Hugging Face hub: the first home that has one, at one commit, only as far as needed.

    one question: is it there, and at which commit?  ─ no answer within seconds: nothing is waited for
         | commit
    rows are streamed; what is not asked for is not downloaded

The library itself asks six times with growing pauses before it says that there is no network, for each home anew; the
one question before it is answered at once. ``HF_HUB_OFFLINE``, ``HF_ENDPOINT`` and the token are respected, since both
go through the hub's own client.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping

from layerprof.errors import InputError, UnavailableError
from layerprof.tasks.published.base import Dataset, Home, Origin, Table, one_line, require_columns, streamed

HubReader = Callable[[Home], Table]
"""Gives a home's rows. Raises LookupError where the hub has no such home, ConnectionError where it cannot be asked."""

_TIMEOUT_S = 5.0  # of the one question; a hub that is there answers within one


def table_of(dataset: Dataset, homes: Iterable[Home], read: HubReader) -> Table:
    """The rows of the first home that has the data set's columns.

    Raises:
        UnavailableError: when the hub cannot be reached, or no home has the data set; it says what to do instead.
    """
    reasons = []
    for home in homes:
        try:
            table = read(home)
            require_columns(table, dataset.columns, dataset=dataset.name)
        except ConnectionError as err:
            raise UnavailableError(
                f"{dataset.name} is not on this machine and the hub cannot be reached ({_said(err)}); {_remedy(home)}"
            ) from err
        except (LookupError, InputError) as err:
            reasons.append(f"{home.text}: {_said(err)}")
        else:
            return dataclasses.replace(table, rows=_until_broken(table, home))
    raise UnavailableError(f"the hub has {dataset.name} nowhere: {'; '.join(reasons)}; {_remedy(dataset.homes[0])}")


def _remedy(home: Home) -> str:
    return (
        f"download {home.text} and give its folder of Parquet files, or one of frozen samples, as source; "
        f"source='sample' works offline"
    )


def _said(err: BaseException) -> str:
    return str(err).partition("\n")[0] or type(err).__name__


def _until_broken(table: Table, home: Home) -> Iterator[Mapping[str, object]]:
    """The rows, an error of the hub's many libraries being one of ours."""
    try:
        yield from table.rows
    except Exception as err:  # of the transport, the file system and the file format, each with its own classes
        raise UnavailableError(f"reading {table.origin.text} broke off ({one_line(err)}); {_remedy(home)}") from err


def read_home(home: Home) -> Table:
    """The home's rows as the hub has them now, with the commit that they are of.

    Raises:
        LookupError: when there is no such data set, revision, configuration or split.
        ConnectionError: when the hub cannot be asked.
    """
    from datasets import load_dataset
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        commit = HfApi().dataset_info(home.alias, revision=home.revision, timeout=_TIMEOUT_S).sha
    except (RepositoryNotFoundError, RevisionNotFoundError) as err:
        raise LookupError(one_line(err)) from err
    except Exception as err:  # of the transport, whose classes change with the hub's client
        raise ConnectionError(one_line(err)) from err
    try:
        stream = load_dataset(
            home.alias, home.config, split=home.split, revision=commit or home.revision, streaming=True
        )
    except ConnectionError as err:
        raise ConnectionError(one_line(err)) from err
    except Exception as err:  # the library's own for a missing configuration, a ValueError for a split, and others
        raise LookupError(one_line(err)) from err
    return streamed(stream, Origin(source=home.alias, config=home.config, split=home.split, revision=commit))
