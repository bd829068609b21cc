"""The linear search as it is for most pairs, and where that is doubted a wider one without shading.

The second tries all translations (a part of a whole body, the two halves of a head), and compares MR
relative to its surroundings (strong shading).  It takes several times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import RegistrationError
from ..progress import Progress, subrange
from ..volume import Geometry
from .linear.climb import Stage
from .linear.planes import Pair
from .linear.search import LinearResult, SearchRequest, search_linear
from .quality import judge
from .result import Verdict
from .voxel_sizes import scale_figures

__all__ = ["Attempt", "Question", "best_attempt"]

MakeStages = Callable[[bool, Progress], list[Stage]]
"""The levels of the search, without shading or with it."""

_RESOLVED_MM = 4.0  # voxels of the trials that the limits come from; coarser ones are judged more mildly
_FROM_BEST = ("ok", "doubtful", "failed")


@dataclass(frozen=True, eq=False)
class Attempt:
    """A linear search, the levels it was made on, and what its figures say."""

    stages: list[Stage]
    found: LinearResult
    unit: float
    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def rank(self) -> int:
        """0 for the best verdict."""
        return _FROM_BEST.index(self.verdict)


@dataclass(frozen=True, eq=False)
class Question:
    """What is searched for, and by what the answer is judged.

    Parameters
    ----------
    pair, moving:
        The volumes as the search sees them, and the grid of the moving one in the world.
    request:
        What is searched for.
    coarsest:
        mm: the coarser of the two resolutions.
    compares:
        That of the preset.
    """

    pair: Pair
    moving: Geometry
    request: SearchRequest
    coarsest: float
    compares: str

    def attempt(self, stages: list[Stage], wide: bool, progress: Progress) -> Attempt:
        """Search on ``stages`` and judge."""
        found = search_linear(stages, replace(self.request, wide=wide), progress)
        if found.affine is not None:
            sizes = scale_figures(self.pair.in_world(found.affine), self.moving)
            found = replace(found, figures={**found.figures, **sizes})
        unit = max(stages[0].scale, self.coarsest / _RESOLVED_MM)
        return Attempt(stages, found, unit, *judge(found.figures, unit, self.compares))

    @property
    def can_widen(self) -> bool:
        """Whether a wider search makes sense: from everywhere, of volumes, by their values."""
        return self.request.start is None and not self.pair.planar and self.compares == "values"


def best_attempt(question: Question, make_stages: MakeStages, progress: Progress) -> Attempt:
    """The usual search; where it is doubted, and a wider one is possible, the better of the two."""
    stages = make_stages(False, subrange(progress, 0.0, 0.06))
    if not question.can_widen:
        return question.attempt(stages, False, subrange(progress, 0.06, 1.0))
    first = question.attempt(stages, False, subrange(progress, 0.06, 0.85))
    if first.verdict == "ok":
        progress(1.0, "found")
        return first
    stages = make_stages(True, subrange(progress, 0.85, 0.87))
    try:
        second = question.attempt(stages, True, subrange(progress, 0.87, 1.0))
    except RegistrationError:  # nothing overlaps without shading: the first one stands
        progress(1.0, "found")
        return first
    # Doubts before mutual information: a wrong pose of little overlap may well match better.
    return min(first, second, key=lambda one: (one.rank, len(one.reasons), -stages[1].score(one.found.pose)))
