"""A small picture of a result for the page of a batch."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np

from ...intensity import quantize
from ...pipeline import StudyResult
from ...report.planes import central_voxel, plane

__all__ = ["thumbnail"]

_SIDE = 72  # pixels


def thumbnail(result: StudyResult) -> str:
    """The central axial plane of the fused volume, its pixels made square, as a JPEG data URI."""
    from PIL import Image

    fused = result.fused_volume
    picture = plane(fused.array, fused.geometry, "axial", central_voxel(result.sources.array))
    height, width = picture.image.shape[0] * picture.row_mm, picture.image.shape[1] * picture.column_mm
    scale = _SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = Image.fromarray(np.ascontiguousarray(quantize(picture.image)))
    buffer = BytesIO()
    image.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR).save(
        buffer, format="JPEG", quality=72
    )
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
