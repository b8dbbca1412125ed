"""Synthetic patches for the verification cards: rows, parts, reasons, pictures; nothing is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from pipeline.delivery.card_images import (
    CardImages,
    DateWindow,
    Stretch,
    card_extent,
    card_images,
)
from pipeline.delivery.cards import Card, CardHeading, CardLabels, build_card
from pipeline.units import mu100_from_m2

CGCS2000_GK_114E = CRS.from_epsg(4547)
EAST, NORTH = 523_400.0, 3_411_600.0
HEADING = CardHeading("示例县", "2024年第三季度", "内部资料　注意保管")
LABELS = CardLabels(
    patch_source={"issued": "下发", "detected": "自主提取", "both": "下发且自主提取"},
    patrol_grade={"1": "一级", "2": "二级", "3": "三级"},
    change_kind={"building": "建（构）筑物", "road": "道路", "earthwork": "推填土"},
    suspected_class={
        "suspected_violation": "疑似违法",
        "early_warning": "早期预警",
        "rural_road": "疑似农村道路",
    },
    violation_kind={
        "1": "未经批准占用土地",
        "4": "占用永久基本农田建窑、建坟、建房、挖砂、采石、采矿、取土、堆放固体废弃物",
    },
    flag={
        "transfer_check": "占用永久基本农田达到5亩，提示移送核对",
        "near_threshold": "近阈值，以实测为准",
        "facility_as_cover": "疑似以设施农用地名义建设",
    },
    evidence={
        "approval": "农转用批文",
        "supply": "供地文件",
        "start_date": "动工时间证明",
        "site_photo": "实地照片（带方位角）",
        "facility_filing": "设施农用地备案",
        "change_kind": "现状类型说明",
    },
    handling_route={
        "verify_then_stop": "乡镇先行实地核查；未停工的当即制止并下达停止通知书，报县局",
    },
    townships={"379999001": "清溪镇", "379999002": "垟头街道", "379999003": "示例经济开发区"},
)
PART_COLUMNS = (
    "part_id",
    "patch_id",
    "land_category",
    "pbf_id",
    "redline_id",
    "reserve_id",
    "permit_class",
    "is_plan_conforming",
    "area_m2",
    "area_mu100",
)


def box(width_m: float, height_m: float) -> BaseGeometry:
    """A rectangle at the factory's place."""
    return shapely.box(EAST, NORTH, EAST + width_m, NORTH + height_m)


def part(area_mu100: int, **known: Any) -> dict[str, Any]:
    """A part of a whole number of 0.01 亩; everything not named is NULL."""
    row: dict[str, Any] = dict.fromkeys(PART_COLUMNS)
    return row | {"area_m2": area_mu100 * 20 / 3, "area_mu100": area_mu100} | known


def patch_row(area_m2: float, **known: Any) -> dict[str, Any]:
    """A row of SCREENED; everything not named is NULL, except what a patch always has."""
    row: dict[str, Any] = {
        "patch_id": "379999ZJ24000017",
        "source": "detected",
        "area_m2": area_m2,
        "area_mu100": mu100_from_m2(area_m2),
        "observed_ratio": 1.0,
        "probability": None,
        "rule_set": "9f3c2a7be410d5a6c8",
    }
    return row | known


def usual_patch() -> tuple[dict[str, Any], pd.DataFrame]:
    """15.00 亩: 9 cultivated (6 of them 永农), 4 other, 2 construction; 2.5 have a 批文."""
    parts = [
        part(600, land_category="cultivated", pbf_id="p1", is_plan_conforming=False),
        part(300, land_category="cultivated", is_plan_conforming=False),
        part(
            250,
            land_category="other_agricultural",
            permit_class="approved",
            is_plan_conforming=True,
        ),
        part(150, land_category="other_agricultural", is_plan_conforming=False),
        part(200, land_category="construction", is_plan_conforming=True),
    ]
    row = patch_row(
        10_000.0,
        source="both",
        issued_id="379999SJBG24210183",
        township_code="379999001",
        township_name="清溪镇",
        village_name="垟埇村",
        before_date="2024-05-06",
        after_date="2024-10-18",
        change_kind="building",
        width_m=61.84,
        observed_ratio=0.9996,
        probability=0.874,
        responsible_code="379999001",
        patrol_area_id="379999001-03",
        patrol_grade="1",
        responsible_person="漷瀍",
        straddles=["379999002"],
        cultivated_m2=6000.0,
        cultivated_net_m2=5640.0,
        other_agricultural_m2=2666.6666,
        unused_m2=0.0,
        construction_m2=1333.3333,
        unclassified_m2=0.0,
        pbf_m2=4000.0,
        redline_m2=0.0,
        reserve_m2=None,
        approved_m2=1666.6667,
        supplied_m2=0.0,
        registered_m2=0.0,
        facility_m2=0.0,
        temporary_m2=0.0,
        plan_conform_m2=3000.0,
        plan_nonconform_m2=7000.0,
        suspected_class="suspected_violation",
        violation_kinds=["1", "4"],
        flags=["transfer_check"],
        missing_evidence=["approval", "supply", "start_date", "site_photo"],
        handling_route="verify_then_stop",
        due_date="2024-11-15",
    )
    return row, pd.DataFrame(parts, columns=list(PART_COLUMNS))


def reasons(
    *sentences: str, reference: str | None = None, assumed: int = 0, steps: Sequence[str] = ()
) -> pd.DataFrame:
    """Numbered reasons; the last `assumed` of them rest on an assumption."""
    return pd.DataFrame(
        {
            "patch_id": ["379999ZJ24000017"] * len(sentences),
            "reason_no": range(1, len(sentences) + 1),
            "step": [*steps, *["approval"] * len(sentences)][: len(sentences)],
            "rule_id": None,
            "text_zh": list(sentences),
            "reference_zh": reference,
            "is_assumption": [k >= len(sentences) - assumed for k in range(len(sentences))],
        }
    )


def card(
    patch: Mapping[str, Any],
    parts: pd.DataFrame,
    outline: BaseGeometry | None = None,
    listed: pd.DataFrame | None = None,
) -> Card:
    """A card with the factory's labels."""
    listed = reasons("没有查到与图斑重叠的批文。") if listed is None else listed
    return build_card(patch, outline or box(125.0, 80.0), parts, listed, LABELS, CGCS2000_GK_114E)


def ramp_window(outline: BaseGeometry, gsd_m: float = 2.0, seed: int = 1) -> DateWindow:
    """Noise over a colour ramp around a patch, fully seen."""
    extent = card_extent(outline)
    count = int(extent.side_m / gsd_m) + 3
    rng = np.random.default_rng(seed)
    ramp = np.linspace(200, 2600, count)[None, :] + np.linspace(0, 900, count)[:, None]
    pixels = np.stack([ramp + rng.normal(0, 120, ramp.shape) for _ in range(3)])
    hidden: NDArray[np.bool_] = np.zeros(ramp.shape, bool)
    transform = (gsd_m, 0.0, extent.left - gsd_m, 0.0, -gsd_m, extent.top + gsd_m)
    return DateWindow(
        pixels.clip(0, 65535).astype(np.uint16),
        hidden,
        transform,
        Stretch((200.0,) * 3, (3500.0,) * 3),
    )


def images(
    outline: BaseGeometry, overlays: Mapping[str, Sequence[BaseGeometry]] | None = None
) -> CardImages:
    """Pictures of a fully seen patch."""
    return card_images(
        outline, ramp_window(outline, seed=1), ramp_window(outline, seed=2), overlays or {}
    )
