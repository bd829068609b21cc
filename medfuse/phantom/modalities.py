"""Render the head in any modality."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, UnknownNameError
from ..volume import Geometry, Volume
from .ct import render_ct
from .head import Head
from .mr import render_mr
from .space import Matrix
from .ultrasound import render_us

__all__ = ["CONTRASTS", "checked_pose", "render"]

CONTRASTS = ("CT", "T1", "T2", "US")


def render(
    contrast: str,
    geometry: Geometry,
    pose: npt.ArrayLike | None = None,
    head: Head | None = None,
    noise: float = 1.0,
    seed: int = 0,
) -> Volume:
    """An image of the phantom on ``geometry``.

    Parameters
    ----------
    contrast:
        "CT" (HU), "T1", "T2" (arbitrary units, 0 to about 1000) or "US" (0 to 255).
    geometry:
        The grid, anywhere and of any spacing; what it does not cover is not seen.
    pose:
        Rigid 4×4 matrix from the head frame to the world of ``geometry`` (LPS mm), e.g. from
        :func:`rigid`; none: they coincide.
    head:
        The anatomy; by default ``Head(0)``.
    noise:
        0 for an image without noise; 1 for the noise of a routine scan; more scales it (ultrasound:
        1 is fully developed speckle, so values above 1 are refused).
    seed:
        Of the noise and, for MR, of the coil's shading.  Equal arguments give equal images.

    Raises
    ------
    UnknownNameError
        If there is no such contrast.
    ParameterError
        If ``noise`` or ``seed`` is out of range, or ``pose`` is not a rigid 4×4 matrix.
    """
    matrix = checked_pose(pose)
    if seed < 0:
        raise ParameterError(f"seed {seed}: expected 0 or more")
    if contrast not in CONTRASTS:
        raise UnknownNameError("contrast", contrast, CONTRASTS)
    head = head or Head()
    if contrast == "US":
        return render_us(head, geometry, matrix, noise, seed)
    if not 0 <= noise < np.inf:
        raise ParameterError(f"noise {noise}: expected 0 or more")
    if contrast == "CT":
        return render_ct(head, geometry, matrix, noise, seed)
    return render_mr(contrast, head, geometry, matrix, noise, seed)


def checked_pose(pose: npt.ArrayLike | None) -> Matrix:
    """``pose`` as a matrix, none as the identity; refused if it is not rigid."""
    matrix = np.eye(4) if pose is None else np.asarray(pose, dtype=float)
    rigid = matrix.shape == (4, 4) and np.allclose(matrix[3], [0, 0, 0, 1])
    if rigid:
        rotation = matrix[:3, :3]
        rigid = np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6) and np.linalg.det(rotation) > 0
    if not rigid:
        raise ParameterError(
            f"pose {matrix.tolist()}: expected a rigid 4×4 matrix (rotation and translation)"
        )
    return matrix
