"""Tiny networks that know their answer, built with the `onnx` package."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

CARD: dict[str, Any] = {
    "format": 1,
    "name": "测试网络",
    "classes": ["change"],
    "thresholds": [0.5],
    "roles": ["red", "green", "blue"],
    "gsd_min_m": 0.5,
    "gsd_max_m": 2.0,
    "normalisation": {"kind": "fixed", "full_scale": 255.0, "mean": [0.0] * 3, "std": [1.0] * 3},
    "core_px": 128,
    "halo_px": 16,
    "licence": "Apache-2.0",
    "training": "没有训练：测试用",
}


def card(**changes: Any) -> dict[str, Any]:
    return CARD | changes


def difference_network(told: dict[str, Any] | None = CARD, *, px: int | None = None) -> bytes:
    """probability = tanh of the absolute difference, blurred over 9 × 9 px and summed over bands.

    Without padding the blur would shrink the image, with zero padding it shows the window's edge:
    what a halo is there to hide.
    """
    known = told or CARD
    bands, classes = len(known["roles"]), len(known["classes"])
    side = px or known["core_px"] + 2 * known["halo_px"]
    kernel = np.full((classes, bands, 9, 9), 1.0 / 81, np.float32)
    kernel *= np.arange(1, classes + 1, dtype=np.float32)[:, None, None, None]
    nodes = [
        helper.make_node("Sub", ["after", "before"], ["difference"]),
        helper.make_node("Abs", ["difference"], ["distance"]),
        helper.make_node("Conv", ["distance", "kernel"], ["blurred"], pads=[4] * 4),
        helper.make_node("Tanh", ["blurred"], ["probability"]),
    ]
    return as_model(nodes, (bands, side), (classes, side), [("kernel", kernel)], told)


def as_model(
    nodes: list[Any],
    given: tuple[int, int],
    gives: tuple[int, int],
    constants: list[tuple[str, Any]],
    told: dict[str, Any] | None,
) -> bytes:
    """A model file's bytes; `told` goes into the metadata, None leaves it out."""
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, given[0], given[1], given[1]])
        for name in ("before", "after")
    ]
    output = helper.make_tensor_value_info(
        "probability", TensorProto.FLOAT, [1, gives[0], gives[1], gives[1]]
    )
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in constants]
    graph = helper.make_graph(nodes, "test", inputs, [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    if told is not None:
        helper.set_model_props(model, {"weipian": json.dumps(told, ensure_ascii=False)})
    return model.SerializeToString()
