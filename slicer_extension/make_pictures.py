"""Draw the icon, the thumbnails and the catalogue's picture: ``python slicer_extension/make_pictures.py``.

The icon is two discs, a cool and a warm one, and white where they meet.  The thumbnails are slices of the
phantom, the fixed scan on the left and the moving one on the right.  The picture is a slice of what the
module makes of the CT and the MR.  The panel's screenshots come from its tests:
``MEDFUSE_SCREENSHOTS=slicer_extension/Screenshots pytest tests/slicer/test_screenshots.py``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

SCREENSHOTS = Path(__file__).parent / "Screenshots"
ICONS = Path(__file__).parent / "MedFuse" / "Resources" / "Icons"
THUMBNAILS = {
    "MedFuse-CT-MR-T1.png": ("ct", "t1"),
    "MedFuse-CT-MR-T2.png": ("ct", "t2"),
    "MedFuse-MR-US.png": ("t1", "us"),
}
_RESULT = ("registered/fixed.nii.gz", "registered/moving_1.nii.gz", "fused.nii.gz")
_COOL, _WARM, _BOTH = (38, 112, 178), (236, 126, 38), (255, 250, 240)
_SIZE, _FINER = 128, 8
_THUMBNAIL = 140  # pixels, each half


def main() -> None:
    """Write every picture."""
    ICONS.mkdir(parents=True, exist_ok=True)
    Image.fromarray(icon()).save(ICONS / "MedFuse.png", optimize=True)
    for name, keys in THUMBNAILS.items():
        Image.fromarray(thumbnail(keys)).save(ICONS / name, optimize=True)
    SCREENSHOTS.mkdir(exist_ok=True)
    result().save(SCREENSHOTS / "result.png", optimize=True)


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


def result() -> Image.Image:
    """A slice of the CT, of the registered MR, of the fused volume, and of it faded half to the CT."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "medfuse", "demo", "-o", str(folder), "--method", "pca"]
        subprocess.run(command, check=True)  # noqa: S603 - our own program
        ct, mr, fused = (_middle(folder / "result" / name) for name in _RESULT)
    ct, mr = (np.clip((one - low) / (high - low), 0, 1) for one, low, high in ((ct, 0, 80), (mr, 0, 620)))
    shown = {
        "CT (fixed)": ct,
        "MR T1, registered": mr,
        "fused": fused,
        "half faded to the CT": (fused + ct) / 2,
    }
    tiles = []
    for caption, plane in shown.items():
        tile = Image.fromarray(np.rint(255 * plane).astype(np.uint8)).resize(
            (256, 256), Image.Resampling.BICUBIC
        )
        ImageDraw.Draw(tile).text((6, 4), caption, fill=255, font_size=14)
        tiles.append(np.asarray(tile))
    return Image.fromarray(np.hstack(tiles))


def _middle(path: Path) -> npt.NDArray[np.float32]:
    from medfuse.io import read_volume

    array = read_volume(path).array
    return array[array.shape[0] // 2]


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
