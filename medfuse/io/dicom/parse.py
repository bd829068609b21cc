"""One DICOM file as a pydicom dataset of a few attributes, with limits on what is inflated."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ...errors import ReadError

if TYPE_CHECKING:
    import pydicom

__all__ = ["load", "looks_like_dicom"]

_DEFLATED = "1.2.840.10008.1.2.1.99"
_META_BYTES = 4096
_TRANSFER_SYNTAX = b"\2\0\x10\0"
_LONG_VRS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
_PIXEL_DATA = 0x7FE00010
_OLD_STYLE_STARTS = {b"\x08\0\0\0", b"\x08\0\5\0", b"\x08\0\x08\0", b"\x08\0\x16\0", b"\2\0\0\0"}


def looks_like_dicom(path: Path) -> bool:
    """Whether the file begins as DICOM does: ``DICM`` at 128, or, in old files, group 8 or 2 at once."""
    with path.open("rb") as stream:
        start = stream.read(132)
    return start[128:] == b"DICM" or start[:4] in _OLD_STYLE_STARTS


def load(
    path: Path, keywords: Iterable[str] | None, inflated_limit: int, *, pixels: bool
) -> tuple[pydicom.Dataset, bool]:
    """Read some attributes.

    Parameters
    ----------
    path:
        The file.
    keywords:
        The attributes that are wanted, without those of the file meta information, which all come; None: all.
    inflated_limit:
        How many bytes of a deflated file are inflated at most.
    pixels:
        Whether to read on into the pixels.

    Returns
    -------
    dataset, has_pixels
        ``has_pixels`` is false if the file ends before any pixel, as reports and cut-off images do.
    """
    import pydicom

    tags = None if keywords is None else _tags(tuple(keywords))
    with path.open("rb") as stream:
        # pydicom would inflate a deflated file whole, whatever its size: look at the syntax first.
        if _plain_syntax(stream.read(_META_BYTES)) in (None, _DEFLATED):
            stream.seek(0)
            meta = _file_meta(stream)
            if meta.get("TransferSyntaxUID") == _DEFLATED:
                return _load_deflated(path, stream.read(), meta, tags, inflated_limit, pixels)
        stream.seek(0)
        dataset = pydicom.dcmread(stream, stop_before_pixels=not pixels, force=True, specific_tags=tags)
        return dataset, "PixelData" in dataset if pixels else stream.read(1) != b""


@cache
def _tags(keywords: tuple[str, ...]) -> list[int]:
    from pydicom.datadict import tag_for_keyword

    return [tag for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None]


def _plain_syntax(start: bytes) -> str | None:
    """The transfer syntax from the first bytes of a file, or None where group 2 is not as it should be.

    A walk over a few bytes; to have pydicom read group 2 beforehand would take half as long as the header.
    """
    at, syntax = 132, None
    if start[128:132] != b"DICM":
        return None
    while start[at : at + 2] == b"\2\0":
        long_form = start[at + 4 : at + 6] in _LONG_VRS
        size = 4 if long_form else 2
        value_at = at + (12 if long_form else 8)
        length = int.from_bytes(start[value_at - size : value_at], "little")
        if start[at : at + 4] == _TRANSFER_SYNTAX:
            syntax = start[value_at : value_at + length].rstrip(b"\0 ").decode("latin-1")
        at = value_at + length
    return syntax if at + 2 <= len(start) else None


def _file_meta(stream: BinaryIO) -> pydicom.Dataset:
    """Group 2, which is never compressed; leaves ``stream`` behind it."""
    from pydicom.filereader import read_dataset

    has_preamble = stream.read(132)[128:] == b"DICM"
    stream.seek(132 if has_preamble else 0)
    return read_dataset(stream, False, True, stop_when=_behind_file_meta)


def _behind_file_meta(tag: int, _vr: str | None, _length: int) -> bool:
    return tag >> 16 != 2


def _at_pixels(tag: int, _vr: str | None, _length: int) -> bool:
    return tag == _PIXEL_DATA


def _load_deflated(
    path: Path, zipped: bytes, meta: pydicom.Dataset, tags: list[int] | None, limit: int, pixels: bool
) -> tuple[pydicom.Dataset, bool]:
    from pydicom.dataset import FileMetaDataset
    from pydicom.filereader import read_dataset

    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflater.decompress(zipped, limit)
    if pixels and inflater.decompress(inflater.unconsumed_tail, 1):
        raise ReadError(f"{path}: inflates to more than its header declares; the file is damaged or hostile")
    stream = BytesIO(content)
    dataset = read_dataset(
        stream,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=None if pixels else _at_pixels,
        specific_tags=tags,
    )
    before_pixels = stream.tell() < len(content)
    if not pixels and inflater.unconsumed_tail and not before_pixels:
        raise ReadError(f"{path}: inflates to over {limit >> 20} MiB before any pixel; the file is hostile")
    dataset.file_meta = FileMetaDataset(meta)
    return dataset, "PixelData" in dataset if pixels else before_pixels
