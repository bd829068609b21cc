"""Draw docs/gallery.md and the picture of the README: ``python scripts/gallery.py``.

One axial slice of the generated CT and MR T1, brought together by their true transform, fused by every
method with its defaults; and a noisy one, for the methods that are made for noise.  Methods whose weights
are not on this machine ($MEDFUSE_WEIGHTS) are named and not drawn.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import medfuse
from medfuse.errors import WeightsError
from medfuse.io import read_transform

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_data"
PICTURES = ROOT / "docs" / "pictures"

PLANE = 22  # of the CT: ventricles, the calcified pineal gland and choroid plexus
HEAD = (slice(9, 121), slice(8, 120))  # rows and columns of the CT about the head
NOISE = 0.08  # standard deviation of the noise in the noisy row, in grey values of [0, 1]
NOISY = ("average", "pca", "dip")
SIDE = 384  # pixels of one picture
MARGIN = 28


def sources() -> np.ndarray:
    """CT and T1 (2, 1, y, x) in [0, 1] on the grid of the CT, one slice."""
    ct = medfuse.read_volume(SAMPLES / "head_ct.nii.gz", modality="CT")
    t1 = medfuse.read_volume(SAMPLES / "head_t1.nii.gz", modality="MR")
    t1 = medfuse.resample(t1, ct, read_transform(SAMPLES / "ct_to_t1.tfm"))
    stack = np.stack([medfuse.rescale(ct, "bone").array, medfuse.rescale(t1).array])
    return np.ascontiguousarray(stack[(slice(None), slice(PLANE, PLANE + 1), *HEAD)])


def noisy(clean: np.ndarray) -> np.ndarray:
    """The same with white noise, clipped to [0, 1] as a window does."""
    noise = np.random.default_rng(1).normal(0, NOISE, clean.shape)
    return np.clip(clean + noise, 0, 1).astype(np.float32)


def picture(slice_: np.ndarray) -> Image.Image:
    """A slice (y, x) in [0, 1] enlarged to SIDE × SIDE."""
    grey = Image.fromarray(np.rint(255 * np.clip(slice_, 0, 1)).astype(np.uint8))
    return grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def row(pictures: Mapping[str, np.ndarray], path: Path) -> None:
    """Pictures side by side with their titles above, as one PNG file."""
    canvas = Image.new("L", (len(pictures) * SIDE, SIDE + MARGIN), 0)
    draw = ImageDraw.Draw(canvas)
    for i, (title, slice_) in enumerate(pictures.items()):
        canvas.paste(picture(slice_), (i * SIDE, MARGIN))
        draw.text((i * SIDE + 8, 4), title, fill=230, font=ImageFont.load_default(18))
    canvas.save(path, optimize=True)


def by_default(sources: np.ndarray, key: str) -> medfuse.Fused:
    """Fused as the command line does without further options: with the preset that suits the device."""
    return medfuse.fuse(sources, medfuse.make_method(medfuse.METHODS[key], {}, "auto"))


def page(clean: np.ndarray, methods: list[str]) -> str:
    """The gallery; draws a picture for each method on the way."""
    parts = [
        "# Gallery",
        "What each method makes of one slice of the sample data: CT (window bone) and MR T1 of a generated "
        "head, brought together by their true transform, with the defaults of the method. Drawn by "
        "`python scripts/gallery.py`.",
        "## Sources\n\n![CT and MR T1](pictures/sources.png)",
    ]
    left_out = []
    for key in methods:
        try:
            fused = by_default(clean, key)
        except WeightsError:
            left_out.append(key)
            continue
        picture(fused.array[0]).save(PICTURES / f"{key}.png", optimize=True)
        summary = (inspect.getdoc(medfuse.METHODS[key]) or "").partition("\n")[0]
        parts.append(f"## {key}\n\n{summary}\n\n![{key}](pictures/{key}.png)")
    dirty = noisy(clean)
    results = {key: by_default(dirty, key).array[0] for key in NOISY}
    row({"CT": dirty[0, 0], "MR T1": dirty[1, 0]}, PICTURES / "noisy_sources.png")
    row(results, PICTURES / "noisy.png")
    parts.append(
        f"## On noise\n\nThe same slice with white noise of standard deviation {NOISE:g} in both sources:\n\n"
        "![noisy CT and MR T1](pictures/noisy_sources.png)\n\n"
        f"![{', '.join(NOISY)}](pictures/noisy.png)"
    )
    if left_out:
        names = ", ".join(f"`{key}`" for key in left_out)
        parts.append(f"Not drawn, because their [weights](weights.md) were not at hand: {names}.")
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Draw everything anew."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    clean = sources()
    row({"CT": clean[0, 0], "MR T1": clean[1, 0]}, PICTURES / "sources.png")
    fused = medfuse.fuse(clean, "pca").array[0]
    row({"CT": clean[0, 0], "MR T1": clean[1, 0], "fused (pca)": fused}, PICTURES / "readme.png")
    text = page(clean, list(medfuse.METHODS))
    (ROOT / "docs" / "gallery.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
