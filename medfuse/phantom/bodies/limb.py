"""A thigh or an arm: bone off the centre, compartments of muscle, vessels, fat."""

from __future__ import annotations

import numpy as np

from .body import Blob, Body, Part, Rod

__all__ = ["leg", "limb"]

_LENGTH = 240.0  # mm below and above the middle


def limb(seed: int = 0, radius: float = 75.0) -> Body:
    """A limb along z about 0, of a ``radius`` in mm; other seeds have other proportions."""
    return Body(tuple(leg(np.random.default_rng([seed, 52]), radius, (0.0, 0.0))), seed)


def leg(rng: np.random.Generator, radius: float, centre: tuple[float, float]) -> list[Part]:
    """Skin to marrow of a limb along z through (x, y) = ``centre``; it tapers downwards."""
    x, y = centre

    def rod(tissue: str, dx: float, dy: float, upper: float, lower: float, drift: float = 0.0) -> Rod:
        top = (x + radius * dx, y + radius * dy, _LENGTH, radius * upper)
        low = (x + radius * (dx + drift), y + radius * (dy + drift), -_LENGTH, radius * lower)
        return Rod(tissue, (top, low))

    right, front = rng.uniform(0.08, 0.2, 2) * (1, -1)
    muscles: list[Part] = []
    for angle in np.arange(0, 2 * np.pi, 2 * np.pi / 7) + rng.uniform(0, 2):
        away, thick = rng.uniform(0.46, 0.56), rng.uniform(0.22, 0.34)
        muscles.append(
            rod(
                "muscle",
                away * np.cos(angle),
                away * np.sin(angle),
                thick,
                0.85 * thick,
                rng.uniform(-0.1, 0.1),
            )
        )
    bellies: list[Part] = []
    for _ in range(5):
        angle, high = rng.uniform(0, 2 * np.pi), rng.uniform(-150, 150)
        place = (x + 0.5 * radius * np.cos(angle), y + 0.5 * radius * np.sin(angle), high)
        bellies.append(Blob("muscle", place, (0.3 * radius, 0.3 * radius, rng.uniform(40, 90))))
    return [
        rod("fat", 0, 0, 1.0, 0.8),
        *muscles,
        *bellies,
        rod("muscle", right, front, 0.36, 0.34),
        rod("blood", -0.3, 0.12, 0.06, 0.05, 0.15),
        rod("blood", -0.38, 0.2, 0.07, 0.05, 0.2),
        rod("cortical bone", right, front, 0.21, 0.19, 0.04),
        rod("fatty marrow", right, front, 0.11, 0.1, 0.04),
    ]
