"""What to work on: volumes and what is said of them (:class:`InputVolume`), one case (:class:`Study`)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from .errors import GeometryError, ParameterError, UnknownNameError
from .io import ReadOptions, read_volume
from .io.transforms import CONVENTIONS
from .volume import MODALITIES, Volume

__all__ = ["Input", "InputVolume", "Study", "input_volume"]


_LONGEST = 40  # letters of a label


@dataclass(frozen=True)
class InputVolume:
    """One volume as it lies on the disk, with all that is said of it.

    Parameters
    ----------
    path:
        A file, or a folder with a DICOM series.
    modality:
        One of :data:`medfuse.volume.MODALITIES` where the file does not say; "" leaves it to the file.
    reading:
        How it is read where the file leaves a choice.
    transform:
        File with the transform from the fixed volume to this one, in place of ``landmarks``.
    convention:
        What the transform file's numbers mean, one of :data:`medfuse.io.transforms.CONVENTIONS` or ""
        (see there).
    landmarks:
        Files with landmarks of the fixed volume and of this one.
    label:
        What to call it in captions, tables and the provenance; "" for its modality.
    truth:
        The same volume without noise, on the same grid and in the same units, where it is known: the report
        then compares with it.

    Raises
    ------
    ParameterError
        If a path is no path, a label is longer than 40 letters or has control characters, if there is both
        a transform and landmarks, or a convention without a transform.
    UnknownNameError
        For a modality or convention that does not exist.
    """

    path: Path
    modality: str = ""
    reading: ReadOptions = field(default_factory=ReadOptions)
    transform: Path | None = None
    convention: str = ""
    landmarks: tuple[Path, Path] | None = None
    label: str = ""
    truth: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", _path(self.path))
        object.__setattr__(self, "modality", self.modality.upper())
        if self.transform is not None:
            object.__setattr__(self, "transform", _path(self.transform))
        if self.truth is not None:
            object.__setattr__(self, "truth", _path(self.truth))
        if self.landmarks is not None:
            object.__setattr__(self, "landmarks", _pair(self.landmarks))
        if len(self.label) > _LONGEST or not self.label.isprintable():
            raise ParameterError(
                f"label {self.label[:_LONGEST]!r}: expected up to {_LONGEST} letters on one line"
            )
        if self.modality and self.modality not in MODALITIES:
            raise UnknownNameError("modality", self.modality, MODALITIES)
        if self.convention and self.convention not in CONVENTIONS:
            raise UnknownNameError("transform convention", self.convention, CONVENTIONS)
        if self.convention and self.transform is None:
            raise ParameterError(
                f"transform convention {self.convention!r}: there is no transform file it is for"
            )
        if self.transform is not None and self.landmarks is not None:
            raise ParameterError(
                f"a moving volume has both a transform ({self.transform}) and landmarks: give one of them"
            )

    @property
    def start_files(self) -> tuple[Path, ...]:
        """The files that say where its registration starts: a transform, two with landmarks, or none."""
        return self.landmarks or ((self.transform,) if self.transform else ())

    def read(self) -> Volume:
        """The volume; errors are those of :func:`medfuse.read_volume`."""
        return read_volume(self.path, modality=self.modality or None, **asdict(self.reading))

    def read_truth(self, volume: Volume) -> Volume:
        """What is known of ``volume``, which :meth:`read` gave, without noise; itself if nothing is.

        Raises
        ------
        GeometryError
            If the truth lies on another grid.
        MedfuseError
            As of :meth:`read`.
        """
        if self.truth is None:
            return volume
        reading = replace(self.reading, series=None, volume=None)
        truth = read_volume(self.truth, modality=volume.modality, **asdict(reading))
        if not truth.geometry.matches(volume.geometry):
            raise GeometryError(
                f"the truth {self.truth} lies on {truth.geometry.describe()}, its volume {self.path} on "
                f"{volume.geometry.describe()}: expected one grid; resample the truth onto it (medfuse apply)"
            )
        return truth

    def absolute(self) -> InputVolume:
        """The same with absolute paths, for processes that work in another folder."""
        landmarks = self.landmarks and (self.landmarks[0].absolute(), self.landmarks[1].absolute())
        transform = self.transform and self.transform.absolute()
        truth = self.truth and self.truth.absolute()
        return replace(self, path=self.path.absolute(), transform=transform, landmarks=landmarks, truth=truth)

    def to_mapping(self) -> dict[str, Any]:
        """The fields as plain values for JSON."""
        return {
            **asdict(self),
            "path": str(self.path),
            "transform": self.transform and str(self.transform),
            "landmarks": self.landmarks and [str(path) for path in self.landmarks],
            "truth": self.truth and str(self.truth),
        }

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> InputVolume:
        """What :meth:`to_mapping` gave."""
        return cls(**{**values, "reading": ReadOptions(**values["reading"])})


Input: TypeAlias = InputVolume | str | os.PathLike[str]
"""A volume of which nothing more has to be said may be given by its path alone."""


@dataclass(frozen=True, init=False)
class Study:
    """The volumes of one case.

    >>> Study("ct.nii.gz", InputVolume("t1.nii.gz", "MR")).paths
    (PosixPath('ct.nii.gz'), PosixPath('t1.nii.gz'))

    Parameters
    ----------
    fixed:
        The volume whose grid the result lies on.
    moving:
        The one or more volumes that are brought onto it.

    Raises
    ------
    ParameterError
        If there is no moving volume, something is no path, or the fixed volume has a transform or landmarks.
    """

    fixed: InputVolume
    moving: tuple[InputVolume, ...]

    def __init__(self, fixed: Input, moving: Input | Iterable[Input]) -> None:
        object.__setattr__(self, "fixed", input_volume(fixed))
        object.__setattr__(self, "moving", tuple(input_volume(one) for one in _several(moving)))
        if not self.moving:
            raise ParameterError(
                "one volume only: fusion needs a fixed volume and one or more moving volumes"
            )
        if self.fixed.start_files:
            raise ParameterError(
                f"the fixed volume {self.fixed.path} has a transform or landmarks; give them to a moving one"
            )

    @property
    def volumes(self) -> tuple[InputVolume, ...]:
        """All volumes, the fixed one first."""
        return (self.fixed, *self.moving)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where they lie, in this order."""
        return tuple(one.path for one in self.volumes)

    @property
    def start_files(self) -> tuple[Path, ...]:
        """The files of transforms and landmarks, in the order of the moving volumes."""
        return tuple(path for one in self.moving for path in one.start_files)

    @property
    def truth_files(self) -> tuple[Path, ...]:
        """The files that hold volumes without noise, in the order of the volumes."""
        return tuple(one.truth for one in self.volumes if one.truth is not None)

    @property
    def other_files(self) -> tuple[Path, ...]:
        """All files beside the volumes."""
        return (*self.start_files, *self.truth_files)

    def absolute(self) -> Study:
        """The same with absolute paths."""
        return Study(self.fixed.absolute(), [one.absolute() for one in self.moving])

    def to_mapping(self) -> dict[str, Any]:
        """The volumes as plain values for JSON."""
        return {"fixed": self.fixed.to_mapping(), "moving": [one.to_mapping() for one in self.moving]}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Study:
        """What :meth:`to_mapping` gave."""
        moving = [InputVolume.from_mapping(one) for one in values["moving"]]
        return cls(InputVolume.from_mapping(values["fixed"]), moving)


def input_volume(value: Input) -> InputVolume:
    """``value`` as an :class:`InputVolume`, if it is a path.

    Raises
    ------
    ParameterError
        If it is neither.
    """
    return value if isinstance(value, InputVolume) else InputVolume(_path(value))


def _several(value: Input | Iterable[Input]) -> Iterable[Input]:
    """A single path is one volume: a text is not taken apart into letters."""
    if isinstance(value, (InputVolume, str, os.PathLike)):
        return (value,)
    if not isinstance(value, Iterable):
        raise ParameterError(f"moving volumes of type {type(value).__name__}: expected paths or InputVolumes")
    return value


def _path(value: object) -> Path:
    if isinstance(value, (str, os.PathLike)) and os.fspath(value):
        return Path(value)
    if isinstance(value, (str, os.PathLike)):
        raise ParameterError("an empty path: expected the path of a file or folder")
    raise ParameterError(
        f"a {type(value).__name__}: expected the path of a file or folder; for volumes and arrays in memory "
        "there are medfuse.register, medfuse.resample and medfuse.fuse"
    )


def _pair(value: object) -> tuple[Path, Path]:
    if isinstance(value, (str, os.PathLike)) or not isinstance(value, Iterable):
        value = (value,)
    paths = [_path(one) for one in value]
    if len(paths) != 2:
        raise ParameterError(
            f"{len(paths)} files with landmarks: expected two, of the fixed volume and of the moving one"
        )
    return paths[0], paths[1]
