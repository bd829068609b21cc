"""What the files of a result are called, known once: by who writes, checks, renames and reads them."""

from __future__ import annotations

__all__ = [
    "DICOM",
    "ENTRIES",
    "FUSED",
    "FUSED_COLOUR",
    "MAPS",
    "METRICS",
    "METRICS_DENOISED",
    "PROVENANCE",
    "RECIPE",
    "REGISTERED",
    "REPORT",
    "TRANSFORMS",
    "TRUTH",
    "mask_name",
    "volume_names",
]

FUSED = "fused.nii.gz"
FUSED_COLOUR = "fused_colour.nii.gz"
REGISTERED, TRANSFORMS, MAPS, DICOM = "registered", "transforms", "maps", "dicom"
METRICS, METRICS_DENOISED = "metrics.csv", "metrics_denoised.csv"
RECIPE, PROVENANCE, REPORT = "recipe.toml", "provenance.json", "report.html"
TRUTH = "truth.png"

ENTRIES = frozenset(
    {
        *(FUSED, FUSED_COLOUR, REGISTERED, TRANSFORMS, MAPS, DICOM),
        *(METRICS, METRICS_DENOISED, RECIPE, PROVENANCE, REPORT, TRUTH),
    }
)
"""All that stands in the top folder of a result; a folder that holds anything else is never replaced."""


def volume_names(n: int) -> tuple[str, ...]:
    """File names of n volumes without suffix: ``fixed``, ``moving_1``, ``moving_2``, …"""
    return ("fixed", *(f"moving_{i}" for i in range(1, n)))


def mask_name(volume: str) -> str:
    """The name of the mask of what was measured, beside the volume of that name."""
    return f"{volume}_mask"
