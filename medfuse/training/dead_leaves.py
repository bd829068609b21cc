"""Scenes of leaves that cover each other: training images for which no data set is needed.

Leaves of power-law sizes fall one on top of the other, each with its own grey value, shading and texture.
Such scenes share the statistics of natural images: edges, occlusion, structure at every scale; and the order
of the leaves is the exact depth.  A body on black, shells, soft edges and small faint spots make them look
more like slices of a patient.

Source: Lee, Mumford, Huang, "Occlusion models for natural images", IJCV 41 (2001),
doi:10.1023/A:1011109015675; Baradad et al., "Learning to see by looking at noise", NeurIPS 2021,
arXiv:2106.05963.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from ..errors import ParameterError

__all__ = ["LeafStyle", "Scene", "dead_leaves"]

Image = npt.NDArray[np.float32]

_EXPONENTS = (1.2, 2.6)  # of the density of radii; 3 is scale-invariant, but some hundred leaves cover little
_SMALLEST = 1.5  # pixels
_HARMONICS = 5
_BRIGHT_SHELL = (0.6, 1.0)


@dataclass(frozen=True)
class LeafStyle:
    """How a scene looks.

    Parameters
    ----------
    leaves:
        How many fall.
    textured:
        Share of leaves with a texture.
    body:
        Probability that the scene is a body on black, like a slice of a patient.
    spots:
        Most small faint spots, 1 to 5 pixels in radius, as lesions are.
    """

    leaves: int = 160
    textured: float = 0.35
    body: float = 0.6
    spots: int = 12

    def __post_init__(self) -> None:
        if self.leaves < 1 or self.spots < 0:
            raise ParameterError(f"leaves {self.leaves}, spots {self.spots}: expected at least 1 and 0")
        for name in ("textured", "body"):
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} {getattr(self, name)}: expected a share from 0 to 1")


class Scene(NamedTuple):
    """``image`` (y, x) in [0, 1] and ``depth`` (y, x) in [0, 1], 0 for the leaf on top."""

    image: Image
    depth: Image


def dead_leaves(rng: np.random.Generator, size: int, style: LeafStyle | None = None) -> Scene:
    """A random scene of ``size`` × ``size`` pixels; the same generator state gives the same scene.

    Raises
    ------
    ParameterError
        If ``size`` is below 16.
    """
    if size < 16:
        raise ParameterError(f"size {size}: expected at least 16 pixels")
    style = style or LeafStyle()
    image = np.full((size, size), rng.uniform(), np.float32)
    depth = np.ones((size, size), np.float32)
    textures, exponent = _textures(rng, size), rng.uniform(*_EXPONENTS)
    for i in range(style.leaves):
        leaf = _shape(rng, size, exponent)
        if leaf is not None:
            depth[leaf.box][leaf.opacity > 0.5] = 1 - (i + 1) / style.leaves
            _paint(rng, image, leaf, textures, style.textured)
    if rng.uniform() < style.body:
        image = _as_body(rng, image)
    for _ in range(rng.integers(0, style.spots + 1)):
        _add_spot(rng, image)
    return Scene(_developed(rng, image), depth)


class _Window(NamedTuple):
    """A leaf's bounding box, its opacity in it, and coordinates from its middle in radii."""

    box: tuple[slice, slice]
    opacity: Image
    y: Image
    x: Image


def _paint(
    rng: np.random.Generator, image: Image, leaf: _Window, textures: list[Image], textured: float
) -> None:
    """Cover ``image`` with ``leaf``: a grey value, shaded, with a texture of that probability."""
    shade = rng.normal(0, 0.12, 2)
    value = rng.uniform() + shade[0] * leaf.y + shade[1] * leaf.x
    if rng.uniform() < textured:
        texture = textures[rng.integers(len(textures))]
        value = value + rng.uniform(0.02, 0.25) * texture[leaf.box]
    image[leaf.box] += leaf.opacity * (value.clip(0, 1) - image[leaf.box])


def _shape(rng: np.random.Generator, size: int, exponent: float) -> _Window | None:
    """A leaf somewhere, None if it lies outside: a star-shaped blob, drawn long or hollow now and then."""
    radius = _radius(rng, size / 2.5, exponent)
    middle = rng.uniform(-0.1 * size, 1.1 * size, 2)
    stretch = np.exp(rng.normal(0, 0.5)) if rng.uniform() < 0.8 else rng.uniform(3, 10)
    reach = radius * max(stretch, 1 / stretch) ** 0.5 * 1.6 + 2
    low = np.maximum(np.floor(middle - reach), 0).astype(int)
    high = np.minimum(np.ceil(middle + reach) + 1, size).astype(int)
    if (high <= low).any():
        return None
    box = (slice(low[0], high[0]), slice(low[1], high[1]))
    y, x = np.mgrid[box].astype(np.float32)
    return _window(rng, box, (y - middle[0]) / radius, (x - middle[1]) / radius, radius, stretch)


def _window(
    rng: np.random.Generator, box: tuple[slice, slice], y: Image, x: Image, radius: float, stretch: float
) -> _Window:
    angle = rng.uniform(0, np.pi)
    along = (np.cos(angle) * x + np.sin(angle) * y) / stretch**0.5
    across = (np.cos(angle) * y - np.sin(angle) * x) * stretch**0.5
    distance = np.hypot(along, across)
    rim = _rim(rng, np.arctan2(across, along))
    softness = rng.choice([0.7, 0.7, 1.0, 2.0])
    opacity = ((rim - distance) * radius / softness + 0.5).clip(0, 1)
    if rng.uniform() < 0.12:
        inner = rng.uniform(0.6, 0.92) * rim
        opacity *= ((distance - inner) * radius / softness + 0.5).clip(0, 1)
    return _Window(box, opacity.astype(np.float32), y, x)


def _rim(rng: np.random.Generator, angle: Image) -> Image:
    """Radius by direction: a circle, bent by a few harmonics, or a polygon."""
    if rng.uniform() < 0.25:
        corners = rng.integers(3, 7)
        sector = np.pi / corners
        turned = np.mod(angle + rng.uniform(0, 2 * np.pi), 2 * sector) - sector
        result: Image = np.cos(sector) / np.cos(turned)
        return result
    rim = np.ones_like(angle)
    for k in range(2, 2 + rng.integers(0, _HARMONICS)):
        rim += rng.normal(0, 0.25 / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    return rim.clip(0.3, 1.5)


def _radius(rng: np.random.Generator, largest: float, exponent: float) -> float:
    """A radius of density ∝ r^−exponent between the smallest and ``largest``."""
    power = 1 - exponent
    low, high = _SMALLEST**power, largest**power
    return float((low + rng.uniform() * (high - low)) ** (1 / power))


def _textures(rng: np.random.Generator, size: int) -> list[Image]:
    """Noise with spectra ∝ f^−a, and stripes; mean 0, deviation 1."""
    fy, fx = np.meshgrid(np.fft.fftfreq(size), np.fft.rfftfreq(size), indexing="ij")
    frequency = np.maximum(np.hypot(fy, fx), 1 / size)
    found = []
    for exponent in rng.uniform(0.5, 2.0, 3):
        spectrum = np.fft.rfft2(rng.standard_normal((size, size))) * frequency**-exponent
        spectrum *= np.exp(-((frequency / rng.uniform(0.1, 0.5)) ** 2))
        found.append(np.fft.irfft2(spectrum, s=(size, size)))
    y, x = np.mgrid[:size, :size]
    angle, wavelength = rng.uniform(0, np.pi), rng.uniform(3, 20)
    found.append(np.sin(2 * np.pi / wavelength * (np.cos(angle) * x + np.sin(angle) * y)))
    return [((one - one.mean()) / one.std()).astype(np.float32) for one in found]


def _as_body(rng: np.random.Generator, image: Image) -> Image:
    """The scene inside a large blob on black, within a bright or dark shell now and then."""
    size = len(image)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    middle, radius = rng.uniform(0.3, 0.7, 2) * size, rng.uniform(0.3, 0.6) * size
    aspect = rng.uniform(0.7, 1.4)
    dy, dx = (y - middle[0]) / aspect, (x - middle[1]) * aspect
    distance = np.hypot(dy, dx) / radius
    rim = _rim(rng, np.arctan2(dy, dx))
    edge = radius / rng.uniform(0.7, 2.5)
    inside = ((rim - distance) * edge + 0.5).clip(0, 1)
    if rng.uniform() < 0.5:
        shell = inside * ((distance - rim * rng.uniform(0.82, 0.97)) * edge + 0.5).clip(0, 1)
        value = rng.uniform(*_BRIGHT_SHELL) if rng.uniform() < 0.6 else rng.uniform(0, 0.1)
        image = image + shell * (value - image)
    result: Image = (image * inside).astype(np.float32)
    return result


def _add_spot(rng: np.random.Generator, image: Image) -> None:
    """A small soft disc, a little brighter or darker than where it lies."""
    radius = rng.uniform(1, 5)
    middle = rng.uniform(0, len(image), 2)
    low = np.maximum(middle - radius - 2, 0).astype(int)
    box = tuple(slice(start, int(m + radius + 3)) for start, m in zip(low, middle, strict=True))
    y, x = np.mgrid[box][:, : len(image) - low[0], : len(image) - low[1]]
    disc = (radius - np.hypot(y - middle[0], x - middle[1]) + 0.5).clip(0, 1)
    part = image[box]
    part += (rng.choice([-1, 1]) * rng.uniform(0.03, 0.2) * disc).astype(np.float32)


def _developed(rng: np.random.Generator, image: Image) -> Image:
    """A little blur, a random tone curve and contrast; black stays black."""
    image = gaussian_filter(image, rng.uniform(0, 0.7)).clip(0, 1)
    image = image ** np.exp(rng.normal(0, 0.35)) * rng.uniform(0.5, 1.0)
    if rng.uniform() < 0.25:
        image = image + rng.uniform(0, 1 - float(image.max()))
    return image.clip(0, 1).astype(np.float32)
