"""The range of values that a file's number type says."""

from __future__ import annotations

from pathlib import Path

__all__ = ["stored_white"]


def stored_white(path: Path) -> int | None:
    """The value of white that a volume's file says by its type: 255 or 65535 for unsigned 8 or 16 bits.

    None for other types, for values that the header scales, and for folders.  Ask it of files that
    :func:`medfuse.read_volume` has read: it trusts their headers.
    """
    import SimpleITK

    if not path.is_file():
        return None
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:  # what ITK does not read says nothing in its terms
        return None
    return {SimpleITK.sitkUInt8: 255, SimpleITK.sitkUInt16: 65535}.get(reader.GetPixelID())
