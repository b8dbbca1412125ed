"""Events of a small county: squares in two runs, and what people say of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import shapely
from pyproj import CRS

from pipeline.io.register.store import open_register
from pipeline.schema.delivered import FORM_COLUMNS
from pipeline.schema.events import Event, NewEvent
from pipeline.schema.register_layers import (
    CASE_COLUMNS,
    INPUT_COLUMNS,
    JUDGEMENT_COLUMNS,
    REGISTERED_COLUMNS,
    SURVEY_COLUMNS,
)

CRS_WKT = CRS.from_epsg(4527).to_wkt()
RECORDED_AT = "2026-07-01T10:00:00+0800"
RUN = "2026Q2"


def patch_id(number: int) -> str:
    return f"379999ZJ26{number:06d}"


def square(number: int, side_m: float = 50.0) -> str:
    x, y = 39_500_000.0 + 100.0 * number, 4_000_000.0
    return str(shapely.MultiPolygon([shapely.box(x, y, x + side_m, y + side_m)]).wkb_hex)


def registered(number: int, run: str = RUN, **given: Any) -> NewEvent:
    payload = dict.fromkeys(REGISTERED_COLUMNS) | {
        "run": run,
        "patch_id": patch_id(number),
        "lineage_id": f"{run}:{patch_id(number)}",
        "check_year": 2026,
        "source_group": "issued",
        "is_sent": True,
        "issued_id": f"XF{number:03d}",
        "source": "issued",
        "theme": "land",
        "township_code": "379999101",
        "township_name": "示例镇",
        "suspected_class": "suspected_violation",
        "flags": [],
        "observed_ratio": 1.0,
        "area_m2": 2500.0,
        "area_mu100": 375,
        "wkb": square(number),
    }
    return NewEvent("patch_registered", run, patch_id(number), payload | given, "2026-06-30")


def withdrawn(number: int, run: str = RUN) -> NewEvent:
    return NewEvent("patch_withdrawn", run, patch_id(number))


def finding(number: int, run: str = RUN, **given: Any) -> NewEvent:
    payload = dict.fromkeys(FORM_COLUMNS) | {"site_state": "built", "filled_by": "张三"}
    return NewEvent(
        "finding_accepted",
        run,
        patch_id(number),
        payload | given,
        "2026-07-01",
        "张三",
        source_file="379999101/register.xlsx",
        source_sha256="ab" * 32,
    )


def photo(number: int, sha256: str, run: str = RUN) -> NewEvent:
    payload = {
        "file_name": f"{patch_id(number)}_1.jpg",
        "sha256": sha256,
        "lon": 117.0,
        "lat": 36.1,
        "azimuth_deg": None,
        "taken_at": None,
    }
    return NewEvent("photo_accepted", run, patch_id(number), payload)


def survey(number: int, side_m: float = 60.0, run: str = RUN) -> NewEvent:
    payload = dict.fromkeys(SURVEY_COLUMNS) | {
        "survey_area_m2": side_m**2,
        "survey_area_mu100": 540,
        "surveyed_by": "测绘队",
        "wkb": square(number, side_m),
    }
    return NewEvent("survey_accepted", run, patch_id(number), payload)


def judgement(number: int, code: str = "new_violation", run: str = RUN) -> NewEvent:
    payload = dict.fromkeys(JUDGEMENT_COLUMNS) | {
        "judgement": code,
        "judged_by": "李四",
        "reviewed_by": "王五",
        "judged_date": "2026-07-10",
    }
    return NewEvent("judgement_signed", run, patch_id(number), payload, "2026-07-10", "李四")


def case(case_no: str, numbers: Sequence[int], run: str = RUN, **given: Any) -> NewEvent:
    ids = sorted(patch_id(number) for number in numbers)
    payload = dict.fromkeys(CASE_COLUMNS) | {"case_name": "示例案", "patch_ids": ids}
    return NewEvent("case_recorded", run, case_no, payload | given)


def county_input(item: str, value_mu: float, doc_no: str | None = None, run: str = RUN) -> NewEvent:
    payload = dict.fromkeys(INPUT_COLUMNS) | {
        "item": item,
        "unit_code": "379999",
        "year": 2027,
        "value_mu": value_mu,
        "doc_no": doc_no,
    }
    subject = f"{item}|379999|2027|{doc_no or ''}"
    return NewEvent("county_input_recorded", run, subject, payload)


def posting(
    key: str, amount_mu100: int, reverses_key: str | None = None, run: str = RUN
) -> NewEvent:
    payload = {
        "posting_kind": "allotted",
        "year": 2027,
        "doc_no": "示例〔2026〕1号",
        "posting_text": "下达",
        "reverses_key": reverses_key,
        "lines": [
            {"account": "quota", "unit_code": "379999", "amount_mu100": amount_mu100},
            {"account": "superior", "unit_code": "379999", "amount_mu100": -amount_mu100},
        ],
    }
    return NewEvent("posting_made", run, key, payload)


def decided(subject: str, run: str = RUN) -> NewEvent:
    payload = {
        "source_file": "379999101/register.xlsx",
        "row": 4,
        "decided_by": "李四",
        "decided_date": "2026-07-11",
        "reason": "以现场复核为准",
    }
    return NewEvent("conflict_decided", run, subject, payload)


def linked(number: int, lineage_id: str, run: str = RUN) -> NewEvent:
    link = {
        "earlier_run": "2026Q1",
        "earlier_patch_id": patch_id(number),
        "lineage_relation": "grew",
        "overlap_m2": 2000.0,
        "grown_m2": 500.0,
    }
    payload = {
        "lineage_id": lineage_id,
        "parent_id": None,
        "lineage_relation": "grew",
        "links": [link],
    }
    return NewEvent("lineage_linked", run, patch_id(number), payload)


def collected(run: str = RUN) -> NewEvent:
    return NewEvent("collected", run, run, {"received": 3, "accepted": 2, "rejected": 1})


def frozen(run: str = RUN) -> NewEvent:
    payload = {"tables_sha256": "aa", "books_sha256": "bb"}
    return NewEvent("frozen", run, run, payload, by="李四", reason="季度结束")


def reopened(run: str = RUN) -> NewEvent:
    return NewEvent("reopened", run, run, by="李四", reason="更正")


def one_of_each() -> list[NewEvent]:
    return [
        registered(1),
        registered(2, township_name="示例镇😀"),
        registered(3),
        finding(1),
        photo(1, "cc"),
        survey(1),
        judgement(1),
        case("示案〔2026〕1号", [1, 2]),
        county_input("quota_allotted", 120.0, "示例〔2026〕1号"),
        decided(f"finding|{patch_id(1)}"),
        posting("allotted|2027|示例〔2026〕1号|379999", 12000),
        linked(2, "L-1"),
        withdrawn(3),
        collected(),
    ]


def numbered(events: Sequence[NewEvent]) -> list[Event]:
    return [
        Event(**vars(event), event_no=number, hash=f"h{number}")
        for number, event in enumerate(events, start=1)
    ]


def write_register(path: Path, events: Sequence[NewEvent]) -> list[Event]:
    with open_register(path, CRS_WKT) as register:
        return register.append(events, RECORDED_AT)
