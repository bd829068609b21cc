"""MIND-SSC: self-similarity descriptors of the surroundings of a voxel, alike in two modalities.

Heinrich, Jenkinson, Papież, Brady, Schnabel: Towards Realtime Multimodal Fusion for Image-Guided
Interventions Using Self-similarities, MICCAI 2013, doi:10.1007/978-3-642-40811-3_24.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

__all__ = ["describe"]

_NEIGHBOURS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
_PATCH = 0.8  # voxels: standard deviation of the Gaussian that weighs a patch
_LEAST_VARIANCE = 1e-2  # of the median: flat regions would be divided by 0

Field = npt.NDArray[np.float32]


def describe(array: Field) -> tuple[Field, Field]:
    """Descriptors (12, z, y, x) in [0, 1] of an image (z, y, x), and how much structure each voxel has.

    A descriptor says how alike two of the six neighbouring patches are that share an edge (eq. 2, with
    the mean of the twelve patch distances as variance); the most alike pair gets 1.  The structure is that
    variance over itself plus its mean, from 0 (flat: the descriptors show noise) to nearly 1.
    """
    from scipy.ndimage import gaussian_filter

    padded = np.pad(array, 1, mode="edge")
    inner = (slice(1, -1),) * 3
    around = [np.roll(padded, tuple(offset), (0, 1, 2))[inner] for offset in _NEIGHBOURS]
    pairs = [(i, j) for i, j in combinations(range(6), 2) if np.any(_NEIGHBOURS[i] != -_NEIGHBOURS[j])]
    distances = np.stack([gaussian_filter((around[i] - around[j]) ** 2, _PATCH) for i, j in pairs])
    distances -= distances.min(axis=0)
    variance = distances.mean(axis=0)
    least = _LEAST_VARIANCE * float(np.median(variance)) + np.finfo(np.float32).tiny
    descriptors = np.exp(-distances / np.maximum(variance, least)).astype(np.float32)
    return descriptors, (variance / (variance + max(float(variance.mean()), least))).astype(np.float32)
