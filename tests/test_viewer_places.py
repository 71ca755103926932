"""Where a server can be had, and over what."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from layerprof.errors import InputError
from layerprof.viewer import serve

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def test_a_port_in_use_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with (
            pytest.raises(InputError, match=rf"port {port} is in use; give another --port"),
            serve(tmp_path, port=port),
        ):
            pass


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist_is_refused(tmp_path: Path, port: int) -> None:
    with pytest.raises(InputError, match="does not exist; give one from 1"), serve(tmp_path, port=port):
        pass


def test_a_host_of_another_machine_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"cannot listen at 203\.0\.113\.7"),
        serve(tmp_path, host="203.0.113.7", port=0),
    ):
        pass


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"), serve(tmp_path / "none", port=0):
        pass


def test_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text("{}")

    with pytest.raises(InputError, match="is a file; give --logdir the folder"), serve(path, port=0):
        pass


def test_the_port_is_free_again_after_the_block(tmp_path: Path) -> None:
    with serve(tmp_path, port=0) as server:
        port = int(server.url.rstrip("/").rpartition(":")[2])

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
