"""Transform files: ITK's, matrices, FSL's, FreeSurfer's, AFNI's, elastix's and displacement fields of ANTs.

Inside medfuse a transform maps points of the fixed volume to points of the moving one, in LPS
millimetres, as ITK and 3D Slicer's files have it.  Other files are known by their content and brought
to that:

=========================  ===============================================================================
file                       what it is taken for
=========================  ===============================================================================
ITK's text, HDF5, MATLAB   ITK's formats, as SimpleITK, 3D Slicer and ANTs write them, under any suffix; they
                           are in medfuse's own convention and say so themselves
NIfTI with vectors         a displacement field of ANTs (``1Warp.nii.gz``), of fixed points in LPS mm
``TransformParameters``    elastix's, fixed to moving points in LPS
``.lta``                   FreeSurfer's linear transform, source (moving) to target (fixed) points; the other
                           way round where the grids written in it say so
``register.dat``           FreeSurfer's, target (fixed) to movable volume, counted along the voxels of both
4×4 numbers, ``.mat``      FLIRT's, made with ``-in MOVING -ref FIXED``; both volumes must be the NIfTI files
                           that FLIRT had, because its millimetres are counted along their voxels
4×4, 3×4, 12, ``.npy``     fixed to moving points in LPS mm, as AFNI's ``.aff12.1D``, unless one of
                           :data:`CONVENTIONS` says otherwise
=========================  ===============================================================================

3D Slicer shows a transform node in RAS, and by default "to parent", that is moving to fixed points: such
a matrix is ``ras-inverse``; its "from parent" is ``ras``, and so are matrices of greedy and c3d.  What was
assumed is said in the notes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import ParameterError, ReadError, UnknownNameError, WriteError
from ...transforms import Matrix, flipped, to_affine
from ...transforms import inverse as inverse_of
from ...volume import StoredGrid
from ..files import existing, reading, replacing
from ..sitk_files import to_write
from . import elastix, itk_files, lta, numbers, voxel_based

if TYPE_CHECKING:
    import SimpleITK

__all__ = [
    "CONVENTIONS",
    "TransformFile",
    "matrix_in_mat",
    "open_transform",
    "read_transform",
    "write_transform",
]

CONVENTIONS = ("lps", "ras", "fsl", "lps-inverse", "ras-inverse", "fsl-inverse", "inverse")
"""What numbers mean: the space of a 4×4 matrix, and ``inverse`` where it maps moving to fixed points.

``inverse`` alone suits files that state their space themselves (of FLIRT and FreeSurfer: made with fixed and
moving volume exchanged)."""

_WRITTEN = (".tfm", ".txt", ".h5")
_MOST_TEXT = 1 << 16  # bytes; a matrix has a few hundred
_MOST_ELASTIX = 1 << 26  # a B-spline has millions of numbers
_REFUSED = {  # how a file begins -> what it is, and what to do
    "MNI Transform File": "a MINC transform: convert it, for instance with ConvertTransformFile of ANTs",
    "AFFINE TRANSFORM": "a transform of dipy: save its matrix as text, fixed to moving points in RAS mm, "
    "and say --transform-convention ras",
}

Grids = tuple[StoredGrid, StoredGrid] | None


class TransformFile(NamedTuple):
    """A transform from a file, fixed to moving points in LPS mm, and what was assumed about it."""

    transform: SimpleITK.Transform
    notes: tuple[str, ...] = ()


def read_transform(path: str | Path, convention: str = "") -> SimpleITK.Transform:
    """Read a 3-D transform that needs no grids; see :func:`open_transform`."""
    return open_transform(path, convention).transform


def open_transform(path: str | Path, convention: str = "", grids: Grids = None) -> TransformFile:
    """Read a 3-D transform of any kind that this module knows.

    Parameters
    ----------
    path:
        The file; its kind is known by its content, and ``.mat`` of 4×4 numbers is FLIRT's.
    convention:
        One of :data:`CONVENTIONS`; "" for what the file says or what is usual.
    grids:
        Of the fixed and the moving volume, as their NIfTI files have them (:attr:`medfuse.Volume.stored`).
        FLIRT's and tkregister's matrices need them; those in an LTA are checked against them.

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
        start = _start(path)
        transform = _stated(path, start, space)
        if transform is not None:
            return TransformFile(_inverted(path, transform) if inverse else transform)
        matrix, notes = _matrix(path, start, space, inverse, grids)
    matrix, more = numbers.checked(path, matrix)
    return TransformFile(to_affine(matrix), (*notes, *more))


def matrix_in_mat(path: Path) -> bool:
    """Whether a file holds 4×4 numbers as text and is called ``.mat``, as FLIRT's and those of greedy are."""
    return path.suffix.lower() == ".mat" and _text_numbers(path, _start(path)) is not None


def _start(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_MOST_TEXT + 1)


def _stated(path: Path, start: bytes, space: str) -> SimpleITK.Transform | None:
    """The transform of a file that states its space itself; None for matrices."""
    suffix = itk_files.itk_suffix(path, start)
    if suffix:
        _refuse_space(path, space, "an ITK transform file", "LPS")
        return itk_files.read_itk(path, suffix, start)
    if itk_files.is_displacement_field(start):
        _refuse_space(path, space, "a displacement field", "LPS")
        return itk_files.read_displacement_field(path, start)
    if elastix.is_elastix(numbers.decoded(start)):
        _refuse_space(path, space, "elastix's file", "LPS")
        with path.open("rb") as stream:
            return elastix.to_itk(path, numbers.decoded(stream.read(_MOST_ELASTIX)))
    return None


def _refuse_space(path: Path, space: str, kind: str, own: str) -> None:
    if space:
        raise ParameterError(
            f"{path}: {kind} says itself that it is in {own}; "
            f"a convention {space!r} does not apply (but 'inverse' does)"
        )


def _inverted(path: Path, transform: SimpleITK.Transform) -> SimpleITK.Transform:
    try:
        return transform.GetInverse()
    except RuntimeError as error:
        raise ParameterError(
            f"{path}: a {transform.GetName()} has no inverse in closed form; give the transform of the other "
            "direction, or register again with the volumes exchanged"
        ) from error


def _matrix(
    path: Path, start: bytes, space: str, inverse: bool, grids: Grids
) -> tuple[Matrix, tuple[str, ...]]:
    """The matrix fixed to moving, LPS, of a file that holds one, and what was assumed."""
    text = numbers.decoded(start) if len(start) <= _MOST_TEXT else ""
    if lta.is_lta(text):
        _refuse_space(path, space, "a FreeSurfer LTA file", "RAS")
        return lta.to_lps(path, text, inverse, grids)
    tkregister = voxel_based.register_dat(text)
    if tkregister is not None:
        _refuse_space(path, space, "a register.dat", "its volumes' voxels")
        return _from_voxels(path, tkregister, inverse, grids, "tkregister")
    matrix = _text_numbers(path, start)
    if matrix is None:
        raise ReadError(f"{path}: {_why_unknown(text)}")
    if space == "fsl" or (not space and path.suffix.lower() == ".mat"):
        return _from_voxels(path, matrix, inverse, grids, "FLIRT")
    matrix = flipped(matrix) if space == "ras" else matrix
    direction = "moving to fixed" if inverse else "fixed to moving"
    note = f"initial transform: 4×4 numbers taken as {direction} points in {(space or 'lps').upper()} mm"
    return (inverse_of(matrix) if inverse else matrix), (note,)


def _text_numbers(path: Path, start: bytes) -> Matrix | None:
    text = numbers.decoded(start) if len(start) <= _MOST_TEXT else ""
    found = numbers.npy_matrix(path, start)
    return numbers.parse(text) if found is None else found


def _why_unknown(text: str) -> str:
    for mark, what in _REFUSED.items():
        if text.lstrip("\ufeff \t\r\n").startswith(mark):
            return f"is {what}"
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(rows) > 1 and {len(row) for row in rows} == {12}:
        return f"holds {len(rows)} matrices, one for each volume of a series; give a file with one"
    return (
        f"not a transform that is known; expected an ITK transform file ({', '.join(_WRITTEN)} or .mat; in "
        "Slicer: save the transform node as .tfm), 4×4 or 3×4 numbers as text, FLIRT's .mat, FreeSurfer's "
        ".lta or register.dat, elastix's TransformParameters, AFNI's .aff12.1D, or a field of ANTs"
    )


def _from_voxels(
    path: Path, matrix: Matrix, inverse: bool, grids: Grids, program: str
) -> tuple[Matrix, tuple[str, ...]]:
    """Of a matrix whose millimetres are counted along the voxels of two NIfTI files."""
    if grids is None:
        raise ParameterError(
            f"{path}: {'4×4 numbers in .mat are' if program == 'FLIRT' else 'a register.dat is'} taken as "
            f"{program}'s, whose millimetres are those of the NIfTI files it had: give these as fixed and "
            "moving volume, or say by a convention (lps, ras) what the numbers are"
        )
    if program == "FLIRT":
        how = "-in FIXED -ref MOVING" if inverse else "-in MOVING -ref FIXED"
        note = f"initial transform: taken as FLIRT's, made with {how} from these very NIfTI files"
        return voxel_based.from_flirt(matrix if inverse else inverse_of(matrix), *grids), (note,)
    role = "moving" if inverse else "fixed"
    note = f"initial transform: the target of the register.dat is taken as the {role} volume"
    return voxel_based.from_tkregister(inverse_of(matrix) if inverse else matrix, *grids), (note,)


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
