"""Model folders made on the spot: small ONNX files with their card and their test pair."""

from __future__ import annotations

import hashlib

import numpy as np
import tomli_w

from medfuse.models.bundle import TestPair, pack_test


def onnx_of(
    nodes,
    weights=(),
    inputs=(("a", ("b", 1, "y", "x")), ("b_", ("b", 1, "y", "x"))),
    output=("b", 1, "y", "x"),
):
    """The bytes of a network of these nodes, whose output is called "fused"."""
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info("fused", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(value, name) for name, value in weights],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return made.SerializeToString()


def node(kind, inputs, outputs, **attributes):
    from onnx import helper

    return helper.make_node(kind, inputs, outputs, **attributes)


def maximum():
    """The larger of two sources at each pixel."""
    return onnx_of([node("Max", ["a", "b_"], ["fused"])])


def blur(weight=None, radius=1):
    """The mean of two sources, smoothed by a window that looks ``radius`` pixels far."""
    side = 2 * radius + 1
    kernel = np.full((1, 2, side, side), 0.5 / side**2, np.float32) if weight is None else weight
    nodes = [
        node("Concat", ["a", "b_"], ["both"], axis=1),
        node("Conv", ["both", "w"], ["fused"], pads=[radius] * 4),
    ]
    return onnx_of(nodes, [("w", kernel)])


CARD = {
    "format": 1,
    "name": "made",
    "licence": "Apache-2.0",
    "citation": "nobody, 2026",
    "modalities": [["CT", "MR"]],
    "tolerance": 1e-4,
    "input": {"sources": 2, "layout": "separate", "overlap": 8},
    "output": {},
}


def card_text(onnx, **changes):
    """The card of these bytes; ``changes`` replace what CARD says, section by section."""
    sections = {name: {**CARD[name], **changes.pop(name, {})} for name in ("input", "output")}
    return tomli_w.dumps({**CARD, **sections, "sha256": hashlib.sha256(onnx).hexdigest(), **changes})


def pair(rule=np.maximum, n=2, shape=(24, 20)):
    """Sources with what ``rule`` makes of the first two."""
    sources = np.random.default_rng(0).random((n, *shape), np.float32)
    return TestPair(sources, np.clip(rule(sources[0], sources[1]), 0, 1))


def write_model(folder, onnx=None, test=None, text=None, **changes):
    """A model folder; by default that of ``maximum``."""
    onnx = maximum() if onnx is None else onnx
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(onnx)
    (folder / "medfuse-model.toml").write_text(text or card_text(onnx, **changes), encoding="utf-8")
    (folder / "test.npz").write_bytes(pack_test(test or pair()))
    return folder
