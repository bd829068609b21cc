"""A generated head: CT, MR and ultrasound volumes with exactly known transforms.

For demonstrations, tests and benchmarks without any patient's data and without a network.  The head
is a function of space (:class:`Head`), not a stored volume, so every scan is rendered straight
onto its own grid at its own pose: no resampling stands between the truth and the image.

>>> from medfuse import Geometry
>>> from medfuse.phantom import render, rigid
>>> grid = Geometry((64, 64, 32), (3.6, 3.6, 5.0), (-115, -110, -62))
>>> t1 = render("T1", grid, pose=rigid((8, -3, 5), (6, -4, 9)), noise=0)
>>> t1.modality, t1.array.shape
('MR', (32, 64, 64))

:func:`sample_study` gives the four volumes of ``sample_data/`` with their truth, and noisy twins of
them (:data:`NOISY_SCANS`) with the same images without noise.  It is a phantom: right for geometry
and contrast, wrong for anything that depends on true histology.

The *head frame* is LPS mm with the anterior commissure at 0 and the line to the posterior
commissure along +y.  A *pose* is the rigid 4×4 matrix from the head frame to the world of one scan.
"""

from __future__ import annotations

from .ct import low_dose
from .head import LANDMARKS, Head
from .modalities import CONTRASTS, render
from .space import rigid
from .study import NOISY_SCANS, SCANS, SampleStudy, Scan, sample_study
from .tissues import TISSUES, Tissue
from .ultrasound import Probe, render_us

__all__ = [
    "CONTRASTS",
    "LANDMARKS",
    "NOISY_SCANS",
    "SCANS",
    "TISSUES",
    "Head",
    "Probe",
    "SampleStudy",
    "Scan",
    "Tissue",
    "low_dose",
    "render",
    "render_us",
    "rigid",
    "sample_study",
]
