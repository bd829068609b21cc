"""Fusion by sparse regularisation with the generalised minimax-concave penalty.

The fused image is X0 = Wᵀθ with W the orthonormal Haar transform and θ the minimiser of

    ½ Σ_i ‖X_i − β_i Wᵀθ‖² + λ ψ(θ)

over its detail coefficients.  ψ is the l1 norm, or the generalised minimax-concave penalty

    ψ_B(θ) = ‖θ‖₁ − min_v { ‖v‖₁ + ½ ‖B (θ − v)‖² },    BᵀB = (γ/λ) AᵀA,   0 ≤ γ < 1

which shrinks large coefficients less than l1 does while the whole cost stays convex.  A stacks the
operators β_i Wᵀ.  With Σ β_i² = 1 everywhere, AᵀA is the identity and Aᵀ X is the transform of the closed
form T of `pca`: the iterations need no transform inside.  Their limit is known, too: soft
thresholding of W T for l1, firm thresholding with thresholds λ and λ/γ for this penalty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ...progress import Progress, ignore
from ..exposure import EXPOSURES, expose
from ..gains import PATCH
from ..parameters import check_parameters, parameter
from ..pca import closed_forms
from ..types import Fused, SliceFusion, Stack, map_slices

__all__ = ["SparseGMC", "firm_threshold", "forward_backward", "gmc_penalty", "soft_threshold"]


@dataclass(frozen=True)
class SparseGMC:
    """Sparse regularisation in Haar wavelets with the generalised minimax-concave penalty.

    Denoises while it fuses: detail coefficients below `strength` vanish, large ones stay as they are
    (`penalty=gmc`) or shrink by it (`penalty=l1`).  On clean sources it is close to `pca`.

    Maps: `weight_i`, the gain shares β_i².

    Source: Anantrasirichai, Zheng, Selesnick, Achim, "Image fusion via sparse regularization with
    non-convex penalties", Pattern Recognition Letters 131 (2020), doi:10.1016/j.patrec.2020.01.020; the
    penalty and the iteration: Selesnick, "Sparse regularization via convex analysis", IEEE Trans. Signal
    Processing 65 (2017), doi:10.1109/TSP.2017.2711501.  Defaults are those of the authors' code.  Differs
    from it: gains with Σ β_i² = 1 as in `dip`, the approximation is not penalised, iterations go on until
    they settle, and the result is not stretched to [0, 1] slice by slice but exposed as that of `pca`.
    """

    penalty: str = parameter("gmc", "what is asked of the coefficients", choices=("gmc", "l1"))
    strength: float = parameter(
        0.005, "λ: coefficients below it vanish, in grey values of [0, 1]", minimum=0.0
    )
    concavity: float = parameter(0.8, "γ of the gmc penalty; 0 is l1", minimum=0.0, maximum=0.99)
    levels: int = parameter(4, "levels of the Haar transform", minimum=1)
    iterations: int = parameter(2000, "forward–backward steps at most", minimum=1)
    tolerance: float = parameter(
        1e-6, "stop where no coefficient changes by more than this in a step", minimum=0.0
    )
    patch: int = parameter(PATCH, "side of the patches that estimate the gains, in pixels", minimum=1)
    exposure: str = parameter(
        "measured", "how X0, which exceeds 1, is shown: see medfuse.fusion.exposure", choices=EXPOSURES
    )

    def __post_init__(self) -> None:
        check_parameters(self)

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]."""
        target = closed_forms(sources, self.patch)
        fused = map_slices(self._shrink, target.array[None], progress, clip=False)
        fused = replace(fused, maps=target.maps)
        return expose(fused, self.exposure, sources, sources, measured=target.array)

    def _shrink(self, targets: Stack) -> SliceFusion:
        import pywt

        target = targets[0].astype(float)
        padding = [(0, -side % 2**self.levels) for side in target.shape]
        base, *bands = pywt.wavedec2(
            np.pad(target, padding, mode="symmetric"), "haar", mode="periodization", level=self.levels
        )
        solved = self._solve(np.concatenate([band.ravel() for level in bands for band in level]))
        image = pywt.waverec2([base, *_like(bands, solved.coefficients)], "haar", mode="periodization")
        info = {"iterations": solved.iterations, "last_change": solved.change}
        return SliceFusion(image[: target.shape[0], : target.shape[1]], info=info)

    def _solve(self, observed: np.ndarray) -> Solved:
        concavity = self.concavity if self.penalty == "gmc" else 0.0
        return forward_backward(observed, self.strength, concavity, self.iterations, self.tolerance)


def _like(bands: list[tuple[np.ndarray, ...]], flat: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """The coefficients ``flat`` in the shapes of ``bands``."""
    ends = np.cumsum([band.size for level in bands for band in level])
    parts = iter(np.split(flat, ends[:-1]))
    return [tuple(next(parts).reshape(band.shape) for band in level) for level in bands]


class Solved(NamedTuple):
    """What the iterations gave."""

    coefficients: np.ndarray
    iterations: int
    change: float


def forward_backward(
    observed: np.ndarray, strength: float, concavity: float, iterations: int, tolerance: float
) -> Solved:
    """Minimise ½ ‖θ − observed‖² + λ ψ_B(θ) as the saddle point in θ and v; ``concavity`` 0 is l1.

    Source: Selesnick 2017, the forward–backward algorithm for this penalty, with AᵀA = I.
    """
    step = 1.9 / max(1.0, concavity / (1 - concavity))
    theta = v = observed
    done, change = 0, np.inf
    while done < iterations and change > tolerance:
        gap = concavity * (v - theta)
        new_theta = soft_threshold(theta - step * (theta + gap - observed), step * strength)
        new_v = soft_threshold(v - step * gap, step * strength)
        change = float(max(np.abs(new_theta - theta).max(), np.abs(new_v - v).max()))
        theta, v = new_theta, new_v
        done += 1
    return Solved(theta, done, change)


def soft_threshold(values: np.ndarray, threshold: float) -> np.ndarray:
    """The prox of ``threshold`` · |·|: towards 0 by ``threshold``."""
    result: np.ndarray = np.sign(values) * np.maximum(np.abs(values) - threshold, 0)
    return result


def firm_threshold(values: np.ndarray, strength: float, concavity: float) -> np.ndarray:
    """The prox of λ ψ_B for AᵀA = I: 0 up to λ, the value itself from λ/γ on, a line between; 0 < γ < 1.

    Source: Gao, Bruce, "WaveShrink with firm shrinkage", Statistica Sinica 7 (1997).
    """
    ramp = soft_threshold(values, strength) / (1 - concavity)
    return np.where(np.abs(values) >= strength / concavity, values, ramp)


def gmc_penalty(values: np.ndarray, strength: float, concavity: float) -> np.ndarray:
    """ψ_B of each value for AᵀA = I, the scaled minimax-concave penalty; 0 < γ < 1.

    |θ| − (γ/λ) θ²/2 up to λ/γ, and λ/(2γ) beyond, where larger values cost no more.

    Source: Selesnick 2017, the scaled minimax-concave penalty with b² = γ/λ.
    """
    curvature = concavity / strength
    size = np.minimum(np.abs(values), 1 / curvature)
    result: np.ndarray = size - curvature * size**2 / 2
    return result
