"""Published networks as folders that carry all that is needed to run them.

A model is a folder, or a zip of one, with ``model.onnx``, the card ``medfuse-model.toml`` that says what goes
in and what comes out (:mod:`.card`), and ``test.npz``, one pair of images with what the network made of it.
"""

from __future__ import annotations

from .bundle import CARD_FILE, ONNX_FILE, TEST_FILE, Bundle, read_bundle
from .card import Card, parse_card
from .check import check_model
from .export import export_model
from .network import Network, load_network

__all__ = [
    "CARD_FILE",
    "ONNX_FILE",
    "TEST_FILE",
    "Bundle",
    "Card",
    "Network",
    "check_model",
    "export_model",
    "load_network",
    "parse_card",
    "read_bundle",
]
