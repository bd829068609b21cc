"""Windows and colour maps that a volume can be given, and whether what was typed is one."""

from __future__ import annotations

import re

__all__ = ["COLOUR_MAPS", "CT_WINDOWS", "offered_windows", "window_problem"]

CT_WINDOWS = {
    "abdomen": (40, 350),
    "air": (-426, 1000),
    "bone": (400, 1000),
    "brain": (50, 100),
    "liver": (60, 160),
    "lung": (-500, 1400),
    "mediastinum": (50, 350),
    "soft-tissue": (50, 400),
    "spine": (50, 250),
    "stroke": (40, 40),
    "subdural": (75, 215),
    "temporal-bone": (600, 2800),
}
"""Those that medfuse knows by name: level and width in HU."""

COLOUR_MAPS = ("inferno", "magma", "hot", "gist_heat", "none")
"""Those that medfuse knows; the first one is taken for PET and SPECT where none is chosen."""

_NUMBER = r"([-+]?\d+(?:\.\d+)?)"
_AUTOMATIC = "auto"
_PERCENTILES = {"0.5%-99.5%": "as auto", "1%-99%": "more contrast", "2%-98%": "yet more contrast"}


def offered_windows(modality: str) -> dict[str, str]:
    """Windows to choose from for a volume of ``modality``, each with a tooltip; others can be typed."""
    if modality == "CT":
        named = {
            name: f"{name}: level {level}, width {width} HU" for name, (level, width) in CT_WINDOWS.items()
        }
        return {_AUTOMATIC: "For CT the window bone: it is what CT adds to soft tissue.", **named}
    foreground = {spec: f"Percentiles of the foreground: {about}." for spec, about in _PERCENTILES.items()}
    return {_AUTOMATIC: "From the values of the foreground.", **foreground}


def window_problem(text: str, modality: str) -> str:
    """Why ``text`` is no window for a volume of ``modality``, as half a sentence; "" if it is one.

    ``text`` is "auto" or "" for it, a name of :data:`CT_WINDOWS`, ``LEVEL/WIDTH`` or ``LOW%-HIGH%``.
    """
    if text in ("", _AUTOMATIC):
        return ""
    if text in CT_WINDOWS:
        return "" if modality == "CT" else "is in HU: choose the modality CT, or write LEVEL/WIDTH"
    level_width = re.fullmatch(rf"{_NUMBER}/{_NUMBER}", text)
    if level_width:
        return "" if float(level_width[2]) > 0 else "has no width: write LEVEL/WIDTH with a width above 0"
    share = re.fullmatch(rf"{_NUMBER}%-{_NUMBER}%", text)
    if share:
        is_right = 0 <= float(share[1]) < float(share[2]) <= 100
        return "" if is_right else "is no range: write LOW%-HIGH% from 0 to 100, the lower one first"
    return "is none: choose one, or write LEVEL/WIDTH (40/80) or LOW%-HIGH% (1%-99%)"
