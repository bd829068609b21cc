"""What suits a pair of modalities: what is compared, where the search may start, how far it may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..errors import ParameterError, RegistrationError, UnknownNameError

__all__ = ["AUTO", "KINDS", "PRESETS", "Preset", "choose_preset", "preset_for"]

KINDS = ("none", "rigid", "similarity", "affine", "deformable")
"""What :func:`~medfuse.registration.register` can search for, by degrees of freedom.

``none`` takes the transform as given; ``rigid`` is a rotation and a translation; ``similarity`` has one scale
for all axes as well; ``affine`` scales and shears; ``deformable`` adds a smooth displacement field.
"""

AUTO = "auto"
"""The preset that is chosen by the modalities of the volumes."""


@dataclass(frozen=True)
class Preset:
    """How a pair of modalities is registered.

    Parameters
    ----------
    name:
        Its key in :data:`PRESETS`.
    modalities:
        The pair it is meant for, in either order; empty for any other pair.
    compares:
        "values": mutual information of the values; "edges": of their gradient magnitudes, for
        ultrasound, which shows where tissues meet rather than what they are.
    needs_start:
        Whether a starting pose must be given, because a search from everywhere ends at wrong poses.
    travel_mm, travel_deg:
        How far from the starting pose the search may end; None: anywhere.
    kinds:
        Those of :data:`KINDS` that make sense.
    about:
        One sentence for people.
    """

    name: str
    modalities: tuple[str, str] | None
    compares: str
    needs_start: bool
    travel_mm: float | None
    travel_deg: float | None
    kinds: tuple[str, ...]
    about: str


_LINEAR = ("none", "rigid", "similarity", "affine")  # where deformable made things worse, or was not tried


def _of_values(name: str, modalities: tuple[str, str] | None, kinds: tuple[str, ...], about: str) -> Preset:
    return Preset(name, modalities, "values", False, None, None, kinds, about)


def _of_edges(name: str, modalities: tuple[str, str], about: str) -> Preset:
    return Preset(name, modalities, "edges", True, 30.0, 20.0, ("none", "rigid"), about)


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            _of_values("ct-mr", ("CT", "MR"), _LINEAR, "Bone against soft tissue; any starting pose."),
            _of_values("mr-mr", ("MR", "MR"), KINDS, "Two contrasts of one patient; any starting pose."),
            _of_values("ct-pt", ("CT", "PT"), _LINEAR, "Uptake against anatomy; look at the result."),
            _of_edges("mr-us", ("MR", "US"), "Edges within the fan, near a pose that must be given."),
            _of_edges("ct-us", ("CT", "US"), "Edges within the fan, near a pose that must be given."),
            _of_values("general", None, KINDS, "Any other pair; any starting pose."),
        )
    }
)
"""Name -> preset."""


def preset_for(fixed_modality: str, moving_modality: str) -> Preset:
    """The preset meant for a pair of modalities, in either order; "general" where there is none."""
    pair = {fixed_modality, moving_modality}
    for preset in PRESETS.values():
        if preset.modalities is not None and set(preset.modalities) == pair:
            return preset
    return PRESETS["general"]


def choose_preset(name: str, modalities: tuple[str, str], kind: str, has_start: bool) -> Preset:
    """The preset called ``name``, or for "auto" the one for ``modalities``, checked against the rest.

    Raises
    ------
    UnknownNameError
        If there is no such preset.
    ParameterError
        If ``kind`` makes no sense with it.
    RegistrationError
        If it needs a starting pose and ``has_start`` is False.
    """
    if name != AUTO and name not in PRESETS:
        raise UnknownNameError("registration preset", name, (AUTO, *PRESETS))
    preset = preset_for(*modalities) if name == AUTO else PRESETS[name]
    if kind not in preset.kinds:
        raise ParameterError(
            f"registration kind {kind!r} with preset {preset.name!r}: expected one of "
            f"{', '.join(preset.kinds)}; or take preset 'general', at your own judgement"
        )
    if preset.needs_start and kind != "none" and not has_start:
        raise RegistrationError(
            f"{' and '.join(modalities)} need a starting pose (preset {preset.name!r}): give an initial "
            "transform (of three or more landmarks, or of the tracking system), or say that the volumes "
            "are roughly aligned by their headers (start 'header')"
        )
    return preset
