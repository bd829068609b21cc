"""Reading and writing: every volume is read right, right with a note, or refused with a remedy.

Importing this loads none of pydicom, nibabel and SimpleITK; each is imported by the first file
that needs it.
"""

from __future__ import annotations

from .catalogue import Description, describe
from .formats.images import read_image
from .hashes import sha256_of, sha256_of_input
from .options import ReadOptions
from .reading_apart import ReaderApart
from .transforms import open_transform, read_transform, write_transform
from .volume_files import read_volume, write_volume

__all__ = [
    "Description",
    "ReadOptions",
    "ReaderApart",
    "describe",
    "open_transform",
    "read_image",
    "read_transform",
    "read_volume",
    "sha256_of",
    "sha256_of_input",
    "write_transform",
    "write_volume",
]
