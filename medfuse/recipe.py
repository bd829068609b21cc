"""What to do with a study (:class:`medfuse.Study`).

The command line, a TOML file, the provenance and the panel in 3D Slicer all hold the same fields.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from .errors import ParameterError, UnknownNameError
from .fusion import METHODS, FusionMethod, make_method, parameters_of
from .io.files import one_line
from .io.records import checked, read_parsed, write_text
from .metrics import PROFILES
from .noise import CHOICES, DENOISERS
from .registration import KINDS, PRESETS
from .resampling import parse_grid

__all__ = ["INTERPOLATIONS", "STARTS", "Recipe"]

STARTS = ("auto", "search", "header")
"""Where the search for a pose begins, if neither a transform nor landmarks are given: ``search`` tries many
poses, ``header`` trusts the headers roughly, ``auto`` does so where both name one frame of reference."""

INTERPOLATIONS = ("linear", "bspline", "nearest")
"""Those of :data:`medfuse.resampling.INTERPOLATIONS` that suit pictures."""

_Parameters = Mapping[str, str | int | float | bool]
_LARGEST_SEED = 2**31 - 1  # ITK takes no larger one


@dataclass(frozen=True)
class Recipe:
    """What to do with a study.

    Parameters
    ----------
    method:
        Key of :data:`medfuse.METHODS`.
    preset:
        Preset of the method; "auto" for the one that suits the device.
    parameters:
        Parameters of the method that differ from the preset.
    registration:
        One of :data:`medfuse.registration.KINDS`; "none" where the volumes are aligned already, or by the
        transform or the landmarks given.
    registration_preset:
        A name of :data:`medfuse.registration.PRESETS`, or "auto" for the one that suits the modalities.
    registration_start:
        One of :data:`STARTS`.
    accept_registration:
        Go on even if the registration's verdict is "failed".
    grid:
        That of the result: see :mod:`medfuse.resampling.grids`.
    interpolation:
        One of :data:`INTERPOLATIONS`.
    denoise:
        What removes the noise of each volume on its own grid before it is resampled: one of
        :data:`medfuse.noise.DENOISERS`.
    noise:
        What is known of that noise: one of :data:`medfuse.noise.CHOICES`.
    windows:
        See :func:`medfuse.intensity.window_specs`.
    colour_maps:
        Of PET, NM and others that are named; see :func:`medfuse.intensity.colour_map_specs`.
    profile:
        Which metrics are computed: a name of :data:`medfuse.metrics.PROFILES`.
    device:
        "auto", "cpu", "cuda", "cuda:N" or "mps"; for methods that have a device.
    seed:
        Of the registration and of methods that have one; at least 1.
    dicom:
        Write the fused volume and the registrations as DICOM too; these name the patient.
    keep_identifiers:
        Let paths and DICOM identity into the report and the provenance.

    Raises
    ------
    UnknownNameError, ParameterError
        For a value that is not allowed.  :meth:`build_method` checks the method and its parameters.
    """

    method: str = "auto"
    preset: str = "auto"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    registration: str = "rigid"
    registration_preset: str = "auto"
    registration_start: str = "auto"
    accept_registration: bool = False
    grid: str = "fixed"
    interpolation: str = "linear"
    denoise: str = "none"
    noise: str = "auto"
    windows: tuple[str, ...] = ()
    colour_maps: tuple[str, ...] = ()
    profile: str = "default"
    device: str = "auto"
    seed: int = 1
    dicom: bool = False
    keep_identifiers: bool = False

    def __post_init__(self) -> None:
        for name, kind in {**get_type_hints(type(self)), "parameters": _Parameters}.items():
            value = checked(getattr(self, name), kind, f"recipe field {name}")
            object.__setattr__(self, name, value)
        object.__setattr__(self, "method", METHODS.key_of(self.method))
        choices = {
            "registration": KINDS,
            "registration_preset": ("auto", *PRESETS),
            "registration_start": STARTS,
            "interpolation": INTERPOLATIONS,
            "denoise": DENOISERS,
            "noise": CHOICES,
            "profile": PROFILES,
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise UnknownNameError(name.replace("_", " "), getattr(self, name), known)
        parse_grid(self.grid)
        if not 1 <= self.seed <= _LARGEST_SEED:
            raise ParameterError(
                f"seed {one_line(self.seed, 20)}: expected a whole number from 1 to {_LARGEST_SEED}"
            )

    def build_method(self) -> FusionMethod:
        """The configured fusion method.

        Raises
        ------
        UnknownNameError, ParameterError
            For a method, preset or parameter that does not exist, or a value out of range.
        DeviceError
            If the method has a device and the one asked for is not there.
        """
        method = METHODS[self.method]
        common = {"device": self.device, "seed": self.seed}
        known = parameters_of(method)
        values = {name: value for name, value in common.items() if name in known}
        return make_method(method, {**values, **self.parameters}, self.preset)

    def on_cpu(self) -> Recipe:
        """The same recipe on the CPU: what it needs can be looked at where its device is not there."""
        named = {"device": "cpu"} if "device" in self.parameters else {}
        return replace(self, device="cpu", parameters={**self.parameters, **named})

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a recipe from a TOML file whose keys are the fields above, ``parameters`` being a table.

        Raises
        ------
        ReadError
            If the file is missing or no TOML.
        UnknownNameError, ParameterError
            For a field that does not exist or has the wrong kind.
        """
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        return cls.from_mapping(read_parsed(Path(path), "recipe", tomllib.loads, dict[str, Any]))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from plain values, as a TOML or JSON file holds them."""
        names = [one.name for one in fields(cls)]
        for name in values:
            if name not in names:
                raise UnknownNameError("recipe field", name, names)
        return cls(**values)

    def to_mapping(self) -> dict[str, Any]:
        """The fields as plain values."""
        return {**asdict(self), "windows": list(self.windows), "colour_maps": list(self.colour_maps)}

    def write(self, path: Path) -> None:
        """Write the recipe to a TOML file that :meth:`read` reads back."""
        import tomli_w

        write_text(path, tomli_w.dumps(self.to_mapping()))
