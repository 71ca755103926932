"""The command ``layerprof``: its commands, and how every error becomes one line and an exit status.

0  done      1  a check, a cell or a comparison failed      2  bad usage or input      130  Ctrl-C      143  SIGTERM
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated, cast

import typer

from layerprof import __version__
from layerprof.cli.base import BAD_INPUT, CHECK_FAILED, DONE, complain
from layerprof.cli.doctor import doctor
from layerprof.cli.profile import profile
from layerprof.cli.report import report
from layerprof.cli.sweep import sweep
from layerprof.cli.tensorboard import tensorboard
from layerprof.cli.worker import worker
from layerprof.errors import LayerprofError

# click's own base class of usage errors, which typer does not export and, from 0.2x on, brings under a private name
_UsageError = cast("type[Exception]", typer.BadParameter.__mro__[2])

# What a write to a pipe, a full disk or a broken terminal fails with; errors of other files bear the file's name.
_OF_OUTPUT = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)

_QUIET = {
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

app = typer.Typer(
    name="layerprof",
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(profile)
app.command()(sweep)
app.command()(worker)
app.command()(report)
app.command()(tensorboard)
app.command()(doctor)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"layerprof {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _layerprof(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Which layer of a PyTorch model spends the time, the FLOPs and the memory, with the books closed."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: of the command line, the program's name left out; None takes the process's.

    Returns:
        The exit status.
    """
    if sys.stdout is None:  # the shell closed it, and the next file that is opened would get what is printed
        complain("standard output is closed; redirect it to a file")
        return BAD_INPUT
    state: dict[str, bool] = {}
    try:
        with _quiet_libraries():
            status = _run(None if arguments is None else list(arguments), state)
        sys.stdout.flush()  # while an error can still be told
    except OSError as error:
        if error.errno not in _OF_OUTPUT or error.filename is not None:
            raise
        return _without_output(error, shows_traceback=state.get("traceback", False))
    return status


def _run(arguments: list[str] | None, state: dict[str, bool]) -> int:
    command = typer.main.get_command(app)
    try:
        status = command.main(arguments, prog_name="layerprof", standalone_mode=False, obj=state)
    except LayerprofError as error:
        if state.get("traceback"):
            traceback.print_exception(error)
        complain(str(error) or type(error).__name__)
        return BAD_INPUT
    except _UsageError as error:
        complain(f"{_usage_text(error)}; see layerprof --help")
        return BAD_INPUT
    return status if isinstance(status, int) else DONE


def _without_output(error: OSError, *, shows_traceback: bool) -> int:
    """The exit status where nothing more can be printed; says why unless the reader just left, as `head` does."""
    with suppress(OSError):
        sys.stdout.close()  # else what it still holds is tried once more, and complained of, when Python ends
    if error.errno == errno.EPIPE:
        return CHECK_FAILED
    if shows_traceback:
        traceback.print_exception(error)
    complain(f"cannot write the output: {error.strerror or error}; make room, or redirect it to another place")
    return BAD_INPUT


def _usage_text(error: Exception) -> str:
    text = getattr(error, "format_message", error.__str__)()
    return str(text).strip().rstrip(".")


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keeps other libraries' remarks off standard error, unless the user has set what they may say."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        yield
