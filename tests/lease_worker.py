"""A process that claims names in a folder of leases until all of them are done; `test_ledger_leases` starts several.

    python lease_worker.py FOLDER NAMES BEAT_S HOST

A name is done where there is a file of it in ``done/``. Whoever works on a name holds a lock that the system lets go of
when its holder dies, so two that work at once are found out for certain; that is written to ``found``.
"""

from __future__ import annotations

import fcntl
import random
import sys
import time
from dataclasses import replace
from pathlib import Path

from layerprof.ledger import Layout, Leases, Owner

WORK_S = 0.005


def main(folder: Path, names: list[str], beat_s: float, host: str) -> None:
    owner = Owner.here()
    if host:  # as if on a machine of its own, where only the beacon can be looked at
        owner = replace(owner, host=host, boot=host)
    with Leases(Layout(folder), owner, beat_s=beat_s) as leases:
        if host:
            Owner.is_near = lambda self: False  # type: ignore[method-assign]  # nobody is on this machine
        to_do = set(names)
        while to_do:
            for name in random.sample(sorted(to_do), k=len(to_do)):
                if (folder / "done" / name).exists():
                    to_do.discard(name)
                elif leases.claim(name):
                    work_on(folder, name)
                    leases.release(name)
            time.sleep(WORK_S)


def work_on(folder: Path, name: str) -> None:
    if (folder / "done" / name).exists():
        return
    with (folder / "locks" / name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            (folder / "found").write_text(f"two holders of {name}")
            return
        time.sleep(WORK_S)
        (folder / "done" / name).touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]), [f"run.{number}" for number in range(int(sys.argv[2]))], float(sys.argv[3]), sys.argv[4])
