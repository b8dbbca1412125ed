"""Filled forms of the small county of `package_factory`, as they come back."""

from __future__ import annotations

import csv
import datetime
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl

from pipeline.config.models import RunConfig
from pipeline.io.register.store import read_events
from pipeline.io.runs import RunPaths
from pipeline.io.tiles import ThreadDispatcher
from pipeline.schema.events import Event
from pipeline.stages.collect import run as run_collect
from pipeline.stages.context import StageContext, StageReport
from tests.package_factory import NAMES, A, B, county_run, package_county, patch_id

AT = "2025-07-01T09:00:00"
ANSWER: Mapping[str, Any] = {
    "site_state": "建成",
    "occupant_name": "某公司",
    "start_date": datetime.date(2024, 8, 1),
    "actual_use": "厂房",
    "measured_area_m2": 3600.5,
    "is_found_by_patrol": "否",
    "is_notified": "是",
    "filled_by": "张某",
    "checked_by": "李某",
    "filled_date": datetime.date(2024, 11, 2),
}
SIGNED: Mapping[str, Any] = {
    "judgement": "违法用地",
    "judgement_detail": "工矿商服",
    "judged_by": "王某",
    "reviewed_by": "赵某",
    "judged_date": datetime.date(2024, 12, 1),
}
KEPT = ("screen", "overlay", "intake", "packages", "delivery")
"""Folders of a packaged run that collecting and filling in forms need."""


def closing_run(**changed: Any) -> RunConfig:
    """The run of `package_factory` with a closing date."""
    return county_run().model_copy(update={"closes_on": datetime.date(2025, 6, 30), **changed})


def packaged(data: Path) -> RunPaths:
    """The county written and packaged below a data folder."""
    return package_county(data / "runs" / "T1")[0]


def copy_run(template: RunPaths, data: Path) -> RunPaths:
    """A run of its own to return to and collect."""
    paths = RunPaths.for_run(data, "T1")
    for name in KEPT:
        shutil.copytree(template.root / name, paths.root / name)
    return paths


def context_of(paths: RunPaths, run: RunConfig | None = None, at: str = AT) -> StageContext:
    through = ThreadDispatcher(1)
    return StageContext(
        run or closing_run(), paths, through, through, 512, lambda _label: lambda _n, _of: None, at
    )


def collect(paths: RunPaths, run: RunConfig | None = None, at: str = AT) -> StageReport:
    """Collect as the runner does, but straight into the stage's folder."""
    paths.stage_dir("collect").mkdir(parents=True, exist_ok=True)
    return run_collect(context_of(paths, run, at))


def events_of(paths: RunPaths) -> list[Event]:
    return read_events(paths.register("379999"))


def told(paths: RunPaths) -> list[dict[str, str]]:
    """The receipts."""
    text = paths.receipts.read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def results(paths: RunPaths, **of: str) -> list[tuple[str, str, str]]:
    """Subject, result and code of the receipts with these values."""
    return [
        (row["对象"], row["结果"], row["代码"])
        for row in told(paths)
        if all(row[name] == value for name, value in of.items())
    ]


def returned(paths: RunPaths, name: str) -> Path:
    """A place in the returns folder."""
    target = paths.returns / name
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def register_of(paths: RunPaths, code: str) -> Path:
    return paths.package(code, NAMES[code]) / "register.xlsx"


def folder_of(code: str) -> str:
    return f"{code}_{NAMES[code]}"


def key_row(sheet: Any) -> int:
    """Row of the hidden field names."""
    keys = {"patch_id", "case_no", "item", "record_kind"}
    return next(n for n in range(1, 15) if keys & {cell.value for cell in sheet[n]})


def columns_of(sheet: Any) -> dict[str, int]:
    return {cell.value: cell.column for cell in sheet[key_row(sheet)] if cell.value}


def fill(
    form: Path, target: Path, answers: Mapping[str, Mapping[str, Any]], key: str = "patch_id"
) -> Path:
    """A form with the rows of these subjects filled in."""
    book = openpyxl.load_workbook(form)
    sheet = book.worksheets[0]
    columns, first = columns_of(sheet), key_row(sheet) + 2
    for row in range(first, sheet.max_row + 1):
        for name, value in answers.get(str(sheet.cell(row, columns[key]).value), {}).items():
            sheet.cell(row, columns[name]).value = value
    target.parent.mkdir(parents=True, exist_ok=True)
    book.save(target)
    return target


def add_rows(form: Path, target: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A form of the bureau with rows written into its first empty lines."""
    book = openpyxl.load_workbook(form)
    sheet = book.worksheets[0]
    columns = columns_of(sheet)
    free = key_row(sheet) + 2
    while sheet.cell(free, 1).value is not None:
        free += 1
    for number, row in enumerate(rows):
        for name, value in row.items():
            sheet.cell(free + number, columns[name]).value = value
    target.parent.mkdir(parents=True, exist_ok=True)
    book.save(target)
    return target


def answer(*numbers: int, **changed: Any) -> dict[str, dict[str, Any]]:
    """The usual answer for these patches."""
    return {patch_id(number): {**ANSWER, **changed} for number in numbers}


def return_everything(paths: RunPaths) -> None:
    """Both townships answer, the bureau judges two patches, files a case and states figures."""
    for code, numbers in ((A, (1, 2, 3)), (B, (4, 5))):
        target = returned(paths, f"{folder_of(code)}/register.xlsx")
        fill(register_of(paths, code), target, answer(*numbers))
    judged = {patch_id(1): SIGNED, patch_id(5): {**SIGNED, "judgement_detail": None}}
    forms = paths.delivery
    fill(forms / "judgements.xlsx", returned(paths, "bureau/judgements.xlsx"), judged)
    case = {
        "case_no": "示自然资罚〔2024〕1号",
        "patch_ids": f"{patch_id(1)}、{patch_id(5)}",
        "filed_date": datetime.date(2024, 12, 2),
    }
    add_rows(forms / "cases.xlsx", returned(paths, "bureau/cases.xlsx"), [case])
    figures = [
        {
            "item": "上级下达指标",
            "unit_code": "示例县",
            "year": 2025,
            "value_mu": 500,
            "doc_no": "示〔2025〕1号",
        },
        {
            "item": "上级扣减指标",
            "unit_code": "示例县",
            "year": 2025,
            "value_mu": 10,
            "doc_no": "示〔2025〕2号",
        },
    ]
    signed = [row | {"filled_by": "张某", "checked_by": "李某"} for row in figures]
    add_rows(forms / "county_inputs.xlsx", returned(paths, "bureau/county_inputs.xlsx"), signed)
