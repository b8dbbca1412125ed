"""How the layers of the books look: patches by signed judgement and rectification, surveys."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.delivery.delivered import TABLE_OF_FIELD, Vocabulary
from pipeline.delivery.styles import (
    SHORT_ID,
    LayerStyle,
    parts_style,
    table_style,
    township_style,
)
from pipeline.delivery.symbols import (
    Category,
    Fill,
    Label,
    categorised_renderer,
    single_renderer,
)
from pipeline.schema.layer import LayerSpec

ACCOUNTS_ZH = {
    "quota": "指标",
    "deduction": "扣减",
    "superior": "上级",
    "opening": "期初",
    "carry": "结转",
}
"""Accounts of the ledger, which are no codes of the bureau."""
BOOK_TABLE_OF_FIELD = {
    **TABLE_OF_FIELD,
    "source_group": "source_group",
    "judgement": "judgement",
    "counted_basis": "counted_basis",
    "rectification": "case_outcome",
    "net_way": "case_outcome",
    "posting_kind": "posting_kind",
    "item": "county_input",
}
"""Coded columns of the books and the table of configs/codes that gives their labels."""

STATE = (
    "CASE WHEN \"judgement\" = 'new_violation' AND \"is_rectified\" THEN 'rectified' "
    'WHEN "judgement" IS NULL THEN \'unjudged\' ELSE "judgement" END'
)
STATES = (
    (
        "new_violation",
        "违法用地，未整改到位",
        Fill("214,25,40,60", "214,25,40,255", 0.8, has_casing=True),
    ),
    (
        "rectified",
        "违法用地，已整改到位",
        Fill("240,140,30,40", "240,140,30,255", 0.7, has_casing=True),
    ),
    ("new_lawful", "合法新增建设用地", Fill("40,140,60,30", "40,140,60,255", 0.6)),
    ("other_use", "其他用地", Fill("20,120,200,24", "20,120,200,255", 0.5)),
    ("unjudged", "未判定", Fill("0,0,0,0", "110,110,110,255", 0.4, "dash")),
)
TOLD_ID = f'CASE WHEN "is_sent" OR "judgement" IS NOT NULL THEN {SHORT_ID} END'
"""The number of a patch somebody was to answer for: the others would cover the map."""
SURVEY_FILL = Fill("0,0,0,0", "20,20,20,255", 0.5, "dash", has_casing=True)
OUTLINE_STATES = (
    ("common", "实测与影像共有", Fill("90,160,90,40", "60,120,60,255", 0.4)),
    ("survey_only", "仅实测界址内", Fill("30,90,200,60", "30,90,200,255", 0.4)),
    ("image_only", "仅影像图斑内", Fill("230,160,30,60", "200,130,20,255", 0.4)),
)
"""Surveyed boundary beside the outline from the image."""


def book_styles(
    specs: tuple[LayerSpec, ...], vocabulary: Vocabulary
) -> dict[LayerSpec, LayerStyle]:
    """The style of every layer of `statistics/county.gpkg`."""
    return {spec: _style(spec, _drop_downs(spec, vocabulary)) for spec in specs}


def _drop_downs(spec: LayerSpec, vocabulary: Vocabulary) -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {
        name: vocabulary.tables[table].labels
        for name, table in BOOK_TABLE_OF_FIELD.items()
        if name in spec.fields and table in vocabulary.tables
    }
    if "outline_state" in spec.fields:
        found["outline_state"] = {code: label for code, label, _ in OUTLINE_STATES}
    return found | ({"account": ACCOUNTS_ZH} if "account" in spec.fields else {})


def _style(spec: LayerSpec, drop_downs: Mapping[str, Mapping[str, str]]) -> LayerStyle:
    if spec.name == "patches":
        return _patches(spec, drop_downs)
    if spec.name == "parts":
        return parts_style(spec, drop_downs)
    if spec.name == "townships":
        return township_style(spec, drop_downs)
    if spec.name == "surveys":
        renderer = single_renderer(SURVEY_FILL, "fill")
        return LayerStyle(renderer, spec.field_specs, drop_downs, display='"patch_id"')
    if spec.name == "survey_differences":
        categories = [Category(code, label, fill) for code, label, fill in OUTLINE_STATES]
        drawn = categorised_renderer('"outline_state"', categories, SURVEY_FILL, "fill")
        return LayerStyle(drawn, spec.field_specs, drop_downs, display='"patch_id"')
    return table_style(spec, drop_downs)


def _patches(spec: LayerSpec, drop_downs: Mapping[str, Mapping[str, str]]) -> LayerStyle:
    categories = [Category(code, label, fill) for code, label, fill in STATES]
    return LayerStyle(
        categorised_renderer(STATE, categories, STATES[-1][2], "fill"),
        spec.field_specs,
        drop_downs,
        label=Label(TOLD_ID, size_pt=9, is_bold=True, max_scale_denominator=25_000),
        display='"patch_id"',
    )
