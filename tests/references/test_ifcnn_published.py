"""IFCNN equals what its authors published, image by image, within one grey level.

The images are read by SimpleITK: its JPEG decoder is the one with which the published colour results agree.
"""

from __future__ import annotations

import numpy as np
import pytest

from medfuse.fusion.ifcnn import IFCNN

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
