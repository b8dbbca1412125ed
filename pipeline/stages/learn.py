"""`learn` 由核查结果改进: what the signed judgements of a run say about its probabilities.

`propose` writes a change of settings with its effect on the run's own judged patches; nothing is
changed by it. `sign` puts it into force for the county's next runs, with two names and a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config.load import (
    CODES_DIR,
    construction_like_kinds,
    learned_path,
    load_codes,
    signature_of,
)
from pipeline.config.models import SignedLearning
from pipeline.errors import Finding, UsageError
from pipeline.io.atomic import replace_text
from pipeline.io.point_table import write_table
from pipeline.io.register.store import read_events
from pipeline.io.reports import json_text
from pipeline.io.vectors import read_layer
from pipeline.patches.learning import Proposal, ProposalParams, original, propose, recalibrated
from pipeline.rules.register.replay import replay
from pipeline.schema.layers import PATCHES
from pipeline.stages.context import StageContext

PROPOSAL, EFFECT = "proposal.json", "effect.csv"
SIGNED = ("judged_by", "reviewed_by", "judged_date")
OTHER_USE = "other_use"
EFFECT_HEADER = ("图斑编号", "乡镇代码", "签署结果", "原概率", "校正后概率", "采用建议后")


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a run's returns say, and what could be made of it."""

    judged: pd.DataFrame
    """Construction-like patches of our own that are signed as real or not: patch_id,
    township_code, is_real, probability."""
    proposal: Proposal | None
    """None below the minimum sample."""
    limits: ProposalParams


def learn(context: StageContext) -> Lesson:
    """Read the signed judgements of the run's own patches and see what they say."""
    judged, limits = _judged(context), ProposalParams()
    proposal = propose(
        judged["probability"].to_numpy(np.float64),
        judged["is_real"].to_numpy(bool),
        context.run.settings.extract.returns,
        limits,
    )
    return Lesson(judged, proposal, limits)


def write_proposal(context: StageContext, lesson: Lesson) -> None:
    """Write the proposal and, patch by patch, what it would do; replaces an earlier one."""
    folder = context.paths.learn
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(folder / PROPOSAL, _proposal_text(context, lesson))
    proposal = lesson.proposal
    assert proposal is not None  # only a proposal is written
    stored = lesson.judged["probability"].to_numpy(np.float64)
    found = recalibrated(original(stored, proposal.current), proposal.proposed)
    rows = [
        [
            str(row["patch_id"]),
            str(row["township_code"] or ""),
            "真实变化" if row["is_real"] else "伪变化",
            f"{before:.4f}",
            f"{after:.4f}",
            "剔除" if after < proposal.proposed.min_probability else "保留",
        ]
        for row, before, after in zip(lesson.judged.to_dict("records"), stored, found, strict=True)
    ]
    write_table(folder / EFFECT, EFFECT_HEADER, rows)


def sign(context: StageContext, config_dir: Path, by: str, reviewed_by: str, why: str) -> Path:
    """Put the proposal into force for the county. Raises `UsageError` if it is not what the returns
    say now, changes nothing, or the two names are one."""
    place = context.paths.learn / PROPOSAL
    county = context.run.county
    lesson = learn(context)
    names = [name.strip() for name in (by, reviewed_by, why)]
    if county is None or not all(names) or names[0] == names[1]:
        raise _refused("经办人、审核人、理由都要写明，两人不能相同。", "、".join(names))
    if not place.is_file():
        raise _refused("本次运行还没有提出建议。", str(place), "先运行 learn propose。")
    text = place.read_text(encoding="utf-8")
    if lesson.proposal is None or text != _proposal_text(context, lesson):
        raise _refused("提出建议后台账又有变动。", str(place), "重新运行 learn propose 再签署。")
    if not lesson.proposal.is_change:
        raise _refused("建议没有改动任何参数，不必签署。", str(place))
    content: dict[str, Any] = {
        "settings": lesson.proposal.proposed.model_dump(),
        "learned_from": context.run.run,
        "proposal_sha256": sha256(text.encode()).hexdigest(),
        "signed_by": names[0],
        "reviewed_by": names[1],
        "reason": names[2],
    }
    content["signature"] = signature_of(content)
    target = learned_path(config_dir, county)
    replace_text(target, _yaml(SignedLearning.model_validate(content)))
    return target


def describe(lesson: Lesson) -> list[str]:
    """What the returns say, as lines for people."""
    n_real = int(lesson.judged["is_real"].sum())
    n_false = len(lesson.judged) - n_real
    lines = [f"已签署的自主提取图斑：真实变化 {n_real} 个，伪变化 {n_false} 个。"]
    proposal = lesson.proposal
    if proposal is None:
        lines.append(
            f"样本不足，不提建议：至少要真实变化 {lesson.limits.min_real} 个、"
            f"伪变化 {lesson.limits.min_false} 个。"
        )
        return lines
    if not proposal.is_change:
        lines.append("现用参数已经合适，不建议改动。")
        return lines
    lines.append("建议改动（settings.extract.returns）：")
    current, proposed = proposal.current.model_dump(), proposal.proposed.model_dump()
    for key in current:
        if current[key] != proposed[key]:
            lines += [f"- {key}: {current[key]:g}", f"+ {key}: {proposed[key]:g}"]
    lines.append(
        f"在本期已签署图斑上的效果：伪变化 {proposal.n_false} 个中少发 "
        f"{proposal.false_removed} 个；"
        f"真实变化 {proposal.n_real} 个中漏掉 {proposal.real_lost} 个"
        f"（漏掉比例的 95% 上限 {proposal.real_lost_upper_ratio:.1%}）；"
        f"概率的均方误差由 {proposal.error_before:.3f} 变为 {proposal.error_after:.3f}。"
    )
    lines.append("剔除的图斑留在剔除图层里，可恢复。漏检不能从核查结果学到，请另做漏检抽查。")
    return lines


def _judged(context: StageContext) -> pd.DataFrame:
    run, paths = context.run, context.paths
    state = replay(read_events(paths.register(run.county_code)))
    details = load_codes(CODES_DIR / "judgement_detail.csv").attributes
    patches = read_layer(paths.extract_patches, PATCHES)
    # What is learned stretches and limits construction-like patches alone, and no other.
    like = patches[patches["change_kind"].isin(construction_like_kinds())]
    stored = like.set_index("patch_id")["probability"]
    rows = []
    for (name, patch_id), row in sorted(state.patches.items()):
        is_real = _is_real(row, details)
        if name != run.run or row["source"] != "detected" or is_real is None:
            continue
        if patch_id in stored.index and pd.notna(stored[patch_id]):
            rows.append((patch_id, row["township_code"], is_real, float(stored[patch_id])))
    columns = ["patch_id", "township_code", "is_real", "probability"]
    return pd.DataFrame(rows, columns=columns).astype({"is_real": bool, "probability": float})


def _is_real(row: Mapping[str, Any], details: Mapping[str, Mapping[str, str]]) -> bool | None:
    """Whether a signed judgement says that something changed; None if it does not say."""
    if not row["judgement"] or not all(row[name] for name in SIGNED):
        return None
    if row["judgement"] != OTHER_USE:
        return True
    told = details.get(str(row["judgement_detail"]), {}).get("is_real_change", "")
    return None if told == "" else told == "1"


def _proposal_text(context: StageContext, lesson: Lesson) -> str:
    told = {
        "run": context.run.run,
        "proposal": _plain(lesson.proposal),
        "conditions": lesson.limits.model_dump(),
        "judged": [
            [row["patch_id"], bool(row["is_real"]), round(float(row["probability"]), 6)]
            for row in lesson.judged.to_dict("records")
        ],
    }
    return json_text(told)


def _plain(proposal: Proposal | None) -> dict[str, Any] | None:
    if proposal is None:
        return None
    plain = asdict(proposal)
    for name in ("current", "proposed"):
        plain[name] = getattr(proposal, name).model_dump()
    return plain


def _yaml(signed: SignedLearning) -> str:
    content = signed.model_dump(mode="json")
    lines: list[str] = ["# 由核查结果改进的参数，用 learn sign 签署。改动任何一项都要重新签署。"]
    for key, value in content.items():
        if isinstance(value, dict):
            lines.append(f"{key}:")
            lines += [f"  {name}: {number!r}" for name, number in value.items()]
        else:
            lines.append(f"{key}: {_quoted(value)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{" ".join(escaped.split())}"'


def _refused(what: str, value: str, advice: str = "改正后再签署。") -> UsageError:
    return UsageError(Finding("E-USAGE", what, where="learn sign", value=value, advice=advice))
