"""Every metric equals the value that the field's own code gives, on every public case."""

from __future__ import annotations

import json

import numpy as np
import pytest
from medfuse.metrics import METRICS

CASES = (
    "md_c01",
    "md_c02",
    "md_c04",
    "iv_camp",
    "mf_lytro01",
    "ctl_c01_mean",
    "ctl_c01_noise",
    "ctl_c01_crop61x48",
    "ctl_c04_flat32",
)
EQUALS = {  # key -> (reference id in definitions.json, absolute tolerance)
    "pe": ("Pe_bristol", 1e-6),
    "mi": ("MI_bristol_renyi", 1e-9),
    "q": ("Q_bristol", 1e-9),
    "cv": ("Cv_bristol", 1e-6),
}


@pytest.fixture(scope="module")
def golden(shared_data):
    return json.loads(shared_data("golden/golden.json").read_text())


def read_grey(path):
    from matplotlib.image import imread  # PNG as float32 in [0, 1]

    return np.round(imread(path).astype(float) * 255) / 255


@pytest.fixture(scope="module", params=CASES)
def case(request, shared_data):
    folder = shared_data(f"golden/images/{request.param}")
    a, b, f = (read_grey(folder / f"{name}.png") for name in "abf")
    return request.param, np.stack([a, b]), f


@pytest.mark.parametrize("key", EQUALS)
def test_equals_the_reference(key, case, golden):
    name, sources, fused = case
    reference, tolerance = EQUALS[key]
    if reference not in golden[name]:
        pytest.skip(f"the reference has no value of {reference} for {name}")
    expected = golden[name][reference]
    value = METRICS[key].function(sources, fused)
    if expected is None:
        assert np.isnan(value)
        assert value.reason
    else:
        assert value == pytest.approx(expected, abs=tolerance, rel=0)
