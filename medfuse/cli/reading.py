"""The options of the commands that say how volumes are read."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ParameterError
from ..io import ReadOptions

__all__ = ["reading_options"]

_NONE = "-"


def reading_options(
    count: int,
    series: Sequence[str] | None,
    volume: Sequence[str] | None,
    spacing: Sequence[str] | None,
    allow_uneven: bool,
    suv: bool,
) -> tuple[ReadOptions, ...]:
    """The options of ``count`` volumes from lists in their order; ``-`` says nothing about a volume.

    Raises
    ------
    ParameterError
        If a list has another length, or a word is no number.
    """
    lists = {"--series": series, "--volume": volume, "--spacing": spacing}
    for name, words in lists.items():
        if words and len(words) != count:
            raise ParameterError(
                f"{len(words)} times {name} for {count} volumes: give it for each, in order (- for none)"
            )
    if not (series or volume or spacing or allow_uneven or suv):
        return ()
    rows = zip(*(words or [_NONE] * count for words in lists.values()), strict=True)
    return tuple(
        ReadOptions(
            series=None if one == _NONE else one,
            volume=None if number == _NONE else _whole(number),
            allow_uneven=allow_uneven,
            spacing=None if steps == _NONE else _spacing(steps),
            suv=suv,
        )
        for one, number, steps in rows
    )


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ParameterError(f"--volume {text}: expected a whole number from 1, or -")
    return int(text)


def _spacing(text: str) -> tuple[float, ...]:
    try:
        steps = tuple(float(word) for word in text.split(","))
    except ValueError:
        raise ParameterError(f"--spacing {text}: expected millimetres, such as 0.5 or 0.5,0.5,3") from None
    return steps * 2 if len(steps) == 1 else steps
