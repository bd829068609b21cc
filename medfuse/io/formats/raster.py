"""The numbers behind a text header: raw, compressed or as text, never more of them than were declared."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ...errors import ReadError
from ..files import DEFLATE_RATIO

__all__ = ["Encoding", "Raster", "deflated"]

Encoding = Literal["raw", "gz", "bz2", "text", "hex"]

_CHUNK = 1 << 20
_TRAILING = 64  # chunks behind the numbers that are inflated, so that zlib compares its checksum


@dataclass(frozen=True)
class Raster:
    """Where the numbers lie and how they are stored.

    Parameters
    ----------
    header:
        The file that the user named, for messages.
    data:
        The file that holds the numbers.
    offset:
        Byte at which they begin; -1: they are the last of a raw file.
    encoding:
        How they are stored.
    dtype:
        Of each, with its byte order.
    count:
        How many there are.
    stored_bytes:
        How many bytes of the file are theirs, compressed; None: all from ``offset`` on.
    """

    header: Path
    data: Path
    offset: int
    encoding: Encoding
    dtype: np.dtype
    count: int
    stored_bytes: int | None = None

    def read(self) -> np.ndarray:
        """All numbers, flat, as stored.

        Raises
        ------
        ReadError
            If there are fewer than declared, or text is no number of the type.
        """
        size = self.data.stat().st_size
        there = size - max(self.offset, 0)
        least = {"gz": self._needed // DEFLATE_RATIO, "bz2": 0, "text": self.count, "hex": 2 * self._needed}
        if there < least.get(self.encoding, self._needed):
            raise self._too_short()
        if self.encoding == "text":
            return self._from_text(self._bytes().decode("ascii"))
        content = self._bytes() if self.encoding in ("raw", "hex") else self._inflated()
        if self.encoding == "hex":
            content = bytes.fromhex(content.decode("ascii"))
        if len(content) < self._needed:
            raise self._too_short()
        return np.frombuffer(content, self.dtype, self.count)

    @property
    def _needed(self) -> int:
        return self.count * self.dtype.itemsize

    def _too_short(self) -> ReadError:
        return ReadError(
            f"{self.header}: the header declares {self._needed} bytes of voxels, the file holds fewer: "
            "it is cut off or damaged; copy or export it again"
        )

    def _bytes(self) -> bytes:
        with self.data.open("rb") as stream:
            stream.seek(self.offset if self.offset >= 0 else self.data.stat().st_size - self._needed)
            return stream.read(self._needed) if self.encoding == "raw" else stream.read()

    def _from_text(self, text: str) -> np.ndarray:
        words = text.split()[: self.count]
        if len(words) < self.count:
            raise self._too_short()
        wide = np.array(words, np.float64 if self.dtype.kind == "f" else np.int64)
        values = wide.astype(self.dtype)
        if self.dtype.kind != "f" and not np.array_equal(values, wide):
            raise ReadError(
                f"{self.header}: a voxel does not fit into {self.dtype.name}: the file is damaged"
            )
        return values

    def _inflated(self) -> bytearray:
        """What was compressed, and a little of what follows, so that its checksum is compared."""
        result = bytearray()
        for chunk in _inflated_chunks(self._packed_chunks(), self.encoding):
            result += chunk
            if len(result) > self._needed + _TRAILING * _CHUNK:
                break
        return result

    def _packed_chunks(self) -> Iterator[bytes]:
        left = self.data.stat().st_size if self.stored_bytes is None else self.stored_bytes
        with self.data.open("rb") as stream:
            stream.seek(self.offset)
            while left > 0 and (packed := stream.read(min(_CHUNK, left))):
                left -= len(packed)
                yield packed


def _inflated_chunks(packed_chunks: Iterator[bytes], encoding: Encoding) -> Iterator[bytes]:
    """Chunk by chunk, for a small stream may inflate to gigabytes."""
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: zlib or gzip, as the stream says
    unzipper = bz2.BZ2Decompressor()
    for packed in packed_chunks:
        if encoding == "bz2":
            yield unzipper.decompress(packed, _CHUNK)
            while not (unzipper.needs_input or unzipper.eof):
                yield unzipper.decompress(b"", _CHUNK)
        else:
            yield inflater.decompress(packed, _CHUNK)
            while inflater.unconsumed_tail:
                yield inflater.decompress(inflater.unconsumed_tail, _CHUNK)
        if inflater.eof or unzipper.eof:
            return


def deflated(array: np.ndarray, window_bits: int) -> Iterator[bytes]:
    """The bytes of an array, compressed slice by slice; ``window_bits`` as in :func:`zlib.compressobj`."""
    packer = zlib.compressobj(wbits=window_bits)
    for part in array:
        yield packer.compress(np.ascontiguousarray(part).tobytes())
    yield packer.flush()
