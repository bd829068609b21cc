"""What the head is made of, and how each scanner sees it.

Relaxation times are round values at 1.5 T after Stanisz et al. 2005 (doi:10.1002/mrm.20605) and de
Bazelaire et al. 2004 (doi:10.1148/radiol.2303021331); CT numbers are those of radiology textbooks;
impedance and attenuation follow Duck, *Physical Properties of Tissues* (1990, ISBN 0-12-222800-6).
Where a value was changed for the phantom's purpose a comment says so.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["TISSUES", "Tissue", "index_of"]


class Tissue(NamedTuple):
    """One tissue; its index in :data:`TISSUES` is its value in a label map."""

    name: str
    hu: float
    """CT number in HU."""
    density: float
    """Proton density relative to water."""
    t1: float
    """Longitudinal relaxation time in ms."""
    t2: float
    """Transverse relaxation time in ms."""
    echo: float
    """Backscattered intensity in dB relative to white matter."""
    impedance: float
    """Acoustic impedance in MRayl (10⁶ kg m⁻² s⁻¹)."""
    attenuation: float
    """Ultrasound attenuation at 4 MHz in dB/cm, one way."""


_COMPACT = (6.0, 60.0)  # impedance and attenuation of bone: next to nothing comes back from behind it

TISSUES = (
    # For ultrasound "air" outside the head is coupling gel: a scan without gel shows nothing at all.
    Tissue("air", -1000, 0.0, 1000, 50, -60, 1.50, 0.0),
    Tissue("skin", 40, 0.70, 500, 45, 6, 1.64, 2.5),
    # Trains of refocusing pulses keep fat bright: its T2 is the apparent one.
    Tissue("fat", -95, 0.90, 280, 125, 2, 1.46, 2.0),
    Tissue("muscle", 55, 0.78, 950, 42, -2, 1.68, 2.5),
    Tissue("cortical bone", 1350, 0.05, 300, 2, 10, *_COMPACT),
    Tissue("diploe", 550, 0.50, 330, 60, 4, 3.5, 40.0),
    Tissue("dura", 60, 0.45, 800, 25, 12, 1.85, 4.0),
    # Under the skull and in the folds it is full of fine strands and vessels that scatter.
    Tissue("cerebrospinal fluid", 6, 1.00, 3800, 900, 10, 1.50, 0.05),
    Tissue("grey matter", 39, 0.84, 1050, 98, -6, 1.57, 1.6),
    Tissue("white matter", 29, 0.71, 640, 76, 0, 1.60, 2.0),
    Tissue("deep grey matter", 38, 0.81, 900, 84, -3, 1.58, 1.8),
    Tissue("pallidum", 38, 0.76, 780, 66, 2, 1.60, 1.9),
    Tissue("ventricle", 5, 1.00, 4000, 1200, -30, 1.50, 0.05),
    Tissue("cerebellar cortex", 40, 0.84, 1050, 98, 1, 1.58, 1.8),
    Tissue("cerebellar white matter", 30, 0.71, 660, 76, 3, 1.60, 2.0),
    Tissue("brain stem", 31, 0.73, 720, 78, -3, 1.59, 1.9),
    # Psammoma bodies too fine for MR: they take the relaxation of the fluid around them.
    Tissue("calcification", 420, 1.00, 4000, 1200, 14, 2.6, 22.0),
    # The lesion is white matter to CT, T1 and ultrasound, and long in T2 alone.
    Tissue("lesion", 29, 0.74, 665, 165, 0, 1.60, 2.0),
    Tissue("vitreous", 12, 1.00, 3600, 800, -26, 1.52, 0.1),
    Tissue("lens", 85, 0.60, 1100, 30, -10, 1.70, 3.0),
    Tissue("sclera and nerve", 42, 0.65, 750, 60, 2, 1.64, 2.5),
    # Fast venous flow leaves no MR signal.
    Tissue("venous blood", 58, 0.06, 1200, 60, -24, 1.61, 0.8),
    Tissue("mucosa", 42, 0.85, 1200, 110, 0, 1.60, 2.0),
)


def index_of(name: str) -> int:
    """The label of the tissue ``name``."""
    return next(i for i, tissue in enumerate(TISSUES) if tissue.name == name)
