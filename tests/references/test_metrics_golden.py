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
# key -> (reference id in definitions.json, absolute tolerance given there)
EQUALS = {
    "pe": ("Pe_bristol", 1e-6),
    "mi": ("MI_bristol_renyi", 1e-9),
    "q": ("Q_bristol", 1e-9),
    "cv": ("Cv_bristol", 1e-6),
    "fmi_dct": ("FMI_dct", 1e-9),
    "fmi_w": ("FMI_w", 1e-6),
    "nabf_li": ("Nabf_01_exact", 1e-9),
    "ssim_a": ("SSIM_a", 1e-9),
    "viff": ("VIFF", 1e-9),
    "qy": ("Q_Y_guarded", 1e-9),
    "qmi": ("Q_MI", 1e-9),
    "sf": ("SF", 1e-9),
    "ag": ("AG", 1e-9),
    "mef_ssim": ("MEF_SSIM", 1e-9),
    "en": ("EN", 1e-9),
    "mi_sum": ("MI_qu_sum", 1e-9),
    "qg": ("Q_G", 1e-9),
    "qc": ("Q_C_guarded", 1e-9),
    "qp": ("Q_P", 1e-9),
    "mi_shannon": ("MI_bristol_shannon", 1e-9),
    "nabf": ("Nabf_255", 1e-9),
    "qabf": ("Qabf_hong", 1e-9),
    "qs": ("Q_S", 1e-9),
    "qw": ("Q_W", 1e-4),
    "qe": ("Q_E_patched", 1e-9),
    "qcb": ("Q_CB", 1e-4),
    "qcv": ("Q_CV", 1e-6),  # relative there; absolute is stricter, these values exceed 1
    "qncie": ("Q_NCIE", 1e-9),
    "vif": ("VIFp_sum", 1e-9),
    "scd": ("SCD", 1e-9),
    "sd": ("SD", 1e-9),
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


def test_every_metric_has_a_reference():
    """Save CDDFuse's own, which are tested against the definitions of its evaluator."""
    assert {key for key in METRICS if not key.startswith("cddfuse_")} == set(EQUALS)
