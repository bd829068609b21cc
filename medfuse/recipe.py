"""What to work on (:class:`Study`) and what to do (:class:`Recipe`).

The command line, a TOML file, the provenance and the panel in 3D Slicer all hold the same fields.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from .errors import ParameterError, ReadError, UnknownNameError
from .fusion import METHODS, FusionMethod, make_method, parameters_of
from .io import ReadOptions
from .metrics import PROFILES
from .volume import MODALITIES

__all__ = ["REGISTRATIONS", "Recipe", "Study"]

REGISTRATIONS = ("rigid", "none")
"""Kinds of registration that a recipe can ask for."""


@dataclass(frozen=True)
class Study:
    """The files of one case.

    Parameters
    ----------
    fixed:
        The volume whose grid the result lies on: a file, or a folder with a DICOM series.
    moving:
        One or more volumes that are brought onto it.
    modalities:
        Modality of each volume, the fixed one first, where the files do not say ("" to leave it to the file);
        empty for all.
    initial_transforms:
        ITK transform file of each moving volume (fixed to moving points, LPS), or None; empty for all.
    reading:
        How each volume is read, the fixed one first, where its file leaves a choice; empty for none.

    Raises
    ------
    ParameterError
        If there is no moving volume, or a list is not as long as it must be.
    UnknownNameError
        For a modality that is not one of :data:`medfuse.volume.MODALITIES`.
    """

    fixed: Path
    moving: tuple[Path, ...]
    modalities: tuple[str, ...] = ()
    initial_transforms: tuple[Path | None, ...] = ()
    reading: tuple[ReadOptions, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "fixed", Path(self.fixed))
        object.__setattr__(self, "moving", tuple(Path(path) for path in self.moving))
        object.__setattr__(self, "modalities", tuple(self.modalities))
        given = tuple(Path(path) if path else None for path in self.initial_transforms)
        object.__setattr__(self, "initial_transforms", given)
        object.__setattr__(self, "reading", tuple(self.reading))
        if not self.moving:
            raise ParameterError(
                "one volume only: fusion needs a fixed volume and one or more moving volumes"
            )
        _check_length("modalities", self.modalities, len(self.moving) + 1, "volumes, fixed first")
        _check_length("reading options", self.reading, len(self.moving) + 1, "volumes, fixed first")
        _check_length("initial transforms", self.initial_transforms, len(self.moving), "moving volumes")
        for modality in self.modalities:
            if modality and modality not in MODALITIES:
                raise UnknownNameError("modality", modality, MODALITIES)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All volumes, the fixed one first."""
        return (self.fixed, *self.moving)


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
        One of :data:`REGISTRATIONS`; "none" where the volumes are aligned already.
    accept_registration:
        Go on even if the registration's verdict is "failed".
    windows:
        See :func:`medfuse.intensity.window_specs`.
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

    method: str = "dip"
    preset: str = "auto"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    registration: str = "rigid"
    accept_registration: bool = False
    windows: tuple[str, ...] = ()
    profile: str = "default"
    device: str = "auto"
    seed: int = 1
    dicom: bool = False
    keep_identifiers: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", dict(self.parameters))
        object.__setattr__(self, "windows", tuple(self.windows))
        if self.registration not in REGISTRATIONS:
            raise UnknownNameError("registration", self.registration, REGISTRATIONS)
        if self.profile not in PROFILES:
            raise UnknownNameError("profile", self.profile, PROFILES)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 1:
            raise ParameterError(f"seed {self.seed!r}: expected a whole number of at least 1")

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
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ReadError(f"cannot read the recipe {path}: {error}") from error
        return cls.from_mapping(values)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from plain values, as a TOML or JSON file holds them."""
        default = cls()
        names = [one.name for one in fields(cls)]
        for name, value in values.items():
            if name not in names:
                raise UnknownNameError("recipe field", name, names)
            expected = type(getattr(default, name))
            if not isinstance(value, (list, tuple) if expected is tuple else expected):
                raise ParameterError(f"recipe field {name} = {value!r}: expected a {expected.__name__}")
        return cls(**values)

    def to_mapping(self) -> dict[str, Any]:
        """The fields as plain values."""
        return {**asdict(self), "windows": list(self.windows)}

    def write(self, path: Path) -> None:
        """Write the recipe to a TOML file that :meth:`read` reads back."""
        import tomli_w

        Path(path).write_text(tomli_w.dumps(self.to_mapping()), encoding="utf-8")


def _check_length(what: str, values: tuple[Any, ...], expected: int, of: str) -> None:
    if values and len(values) != expected:
        raise ParameterError(
            f"{len(values)} {what} for {expected} {of}: give one for each, in order, or none"
        )
