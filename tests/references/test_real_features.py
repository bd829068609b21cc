"""Methods with the real weights that are at hand, brought into torchvision's layout where they have another.

VGG-19 ends at relu3_1 here, and SqueezeNet comes with Caffe's names and colour order.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_weights import save
from scipy.ndimage import gaussian_filter

from medfuse.fusion.networks.architectures.backbone import first_layers, network_input
from medfuse.fusion.networks.densefuse import DenseFuse
from medfuse.fusion.networks.vgg import VGGFusion
from medfuse.fusion.networks.zero_learning import ZeroLearning

MEAN = torch.tensor([0.485, 0.456, 0.406])
DEVIATION = torch.tensor([0.229, 0.224, 0.225])
CPU = torch.device("cpu")


@pytest.fixture
def read(shared_data):
    from matplotlib.image import imread

    def read(name):
        image = imread(shared_data(f"pairs2d/{name}")).astype(np.float32)
        return (image if image.ndim == 2 else image @ np.float32([0.299, 0.587, 0.114]))[None] / 255

    return read


def for_normalised_input(weight, bias, matrix, offset):
    """A convolution on matrix·rgb + offset, rgb in 0..1, as one on (rgb − mean) / deviation."""
    changed = torch.einsum("okyx,ki->oiyx", weight, matrix * DEVIATION)
    return changed, bias + torch.einsum("okyx,k->o", weight, matrix @ MEAN + offset)


@pytest.fixture
def squeezenet(shared_data, tmp_path):
    """SqueezeNet 1.0 from Caffe's names; BGR of 0 to 255 less the mean."""
    found = np.load(shared_data("weights/squeezenet_v1.0_deepcompression_decoded.npz"))
    flip = 255 * torch.eye(3).flip(0)
    weight, bias = (torch.tensor(found[f"conv1.{kind}"]) for kind in ("weight", "bias"))
    weight, bias = for_normalised_input(weight, bias, flip, -torch.tensor([104.0, 117.0, 123.0]))
    state = {"features.0.weight": weight, "features.0.bias": bias}
    parts = {"conv1x1_1": "squeeze", "conv1x1_2": "expand1x1", "conv3x3_2": "expand3x3"}
    for fire, index in zip(range(2, 10), (3, 4, 5, 7, 8, 9, 10, 12), strict=True):
        for theirs, ours in parts.items():
            for kind in ("weight", "bias"):
                state[f"features.{index}.{ours}.{kind}"] = torch.tensor(found[f"fire{fire}/{theirs}.{kind}"])
    return save(state, tmp_path / "squeezenet.pth")


@pytest.fixture
def vgg(shared_data, tmp_path):
    """VGG-19 to relu3_1; its first 1×1 convolution makes BGR of 0 to 255 less the mean."""
    found = torch.load(shared_data("weights/vgg_normalised_conv3_1.pth"), weights_only=True)
    matrix, offset = found["0.weight"][:, :, 0, 0], found["0.bias"]
    state = {}
    for theirs, ours in zip((2, 5, 9, 12, 16), (0, 2, 5, 7, 10), strict=True):
        weight, bias = found[f"{theirs}.weight"], found[f"{theirs}.bias"]
        if ours == 0:
            weight, bias = for_normalised_input(weight, bias, matrix, offset)
        state[f"features.{ours}.weight"], state[f"features.{ours}.bias"] = weight, bias
    return save(state, tmp_path / "vgg.pth")


def test_converted_squeezenet_sees_what_the_original_sees(squeezenet, shared_data, read):
    """Its first layer, against a convolution of Caffe's input written out in numpy."""
    image = torch.tensor(read("medical/c01_2.tif")[0])
    normalised = ((image[None, None] - MEAN[:, None, None]) / DEVIATION[:, None, None]).float()
    layers = first_layers("squeezenet1_0", 2, torch.load(squeezenet, weights_only=True), CPU)
    with torch.inference_mode():
        seen = layers(normalised)[0].numpy()
    found = np.load(shared_data("weights/squeezenet_v1.0_deepcompression_decoded.npz"))
    caffe = image.numpy()[None] * 255 - np.array([104, 117, 123])[:, None, None]
    for y, x in ((0, 0), (40, 60), (100, 33)):
        patch = caffe[:, 2 * y : 2 * y + 7, 2 * x : 2 * x + 7]
        wanted = np.maximum((found["conv1.weight"] * patch).sum(axis=(1, 2, 3)) + found["conv1.bias"], 0)
        np.testing.assert_allclose(seen[:, y, x], wanted, rtol=1e-3, atol=0.05)


def test_converted_vgg_sees_what_the_original_sees(vgg, shared_data, read):
    """All layers, away from the border, where the original reflects and torchvision's pads with zeros."""
    found = torch.load(shared_data("weights/vgg_normalised_conv3_1.pth"), weights_only=True)
    image = torch.tensor(read("medical/c01_2.tif")[0])[None, None].expand(1, 3, -1, -1)
    normalised = (image - MEAN[:, None, None]) / DEVIATION[:, None, None]
    with torch.inference_mode():
        seen = first_layers("vgg19", 12, torch.load(vgg, weights_only=True), CPU)(normalised)
        wanted = torch.nn.functional.conv2d(image, found["0.weight"], found["0.bias"])
        for index in (2, 5, 9, 12, 16):
            weight, bias = found[f"{index}.weight"], found[f"{index}.bias"]
            wanted = torch.nn.functional.conv2d(wanted, weight, bias, padding=1).relu()
            if index in (5, 12):
                wanted = torch.nn.functional.max_pool2d(wanted, 2)
    inside = np.s_[..., 8:-8, 8:-8]
    np.testing.assert_allclose(seen[inside], wanted[inside], rtol=1e-3, atol=1e-3 * float(wanted.max()))


def halves(read):
    """One real image, blurred in its right half and in its left half."""
    sharp = read("medical/c02_2.tif")
    blurred = gaussian_filter(sharp, (0, 2, 2))
    middle = sharp.shape[-1] // 2
    left, right = sharp.copy(), sharp.copy()
    left[..., middle:], right[..., :middle] = blurred[..., middle:], blurred[..., :middle]
    return sharp, np.stack([left, right])


@pytest.mark.parametrize("depth", [2, 13])
def test_zero_learning_with_real_squeezenet_takes_the_sharp_half(depth, squeezenet, read):
    sharp, sources = halves(read)
    method = ZeroLearning(backbone="squeezenet1_0", depth=depth, weights=str(squeezenet), device="cpu")
    fused = method(sources)
    weight = fused.maps["detail_weight_0"][0]
    edges = np.abs(sharp[0] - gaussian_filter(sharp[0], 2)) > 0.05
    assert weight[:, :112][edges[:, :112]].mean() > weight[:, 144:][edges[:, 144:]].mean() + 0.3
    assert np.abs(fused.array - sharp).mean() < 0.75 * np.abs(sources.mean(axis=0) - sharp).mean()


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_vgg_with_real_features_takes_the_sharp_half(layers, vgg, read):
    sharp, sources = halves(read)
    fused = VGGFusion(layers=layers, weights=str(vgg), device="cpu")(sources).array
    assert np.abs(fused - sharp).mean() < 0.95 * np.abs(sources.mean(axis=0) - sharp).mean()


@pytest.mark.parametrize("name", ["c01_1", "c01_2", "c02_1", "c03_2"])
def test_densefuse_with_its_published_weights_gives_an_image_back(name, read, shared_data, monkeypatch):
    monkeypatch.setenv("MEDFUSE_WEIGHTS", str(shared_data("weights/densefuse_gray.model").parent))
    source = read(f"medical/{name}.tif")
    for rule in ("addition", "l1"):
        fused = DenseFuse(rule=rule, device="cpu")(np.stack([source, source]))
        error = np.abs(fused.array - source) * 255
        assert error.mean() < 0.1
        assert error.max() < 4
        assert fused.info["weights"] == "densefuse-gray"


def test_network_input_has_the_networks_scale():
    images = network_input(torch.full((2, 3, 70, 80), 0.229))
    assert images.shape == (6, 3, 70, 80)
    np.testing.assert_allclose(images[:, 0], 1, rtol=1e-6)
