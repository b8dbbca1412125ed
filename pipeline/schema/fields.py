"""The register of fields: one meaning, one name, one type, one unit, wherever the field appears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dtype = Literal["text", "integer", "real", "date", "boolean", "json"]
"""`date` is ISO text (YYYY-MM-DD) and `json` a Python list in memory, JSON array text on disk."""


@dataclass(frozen=True)
class FieldSpec:
    """What a column means. Missing values are NULL, never 0, −1 or False."""

    name: str
    dtype: Dtype
    label_zh: str
    """Name shown to analysts."""
    description: str
    unit: str | None = None
    """Unit of the stored value, as in the suffix of `name`; None for text, counts and ratios."""
    code: str | None = None
    """Official pinyin code, used in delivered layers only."""
    nullable: bool = False
    """Whether NULL (unknown) is legal."""


FIELDS: dict[str, FieldSpec] = {
    spec.name: spec
    for spec in (
        FieldSpec(
            "patch_id",
            "text",
            "图斑编号",
            "Our id of a change patch: <county6>ZJ<yy><6 digits>, children <parent>_<n>.",
            code="JCBH",
        ),
        FieldSpec("source", "text", "图斑来源", "detected, issued or both."),
        FieldSpec("theme", "text", "业务类型", "land 土地 or mineral 矿产."),
        FieldSpec(
            "before_date",
            "date",
            "前时相",
            "Date of the before pixels under the patch; mosaics differ inside one county.",
            code="QSX",
            nullable=True,
        ),
        FieldSpec(
            "after_date",
            "date",
            "后时相",
            "Date of the after pixels under the patch.",
            code="HSX",
            nullable=True,
        ),
        FieldSpec(
            "change_kind",
            "text",
            "变化类型",
            "Code of configs/codes/change_kind.csv.",
            code="TBLX",
            nullable=True,
        ),
        FieldSpec(
            "probability",
            "real",
            "变化概率",
            "Mean stored score of the pixels, 0–1, not calibrated yet; NULL if not observed.",
            nullable=True,
        ),
        FieldSpec(
            "residual_shift_px",
            "real",
            "残余配准误差",
            "Local misregistration left after alignment; NULL if no fit was established.",
            unit="px",
            nullable=True,
        ),
        FieldSpec("observed_ratio", "real", "可观测比例", "Share seen on both dates, 0–1."),
        FieldSpec(
            "area_m2",
            "real",
            "图斑面积",
            "Area on the ellipsoid of the run's CRS: the stored truth.",
            unit="m2",
            code="JCMJ",
        ),
        FieldSpec(
            "area_mu100",
            "integer",
            "图斑面积（百分之一亩）",
            "Whole number of 0.01 亩, HALF_UP of area_m2; fixed at delivery.",
            unit="mu100",
            nullable=True,
        ),
        FieldSpec(
            "area_planar_m2", "real", "平面面积", "Area in the plane of the run's CRS.", unit="m2"
        ),
        FieldSpec("perimeter_m", "real", "周长", "Length of all rings.", unit="m"),
        FieldSpec("width_m", "real", "宽度", "Mean width of the outline.", unit="m"),
        FieldSpec(
            "n_pixels",
            "integer",
            "像元数",
            "Changed pixels inside; NULL for a patch that was only issued.",
            nullable=True,
        ),
        FieldSpec(
            "first_row",
            "integer",
            "首像元行号",
            "Row of the first pixel in row-major order, on the working grid; fixes the identity.",
            nullable=True,
        ),
        FieldSpec(
            "first_col",
            "integer",
            "首像元列号",
            "Column of the first pixel in row-major order, on the working grid.",
            nullable=True,
        ),
        FieldSpec("reason", "text", "剔除原因", "Code of the filter that dropped the object."),
        FieldSpec("point_id", "text", "同名点编号", "Id of a tie point inside one run."),
        FieldSpec(
            "shift_row_px",
            "real",
            "行方向位移",
            "Measured shift of the after image, downwards positive.",
            unit="px",
            nullable=True,
        ),
        FieldSpec(
            "shift_col_px",
            "real",
            "列方向位移",
            "Measured shift of the after image, to the right positive.",
            unit="px",
            nullable=True,
        ),
        FieldSpec(
            "quality",
            "real",
            "匹配质量",
            "Correlation peak over background; NULL if nothing could be matched.",
            nullable=True,
        ),
        FieldSpec("is_used", "boolean", "参与拟合", "Whether the robust fit kept the point."),
        FieldSpec("window_px", "integer", "匹配窗口", "Side of the matching window.", unit="px"),
    )
}
