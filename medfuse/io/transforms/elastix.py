"""elastix's ``TransformParameters.*.txt`` (https://elastix.dev, manual): fixed to moving points in LPS."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ...errors import ReadError

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["is_elastix", "to_itk"]

_LINE = re.compile(r"^\s*\((\w+)\s+(.*?)\)\s*(?://.*)?$", re.M)
_NOTHING_BEFORE = "NoInitialTransform"


def is_elastix(text: str) -> bool:
    """Whether ``text`` is a parameter file of a transform."""
    return bool(re.search(r'^\s*\(Transform\s+"', text, re.M))


def to_itk(path: Path, text: str) -> SimpleITK.Transform:
    """The transform of a parameter file.

    Raises
    ------
    ReadError
        If it names another file to start from, is none of Euler, similarity, affine, translation and
        B-spline, is 2-D or damaged.
    """
    fields = _Fields(path, dict(_LINE.findall(text)))
    if fields.word("FixedImageDimension", "3") != "3" or fields.word("MovingImageDimension", "3") != "3":
        raise ReadError(f"{path}: elastix's transform of a plane; expected one of 3-D space")
    before = fields.word(
        "InitialTransformParameterFileName",
        fields.word("InitialTransformParametersFileName", _NOTHING_BEFORE),
    )
    if before != _NOTHING_BEFORE:
        raise ReadError(
            f"{path}: elastix's transform comes after the one in {Path(before).name}, and one file is read "
            "alone: combine them, for instance with transformix -def all -out FOLDER, which writes one "
            "displacement field (.nii.gz)"
        )
    name = fields.word("Transform")
    if name not in _MAKERS:
        raise ReadError(f"{path}: elastix's {name}; expected one of {', '.join(_MAKERS)}")
    return _MAKERS[name](fields)


class _Fields:
    """The values of a parameter file by name."""

    def __init__(self, path: Path, values: Mapping[str, str]):
        self._path, self._values = path, values

    def word(self, name: str, default: str | None = None) -> str:
        value = self._values.get(name, default)
        if value is None:
            raise ReadError(f"{self._path}: elastix's {name} is missing: the file is damaged")
        return value.strip().strip('"')

    def numbers(self, name: str, count: int) -> list[float]:
        try:
            values = [float(word) for word in self.word(name).split()]
        except ValueError:
            values = []
        if len(values) != count:
            raise ReadError(f"{self._path}: elastix's {name} is damaged; expected {count} numbers")
        return values


def _euler(fields: _Fields) -> SimpleITK.Transform:
    import SimpleITK

    *angles, x, y, z = fields.numbers("TransformParameters", 6)
    transform = SimpleITK.Euler3DTransform()
    transform.SetCenter(fields.numbers("CenterOfRotationPoint", 3))
    transform.SetComputeZYX(fields.word("ComputeZYX", "false") == "true")
    transform.SetRotation(*angles)
    transform.SetTranslation((x, y, z))
    return transform


def _with_centre(kind: str, count: int) -> Callable[[_Fields], SimpleITK.Transform]:
    """For transforms whose parameters are ITK's, in ITK's order."""

    def make(fields: _Fields) -> SimpleITK.Transform:
        import SimpleITK

        transform = {
            "similarity": SimpleITK.Similarity3DTransform, "affine": lambda: SimpleITK.AffineTransform(3)
        }[kind]()  # fmt: skip
        transform.SetCenter(fields.numbers("CenterOfRotationPoint", 3))
        transform.SetParameters(fields.numbers("TransformParameters", count))
        return transform

    return make


def _translation(fields: _Fields) -> SimpleITK.Transform:
    import SimpleITK

    return SimpleITK.TranslationTransform(3, fields.numbers("TransformParameters", 3))


def _bspline(fields: _Fields) -> SimpleITK.Transform:
    import SimpleITK

    order = int(fields.numbers("BSplineTransformSplineOrder", 1)[0])
    size = fields.numbers("GridSize", 3)
    grid = [
        *size, *fields.numbers("GridOrigin", 3), *fields.numbers("GridSpacing", 3),
        *fields.numbers("GridDirection", 9),
    ]  # fmt: skip
    direction = grid[-9:]
    # elastix writes the direction column by column, ITK row by row.
    grid[-9:] = [direction[3 * column + row] for row in range(3) for column in range(3)]
    transform = SimpleITK.BSplineTransform(3, order)
    transform.SetFixedParameters(grid)
    count = 3 * int(size[0]) * int(size[1]) * int(size[2])
    transform.SetParameters(fields.numbers("TransformParameters", count))
    return transform


_MAKERS: Mapping[str, Callable[[_Fields], SimpleITK.Transform]] = MappingProxyType(
    {
        "EulerTransform": _euler,
        "SimilarityTransform": _with_centre("similarity", 7),
        "AffineTransform": _with_centre("affine", 12),
        "TranslationTransform": _translation,
        "BSplineTransform": _bspline,
        "RecursiveBSplineTransform": _bspline,
    }
)
"""elastix's name of a transform -> how it is made."""
