"""What every fusion method promises, whatever it is: one law, one test, over every key of METHODS.

Networks run with weights made here, so that no law depends on a download: IFCNN and DenseFuse with
weights that hand the image through, the backbones with random ones.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from made_models import write_model
from made_weights import MADE, save
from scipy.ndimage import gaussian_filter

from medfuse.errors import Cancelled, ParameterError, UnknownNameError
from medfuse.fusion import METHODS, Fused, fuse, make_method, parameters_of
from medfuse.sources import Sources

KEYS = list(METHODS)
QUICK = {  # key -> parameters that make a run short; the laws hold for any
    "dip": {"steps": 3, "width": 4, "scales": 2, "skip_channels": 2, "output_channels": 2},
}
IDENTICAL = {  # key -> largest difference from the source when all sources are that source
    "auto": 1e-6,
    "average": 1e-6,
    "maximum": 0,
    "pca": 1e-6,
    "gmc": 0.03,  # coefficients below its λ of 0.005 are meant to vanish
    "laplacian": 1e-6,
    "wavelet": 1e-6,
    "gff": 1e-6,
    "vgg": 1e-6,
    "zero_learning": 1e-6,
    "ifcnn": 1e-5,  # with weights that hand the image through
    "densefuse": 1e-5,
    "network": 1e-6,  # with a network that takes the larger value
}
UNTRAINED = {"dip"}  # too few steps here to reach its target; tests of dip itself check that it does
NOISY = {"dip"}  # draws fresh noise for each slice
ONE_STEP = {"average", "maximum"}
SWAPPED = {"dip": 1e-3}  # largest difference when sources change places; 1e-5 for the others


@pytest.fixture(params=KEYS)
def key(request):
    return request.param


@pytest.fixture(scope="session")
def weights_files(tmp_path_factory):
    """Key -> file with weights for that method."""
    folder = tmp_path_factory.mktemp("weights")
    return {key: save(make(), folder / f"{key}.pth") for key, make in MADE.items()}


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A published network that takes the larger value."""
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnx", reason="needs the extra onnx")
    return write_model(tmp_path_factory.mktemp("models") / "maximum")


@pytest.fixture
def method(key, weights_files, request):
    made = {"weights": str(weights_files[key])} if key in weights_files else {}
    if key == "network":
        made = {"model": str(request.getfixturevalue("model_folder"))}
    return METHODS[key](**QUICK.get(key, {}), **made)


def stack(n=2, depth=2, height=24, width=20, seed=0):
    """Sources with shared outlines, their own texture, and a black margin, float32 in [0, 1]."""
    rng = np.random.default_rng(seed)
    shared = gaussian_filter(rng.random((depth, height, width)), 2)
    own = gaussian_filter(rng.random((n, depth, height, width)), (0, 0, 1, 1))
    images = shared + own
    images = (images - images.min()) / np.ptp(images)
    images[..., : width // 5] = 0
    return images.astype(np.float32)


def check_result(fused, sources):
    shape = sources.shape[1:]
    assert isinstance(fused, Fused)
    assert fused.array.shape == shape
    assert fused.array.dtype == np.float32
    assert np.isfinite(fused.array).all()
    assert fused.array.min() >= 0
    assert fused.array.max() <= 1
    for name, values in fused.maps.items():
        assert values.shape == shape, name
        assert values.dtype == np.float32, name
        assert np.isfinite(values).all(), name


@pytest.mark.parametrize("n", [2, 3])
def test_result_is_a_float32_volume_in_0_1(method, n):
    sources = stack(n)
    check_result(method(sources), sources)


@pytest.mark.parametrize("size", [(37, 53), (1, 29), (29, 1), (2, 2), (1, 1)])
def test_takes_slices_of_any_size(method, size):
    sources = stack(2, 1, *size)
    check_result(method(sources), sources)


def test_takes_constant_and_empty_slices(key, method):
    sources = stack(2, 4)
    sources[:, 0] = 0
    sources[:, 1] = 0.5
    sources[:, 2] = 1
    sources[1, 3] = 0
    check_result(method(sources), sources)
    constant = method(sources[:, :3])
    check_result(constant, sources[:, :3])
    if key not in UNTRAINED:
        for z, value in enumerate((0, 0.5, 1)):
            np.testing.assert_allclose(constant.array[z], value, atol=max(IDENTICAL[key], 1e-6))


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("key", [key for key in KEYS if key not in UNTRAINED])
def test_identical_sources_give_that_source(key, method, n):
    source = stack(1)[0]
    fused = method(np.stack([source] * n))
    np.testing.assert_allclose(fused.array, source, atol=IDENTICAL[key])


def test_order_of_sources_does_not_matter(key, method):
    sources = stack(3)
    swapped = method(sources[[2, 0, 1]]).array
    np.testing.assert_allclose(swapped, method(sources).array, atol=SWAPPED.get(key, 1e-5))


def test_maps_follow_their_source(key, method):
    sources = stack(2)
    maps, swapped = method(sources).maps, method(sources[::-1].copy()).maps
    weights = {name: values for name, values in maps.items() if name.startswith("weight_")}
    assert set(weights) in (set(), {"weight_0", "weight_1"})
    if weights:
        np.testing.assert_allclose(sum(weights.values()), 1, atol=1e-5)
        assert min(values.min() for values in weights.values()) >= 0
        np.testing.assert_allclose(swapped["weight_1"], maps["weight_0"], atol=1e-4)


@pytest.mark.parametrize("key", [key for key in KEYS if key not in NOISY])
def test_slices_are_fused_one_by_one(method):
    """But for the exposure, whose one curve is measured on all of them: see test_exposure.py."""
    if hasattr(method, "exposure"):
        method = dataclasses.replace(method, exposure="clip")
    sources = stack(2, 3)
    whole = method(sources).array
    for z in range(3):
        alone = method(sources[:, z : z + 1]).array[0]
        np.testing.assert_allclose(whole[z], alone, atol=1e-5)


def test_leaves_its_inputs_alone(method):
    sources = stack()
    before = sources.copy()
    sources.flags.writeable = False
    method(sources)
    np.testing.assert_array_equal(sources, before)


def test_same_call_same_result(method):
    first, second = method(stack()), method(stack())
    np.testing.assert_array_equal(first.array, second.array)
    assert first.maps.keys() == second.maps.keys()
    for name, values in first.maps.items():
        np.testing.assert_array_equal(values, second.maps[name])


def test_leaves_the_global_random_state_alone(method):
    import torch

    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    method(stack())
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


@pytest.mark.parametrize(
    ("key", "call"), [(key, call) for key in KEYS for call in (0, 1) if call == 0 or key not in ONE_STEP]
)
def test_cancels_from_its_progress(method, call):
    calls = 0

    def progress(fraction, message):
        nonlocal calls
        calls += 1
        if calls > call:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        method(stack(), progress)
    assert calls == call + 1


def test_progress_goes_from_0_towards_1(method):
    seen = []
    method(stack(), lambda fraction, message: seen.append((fraction, message)))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0
    assert fractions[-1] <= 1
    assert all(isinstance(message, str) and message for _, message in seen)


def test_is_a_value(method):
    copy = pickle.loads(pickle.dumps(method))
    assert copy == method
    assert hash(copy) == hash(method)
    np.testing.assert_array_equal(copy(stack()).array, method(stack()).array)


def test_repr_shows_every_parameter(method):
    for name in parameters_of(type(method)):
        assert f"{name}={getattr(method, name)!r}" in repr(method)


def test_says_what_it_is_and_where_it_comes_from(key):
    doc = inspect.getdoc(METHODS[key])
    assert doc.partition("\n")[0].endswith(".")
    assert "Source:" in doc or key in ONE_STEP


def test_parameters_are_documented_and_defaults_allowed(key):
    method = METHODS[key]()
    for one in parameters_of(type(method)).values():
        assert one.doc, one.name
        assert one.kind in (int, float, str, bool), one.name
        text = str(getattr(method, one.name))
        assert getattr(make_method(METHODS[key], {one.name: text}), one.name) == one.default


def test_refuses_values_outside_the_limits(key):
    method = METHODS[key]
    for one in parameters_of(method).values():
        if one.minimum is not None:
            with pytest.raises(ParameterError, match=one.name):
                method(**{one.name: type(one.default)(one.minimum - 1)})
        if one.maximum is not None:
            with pytest.raises(ParameterError, match=one.name):
                method(**{one.name: type(one.default)(one.maximum + 1)})
        if one.choices:
            with pytest.raises(UnknownNameError, match=one.choices[0]):
                method(**{one.name: "no such choice"})


def test_what_is_pure_white_is_counted(key, method):
    """Of every method, whatever it does; see test_exposure.py for what is made of it."""
    saturated = fuse(stack(), method).info["saturated"]
    assert len(saturated["sources"]) == 2
    assert 0 <= saturated["fused"] <= 1


def test_info_is_plain(method):
    info = fuse(stack(), method).info
    assert json.loads(json.dumps(info)) == dict(info)


def test_fuse_takes_the_key_or_the_value(key, method):
    sources = stack()
    np.testing.assert_array_equal(fuse(sources, method).array, method(sources).array)
    with pytest.raises(ParameterError, match="two or more"):
        fuse(sources[:1], method)


def test_one_source_alone_passes_through(method):
    """The second source ends within the slice and is not there at all in the last; nothing is in a corner."""
    array = stack(2, 3)
    valid = np.ones(array.shape, bool)
    valid[1, :, :, 11:] = valid[1, 2] = valid[:, :, :5, :4] = False
    fused = fuse(Sources(array, valid), method)
    check_result(fused, array)
    alone = valid[0] & ~valid[1]
    np.testing.assert_array_equal(fused.array[alone], array[0][alone])
    assert (fused.array[~valid.any(axis=0)] == 0).all()
    for name, values in fused.maps.items():
        if "weight_" in name:
            assert (values[alone] == float(name.endswith("_0"))).all(), name
        assert (values[~valid.any(axis=0)] == 0).all(), name


def test_what_was_not_measured_has_no_say(method):
    array, valid = stack(), np.ones((2, 2, 24, 20), bool)
    valid[1, :, 9:] = False
    other = np.where(valid, array, np.float32(np.nan))
    np.testing.assert_array_equal(
        fuse(Sources(array, valid), method).array, fuse(Sources(other, valid), method).array
    )


@pytest.mark.parametrize("key", [key for key in KEYS if key not in NOISY])
def test_some_of_the_sources_are_fused_as_they_are_alone(method):
    array, valid = stack(3, 3), np.ones((3, 3, 24, 20), bool)
    valid[1, 1] = valid[:2, 2] = False
    fused = fuse(Sources(array, valid), method)
    np.testing.assert_allclose(fused.array[0], method(array[:, :1]).array[0], atol=1e-6)
    np.testing.assert_allclose(fused.array[1], method(array[[0, 2], 1:2]).array[0], atol=1e-6)
    np.testing.assert_array_equal(fused.array[2], array[2, 2])
    weights = [values for name, values in fused.maps.items() if name.startswith("weight_")]
    assert len(weights) in (0, 3)
    if weights:
        np.testing.assert_allclose(sum(weights), 1, atol=1e-5)


def test_listing_the_methods_imports_no_torch():
    code = (
        "import sys; from medfuse.fusion import METHODS, parameters_of\n"
        "for key in METHODS: parameters_of(METHODS[key]), METHODS[key]()\n"
        "print(sorted({'torch', 'torchvision', 'SimpleITK'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
