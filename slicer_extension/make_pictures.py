"""Draw the module's icon and the thumbnails of its samples: ``python slicer_extension/make_pictures.py``.

The icon is two discs, a cool and a warm one, and white where they meet; the thumbnails are slices of the
phantom, the fixed scan on the left and the moving one on the right.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

ICONS = Path(__file__).parent / "MedFuse" / "Resources" / "Icons"
THUMBNAILS = {
    "MedFuse-CT-MR-T1.png": ("ct", "t1"),
    "MedFuse-CT-MR-T2.png": ("ct", "t2"),
    "MedFuse-MR-US.png": ("t1", "us"),
}
_COOL, _WARM, _BOTH = (38, 112, 178), (236, 126, 38), (255, 250, 240)
_SIZE, _FINER = 128, 8
_THUMBNAIL = 140  # pixels, each half


def main() -> None:
    """Write every picture."""
    ICONS.mkdir(parents=True, exist_ok=True)
    Image.fromarray(icon()).save(ICONS / "MedFuse.png", optimize=True)
    for name, keys in THUMBNAILS.items():
        Image.fromarray(thumbnail(keys)).save(ICONS / name, optimize=True)


def icon() -> npt.NDArray[np.uint8]:
    """The icon, RGBA, drawn finer and averaged."""
    y, x = (np.mgrid[: _SIZE * _FINER, : _SIZE * _FINER] + 0.5) / _FINER
    cool = np.hypot(x - 46, y - 64) < 42
    warm = np.hypot(x - 82, y - 64) < 42
    colour = np.where(warm[..., None], _WARM, _COOL)
    colour[cool & warm] = _BOTH
    alpha = (cool | warm)[..., None]
    fine = np.concatenate([colour * alpha, alpha * 255], axis=2).astype(np.float64)
    mean = fine.reshape(_SIZE, _FINER, _SIZE, _FINER, 4).mean(axis=(1, 3))
    cover = np.maximum(mean[..., 3:] / 255, 1e-6)
    mean[..., :3] /= cover
    return np.rint(mean).astype(np.uint8)


def thumbnail(keys: tuple[str, str]) -> npt.NDArray[np.uint8]:
    """The middle slices of two scans side by side."""
    from medfuse.phantom import sample_study

    volumes = sample_study(keys).volumes
    return np.hstack([_slice(volumes[key].array, key) for key in keys])


def _slice(array: npt.NDArray[np.float32], key: str) -> npt.NDArray[np.uint8]:
    # The third axis of the ultrasound is its beam: a plane along the beam shows the fan.
    plane = array[:, array.shape[1] // 2] if key == "us" else array[array.shape[0] // 2]
    low, high = (0, 80) if key == "ct" else np.percentile(plane, (1, 98))
    grey = np.clip(255 * (plane - low) / (high - low), 0, 255).astype(np.uint8)
    image = Image.fromarray(grey)
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    canvas = Image.new("L", (_THUMBNAIL, _THUMBNAIL))
    canvas.paste(image, ((_THUMBNAIL - image.width) // 2, (_THUMBNAIL - image.height) // 2))
    return np.asarray(canvas)


if __name__ == "__main__":
    main()
