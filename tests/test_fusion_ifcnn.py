"""IFCNN with weights that hand the image through, and the messages about weights; real ones in references."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from made_weights import identity_densefuse, identity_ifcnn, save

from medfuse.errors import ParameterError, WeightsError
from medfuse.fusion import METHODS
from medfuse.fusion.networks.architectures.ifcnn import IFCNNNetwork
from medfuse.fusion.networks.ifcnn import IFCNN

RULES = {
    "max": lambda sources: sources.max(axis=0),
    "mean": lambda sources: sources.mean(axis=0),
    "sum": lambda sources: sources.sum(axis=0).clip(0, 1),
}


def stack(n=3):
    return np.random.default_rng(0).random((n, 2, 9, 13)).astype(np.float32)


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_joins_the_features(rule, tmp_path):
    path = save(identity_ifcnn(rule), tmp_path / "identity.pth")
    fused = IFCNN(rule=rule, weights=str(path), device="cpu")(stack())
    np.testing.assert_allclose(fused.array, RULES[rule](stack()), atol=1e-5)


def test_network_is_the_papers_table():
    network = IFCNNNetwork("max")
    shapes = {name: tuple(value.shape) for name, value in network.named_parameters()}
    assert shapes == {
        "conv1.weight": (64, 3, 7, 7),
        "conv2.conv.weight": (64, 64, 3, 3),
        "conv2.bn.weight": (64,),
        "conv2.bn.bias": (64,),
        "conv3.conv.weight": (64, 64, 3, 3),
        "conv3.bn.weight": (64,),
        "conv3.bn.bias": (64,),
        "conv4.weight": (3, 64, 1, 1),
        "conv4.bias": (3,),
    }


def test_border_is_repeated_outwards():
    """A constant image stays constant up to its border: no dark frame from zero padding."""
    generator = torch.Generator().manual_seed(0)
    network = IFCNNNetwork("max").eval()
    state = network.state_dict()
    network.load_state_dict(
        {
            name: torch.rand(value.shape, generator=generator) if value.dim() else value
            for name, value in state.items()
        }
    )
    with torch.inference_mode():
        drawn = network(torch.full((2, 1, 3, 12, 10), 0.5))
    np.testing.assert_allclose(drawn, drawn[..., 5:6, 5:6].expand_as(drawn), rtol=1e-5)


def test_provenance_tells_the_weights(tmp_path):
    path = save(identity_ifcnn(), tmp_path / "mine.pth")
    info = IFCNN(weights=str(path), device="cpu")(stack()).info
    assert info["weights"] == "mine.pth"
    assert info["weights_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert info["device"] == "cpu"


@pytest.mark.parametrize(
    ("key", "parameters", "names"),
    [
        ("ifcnn", {}, ("ifcnn-max",)),
        ("ifcnn", {"rule": "mean"}, ("ifcnn-mean",)),
        ("densefuse", {}, ("densefuse-gray",)),
        ("vgg", {}, ("vgg19",)),
        ("zero_learning", {}, ("resnet50",)),
        ("zero_learning", {"backbone": "alexnet"}, ("alexnet",)),
    ],
)
def test_missing_weights_stop_the_method_with_what_to_do(key, parameters, names, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDFUSE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    method = METHODS[key](**parameters)
    assert method.required_weights == names
    assert METHODS[key](**parameters, weights="mine.pth").required_weights == ()
    with pytest.raises(WeightsError, match=f"medfuse weights get {names[0]}"):
        method(stack())


def test_weights_of_another_network_are_refused(tmp_path):
    path = save(identity_densefuse(), tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="another network"):
        IFCNN(weights=str(path), device="cpu")(stack())


@pytest.mark.parametrize("change", ["missing", "left over", "shape"])
def test_weights_are_loaded_strictly(change, tmp_path):
    state = identity_ifcnn()
    if change == "missing":
        del state["conv4.bias"]
    elif change == "left over":
        state["conv5.bias"] = torch.zeros(3)
    else:
        state["conv4.bias"] = torch.zeros(4)
    with pytest.raises(WeightsError, match=r"conv[45]\.bias"):
        IFCNN(weights=str(save(state, tmp_path / "bad.pth")), device="cpu")(stack())


def test_colour_keeps_its_shape_and_refuses_grey(tmp_path):
    method = IFCNN(weights=str(save(identity_ifcnn(), tmp_path / "w.pth")), device="cpu")
    colour = np.random.default_rng(1).uniform(0.5, 1, (2, 2, 8, 9, 3)).astype(np.float32)
    np.testing.assert_allclose(method.fuse_colour(colour).array, colour.max(axis=0), atol=1e-5)
    with pytest.raises(ParameterError, match=r"\(n, z, y, x, 3\)"):
        method.fuse_colour(stack())
    with pytest.raises(ParameterError, match="rescale"):
        method.fuse_colour(colour * 255)
