"""Every metric equals what its authors' code gave for generated images: needs no real data.

What computed each value stands beside it in generated_metrics.json; nothing of that code is here.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from generated_images import CASES, generated

from medfuse.metrics import METRICS

REFERENCE = json.loads(Path(__file__).with_name("generated_metrics.json").read_text(encoding="utf-8"))
VALUES = [(case, key) for case in CASES for key in REFERENCE["values"][case]]


@pytest.mark.parametrize("case", CASES)
def test_images_are_those_that_were_scored(case):
    sources, fused = generated(case)
    levels = np.concatenate([sources, fused[None]]).astype(np.uint8)
    assert hashlib.sha256(levels.tobytes()).hexdigest() == REFERENCE["images"][case]


@pytest.mark.parametrize(("case", "key"), VALUES)
def test_equals_the_reference(case, key):
    sources, fused = generated(case)
    value = METRICS[key].function(sources / 255, fused / 255)
    # CDDFuse's script computes in float32.
    relative = 1e-6 if key.startswith("cddfuse_") else 1e-11
    assert value == pytest.approx(REFERENCE["values"][case][key], rel=relative, abs=0)


def test_every_metric_is_held_and_every_gap_explained():
    assert set(REFERENCE["sources"]) == set(METRICS)
    for case in CASES:
        left_out = set(REFERENCE["left_out"].get(case, {}))
        assert set(REFERENCE["values"][case]) == set(METRICS) - left_out
    assert set(REFERENCE["left_out"]) == {"air"}
