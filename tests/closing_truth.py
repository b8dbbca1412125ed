"""Whether every planted change of a closed demo county stands where it belongs in the books.

From the truth, the answer book of the play (`.played.json`) and the printed tables alone; nothing
of `pipeline` is used. `python -m tests.closing_truth DATA [RUN]` prints what does not fit.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pyogrio

ROOT = Path(__file__).resolve().parents[1]
CLOSES_ON = "2025-06-30"
Row = dict[str, Any]

LAWFUL = {"approved", "devzone_approved", "registered"}
OTHER_USE = {"rural_road", "sliver", "existing", "mining_in_right", "water", "temporary_valid",
             "facility_real", "earthwork", "crop"}  # fmt: skip
"""Every other planted case is one for which papers were missing."""
EXACT_PBF_M2 = {"pbf_499": 3326.67, "pbf_500": 3333.34, "pbf_501": 3340.00}
"""Counted from the survey boundary."""
COUNTY_CODE, COUNTY_NAME = "379999", "示例县"
RECEIPTS = {"file": "文件", "kind": "类别", "subject": "对象", "result": "结果", "code": "代码"}
COMPARED = {"township_code": "township_code", "suspected_class": "expected_class"}
"""Column of a patch → of its plant. Where a plant lies astride, a metre decides the township."""
GROUPS = {True: "下发", False: "自主提取"}


def code_labels(table: str) -> dict[str, str]:
    """Code → label of one code table."""
    path = ROOT / "configs" / "codes" / f"{table}.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["code"]: row["label_zh"] for row in csv.DictReader(file)}


class Closed:
    """A closed demo run as its files tell it."""

    def __init__(self, data: Path, run: str = "demo") -> None:
        self.data, self.run = data, run
        self.results = data / "runs" / run

    @cached_property
    def played(self) -> Row:
        """What was filled in."""
        path = self.data / "returns" / self.run / ".played.json"
        found: Row = json.loads(path.read_text(encoding="utf-8"))
        return found

    @cached_property
    def tables(self) -> dict[str, Row]:
        """The printed tables."""
        path = self.results / "statistics" / "tables.json"
        found: dict[str, Row] = json.loads(path.read_text(encoding="utf-8"))
        return found

    @cached_property
    def plants(self) -> dict[str, Row]:
        """Planted changes by id, issued ones with their number."""
        truth = self.data / "raw" / "demo" / "truth.gpkg"
        plants = pyogrio.read_dataframe(truth, layer="changes", read_geometry=False)
        events = pyogrio.read_dataframe(truth, layer="events").to_dict("records")
        told = {(event["truth_id"], event["event"]): event for event in events}
        return {
            plant["truth_id"]: {
                **plant,
                "issued_id": told.get((plant["truth_id"], "issued"), {}).get("text"),
                "approved": told.get((plant["truth_id"], "approved"), {}).get("date"),
                "started": told.get((plant["truth_id"], "works_started"), {}).get("date"),
            }
            for plant in plants.to_dict("records")
        }

    @cached_property
    def patches(self) -> dict[str, Row]:
        """Patches of the run with what was played for them."""
        books = self.results / "statistics" / "county.gpkg"
        columns = ["patch_id", "source", "township_code", "suspected_class", "primary_kind"]
        table = pyogrio.read_dataframe(books, layer="patches", columns=columns, read_geometry=False)
        return {
            row["patch_id"]: {
                **self.played["patches"][row["patch_id"]],
                **row,
                "group": GROUPS[row["source"] != "detected"],
            }
            for row in table.to_dict("records")
        }

    @cached_property
    def listed(self) -> dict[str, Row]:
        """Lines of T12 by patch."""
        return {row["patch_id"]: row for row in self.tables["T12"]["rows"]}


def judgement_of(plant: Row | None) -> str:
    """What the bureau must have signed for a planted change; for a false alarm without one."""
    if plant is None or plant["case_id"] in OTHER_USE:
        return "other_use"
    if plant["case_id"] in LAWFUL:
        return "new_lawful"
    if plant["case_id"] == "approved_between" and plant["approved"] <= plant["started"]:
        return "new_lawful"
    return "new_violation"


def misplaced(data: Path, run: str = "demo") -> list[str]:
    """What stands in the wrong place, one line each; empty if all is right."""
    closed = Closed(data, run)
    return [
        *_missing_plants(closed),
        *_wrong_lines(closed),
        *_wrong_counts(closed),
        *_wrong_cases(closed),
        *wrong_receipts(closed),
    ]


def _missing_plants(closed: Closed) -> Iterator[str]:
    """Every issued plant is one patch, of its township, of the class that was planted."""
    by_issue = {patch["issued_id"]: patch for patch in closed.patches.values()}
    for truth_id, plant in closed.plants.items():
        if not plant["issued_id"]:
            continue
        patch = by_issue.get(plant["issued_id"])
        if patch is None or patch["truth_id"] != truth_id:
            yield f"{truth_id} {plant['case_id']}: no patch"
            continue
        for name, column in COMPARED.items():
            is_open = (plant["case_id"], name) == ("straddle", "township_code")
            if patch[name] != plant[column] and not is_open:
                yield f"{truth_id} {plant['case_id']}: {name} {patch[name]}, not {plant[column]}"


def _signed(closed: Closed, patch: Row) -> str | None:
    """What must be signed for a patch; None if the bureau left it or did not sign."""
    if patch["judgement"] is None:
        return None
    return judgement_of(closed.plants.get(patch["truth_id"]))


def _wrong_lines(closed: Closed) -> Iterator[str]:
    """T12 says of every patch what was found and signed."""
    judgements = code_labels("judgement")
    states, classes = code_labels("site_state"), code_labels("suspected_class")
    for patch_id, patch in closed.patches.items():
        is_listed = patch["is_sent"] or patch["group"] == GROUPS[True]
        if (patch_id in closed.listed) != is_listed:
            yield f"T12 {patch_id}: listed {not is_listed}"
        if patch_id not in closed.listed:
            continue
        signed, found = _signed(closed, patch), patch["finding"]
        wanted: Row = {
            "unit_code": patch["township_code"],
            "source_group": patch["group"],
            "suspected_class": classes[patch["suspected_class"]],
            "judgement": judgements[signed] if signed else "未判定",
            "site_state": states[found["site_state"]] if found else None,
            "occupant_name": found["occupant_name"] if found else None,
            "case_nos": "、".join(sorted(patch["case_nos"])) or None,
        }
        wanted |= _wanted_areas(patch, code_labels("counted_basis"))
        line = closed.listed[patch_id]
        for column, value in wanted.items():
            if line[column] != value:
                yield f"T12 {patch_id} {patch['case_id']}: {column} {line[column]!r}, not {value!r}"


def _wanted_areas(patch: Row, bases: dict[str, str]) -> Row:
    """What counts of a patch, as far as the play knows it: signed, else surveyed."""
    stated = (patch["judgement"] or {}).get("recognised_area_m2")
    if stated is not None:
        cultivated = patch["judgement"]["recognised_cultivated_m2"]
        return {"counted_basis": bases["signed"], "area_m2": stated, "cultivated_m2": cultivated}
    if patch["survey_m2"] is None:
        return {"counted_basis": bases["patch"]}
    exact = EXACT_PBF_M2.get(patch["case_id"])
    areas = dict.fromkeys(("area_m2", "pbf_m2"), exact) if exact else {}
    return {"counted_basis": bases["survey"], **areas}


def _wrong_counts(closed: Closed) -> Iterator[str]:
    """T01, T02 and T03 count what was planted, sent, answered and signed."""
    judgements = code_labels("judgement") | {"unjudged": "未判定"}
    classes = code_labels("suspected_class")
    totals: Counter[tuple[str, ...]] = Counter()
    for patch in closed.patches.values():
        signed = _signed(closed, patch)
        plant = closed.plants.get(patch["truth_id"] or "")
        is_planted = plant is not None and patch["group"] == GROUPS[True]
        is_placed = is_planted and plant["case_id"] != "straddle"
        township = plant["township_code"] if is_placed else patch["township_code"]
        suspected = plant["expected_class"] if is_planted else patch["suspected_class"]
        place = (township, patch["group"])
        totals["T01", "patches", *place] += 1
        totals["T01", "sent", *place] += patch["is_sent"]
        totals["T01", "answered", *place] += patch["finding"] is not None
        totals["T01", "judged", *place] += signed is not None
        totals["T02", judgements[signed or "unjudged"], *place] += 1
        totals["T03", classes[suspected], *place] += 1
    for row in closed.tables["T01"]["rows"]:
        for column in ("patches", "sent", "answered", "judged"):
            yield from _differs(totals, row, ("T01", column), row[column])
    for name, column in (("T02", "judgement"), ("T03", "suspected_class")):
        for row in closed.tables[name]["rows"]:
            yield from _differs(totals, row, (name, row[column]), row["patches"])
    yield from (f"{key}: {number} counted, no row" for key, number in totals.items() if number)


def _differs(
    totals: Counter[tuple[str, ...]], row: Row, name: tuple[str, str], printed: Any
) -> Iterator[str]:
    wanted = totals.pop((*name, row["unit_code"], row["source_group"]), 0)
    if (printed or 0) != wanted and not (wanted == 0 and printed == "未观测"):
        yield f"{name} {row['unit_name']} {row['source_group']}: {printed} printed, {wanted} played"


def _wrong_cases(closed: Closed) -> Iterator[str]:
    """T04 in all: ① 宗, ② closed, ③ rectified of them, ④ dealt with otherwise, without case."""
    wrong = {k for k, p in closed.patches.items() if _signed(closed, p) == "new_violation"}
    lawsuits = [
        case for case in closed.played["cases"].values() if wrong.intersection(case["patch_ids"])
    ]
    shut = [
        case
        for case in lawsuits
        if (case["closed_date"] or "9") <= CLOSES_ON and not case["is_filed_otherwise"]
    ]
    right = [
        case
        for case in shut
        if case["rectification"] not in (None, "not_rectified")
        and (case["accepted_date"] or "9") <= CLOSES_ON
    ]
    alone = [patch_id for patch_id in wrong if not closed.patches[patch_id]["case_nos"]]
    wanted = {
        "violations": len(wrong),
        "cases": len(lawsuits) + len(alone),
        "closed": len(shut),
        "rectified": len(right),
        "filed_otherwise": sum(bool(case["is_filed_otherwise"]) for case in lawsuits),
        "no_case": len(alone),
    }
    (total,) = (row for row in closed.tables["T04"]["totals"] if row["source_group"] == "全部")
    for column, value in wanted.items():
        if total[column] != value:
            yield f"T04 合计 {column}: {total[column]} printed, {value} played"


def in_words(record: Row, kinds: dict[str, str], units: dict[str, str]) -> str:
    """What a receipt calls a record: codes of the forms as the forms print them."""
    first, *rest = str(record["subject"]).split("|")
    if record["kind"] == "county_input":
        unit, *rest = rest
        return "|".join([code_labels("county_input")[first], units[unit], *rest])
    return "|".join([kinds[first], *rest]) if record["kind"] == "decision" else first


def wrong_receipts(closed: Closed) -> Iterator[str]:
    """Every record that was played has its receipt, with the code that it must have."""
    kinds = code_labels("record_kind")
    units = {one["unit_code"]: one["unit_name"] for one in closed.tables["T05"]["rows"]}
    units[COUNTY_CODE] = COUNTY_NAME
    wanted: Counter[tuple[str, ...]] = Counter()
    for record in closed.played["accepted"]:
        subject = in_words(record, kinds, units)
        wanted[record["file"], kinds[record["kind"]], subject, "接收", ""] += 1
    for record in closed.played["rejected"]:
        key = (record["file"], kinds[record["kind"]], record["subject"], "退回", record["code"])
        wanted[key] += 1
    path = closed.results / "collect" / "receipts.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    given = Counter(tuple(line[title] for title in RECEIPTS.values()) for line in lines)
    for key in sorted(given.keys() | wanted.keys()):
        if given[key] != wanted[key]:
            yield f"receipt {key}: {given[key]} given, {wanted[key]} played"
    noted = {(line["文件"], line["对象"]): line["提示"] for line in lines}
    for notice in closed.played["notices"]:
        if notice["code"] not in noted.get((notice["file"], notice["subject"]), ""):
            yield f"no {notice['code']} for {notice['file']} {notice['subject']}"
    expected = {(one["file"], one["subject"]) for one in closed.played["notices"]}
    astride = {k for k, p in closed.played["patches"].items() if p["case_id"] == "straddle"}
    for key, text in noted.items():
        is_known = key[1] in astride and "另一乡镇" in text
        if text and key not in expected and not is_known:
            yield f"unexpected notice for {key}: {text}"


def main() -> int:
    """Print what does not fit; 1 if there is anything."""
    told = misplaced(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "demo")
    print("\n".join(told) or "every planted change stands where it belongs")
    return bool(told)


if __name__ == "__main__":
    sys.exit(main())
