"""Pretrained weights: what there is, where it lies, and how it gets there.

Weights are looked up in the folder named by ``$MEDFUSE_WEIGHTS``, then in the user's cache folder.  Nothing
is downloaded unless :func:`download_weights` is called, which is what ``medfuse weights get`` does;
a method whose weights are missing says so and stops.  Every file is checked against its sha256 before it is
used, and read without running code from it (``weights_only=True``).
"""

from __future__ import annotations

from .download import download_weights
from .lookup import digests_of, find_weights, lookup_folders, matches, missing_weights
from .state import check_weights, load_weights, read_state
from .table import WEIGHTS, Weights, weights_named

__all__ = [
    "WEIGHTS",
    "Weights",
    "check_weights",
    "digests_of",
    "download_weights",
    "find_weights",
    "load_weights",
    "lookup_folders",
    "matches",
    "missing_weights",
    "read_state",
    "weights_named",
]
