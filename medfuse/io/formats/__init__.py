"""Which suffix belongs to which file format, and the module that reads and writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["PICTURES", "VOLUMES", "Format", "format_of", "is_picture"]

PICTURES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".gif", ".mat")
"""Suffixes of 2-D images, which are read as volumes of one slice."""


@dataclass(frozen=True)
class Format:
    """A file format: the module that has its ``read`` and ``write``, imported when it is used."""

    name: str
    module: str
    writable: bool = True

    def function(self, name: str) -> Callable[..., Any]:
        """``read`` or ``write`` of the format."""
        return getattr(import_module(self.module, __package__), name)


_NIFTI = Format("NIfTI", ".nifti")
_NRRD = Format("NRRD", ".itk")
_METAIMAGE = Format("MetaImage", ".itk")

VOLUMES = {
    ".nii.gz": _NIFTI,
    ".nii": _NIFTI,
    ".nrrd": _NRRD,
    ".mha": _METAIMAGE,
    # Header and voxels in two files, which cannot appear whole or not at all: read only.
    ".nhdr": Format("NRRD", ".itk", writable=False),
    ".mhd": Format("MetaImage", ".itk", writable=False),
}
"""Suffix -> format; whatever else is a folder or file of DICOM."""


def format_of(path: Path) -> tuple[str, Format] | None:
    """The suffix of ``path`` and its format, or None."""
    name = path.name.lower()
    return next(((suffix, kind) for suffix, kind in VOLUMES.items() if name.endswith(suffix)), None)


def is_picture(path: Path) -> bool:
    """Whether ``path`` is named like a 2-D image."""
    return path.suffix.lower() in PICTURES
