"""Ultrasound stills and single frames of cines, as volumes of one slice.

A cine is time, not depth: its frames never make a volume.  The size of a pixel is stated for regions
of the picture (PS3.3 C.8.5.5); around them are rulers, words and a patient's name, which are cut away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from ...colour import luma_of
from ...errors import ReadError, SeriesError
from ...volume import Geometry, Volume
from ..files import blames_data, check_voxels, named, one_line, reading
from ..options import ReadOptions
from ..single_slice import one_slice_geometry
from .headers import IDENTITY, DicomHeader
from .parse import load

__all__ = ["inspect_pictures", "luma", "read_picture"]

_CENTIMETRES = 3  # of PhysicalUnitsXDirection; 4 is seconds
_TISSUE = 1  # of RegionDataType
_TWO_D = 1  # of RegionSpatialFormat
_SATURATED = 64  # of 255: red, green and blue differ by more only where a colour is meant
_DOPPLER_PART = 0.01
_LISTED = 20
_MOST_FRAMES = 100_000  # an hour of them

_KEYWORDS = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
)  # fmt: skip
_SLACK_BYTES = 16 << 20

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class _Picture:
    """One frame, or one calibrated region of it: ``box`` is left, top, right, bottom, ends included."""

    header: DicomHeader
    frame: int
    box: Box
    spacing: tuple[float, float] | None
    label: str

    @property
    def size(self) -> tuple[int, int]:
        left, top, right, bottom = self.box
        return (right - left + 1, bottom - top + 1)


def read_picture(path: Path, headers: Sequence[DicomHeader], options: ReadOptions) -> Volume:
    """Read one picture of a series of stills and cines.

    Parameters
    ----------
    path:
        What the user named.
    headers:
        Its files.
    options:
        ``volume`` counts frames, and regions of each; ``spacing`` is for pictures that do not say it.

    Raises
    ------
    SeriesError
        If there is more than one picture and none was chosen, or its pixels have no size in mm.
    """
    pictures = _pictures(headers)
    if options.volume is None and len(pictures) > 1:
        raise SeriesError(
            f"{path}: {len(pictures)} ultrasound pictures (frames in time, or regions), which are no volume; "
            f"choose one with --volume N: {_listed(pictures)}"
        )
    if options.volume is not None and options.volume > len(pictures):
        raise SeriesError(
            f"{path}: no volume {options.volume}; it holds {len(pictures)}: {_listed(pictures)}"
        )
    picture = pictures[(options.volume or 1) - 1]
    geometry, notes = _geometry(picture, options)
    with reading(picture.header.path):
        left, top, right, bottom = picture.box
        grey, colour_notes = luma(_frame(picture)[top : bottom + 1, left : right + 1])
    chosen = [f"{picture.label} of {len(pictures)} pictures"] if len(pictures) > 1 else []
    known = {key: picture.header.get(key) for key in IDENTITY if key in picture.header.values}
    return Volume(
        grey[np.newaxis],
        geometry,
        "US",
        metadata={**known, "SOPInstanceUID": (picture.header.get("SOPInstanceUID", ""),)},
        notes=(*chosen, *notes, *colour_notes, *_COMMON_NOTES),
    )


_COMMON_NOTES = (
    "an ultrasound picture does not say how it lies in the patient: its middle was put at the origin",
)


def inspect_pictures(
    headers: Sequence[DicomHeader],
) -> list[tuple[int, str, Geometry | None, tuple[str, ...], str]]:
    """Number (0 if there is one only), label, grid, notes and problem of each picture."""
    found: list[tuple[int, str, Geometry | None, tuple[str, ...], str]] = []
    pictures = _pictures(headers)
    for number, picture in enumerate(pictures, start=1 if len(pictures) > 1 else 0):
        try:
            geometry, notes = _geometry(picture, ReadOptions())
        except ReadError as error:
            found.append((number, picture.label, None, (), str(error)))
        else:
            found.append((number, picture.label, geometry, tuple(notes), ""))
    return found


def luma(pixels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Grey values (y, x) of a picture (y, x) or (y, x, 3) of 8 bits, and what to say of its colours."""
    if pixels.ndim == 2:
        return pixels.astype(np.float32), []
    spread = pixels.max(axis=-1).astype(int) - pixels.min(axis=-1)
    if not spread.any():
        return pixels[..., 0].astype(np.float32), []
    notes = ["a colour picture, read as its luma (brightness)"]
    coloured = float((spread > _SATURATED).mean())
    if coloured > _DOPPLER_PART:
        notes.append(
            f"{coloured:.0%} of its pixels are saturated colours (Doppler?): their luma is no echo intensity"
        )
    return luma_of(pixels.astype(np.float32)), notes


def _listed(pictures: Sequence[_Picture]) -> str:
    more = [f"and {len(pictures) - _LISTED} more"] if len(pictures) > _LISTED else []
    return "; ".join([*(f"{n}: {p.label}" for n, p in enumerate(pictures[:_LISTED], start=1)), *more])


def _pictures(headers: Sequence[DicomHeader]) -> list[_Picture]:
    """All frames of all files in the order of their instance numbers, and regions of each."""
    ordered = sorted(headers, key=lambda one: (str(one.get("InstanceNumber", "")).zfill(12), one.path.name))
    found = []
    for header in ordered:
        regions = _regions(header)
        file = f"{named(header.path.name)}, " if len(ordered) > 1 else ""
        for frame in range(header.get("NumberOfFrames", 1)):
            for number, (box, spacing) in enumerate(regions, start=1):
                region = f", region {number}" if len(regions) > 1 else ""
                found.append(_Picture(header, frame, box, spacing, f"{file}frame {frame + 1}{region}"))
    return found


def _regions(header: DicomHeader) -> list[tuple[Box, tuple[float, float] | None]]:
    """Box and spacing of the regions that show tissue in centimetres; else the whole picture."""
    columns, rows = header.get("Columns", 0), header.get("Rows", 0)
    check_voxels(header.path, (columns, rows, 1))
    frames = header.get("NumberOfFrames", 1)
    if not 1 <= frames <= min(_MOST_FRAMES, header.bytes):
        raise ReadError(f"{header.path}: declares {frames} frames: the header is damaged")
    boxes: list[tuple[Box, tuple[float, float] | None]] = []
    for region in header.get("SequenceOfUltrasoundRegions", ()):
        spacing = _spacing(region)
        box = tuple(region.get(f"RegionLocation{end}", -1) for end in ("MinX0", "MinY0", "MaxX1", "MaxY1"))
        if spacing is None or not all(isinstance(value, int) for value in box):
            continue
        # Some writers state the ends one beyond the picture.
        left, top, right, bottom = box[0], box[1], min(box[2], columns - 1), min(box[3], rows - 1)
        if 0 <= left < right and 0 <= top < bottom:
            boxes.append(((left, top, right, bottom), spacing))
    return boxes or [((0, 0, columns - 1, rows - 1), None)]


def _spacing(region: dict[str, Any]) -> tuple[float, float] | None:
    """Size of a pixel in mm, of a region of tissue in two dimensions of space."""
    units = (region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection"))
    kind = (region.get("RegionSpatialFormat"), region.get("RegionDataType"))
    deltas = (region.get("PhysicalDeltaX", 0), region.get("PhysicalDeltaY", 0))
    if units != (_CENTIMETRES, _CENTIMETRES) or kind != (_TWO_D, _TISSUE):
        return None
    if not all(isinstance(delta, (int, float)) and isfinite(delta) and delta for delta in deltas):
        return None
    across, down = (abs(float(delta)) * 10 for delta in deltas)
    return across, down


def _geometry(picture: _Picture, options: ReadOptions) -> tuple[Geometry, list[str]]:
    if picture.spacing is None and options.spacing is None:
        raise SeriesError(
            f"{picture.header.path}: does not say the size of its pixels (no calibrated region of tissue); "
            "measure it on the picture's ruler and give --spacing"
        )
    if picture.spacing is None or options.spacing is not None:
        return one_slice_geometry(picture.size, options.spacing or (1.0, 1.0))
    return one_slice_geometry(picture.size, picture.spacing)


def _frame(picture: _Picture) -> np.ndarray:
    """The whole frame, (y, x) or red, green and blue (y, x, 3), 8 bits."""
    from pydicom.pixels import apply_color_lut, pixel_array

    header = picture.header
    if header.get("BitsAllocated") != 8 and header.get("PhotometricInterpretation") != "PALETTE COLOR":
        raise ReadError(
            f"{header.path}: ultrasound of {header.get('BitsAllocated')} bits; expected 8: export it again"
        )
    size = header.get("Rows") * header.get("Columns") * header.get("SamplesPerPixel", 1)
    limit = size * header.get("NumberOfFrames", 1) * header.get("BitsAllocated", 8) // 8 + _SLACK_BYTES
    dataset, _ = load(header.path, _KEYWORDS, limit, pixels=True)
    try:
        pixels: np.ndarray = pixel_array(dataset, index=picture.frame)
        if header.get("PhotometricInterpretation") == "PALETTE COLOR":
            pixels = apply_color_lut(pixels, dataset)
            pixels = (pixels >> 8).astype(np.uint8) if pixels.dtype.itemsize == 2 else pixels
    except Exception as error:
        if not blames_data(error):
            raise
        raise ReadError(
            f"{header.path}: its pixels cannot be decoded: the file is damaged or the compression is not "
            f"known; decompress it with gdcmconv --raw or dcmdjpeg ({one_line(error)})"
        ) from error
    if pixels.shape[:2] != (header.get("Rows"), header.get("Columns")):
        raise ReadError(f"{header.path}: the compressed picture has another size than the header says")
    return pixels
