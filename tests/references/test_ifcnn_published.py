"""IFCNN equals what its authors published, image by image, within one grey level.

The images are read by SimpleITK: its JPEG decoder is the one with which the published colour results agree.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medfuse.colour import combine_chroma
from medfuse.fusion.networks.architectures.ifcnn import IFCNNNetwork
from medfuse.fusion.networks.ifcnn import IFCNN
from medfuse.fusion.networks.loading import filled
from medfuse.weights import read_state

GREY = {
    "MD-c01": ("medical/c01_1.tif", "medical/c01_2.tif"),
    "MD-c02": ("medical/c02_1.tif", "medical/c02_2.tif"),
    "MD-c03": ("medical/c03_1.tif", "medical/c03_2.tif"),
    "MD-c04": ("medical/c04_1.tif", "medical/c04_2.tif"),
    "IV-Camp": ("other/IVDataset_Camp_Vis.png", "other/IVDataset_Camp_IR.png"),
}
COLOUR = {
    "CMF-lytro-01": [f"other/CMFDataset_lytro-01-{x}.jpg" for x in "AB"],
    "CMF3-lytro-01": [f"other/CMFDataset_Triple_Series_lytro-01-{x}.jpg" for x in "ABC"],
}


@pytest.fixture
def read(shared_data):
    import SimpleITK

    def read(name):
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(shared_data(f"pairs2d/{name}"))))

    return read


@pytest.fixture(autouse=True)
def published_weights(shared_data, monkeypatch):
    monkeypatch.setenv("MEDFUSE_WEIGHTS", str(shared_data("weights/IFCNN-MAX.pth").parent))


def stack(read, names):
    return np.stack([read(name)[None] for name in names]).astype(np.float32) / 255


@pytest.mark.parametrize("case", GREY)
def test_grey(case, read):
    fused = IFCNN(device="cpu")(stack(read, GREY[case]))
    published = read(f"published_ifcnn/IFCNN-MAX-{case}.png").astype(float)
    assert np.abs(np.round(fused.array[0] * 255) - published).max() <= 1
    assert fused.info["weights"] == "ifcnn-max"


@pytest.mark.parametrize("case", COLOUR)
def test_colour_and_three_sources(case, read):
    fused = IFCNN(device="cpu").fuse_colour(stack(read, COLOUR[case]))
    published = read(f"published_ifcnn/IFCNN-MAX-{case}.png").astype(float)
    assert np.abs(np.floor(fused.array[0] * 255) - published).max() <= 1  # they cut the fraction off


@pytest.mark.parametrize("rule", ["max", "mean", "sum"])
def test_every_rule_has_its_weights_and_is_its_own(rule, read):
    sources = stack(read, GREY["MD-c01"])
    fused = IFCNN(rule=rule, device="cpu")(sources).array
    others = [
        IFCNN(rule=other, device="cpu")(sources).array for other in ("max", "mean", "sum") if other != rule
    ]
    assert min(np.abs(fused - other).mean() for other in others) > 0.01


def test_identical_sources_come_back(read):
    source = stack(read, GREY["MD-c02"])[0]
    error = np.abs(IFCNN(device="cpu")(np.stack([source, source])).array - source) * 255
    assert error.mean() < 2


def equalised(image):
    """OpenCV's CLAHE (8×8 tiles, clip limit 2), which the authors apply to fused multi-exposure luma."""
    tiles, levels = 8, 256
    height, width = image.shape
    spare = [tiles - side % tiles if height % tiles or width % tiles else 0 for side in image.shape]
    tall, wide = ((side + extra) // tiles for side, extra in zip(image.shape, spare, strict=True))
    padded = np.pad(image, [(0, extra) for extra in spare], mode="reflect")
    blocks = padded.reshape(tiles, tall, tiles, wide).swapaxes(1, 2).reshape(tiles, tiles, -1)
    limit = max(int(2.0 * tall * wide / levels), 1)
    tables = np.zeros((tiles, tiles, levels))
    for place in np.ndindex(tiles, tiles):
        counts = np.bincount(blocks[place], minlength=levels)
        share, rest = divmod(int((counts - limit).clip(min=0).sum()), levels)
        counts = counts.clip(max=limit) + share
        if rest:
            counts[:: max(levels // rest, 1)][:rest] += 1
        tables[place] = np.rint(counts.cumsum() * (levels - 1) / (tall * wide)).clip(0, levels - 1)
    y, x = np.arange(height)[:, None] / tall - 0.5, np.arange(width) / wide - 0.5
    result = np.zeros(image.shape)
    for dy, dx in np.ndindex(2, 2):
        row, column = np.floor(y).astype(int) + dy, np.floor(x).astype(int) + dx
        table = tables[row.clip(0, tiles - 1), column.clip(0, tiles - 1), image]
        result += table * (1 - np.abs(y - row)) * (1 - np.abs(x - column))
    return np.rint(result)


def test_multi_exposure(read, shared_data):
    """Luma by the mean rule, chroma by distance from grey, then the authors' own finish."""
    from PIL import Image

    colours = [read(f"other/MEDataset_house_house{i}.jpg") for i in range(1, 5)]
    ycbcr = np.stack([np.asarray(Image.fromarray(rgb).convert("YCbCr")) for rgb in colours])
    state = read_state(shared_data("weights/IFCNN-MEAN.pth"))
    network = filled(lambda: IFCNNNetwork("mean"), state, torch.device("cpu"))
    luma = torch.tensor((ycbcr[..., 0] / 255).astype(np.float32))[:, None, None].expand(-1, -1, 3, -1, -1)
    with torch.inference_mode():
        channels = (network(luma)[0].clamp(0, 1) * 255).floor().numpy()
    red, green, blue = channels.astype(int)
    grey = (4899 * red + 9617 * green + 1868 * blue + 8192) >> 14  # OpenCV's luma in whole numbers
    finished = equalised((grey / 255 * 235 + (1 - grey / 255) * 16).astype(np.uint8))
    chroma = combine_chroma((ycbcr[..., 1:] - 128.0) / 255 + 0.5)
    blue, red = np.moveaxis(np.floor((chroma - 0.5) * 255 + 128 + 1e-9), -1, 0) - 128
    green = -0.714 * red - 0.344 * blue
    rgb = np.rint(finished[..., None] + np.stack([1.403 * red, green, 1.773 * blue], axis=-1)).clip(0, 255)

    published = read("published_ifcnn/IFCNN-MEAN-ME-house.png").astype(float)
    unclipped = ((published > 0) & (published < 255)).all(axis=-1)
    their_luma = published @ [0.299, 0.587, 0.114]
    # Whole numbers are cut off before the equalisation, which spreads a rare last-bit difference to 3.
    luma_difference = np.abs(their_luma - finished)[unclipped]
    assert (luma_difference > 1).mean() < 0.002
    difference = np.abs(rgb - published)
    assert (difference > 1).mean() < 0.002  # chroma is cut, too, and then multiplied by up to 1.773
    assert difference.max() <= 6
