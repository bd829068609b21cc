"""Reading in threads leaves what belongs to the whole process alone: warnings, loggers."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_factory import write_series
from dicom_objects import region, write_ultrasound
from PIL import Image
from pydicom.uid import RLELossless
from test_io_nifti import PIXDIM, nifti, patched, save

from medfuse.errors import ReadError
from medfuse.io import read_volume, write_volume
from medfuse.volume import Geometry, Volume

GRID = Geometry((9, 8, 3), (0.9, 1.1, 3.0))
STORED = np.random.default_rng(0).integers(0, 2000, GRID.shape).astype("u2")


def state() -> tuple:
    return (
        list(warnings.filters),
        warnings.showwarning,
        nibabel.imageglobals.logger.level,
        logging.getLogger("pydicom").level,
        logging.root.level,
        logging.root.manager.disable,
    )


def inputs(folder: Path) -> list[Callable[[], object]]:
    """One reading for each kind of file; the damaged ones make their parsers complain."""
    write_series(folder / "rle", STORED, GRID, edit=lambda dataset, k: dataset.compress(RLELossless))
    write_ultrasound(folder / "us.dcm", STORED[:1].astype("u1"), [region((0, 0, 7, 7), (0.3, 0.3))])
    odd = patched(save(nifti(), folder / "odd.nii"), PIXDIM + 8, "<f", -2.0)
    damaged = folder / "damaged.nii"
    damaged.write_bytes(odd.read_bytes()[:360])
    write_volume(Volume(STORED, GRID), folder / "v.nrrd")
    Image.fromarray(STORED[0].astype("u1")).save(folder / "p.png")

    def refused() -> None:
        with pytest.raises(ReadError):
            read_volume(damaged)

    return [
        lambda: read_volume(folder / "rle"),
        lambda: read_volume(folder / "us.dcm"),
        lambda: read_volume(odd),
        refused,
        lambda: read_volume(folder / "v.nrrd"),
        lambda: read_volume(folder / "p.png", spacing=(1, 1)),
    ]


def test_the_state_of_the_process_never_changes(tmp_path: Path) -> None:
    readings = inputs(tmp_path)
    for reading in readings:  # whatever importing a library sets is set now
        reading()
    before = state()
    seen: list[tuple] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(state())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            for future in [pool.submit(reading) for _ in range(6) for reading in readings]:
                future.result()
    finally:
        done.set()
        watcher.join()

    assert len(seen) > 10
    assert all(one == before for one in seen)
    assert state() == before


def test_the_watch_would_see_a_change() -> None:
    before = state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert state() != before
