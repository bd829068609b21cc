"""Transform files: ITK's, plain 4×4 matrices, FSL's and FreeSurfer's.

Inside medfuse a transform maps points of the fixed volume to points of the moving one, in LPS
millimetres, as ITK and 3D Slicer's files have it.  Other files are brought to that:

=====================  ===================================================================================
file                   what it is taken for
=====================  ===================================================================================
``.tfm``, ``.txt``,    ITK's formats, as SimpleITK, 3D Slicer, elastix and ANTs write them; they are in
``.h5``, ``.mat``      medfuse's own convention and say so themselves
``.lta``               FreeSurfer's linear transform, source (moving) to target (fixed) points; the other
                       way round where the grids written in it say so
4×4 numbers, ``.mat``  FLIRT's, made with ``-in MOVING -ref FIXED``; both volumes must be the NIfTI files
                       that FLIRT had, because its millimetres are counted along their voxels
4×4 numbers, else      fixed to moving points in LPS mm, unless one of :data:`CONVENTIONS` says otherwise
=====================  ===================================================================================

3D Slicer shows a transform node in RAS, and by default "to parent", that is moving to fixed points: such
a matrix is ``ras-inverse``; its "from parent" is ``ras``.  What was assumed is said in the notes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import ParameterError, ReadError, UnknownNameError, WriteError
from ...transforms import Matrix, flipped, to_affine
from ...transforms import inverse as inverse_of
from ...volume import Geometry
from ..files import existing, reading, replacing
from ..sitk_files import first_reason, to_read, to_write
from . import lta, matrices

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["CONVENTIONS", "TransformFile", "open_transform", "read_transform", "write_transform"]

CONVENTIONS = ("lps", "ras", "fsl", "lps-inverse", "ras-inverse", "fsl-inverse", "inverse")
"""What numbers mean: the space of a 4×4 matrix, and ``inverse`` where it maps moving to fixed points.

``inverse`` alone suits files that state their space themselves (of FLIRT and FreeSurfer: made with fixed and
moving volume exchanged)."""

_WRITTEN = (".tfm", ".txt", ".h5")
_ITK_TEXT, _HDF5 = b"#Insight Transform File", b"\x89HDF"
_MOST_TEXT = 1 << 16  # bytes; a matrix has a few hundred


class TransformFile(NamedTuple):
    """A transform from a file, fixed to moving points in LPS mm, and what was assumed about it."""

    transform: SimpleITK.Transform
    notes: tuple[str, ...] = ()


def read_transform(path: str | Path, convention: str = "") -> SimpleITK.Transform:
    """Read a 3-D transform that needs no grids; see :func:`open_transform`."""
    return open_transform(path, convention).transform


def open_transform(
    path: str | Path, convention: str = "", grids: tuple[Geometry, Geometry] | None = None
) -> TransformFile:
    """Read a 3-D transform of any kind that this module knows.

    Parameters
    ----------
    path:
        The file; its kind is known by its content, and ``.mat`` of 4×4 numbers is FLIRT's.
    convention:
        One of :data:`CONVENTIONS`; "" for what the file says or what is usual.
    grids:
        Of the fixed and the moving volume, as their files have them.  FLIRT's matrices need them;
        FreeSurfer's are checked against them.

    Raises
    ------
    ReadError
        If the file does not exist, is none of these kinds, is damaged, or holds a 2-D transform.
    ParameterError
        If the convention does not suit the file, or a matrix mirrors the patient or is singular.
    UnknownNameError
        For a convention that does not exist.
    """
    path = existing(path)
    if convention and convention not in CONVENTIONS:
        raise UnknownNameError("transform convention", convention, CONVENTIONS)
    space, _, _ = convention.partition("-")
    space, inverse = ("" if space == "inverse" else space), convention.endswith("inverse")
    with reading(path):
        with path.open("rb") as stream:
            start = stream.read(_MOST_TEXT + 1)
        if _is_itk(path, start):
            _refuse_space(path, space, "an ITK transform file")
            return TransformFile(_inverted(path, _read_itk(path)) if inverse else _read_itk(path))
        text = start.decode("utf-8", "replace") if len(start) <= _MOST_TEXT else ""
        if lta.is_lta(text):
            _refuse_space(path, space, "a FreeSurfer LTA file")
            matrix, notes = lta.to_lps(path, text, inverse, grids)
        else:
            matrix, notes = _from_numbers(path, text, space, inverse, grids)
    matrix, more = matrices.checked(path, matrix)
    return TransformFile(to_affine(matrix), (*notes, *more))


def _is_itk(path: Path, start: bytes) -> bool:
    suffix = path.suffix.lower()
    by_content = suffix in _WRITTEN and start.startswith((_ITK_TEXT, _HDF5))
    return by_content or (suffix == ".mat" and b"\0" in start[:64])  # MATLAB 4, as ANTs writes it


def _refuse_space(path: Path, space: str, kind: str) -> None:
    if space:
        raise ParameterError(
            f"{path}: {kind} says itself that it is in {'LPS' if 'ITK' in kind else 'RAS'}; "
            f"a convention {space!r} does not apply (but 'inverse' does)"
        )


def _read_itk(path: Path) -> SimpleITK.Transform:
    import SimpleITK

    try:
        with to_read(path) as name:
            transform = SimpleITK.ReadTransform(name)
    except RuntimeError as error:
        raise ReadError(f"{path}: cannot be read as a transform: {first_reason(error)}") from error
    if transform.GetDimension() != 3:
        raise ReadError(f"{path}: a {transform.GetDimension()}-D transform; expected one of 3-D space")
    return transform


def _inverted(path: Path, transform: SimpleITK.Transform) -> SimpleITK.Transform:
    try:
        return transform.GetInverse()
    except RuntimeError as error:
        raise ParameterError(
            f"{path}: a {transform.GetName()} has no inverse in closed form; give the transform of the other "
            "direction, or register again with the volumes exchanged"
        ) from error


def _from_numbers(
    path: Path, text: str, space: str, inverse: bool, grids: tuple[Geometry, Geometry] | None
) -> tuple[Matrix, tuple[str, ...]]:
    """The matrix fixed to moving, LPS, of a file of 4×4 numbers."""
    numbers = matrices.parse(text)
    if numbers is None:
        raise ReadError(
            f"{path}: not a transform that is known; expected an ITK transform file ({', '.join(_WRITTEN)} "
            "or .mat; in Slicer: save the transform node as .tfm), 4×4 numbers as text, FLIRT's .mat or "
            "FreeSurfer's .lta"
        )
    flirt = space == "fsl" or (not space and path.suffix.lower() == ".mat")
    if flirt:
        if grids is None:
            raise ParameterError(
                f"{path}: 4×4 numbers in .mat are taken as FLIRT's, whose millimetres are those of the NIfTI "
                "files it had: give these as fixed and moving volume, or say by a convention (lps, ras) what "
                "the numbers are"
            )
        how = "-in FIXED -ref MOVING" if inverse else "-in MOVING -ref FIXED"
        note = f"initial transform: taken as FLIRT's, made with {how} from these very NIfTI files"
        return matrices.from_flirt(numbers if inverse else inverse_of(numbers), *grids), (note,)
    matrix = flipped(numbers) if space == "ras" else numbers
    direction = "moving to fixed" if inverse else "fixed to moving"
    note = f"initial transform: 4×4 numbers taken as {direction} points in {(space or 'lps').upper()} mm"
    return (inverse_of(matrix) if inverse else matrix), (note,)


def write_transform(transform: SimpleITK.Transform, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a transform, whole or not at all, as ``.tfm``, ``.txt`` or ``.h5``.

    Raises
    ------
    WriteError
        If the suffix is another, the file exists, or its place cannot be written.
    """
    import SimpleITK

    path = Path(path)
    if path.suffix.lower() not in _WRITTEN:
        raise WriteError(
            f"{path}: transforms are written as {', '.join(_WRITTEN)}; choose one of these suffixes"
        )
    with replacing(path, overwrite) as temporary, to_write(temporary) as name:
        SimpleITK.WriteTransform(transform, name)
