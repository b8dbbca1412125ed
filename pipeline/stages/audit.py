"""`audit` 漏检抽查: draw a blind sample of a run, and tell from the answers how much was missed.

`draw` writes cards and a form for each of two readers. `result` reads the forms, asks for a third
opinion where the readers differ, and estimates the recall of the run's construction-like patches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline.delivery.audit_cards import UNCLEAR_ZH, AuditCard, answer_form, audit_page
from pipeline.delivery.card_images import CardImageParams, card_extent, card_images
from pipeline.errors import Finding, UsageError
from pipeline.io.atomic import replace_text
from pipeline.io.reports import json_text, read_json
from pipeline.io.workbooks import write_workbook
from pipeline.patches.omission_audit import (
    STRATA_ZH,
    AuditParams,
    AuditResult,
    Stratum,
    draw_cells,
    estimate,
)
from pipeline.stages.audit_answers import (
    ADJUDICATION,
    ADJUDICATION_ZH,
    READERS,
    READERS_ZH,
    adjudications,
    agreement_of,
    card_numbers,
    cells_asked,
    differing,
    next_adjudication,
    read_answers,
    settle,
    strata_of,
)
from pipeline.stages.audit_cells import Cells, find_cells
from pipeline.stages.card_pages import picture_window
from pipeline.stages.context import StageContext
from pipeline.stages.package import aligned_images
from pipeline.stages.package_material import make_picture

SAMPLE, RESULT = "sample.json", "result.json"


@dataclass(frozen=True)
class AuditState:
    """What the answers say so far."""

    strata: tuple[Stratum, ...]
    result: AuditResult
    agreement: float | None
    """Cohen's kappa of the two readers over cells both could judge; None if it is undefined."""
    unanswered: int
    disputed: int
    """Cells on which the readers differ and no third opinion is given."""
    unclear: int


def audit_params(cells: int | None, seed: int | None) -> AuditParams:
    """Settings of a draw. Raises `UsageError` for values out of range."""
    given = {key: value for key, value in (("cells", cells), ("seed", seed)) if value is not None}
    try:
        return AuditParams.model_validate(given)
    except ValidationError as problem:
        raise UsageError(
            Finding(
                "E-USAGE",
                "抽样参数不对。",
                where="--cells、--seed",
                value=str(given),
                allowed="格数 40–5000，种子不小于 0",
                advice="换一个取值。",
            )
        ) from problem


def draw(context: StageContext, params: AuditParams) -> int:
    """Draw the cells and write cards and forms; returns the number of cells.

    Raises `UsageError` if a sample is there already: answers may have been filled in.
    """
    folder = context.paths.audit
    if (folder / SAMPLE).exists():
        raise UsageError(
            Finding(
                "E-USAGE",
                "本次运行已经抽过样，判读可能已在进行。",
                where=str(folder),
                advice="要重新抽样，先把这个文件夹移到别处。",
            )
        )
    cells = find_cells(context, params)
    chosen = draw_cells(cells.stratum, params)
    orders = [_order(chosen.size, params.seed, reader) for reader in range(len(READERS))]
    cards = _cards(context, cells, chosen)
    folder.mkdir(parents=True, exist_ok=True)
    for name, label, order in zip(READERS, READERS_ZH, orders, strict=True):
        numbers = card_numbers(name, chosen.size)
        shown = [cards[at] for at in order]
        _write_reader(context, (name, label), numbers, shown)
    sample = {
        "settings": params.model_dump(),
        "cell_px": cells.side_px,
        "strata": list(STRATA_ZH),
        "sizes": [int((cells.stratum == n).sum()) for n in range(len(STRATA_ZH))],
        "not_observed": int((cells.stratum < 0).sum()),
        "cells": chosen.tolist(),
        "stratum": cells.stratum[chosen].tolist(),
        "orders": {name: order.tolist() for name, order in zip(READERS, orders, strict=True)},
    }
    replace_text(folder / SAMPLE, json_text(sample))
    return int(chosen.size)


def result(context: StageContext) -> AuditState:
    """Estimate from the forms as filled in so far; writes `result.json` and, where the readers
    differ, cards and form of the third opinion. Raises `InputError` for forms that do not fit."""
    folder = context.paths.audit
    if not (folder / SAMPLE).is_file():
        raise UsageError(
            Finding(
                "E-USAGE",
                "本次运行还没有抽样。",
                where=str(folder),
                advice="先运行 audit draw。",
            )
        )
    sample = read_json(folder / SAMPLE)
    chosen = np.array(sample["cells"], np.int64)
    given = [read_answers(folder, name, sample["orders"][name]) for name in READERS]
    differs = differing(given)
    settled, open_disputes = settle(folder, given, differs)
    if differs.any():
        _write_disputes(context, sample, differs)
    strata = strata_of(settled, np.array(sample["stratum"]), sample["sizes"])
    state = AuditState(
        strata,
        estimate(strata, int(sample["settings"]["seed"])),
        agreement_of(given),
        int(sum((answers == "").sum() for answers in given)),
        open_disputes,
        int((settled == UNCLEAR_ZH).sum()),
    )
    told = asdict(state) | {"strata_zh": list(STRATA_ZH), "cells": int(chosen.size)}
    replace_text(folder / RESULT, json_text(told))
    return state


def describe(state: AuditState) -> list[str]:
    """The result as lines for people."""
    found, lines = state.result, []
    for name, stratum in zip(STRATA_ZH, state.strata, strict=True):
        lines.append(
            f"  {name}：共 {stratum.cells} 格，判读 {stratum.read} 格，"
            f"有新增建设 {stratum.positive} 格"
        )
    interval = f"95% 区间 {found.recall_low:.1%}–{found.recall_high:.1%}"
    recall = "无法计算" if found.recall is None else f"{found.recall:.1%}"
    lines.append(f"检出率（按格面积加权）：{recall}，{interval}")
    if found.precision is not None:
        lines.append(f"已报格中确有新增建设的比例：{found.precision:.1%}")
    if state.agreement is not None:
        lines.append(f"两位判读人的一致性（kappa）：{state.agreement:.2f}")
    if state.unanswered:
        lines.append(f"还有 {state.unanswered} 张卡没有填；以上是已填部分的结果。")
    if state.disputed:
        lines.append(
            f"有 {state.disputed} 格两人判读不同，请第三人填 {ADJUDICATION}.xlsx"
            f"（又有新的不同时另出 {ADJUDICATION}_2.xlsx 等）后再运行。"
        )
    if state.unclear:
        lines.append(f"有 {state.unclear} 格看不清，不参加计算：没看清不等于没有变化。")
    return lines


def _order(n: int, seed: int, reader: int) -> NDArray[np.int64]:
    """Order in which a reader sees the cells, a permutation of their own."""
    return np.asarray(np.random.default_rng([seed, n, reader]).permutation(n), np.int64)


def _cards(context: StageContext, cells: Cells, chosen: NDArray[np.int64]) -> list[AuditCard]:
    paths = context.paths
    valid = {"before": paths.align_valid_before, "after": paths.align_valid_after}
    pictures = [
        (make_picture(image, paths.align_valid), valid[name])
        for name, image in aligned_images(context).items()
    ]
    side_m = cells.side_px * cells.grid.pixel_size_m
    params = CardImageParams(margin_m=side_m / 2, margin_ratio=0.0, picture_px=360)
    progress = context.progress("抽查：制卡")
    cards = []
    for done, cell in enumerate(chosen.tolist(), start=1):
        outline = cells.outline(cell)
        extent = card_extent(outline, params)
        windows = [picture_window(picture, hidden, extent) for picture, hidden in pictures]
        images = card_images(outline, windows[0], windows[1], {}, params)
        cards.append(AuditCard("", images.before, images.after, side_m / extent.side_m))
        progress(done, int(chosen.size))
    return cards


def _write_reader(
    context: StageContext,
    reader: tuple[str, str],
    numbers: Sequence[str],
    cards: Sequence[AuditCard],
) -> None:
    run, folder = context.run, context.paths.audit
    name, label = reader
    heading = {
        "county": run.county_name or run.run,
        "period": run.period,
        "secrecy": run.settings.package.secrecy,
        "package_id": f"{run.run}-audit-{name}",
    }
    dates = tuple(str(image.date or "时相未知") for image in (run.before, run.after))
    named = [
        AuditCard(number, card.before, card.after, card.cell_share)
        for number, card in zip(numbers, cards, strict=True)
    ]
    page = audit_page(heading, label, named, (dates[0], dates[1]))
    replace_text(folder / f"{name}.html", page)
    target = folder / f"{name}.xlsx"
    write_workbook(target, answer_form(heading, label, numbers, target.as_posix()))


def _write_disputes(
    context: StageContext, sample: Mapping[str, Any], differs: NDArray[np.bool_]
) -> None:
    """Cards and form of the third opinion on cells that have none yet; numbers are those of the
    sample. A form that is there may be half filled in and is never touched."""
    written = adjudications(context.paths.audit)
    disputed = np.flatnonzero(differs & ~cells_asked(context.paths.audit, written, differs.size))
    if not disputed.size:
        return
    params = AuditParams.model_validate(sample["settings"])
    cells = find_cells(context, params)
    chosen = np.array(sample["cells"], np.int64)
    numbers = np.array(card_numbers(ADJUDICATION, chosen.size))[disputed].tolist()
    cards = _cards(context, cells, chosen[disputed])
    label = ADJUDICATION_ZH + (f"（第 {len(written) + 1} 份）" if written else "")
    _write_reader(context, (next_adjudication(written), label), numbers, cards)
