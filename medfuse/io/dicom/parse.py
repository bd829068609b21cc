"""One DICOM file as a pydicom dataset of a few attributes, with limits on what is inflated."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ...errors import ReadError

if TYPE_CHECKING:
    import pydicom

__all__ = ["is_dicom_start", "load", "looks_like_dicom"]

_DEFLATED = "1.2.840.10008.1.2.1.99"
_META_BYTES = 4096
_TRANSFER_SYNTAX = b"\2\0\x10\0"
_LONG_VRS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
_PIXEL_DATA = 0x7FE00010
_LONGEST_FIRST = 1 << 12  # bytes of the first element of a file without preamble


def looks_like_dicom(path: Path) -> bool:
    """Whether the file begins as DICOM does; see :func:`is_dicom_start`."""
    with path.open("rb") as stream:
        return is_dicom_start(stream.read(132))


def is_dicom_start(start: bytes) -> bool:
    """Whether the first 132 bytes are those of DICOM: ``DICM`` at 128, or plausible elements at once.

    Files without preamble begin with an element of group 2 or 8, in any of the three encodings: a tag
    that the dictionary knows, a length that such an element may have, and a tag after it that is larger.
    """
    return start[128:132] == b"DICM" or any(_begins_with_elements(start, order) for order in ("<", ">"))


def _begins_with_elements(start: bytes, order: str) -> bool:
    first = _element(start, order)
    if first is None or first[0] >> 16 not in (2, 8) or not _is_known(first[0]):
        return False
    tag, after = first
    second = _element(start[after:], "<" if tag >> 16 == 2 else order)
    return after > len(start) - 12 or (second is not None and second[0] > tag and _is_known(second[0]))


def _element(content: bytes, order: str) -> tuple[int, int] | None:
    """Tag and length in bytes of the element at the beginning, explicit or implicit; None if it is none."""
    if len(content) < 12:
        return None
    group, number = struct.unpack(f"{order}HH", content[:4])
    if content[4:6] in _LONG_VRS:
        length = 12 + int(struct.unpack(f"{order}L", content[8:12])[0])
    elif content[4:6].isalpha() and content[4:6].isupper():
        length = 8 + int(struct.unpack(f"{order}H", content[6:8])[0])
    else:
        length = 8 + int(struct.unpack(f"{order}L", content[4:8])[0])
    return (group << 16 | number, length) if length <= _LONGEST_FIRST and length % 2 == 0 else None


def _is_known(tag: int) -> bool:
    from pydicom.datadict import dictionary_has_tag

    return tag & 0xFFFF == 0 or dictionary_has_tag(tag)


def load(
    path: Path, keywords: Iterable[str] | None, inflated_limit: int, *, pixels: bool
) -> tuple[pydicom.Dataset, bool]:
    """Read some attributes.

    Parameters
    ----------
    path:
        The file.
    keywords:
        The attributes that are wanted, those of vendors as ``(gggg,eeee)``, without those of the file meta
        information, which all come; None: all.
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

    private = [int(text[1:10].replace(",", ""), 16) for text in keywords if text.startswith("(")]
    return private + [tag for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None]


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
