"""What bodies are made of.

CT numbers are those of radiology textbooks.  Relaxation times are round values at 1.5 T after Stanisz et al.
2005 (doi:10.1002/mrm.20605) and de Bazelaire et al. 2004 (doi:10.1148/radiol.2303021331).  The uptake is
about that of FDG an hour after injection, relative to the mean of the body (SUV).
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BODY_TISSUES", "BodyTissue"]


class BodyTissue(NamedTuple):
    """One tissue; its index in :data:`BODY_TISSUES` is its label."""

    name: str
    hu: float
    """CT number in HU."""
    density: float
    """Proton density relative to water."""
    t1: float
    """Longitudinal relaxation time in ms."""
    t2: float
    """Transverse relaxation time in ms."""
    uptake: float
    """SUV."""


BODY_TISSUES = (
    BodyTissue("air", -1000, 0.0, 1000, 50, 0.0),
    BodyTissue("fat", -100, 0.90, 280, 125, 0.3),
    BodyTissue("muscle", 55, 0.78, 950, 42, 0.8),
    BodyTissue("cortical bone", 1000, 0.05, 300, 2, 0.5),
    BodyTissue("marrow", 220, 0.65, 450, 70, 1.6),
    BodyTissue("fatty marrow", -30, 0.85, 300, 110, 0.5),
    BodyTissue("disc", 80, 0.75, 1000, 90, 0.5),
    BodyTissue("fluid", 8, 1.00, 3800, 900, 0.3),
    BodyTissue("cord", 38, 0.72, 750, 78, 1.8),
    BodyTissue("lung", -820, 0.20, 1200, 40, 0.5),
    BodyTissue("liver", 62, 0.80, 580, 46, 2.4),
    BodyTissue("spleen", 50, 0.85, 1050, 80, 1.9),
    BodyTissue("kidney", 34, 0.86, 920, 87, 3.5),
    BodyTissue("heart", 45, 0.80, 1000, 50, 4.5),
    BodyTissue("blood", 42, 0.06, 1400, 60, 1.7),  # flowing: little signal in MR
    BodyTissue("bowel", 30, 0.82, 900, 80, 1.4),
    BodyTissue("bladder", 5, 1.00, 3800, 900, 12.0),
    BodyTissue("brain", 34, 0.78, 850, 85, 8.0),
)
