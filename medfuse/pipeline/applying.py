"""A transform from a file, applied to a volume."""

from __future__ import annotations

from pathlib import Path

from ..progress import Progress, ignore
from ..resampling import resample, whole_colours
from ..resampling.inverses import inverted
from ..study import Input, input_volume
from ..volume import Volume
from .starts import open_for

__all__ = ["apply_transform"]


def apply_transform(
    transform: Path,
    volume: Input,
    onto: Input,
    *,
    interpolation: str = "linear",
    inverse: bool = False,
    convention: str = "",
    progress: Progress = ignore,
) -> Volume:
    """Resample a volume onto another one's grid by a transform that maps fixed to moving points.

    Parameters
    ----------
    transform, convention:
        As :func:`medfuse.io.open_transform` takes them.
    volume, onto:
        The moving and the fixed volume, as paths or :class:`medfuse.InputVolume`; with ``inverse`` the
        other way round.
    interpolation:
        See :func:`medfuse.resample`.
    inverse:
        Go from the fixed to the moving volume's grid; of a deformable transform the inverse is
        computed.
    progress:
        Called with (fraction, message); raise :class:`medfuse.Cancelled` in it to stop.

    Raises
    ------
    MedfuseError
        If a file cannot be read, or the transform does not suit.
    """
    source, target = input_volume(volume), input_volume(onto)
    progress(0.0, "reading")
    moving, fixed = source.read(), target.read()
    ends = (target.path, fixed), (source.path, moving)
    opened, notes = open_for(transform, convention, *(reversed(ends) if inverse else ends))
    progress(0.4, "inverting the transform" if inverse else "resampling")
    used = inverted(opened, fixed.geometry) if inverse else opened
    progress(0.6, "resampling")
    return whole_colours(resample(moving, fixed, used, interpolation=interpolation)).with_notes(*notes)
