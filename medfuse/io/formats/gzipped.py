"""The content of a file that may be gzipped, told by its bytes, never by its name."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ...errors import ReadError
from ..files import DEFLATE_RATIO

__all__ = ["Content", "open_content"]

_GZIP_START = b"\x1f\x8b"
_CHUNK = 1 << 20
_TRAILING = 64  # chunks behind the voxels that are read, so that gzip compares its checksum


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds when it is inflated; see :func:`open_content`."""

    path: Path
    stream: BinaryIO
    is_gzipped: bool

    def start(self, count: int) -> bytes:
        """The first ``count`` bytes, or fewer if there are no more."""
        self.stream.seek(0)
        return self.stream.read(count)

    def length_up_to(self, limit: int) -> int:
        """How long it is; ``limit`` if it is longer."""
        if self.is_gzipped:
            return self.stream.seek(limit)  # gzip stops at its end
        return min(self.path.stat().st_size, limit)

    def part(self, offset: int, count: int, end: int) -> bytes:
        """``count`` bytes from ``offset`` on, of a file that must have ``end`` bytes and be whole.

        Raises
        ------
        ReadError
            If it is shorter than ``end`` bytes.
        """
        largest = self.path.stat().st_size * (DEFLATE_RATIO if self.is_gzipped else 1)
        if end <= largest:
            self.stream.seek(offset)
            content = self.stream.read(count)
            if len(content) == count and self.length_up_to(end) == end:
                self._drain()
                return content
        raise ReadError(
            f"{self.path}: the header declares {end} bytes, the file holds fewer: it is cut off or damaged; "
            "copy or export it again"
        )

    def _drain(self) -> None:
        for _ in range(_TRAILING if self.is_gzipped else 0):
            if not self.stream.read(_CHUNK):
                return


@contextmanager
def open_content(path: Path) -> Iterator[Content]:
    """The inflated content of ``path`` while it is open."""
    with path.open("rb") as raw:
        zipped = raw.read(len(_GZIP_START)) == _GZIP_START
        raw.seek(0)
        if zipped:
            with gzip.GzipFile(fileobj=raw) as inflated:
                yield Content(path, cast(BinaryIO, inflated), True)
        else:
            yield Content(path, raw, False)
