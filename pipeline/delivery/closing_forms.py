"""Forms for closing a period: the county's own figures, and decisions between rival returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pipeline.delivery.bureau_forms import PATCH_IDS_ZH
from pipeline.delivery.delivered import Vocabulary
from pipeline.delivery.form_columns import YES_NO_ZH, ColumnPlan, line_of_the_run, open_columns
from pipeline.delivery.sheets import Column, ListSheet, Value, Workbook
from pipeline.delivery.styles import alias
from pipeline.schema.delivered import VERIFY
from pipeline.schema.fields import FIELDS
from pipeline.schema.register_layers import CASE_COLUMNS, INPUT_COLUMNS, JUDGEMENT_COLUMNS

TOWNSHIP_ITEMS = ("quota_opening", "quota_allotted", "denominator_cultivated")
"""Listed for every township too; other items may be added in the empty rows."""

_INPUT: tuple[ColumnPlan, ...] = (
    ("item", "text", 30, "项目"),
    ("unit_code", "text", 18, "单位"),
    ("year", "integer", 8, None),
    ("value_mu", "mu", 14, None),
    ("doc_no", "id", 24, None),
    ("source_title", "long", 36, None),
    ("source_date", "date", 12, None),
    ("filled_by", "text", 10, None),
    ("checked_by", "text", 10, None),
)

DECISION_COLUMNS = (
    Column("record_kind", "类别", "text", 14),
    Column("subject", "对象", "id", 24),
    Column("township_name", alias(FIELDS["township_name"]), "text", 14),
    Column("source_file", "文件", "text", 40),
    Column("row_no", "行号", "integer", 8),
    Column("content", "与其他填报不同的内容", "long", 60),
    Column("is_adopted", "采用", "text", 8, True, "是否"),
    Column("decided_by", "裁决人", "text", 10, True),
    Column("decided_date", "裁决日期", "date", 12, True),
    Column("decision_reason", "裁决理由", "long", 30, True),
)
"""Columns of the form of decisions; `is_adopted` marks the record that counts."""


def county_inputs(
    units: Sequence[tuple[str, str]],
    vocabulary: Vocabulary,
    heading: Mapping[str, str],
    check_year: int | None,
) -> Workbook:
    """The county's own figures (县填报数据): denominators, quotas, deductions.

    `units`: code and name, the county first, then its townships. Every item is listed for the
    county, a few for townships; what is left blank counts as not supplied.
    """
    title = f"{heading['county']}填报数据表"
    notes = (
        line_of_the_run(heading),
        "单位：亩。没有的留空，留空按“未提供”处理，不要填 0；确实为零的填 0。",
    )
    columns = open_columns(_INPUT)
    items = vocabulary.tables["county_input"]
    return Workbook(
        title,
        heading["package_id"],
        heading["secrecy"],
        [
            ListSheet(
                "县填报数据",
                title,
                notes,
                columns,
                _input_rows(units, vocabulary, check_year),
                2,
                spare_rows=50,
            )
        ],
        [
            (
                "怎么填",
                "只填有依据的数；项目、单位和年度已经列好，缺的在空行里补。"
                "填了数值的行，填表人和审核人也要填。",
            ),
            *(
                (label, items.attributes[code].get("reference_zh", ""))
                for code, label in items.labels.items()
            ),
            (
                "改错",
                "改数值，直接改那一行。文号、年度、单位写错的，改正以后另留一行，照原来的写法，"
                "数值填 0。",
            ),
            ("放在哪里", "填好后存为 data/returns/<运行编号>/bureau/county_inputs.xlsx。"),
        ],
        {"项目": tuple(items.labels.values()), "单位": _unit_words(units)},
    )


def _input_rows(
    units: Sequence[tuple[str, str]], vocabulary: Vocabulary, check_year: int | None
) -> list[dict[str, Value]]:
    items = vocabulary.tables["county_input"]
    words = _unit_words(units)
    listed = [(item, words[0]) for item in items.labels]
    listed += [(item, word) for item in TOWNSHIP_ITEMS for word in words[1:]]
    return [
        {
            "item": items.labels[item],
            "unit_code": word,
            "year": _year(items.attributes[item].get("year_offset", ""), check_year),
        }
        for item, word in listed
    ]


def _year(offset: str, check_year: int | None) -> int | None:
    return None if check_year is None or not offset else check_year + int(offset)


def _unit_words(units: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Names; with the code in front where two units have the same one."""
    often = Counter(name for _, name in units)
    return tuple(name if name and often[name] == 1 else f"{code} {name}" for code, name in units)


def decisions(rows: Sequence[Mapping[str, Value]], heading: Mapping[str, str]) -> Workbook:
    """The form on which the bureau says which of several rival records counts."""
    title = f"{heading['county']}核查填报冲突裁决表"
    notes = (
        line_of_the_run(heading),
        "同一对象有几份不同的填报，裁决以前都不采用。每个对象只在采用的一行选“是”。",
    )
    return Workbook(
        title,
        heading["package_id"],
        heading["secrecy"],
        [ListSheet("冲突裁决", title, notes, DECISION_COLUMNS, rows, 2)],
        [
            ("怎么填", "在采用的那一行选“是”，填裁决人、裁决日期和理由；灰色列不要改。"),
            (
                "放在哪里",
                "填好后存为 data/returns/<运行编号>/bureau/decisions.xlsx，再重新回收；"
                "已有裁决的行要一并保留。",
            ),
        ],
        {"是否": YES_NO_ZH},
    )


def form_titles() -> dict[str, str]:
    """Title of every column of every form that comes back, by field name."""
    names = (*VERIFY.fields, *JUDGEMENT_COLUMNS, "case_no", *CASE_COLUMNS, *INPUT_COLUMNS)
    titles = {name: alias(FIELDS[name]) for name in names}
    titles["patch_ids"] = PATCH_IDS_ZH
    return titles | {column.key: column.title for column in DECISION_COLUMNS}
