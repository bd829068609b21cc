"""Saliency against sums written out, every backbone at its first and last layer, and the weights' effect."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_weights import random_backbone, save

from medfuse.errors import ParameterError, WeightsError
from medfuse.fusion.networks.architectures.backbone import first_layers
from medfuse.fusion.networks.torchvision_operators import import_torchvision
from medfuse.fusion.networks.zero_learning import _LAYERS, ZeroLearning, histogram_saliency


def two(seed=3, size=(1, 40, 36)):
    return np.random.default_rng(seed).random((2, *size)).astype(np.float32)


def test_saliency_is_the_mean_distance_to_all_other_grey_levels():
    grey = np.random.default_rng(0).integers(0, 256, (2, 6, 7))
    saliency = histogram_saliency(torch.tensor(grey / 255)).numpy()
    for image, values in zip(grey, saliency, strict=True):
        distance = np.abs(image[..., None] - image.ravel()).mean(axis=-1)
        wanted = (distance - distance.min()) / np.ptp(distance)
        np.testing.assert_allclose(values, wanted, atol=1e-12)


def test_saliency_of_a_flat_image_is_0_and_that_of_the_odd_one_out_is_1():
    flat = torch.full((4, 4), 0.3)
    assert not histogram_saliency(flat).any()
    flat[1, 2] = 0.9
    saliency = histogram_saliency(flat)
    assert saliency[1, 2] == 1
    assert saliency.sum() == 1


@pytest.mark.parametrize("backbone", _LAYERS)
def test_knows_how_many_layers_a_backbone_has(backbone):
    with torch.device("meta"):
        network = import_torchvision().models.get_model(backbone, weights=None)
    layers = len(network.features) if hasattr(network, "features") else len(list(network.children())) - 2
    assert _LAYERS[backbone] == layers
    with pytest.raises(ParameterError, match=f"{layers} layers"):
        ZeroLearning(backbone=backbone, depth=layers + 1)


DEEP = {name: depth for name, depth in _LAYERS.items() if name not in ("vgg16", "densenet121")}
DEEP |= {"vgg16": 17, "densenet121": 5}  # these take long to make at their full depth


@pytest.mark.parametrize(("backbone", "depth"), DEEP.items())
def test_deep_features_of_every_backbone_lie_where_the_detail_is(backbone, depth, tmp_path):
    path = str(save(random_backbone(backbone, depth), tmp_path / "w.pth"))
    texture = two(size=(1, 128, 192))
    sources = np.full_like(texture, 0.5)
    sources[0, ..., :96], sources[1, ..., 96:] = texture[0, ..., :96], texture[1, ..., 96:]
    maps = ZeroLearning(backbone=backbone, depth=depth, weights=path, device="cpu")(sources).maps
    weight = maps["detail_weight_0"][0]
    assert weight[:, :64].mean() > weight[:, -64:].mean() + 0.1


def test_reads_densenet_in_the_names_of_its_published_file():
    modern = random_backbone("densenet121", 5)
    published = {
        key.replace("norm1.", "norm.1.")
        .replace("norm2.", "norm.2.")
        .replace("conv1.", "conv.1.")
        .replace("conv2.", "conv.2."): value
        for key, value in modern.items()
    }
    assert any("norm.1." in key for key in published)
    state = first_layers("densenet121", 5, published, torch.device("cpu")).state_dict()
    assert torch.equal(
        state["denseblock1.denselayer2.conv1.weight"],
        modern["features.denseblock1.denselayer2.conv1.weight"],
    )


def test_layers_that_are_missing_are_named(tmp_path):
    path = str(save(random_backbone("squeezenet1_0", 3), tmp_path / "w.pth"))
    ZeroLearning(backbone="squeezenet1_0", depth=3, weights=path, device="cpu")(two())
    with pytest.raises(WeightsError, match=r"3\.squeeze\.weight"):
        ZeroLearning(backbone="squeezenet1_0", depth=4, weights=path, device="cpu")(two())


def test_the_livelier_detail_wins(tmp_path):
    path = str(save(random_backbone("resnet50", 3), tmp_path / "w.pth"))
    sources = np.full((2, 1, 40, 120), 0.5, np.float32)
    sources[0, 0, :, :36] = two()[0, 0]
    maps = ZeroLearning(weights=path, device="cpu")(sources).maps
    assert maps["detail_weight_0"][0, :, :16].mean() > 0.9
    assert maps["detail_weight_0"][0, :, 90:].mean() == pytest.approx(0.5, abs=0.01)


def test_result_is_the_weighted_bases_and_details(tmp_path):
    path = str(save(random_backbone("resnet50", 3), tmp_path / "w.pth"))
    sources = two() * 0.4 + 0.3
    fused = ZeroLearning(weights=path, device="cpu", base_window=9)(sources)
    padded = np.pad(np.ones_like(sources[0, 0]), 4)
    view = np.lib.stride_tricks.sliding_window_view
    count = view(padded, (9, 9)).sum(axis=(2, 3))
    base = np.stack([view(np.pad(s[0], 4), (9, 9)).sum(axis=(2, 3)) / count for s in sources])
    detail = sources[:, 0] - base
    maps = {name: values[0] for name, values in fused.maps.items()}
    wanted = sum(maps[f"weight_{i}"] * base[i] + maps[f"detail_weight_{i}"] * detail[i] for i in range(2))
    np.testing.assert_allclose(fused.array[0], wanted, atol=1e-5)
