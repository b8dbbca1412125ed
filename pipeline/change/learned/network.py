"""A network as a value: the bytes of an ONNX file with what they say of themselves.

The value is frozen and picklable, so a tile job can carry it to threads and to a cluster. Its
session is opened where it is first used and kept for the life of the process. Sessions use one
thread without spinning: parallelism is the tiles' business, and a sum must not depend on how many
threads shared it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.change.learned.card import METADATA_KEY, NetworkCard, parse_card
from pipeline.errors import Finding, InputError

INPUTS = ("before", "after")
OUTPUT = "probability"
GSD_TOLERANCE = 0.02
"""Relative: nominal pixel sizes and those from a georeference differ by this much."""

_sessions: dict[str, Any] = {}
_opening = threading.Lock()


@dataclass(frozen=True)
class Network:
    """A checked network; make one with `parse_network`."""

    onnx: bytes = field(repr=False)
    digest: str
    """SHA-256 of the bytes."""
    card: NetworkCard

    def run(self, before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability per class `(class, y, x)` of one window, inputs `(band, y, x)` normalised,
        both exactly `card.window_px` wide and high. Safe to call from several threads."""
        feed = {"before": before[np.newaxis], "after": after[np.newaxis]}
        result: NDArray[np.float32] = _session(self).run([OUTPUT], feed)[0][0]
        return result


def parse_network(onnx: bytes, where: str) -> Network:
    """Check a model file's bytes; `where` names the file in findings.

    Two inputs `before` and `after` float32 `(1, band, y, x)` of the size the card states, one
    output `probability` float32 `(1, class, y, x)` between 0 and 1. Raises `InputError`
    E-MODEL-FILE (not an ONNX network), E-MODEL-META (no or a wrong card), E-MODEL-INPUTS (inputs
    or output are not as the card says).
    """
    digest = sha256(onnx).hexdigest()
    try:
        session = _open(onnx)
    except Exception as problem:  # onnxruntime raises its own classes and bare RuntimeErrors
        raise _not_a_network(where, str(problem)) from problem
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise _without_card(where)
    network = Network(onnx, digest, parse_card(text, where))
    _check_inputs(session, network.card, where)
    with _opening:
        _sessions.setdefault(digest, session)
    _check_output(network, where)
    return network


def band_positions(card: NetworkCard, roles: tuple[str, ...]) -> tuple[int, ...]:
    """Positions of the network's bands among those of a pair.

    By role; a network without roles takes the bands in order and wants exactly as many. Raises
    `InputError` E-MODEL-BANDS: colours are never guessed from counts.
    """
    if any(card.roles):
        if set(card.roles) <= set(roles):
            return tuple(roles.index(role) for role in card.roles)
    elif len(card.roles) == len(roles):
        return tuple(range(len(roles)))
    wanted = "、".join(card.roles) if any(card.roles) else f"{len(card.roles)} 个波段，角色不限"
    raise InputError(
        Finding(
            "E-MODEL-BANDS",
            "影像没有模型需要的波段。",
            where=card.name,
            value="、".join(role or "未知" for role in roles),
            allowed=wanted,
            advice="写明影像的波段角色（--bands 或 meta.yaml 的 bands），或换一个适用的模型。",
        )
    )


def require_gsd(card: NetworkCard, gsd_m: float) -> None:
    """Raises `InputError` E-MODEL-GSD where pixels are finer or coarser than the network knows."""
    low, high = card.gsd_min_m * (1 - GSD_TOLERANCE), card.gsd_max_m * (1 + GSD_TOLERANCE)
    if low <= gsd_m <= high:
        return
    raise InputError(
        Finding(
            "E-MODEL-GSD",
            "影像的地面分辨率不在模型的适用范围内。",
            where=card.name,
            value=f"{gsd_m:g} 米",
            allowed=f"{card.gsd_min_m:g}–{card.gsd_max_m:g} 米",
            advice="换用适合这种影像的检测器（如 auto），或用同类影像训练模型。",
        )
    )


def _session(network: Network) -> Any:
    session = _sessions.get(network.digest)
    if session is None:
        with _opening:
            session = _sessions.get(network.digest)
            if session is None:
                session = _sessions[network.digest] = _open(network.onnx)
    return session


def _open(onnx: bytes) -> Any:
    import onnxruntime  # 0.2 s, and only runs with a network need it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    # Several threads share a session: an arena would keep the largest need of each for ever.
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def _check_inputs(session: Any, card: NetworkCard, where: str) -> None:
    shape = [1, len(card.roles), card.window_px, card.window_px]
    found = {given.name: (given.type, given.shape) for given in session.get_inputs()}
    names = [given.name for given in session.get_outputs()]
    # A dimension that is not a number is one the network leaves open.
    fits = set(found) == set(INPUTS) and all(
        kind == "tensor(float)"
        and len(dims) == 4
        and all(
            not isinstance(dim, int) or dim == want for dim, want in zip(dims, shape, strict=True)
        )
        for kind, dims in found.values()
    )
    if fits and names == [OUTPUT]:
        return
    told = "；".join(f"{name} {kind} {dims}" for name, (kind, dims) in found.items())
    raise InputError(
        Finding(
            "E-MODEL-INPUTS",
            "模型的输入、输出与它的说明不符。",
            where=where,
            value=f"输入 {told}；输出 {'、'.join(names)}",
            allowed=f"输入 before、after，float32，{shape}；输出 {OUTPUT}",
            advice="用 make train 训练，或按手册“自备模型”一节导出。",
        )
    )


def _check_output(network: Network, where: str) -> None:
    card = network.card
    blank = np.zeros((len(card.roles), card.window_px, card.window_px), np.float32)
    try:
        result = network.run(blank, blank)
    except Exception as problem:  # onnxruntime raises its own classes
        raise _not_a_network(where, str(problem)) from problem
    shape = (len(card.classes), card.window_px, card.window_px)
    if result.shape == shape and result.dtype == np.float32 and bool(_is_probability(result)):
        return
    raise InputError(
        Finding(
            "E-MODEL-INPUTS",
            "模型的输出不是各类别的概率。",
            where=where,
            value=f"{result.dtype} {list(result.shape)}，"
            f"{float(np.nanmin(result)):g} 至 {float(np.nanmax(result)):g}",
            allowed=f"float32 {list(shape)}，0 至 1",
            advice="输出之前加 sigmoid 或 softmax，并与输入同样大小。",
        )
    )


def _is_probability(values: NDArray[np.float32]) -> np.bool_:
    return np.all((values >= 0) & (values <= 1))


def _not_a_network(where: str, problem: str) -> InputError:
    return InputError(
        Finding(
            "E-MODEL-FILE",
            "模型文件不是可用的 ONNX 网络。",
            where=where,
            value=problem[:200],
            allowed="ONNX，本机 onnxruntime 支持的算子",
            advice="重新拷贝，或用 make train 重新训练。",
        )
    )


def _without_card(where: str) -> InputError:
    return InputError(
        Finding(
            "E-MODEL-META",
            "模型文件里没有说明，不知道它要什么波段、分辨率和归一方式。",
            where=where,
            allowed=f"ONNX metadata_props 中的 {METADATA_KEY}（JSON）",
            advice="用 make train 训练，或按手册“自备模型”一节补上说明。",
        )
    )
