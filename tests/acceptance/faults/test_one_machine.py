"""One machine, SQLite: a database that is busy, and a disk that is full."""

import contextlib
import errno
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.acceptance.faults import invariants
from tests.acceptance.faults.conftest import Recovered
from tests.acceptance.faults.fence_watch import FenceWatch
from tests.acceptance.faults.product import Product, small_product
from tests.acceptance.faults.sqlite import Sqlite

pytestmark = pytest.mark.timeout(400)

DISK_BYTES = 64 * 1024 * 1024
BUSY_SECONDS = 6.0


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Its data directory is a disk of 64 MiB, where we may mount one."""
    folder = tmp_path_factory.mktemp("one")
    with ExitStack() as stack:
        data = stack.enter_context(small_disk(folder / "data"))
        product = stack.enter_context(small_product(folder, data))
        fences = stack.enter_context(FenceWatch(product.sparks.root))
        yield product
        invariants.check(product, fences.seen)


@contextmanager
def small_disk(data: Path) -> Iterator[Path]:
    data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", data], capture_output=True)
    try:
        yield data
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", data], check=False)


@contextmanager
def full_disk(product: Product) -> Iterator[None]:
    """No room for another byte. Without a disk of our own: no process may make a file longer."""
    assert isinstance(product.database, Sqlite)
    product.database.shorten_log()
    if not product.data.is_mount():
        with file_limit(product, 0):
            yield
        return
    ballast = product.data / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1024 * 1024, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    assert os.statvfs(product.data).f_bavail == 0, errno.errorcode[errno.ENOSPC]
    yield
    ballast.unlink()


@contextmanager
def file_limit(product: Product, size: int) -> Iterator[None]:
    kind, free = resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    for part in product.parts.values():
        resource.prlimit(part.pid, kind, (size, resource.RLIM_INFINITY))
    yield
    for part in product.parts.values():
        resource.prlimit(part.pid, kind, free)


def test_it_waits_for_a_busy_sqlite(small: Product, recovered: Recovered) -> None:
    swap = small.swap("s1", "slow")
    small.reached(swap, "launching", "loading")
    assert isinstance(small.database, Sqlite)
    with small.database.busy():
        answer = small.once("GET", f"/api/swap/{swap}")  # readers do not wait for writers
        time.sleep(BUSY_SECONDS)

    began = time.monotonic()
    row = small.ended(swap)
    recovered("SQLite was busy", time.monotonic() - began)
    assert answer.status_code == 200, answer.text
    assert row["status"] == "ready", row["diagnosis"]


def test_it_loses_nothing_it_acknowledged_on_a_full_disk(small: Product, recovered: Recovered) -> None:
    swap = small.swap("s1", "slow")
    small.reached(swap, "launching", "loading")
    before = len(small.rows("SELECT id FROM swaps_swap"))
    with full_disk(small):
        refused = small.once("POST", "/api/models", {"key": "no-room", "repo": "org/no-room", "notes": "x" * 9000})
        time.sleep(4)

    began = time.monotonic()
    row = small.ended(swap)
    recovered("a full disk", time.monotonic() - began)
    later = small.ended(small.swap("s1", "quick"))
    assert refused.status_code == 503 and refused.headers["Retry-After"], refused.text
    assert (row["status"], later["status"]) == ("ready", "ready"), row["diagnosis"]
    assert len(small.rows("SELECT id FROM swaps_swap")) == before + 1
    assert small.worker.is_running and small.web.is_running
