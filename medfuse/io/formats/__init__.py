"""Which suffix belongs to which file format, and the module that reads and writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = [
    "PICTURES",
    "VOLUMES",
    "Format",
    "converter_of",
    "format_of",
    "format_of_file",
    "is_picture",
    "is_second_half",
]

PICTURES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".gif", ".mat")
"""Suffixes of 2-D images, which are read as volumes of one slice."""


@dataclass(frozen=True)
class Format:
    """A file format: the module that has its ``read`` and ``write``, imported when it is used.

    Where ``halves``, header and voxels are two files, and the module has ``other_half`` too; such a pair
    cannot appear whole or not at all, and is only read.
    """

    name: str
    module: str
    writable: bool = True
    halves: bool = False

    def function(self, name: str) -> Callable[..., Any]:
        """``read``, ``write`` or ``other_half`` of the format."""
        found: Callable[..., Any] = getattr(import_module(self.module, __package__), name)
        return found


_NIFTI = Format("NIfTI", ".nifti")
_NRRD = Format("NRRD", ".nrrd")
_METAIMAGE = Format("MetaImage", ".metaimage")

VOLUMES = {
    ".nii.gz": _NIFTI,
    ".nii": _NIFTI,
    ".nrrd": _NRRD,
    ".mha": _METAIMAGE,
    **dict.fromkeys((".hdr", ".hdr.gz", ".img", ".img.gz"), Format("NIfTI", ".nifti", False, True)),
    ".nhdr": Format("NRRD", ".nrrd", writable=False, halves=True),
    ".mhd": Format("MetaImage", ".metaimage", writable=False, halves=True),
    ".mgz": Format("FreeSurfer", ".freesurfer", writable=False),
    ".mgh": Format("FreeSurfer", ".freesurfer", writable=False),
}
"""Suffix -> format; whatever else is a folder or file of DICOM."""

_CONVERTERS = {
    (".mnc", ".mnc.gz", ".mnc2"): "a MINC file: convert it with mnc2nii (MINC tools)",
    (".par", ".rec", ".xml.rec"): "Philips PAR/REC: convert it with dcm2niix, or nibabel's parrec2nii",
    (".head", ".brik", ".brik.gz"): "an AFNI file: convert it with 3dAFNItoNIFTI (AFNI)",
}
"""Formats that others read, and with what."""


def format_of(path: Path) -> tuple[str, Format] | None:
    """The suffix of ``path`` and its format, or None."""
    name = path.name.lower()
    return next(((suffix, kind) for suffix, kind in VOLUMES.items() if name.endswith(suffix)), None)


def format_of_file(path: Path) -> tuple[str, Format] | None:
    """The suffix and format of an existing file; None for DICOM, whatever its name."""
    known = format_of(path)
    if known is None:
        return None
    with path.open("rb") as stream:
        return None if stream.read(132)[128:] == b"DICM" else known


def is_second_half(path: Path) -> bool:
    """Whether it is the data file of a NIfTI pair whose header is beside it."""
    suffix = (format_of(path) or ("",))[0]
    if not suffix.startswith(".img"):
        return False
    stem = path.name[: -len(suffix)]
    return any(path.with_name(stem + other).is_file() for other in (".hdr", ".HDR", ".hdr.gz"))


def converter_of(path: Path) -> str:
    """What to convert a file with whose format is known, but not read; empty for all others."""
    return next((said for suffixes, said in _CONVERTERS.items() if path.name.lower().endswith(suffixes)), "")


def is_picture(path: Path) -> bool:
    """Whether ``path`` is named like a 2-D image."""
    return path.suffix.lower() in PICTURES
