"""Four periods with known events: who is who, and that nothing open is ever told as new.

The stage's own function puts every period beside the register, which `collect`'s rules write.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from pipeline.config.models import Settings
from pipeline.grid import Grid, PixelWindow
from pipeline.io.rasters import StripWriter
from pipeline.io.register.store import open_register, verify_register
from pipeline.io.runs import RunPaths
from pipeline.rules.returns.events import lineage_events
from pipeline.schema.events import NewEvent
from pipeline.schema.register_layers import JUDGEMENT_COLUMNS
from pipeline.stages.collect_task import outline_wkb
from pipeline.stages.extract_identity import identify_patches
from tests.identity_world import COLUMNS, N_PERIODS, SPACING_M, Drawn, Site, build_world, draw
from tests.register_factory import CRS_WKT, RECORDED_AT, registered

RUNS = tuple(f"2026Q{number}" for number in range(1, N_PERIODS + 1))
DATES = tuple(datetime.date(2026, 3 * number, 28) for number in range(1, N_PERIODS + 1))
EAST, NORTH = 39_500_000.0, 4_000_000.0
GSD_M = 2.0
COUNTY = "379999"
N_SITES = 140
SEEDS = (1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6)))
Key = tuple[str, str]


@dataclass
class Played:
    """What four periods told, beside what was drawn."""

    sites: list[Site]
    drawn: dict[str, list[Drawn]] = field(default_factory=dict)
    names: dict[str, dict[int, str]] = field(default_factory=dict)
    """Run → position of a drawn patch → its id; none for what was set aside."""
    identity: dict[Key, dict[str, Any]] = field(default_factory=dict)
    lineage: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)


def the_grid() -> Grid:
    width = int(COLUMNS * SPACING_M / GSD_M) + 40
    height = int(N_SITES / COLUMNS * SPACING_M / GSD_M) + 40
    return Grid(
        width, height, (GSD_M, 0.0, EAST - 40, 0.0, -GSD_M, NORTH + height * GSD_M - 40), CRS_WKT
    )


def as_table(drawn: list[Drawn], grid: Grid) -> gpd.GeoDataFrame:
    outlines = [shapely.affinity.translate(one.outline, EAST, NORTH) for one in drawn]
    west, _, _, north = np.array([shape.bounds for shape in outlines]).T
    rows, cols = grid.rowcol(west, north)
    return gpd.GeoDataFrame(
        {
            "source": ["issued" if one.issued_id else "detected" for one in drawn],
            "issued_id": [one.issued_id for one in drawn],
            "first_row": np.floor(rows).astype(int),
            "first_col": np.floor(cols).astype(int),
        },
        geometry=outlines,
        crs=CRS_WKT,
    )


def a_run(paths: RunPaths, run: str, date: datetime.date) -> Any:
    config = SimpleNamespace(
        run=run,
        county="sim",
        county_code=COUNTY,
        after=SimpleNamespace(date=date),
        settings=Settings(),
    )
    return SimpleNamespace(run=config, paths=paths)


def play(folder: Path, seed: int) -> Played:
    """Extract, register and judge four periods."""
    played, grid = Played(build_world(seed, N_SITES)), the_grid()
    for period, run in enumerate(RUNS):
        paths = RunPaths.for_run(folder, run)
        paths.detect_score.parent.mkdir(parents=True)
        with StripWriter(paths.detect_score, grid, "uint16") as writer:
            blank = np.zeros((512, grid.width), np.uint16)
            for row0 in range(0, grid.height, 512):
                window = PixelWindow(row0, min(row0 + 512, grid.height), 0, grid.width)
                writer.add(window, blank[: window.shape[0]])
        drawn = draw(played.sites, period, seed)
        table = as_table(drawn, grid)
        found = identify_patches(a_run(paths, run, DATES[period]), grid, table)
        layers = {spec.name: rows.astype(object) for spec, rows in found.layers.items()}
        identity, lineage = (
            layers[name].where(layers[name].notna(), None).to_dict("records")
            for name in ("identity", "lineage")
        )
        stays = np.flatnonzero(~found.is_settled).tolist()
        names = dict(zip(stays, found.patch_ids, strict=True))
        assert len(set(found.patch_ids)) == len(found.patch_ids)
        register(paths, run, period, (names, drawn, table), identity, lineage)
        played.drawn[run], played.names[run] = drawn, names
        played.identity |= {(run, row["patch_id"]): row for row in identity}
        played.lineage += lineage
        played.counts[run] = found.counts
        judge(paths, run, played) if period == 0 else None
    assert verify_register(paths.register(COUNTY)) == []
    return played


def register(
    paths: RunPaths,
    run: str,
    period: int,
    patches: tuple[dict[int, str], list[Drawn], gpd.GeoDataFrame],
    identity: list[dict[str, Any]],
    lineage: list[dict[str, Any]],
) -> None:
    names, drawn, table = patches
    payloads = {}
    for row, at in zip(identity, names, strict=True):
        event = registered(
            1,
            run,
            patch_id=names[at],
            issued_id=drawn[at].issued_id,
            source=table["source"][at],
            after_date=DATES[period].isoformat(),
            wkb=outline_wkb(table.geometry[at]),
            **{name: row[name] for name in ("lineage_id", "parent_id", "lineage_relation")},
        )
        payloads[names[at]] = dict(event.payload)
    with open_register(paths.register(COUNTY), CRS_WKT) as book:
        events = book.append(
            [NewEvent("patch_registered", run, key, row) for key, row in payloads.items()],
            RECORDED_AT,
        )
        book.append(lineage_events(run, payloads, lineage, events), RECORDED_AT)
        book.append(
            [NewEvent("collected", run, run, {"received": 0, "accepted": 0, "rejected": 0})],
            RECORDED_AT,
        )


def judge(paths: RunPaths, run: str, played: Played) -> None:
    said = {"lawful": ("new_lawful", "approved"), "false_change": ("other_use", "false_change")}
    events = []
    for at, name in played.names[run].items():
        one = played.drawn[run][at]
        settled = None if one.site < 0 else played.sites[one.site].settled
        if settled:
            judgement, detail = said[settled]
            payload = dict.fromkeys(JUDGEMENT_COLUMNS) | {
                "judgement": judgement,
                "judgement_detail": detail,
                "judged_by": "李四",
                "reviewed_by": "王五",
                "judged_date": "2026-04-10",
            }
            events.append(NewEvent("judgement_signed", run, name, payload))
    with open_register(paths.register(COUNTY), CRS_WKT) as book:
        book.append(events, RECORDED_AT)


def true_links(played: Played) -> set[tuple[Key, Key]]:
    """Which patch is the land of which earlier one, by the true outlines."""
    links = set()
    last: dict[int, list[tuple[str, str]]] = defaultdict(list)
    """Site → patches of the latest run in which it was registered."""
    at_name = {
        (run, name): played.drawn[run][at]
        for run, names in played.names.items()
        for at, name in names.items()
    }
    for period, run in enumerate(RUNS):
        names = played.names[run]
        now: dict[int, list[tuple[str, str]]] = defaultdict(list)
        for at, name in names.items():
            one = played.drawn[run][at]
            if one.site < 0:
                continue
            site = played.sites[one.site]
            shape = site.pieces[period][one.piece]
            for earlier_run, earlier in last[one.site]:
                piece = at_name[earlier_run, earlier].piece
                before = site.pieces[RUNS.index(earlier_run)][piece]
                if shapely.area(shapely.intersection(before, shape)) > 0.0:
                    links.add(((run, name), (earlier_run, earlier)))
            now[one.site].append((run, name))
        last |= now
    return links


def _drawn(played: Played, key: Key) -> Drawn:
    run, name = key
    at = {known: at for at, known in played.names[run].items()}[name]
    return played.drawn[run][at]


@pytest.fixture(scope="module", params=SEEDS)
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("periods"), request.param)


def found_links(played: Played) -> set[tuple[Key, Key]]:
    return {
        ((row["run"], row["patch_id"]), (row["earlier_run"], row["earlier_patch_id"]))
        for row in played.lineage
        if row["lineage_relation"] not in ("vanished", "adjoins")
    }


def test_identity_over_four_periods(played: Played) -> None:
    found, true = found_links(played), true_links(played)
    right = len(found & true)
    f1 = 2.0 * right / (len(found) + len(true))
    print(f"links {len(true)}, found {len(found)}, right {right}, F1 {f1:.4f}")
    assert len(true) > 2 * N_SITES
    assert f1 >= 0.98


def test_nothing_open_is_told_as_new(played: Played) -> None:
    """Every patch on land of an open one has its id, or is a child of it, and has its lineage."""
    reissued = []
    links = true_links(played)
    families: dict[Key, set[str]] = defaultdict(set)
    for now, earlier in links:
        families[now].add(earlier[1])
    for now, earlier in sorted(links):
        row, before = played.identity[now], played.identity[earlier]
        one = _drawn(played, earlier)
        if played.sites[one.site].settled and earlier[0] == RUNS[0]:
            continue  # settled: told anew only because it grew or was issued
        family = families[now]
        is_same = now[1] in family or now[1].rpartition("_")[0] in family
        is_told = row["is_continuing"] and bool(row["earlier_patches"])
        is_lineage = (
            row["lineage_id"] == before["lineage_id"] or row["lineage_relation"] == "merged"
        )
        if not (is_same and is_told and is_lineage):
            reissued.append((now, earlier))
    assert reissued == []


def expected(played: Played) -> Iterator[tuple[str, str, str | None, str | None]]:
    """Run, kind of site, relation to be told and relation told, of all that was seen whole."""
    for period, run in enumerate(RUNS):
        partial = {one.site for one in played.drawn[RUNS[max(0, period - 1)]] if one.is_partial}
        for at, name in played.names[run].items():
            one = played.drawn[run][at]
            if one.site < 0 or one.is_partial or one.site in partial:
                continue
            site = played.sites[one.site]
            told = played.identity[run, name]["lineage_relation"]
            yield run, site.kind, site.relations[period], told


def test_what_became_of_each_is_told(played: Played) -> None:
    rows = list(expected(played))
    wrong = [row for row in rows if row[2] != row[3]]
    assert len(wrong) <= 0.02 * len(rows), wrong[:10]
    assert {row[2] for row in rows} >= {"grew", "shrank", "split", "merged", "returned"}


def test_what_vanished_is_told_once_when_it_did(played: Played) -> None:
    gone: dict[int, list[str]] = defaultdict(list)
    for row in played.lineage:
        if row["lineage_relation"] == "vanished":
            one = _drawn(played, (row["earlier_run"], row["earlier_patch_id"]))
            gone[one.site].append(row["run"])
    for number, site in enumerate(played.sites):
        if site.kind == "vanishes":
            assert gone.pop(number) == ["2026Q3"], number
        elif site.kind == "returns":
            assert gone.pop(number) == ["2026Q2"], number
    assert all(number < 0 or played.sites[number].settled for number in gone), gone


def test_settled_places_are_set_aside_unless_they_grew_or_were_issued(played: Played) -> None:
    for period, run in enumerate(RUNS):
        kept = set(played.names[run])
        for at, one in enumerate(played.drawn[run]):
            site = played.sites[one.site] if one.site >= 0 else None
            is_skipped = site is not None and period in site.skipped
            assert (at not in kept) == is_skipped, (run, site and site.kind)


def test_numbers_stay_when_a_period_is_extracted_again_with_other_outlines(tmp_path: Path) -> None:
    grid, run = the_grid(), RUNS[0]
    paths = RunPaths.for_run(tmp_path, run)
    table = as_table(draw(build_world(1, 40), 0, 1), grid)
    first = identify_patches(a_run(paths, run, DATES[0]), grid, table)
    again = identify_patches(a_run(paths, run, DATES[0]), grid, table)
    assert again.patch_ids == first.patch_ids
    # Another threshold: outlines a pixel wider, so that first pixels move, and one patch fewer.
    wider = table.assign(first_row=table["first_row"] - 1, geometry=table.buffer(GSD_M))
    fewer = wider.drop(index=3).reset_index(drop=True)
    third = identify_patches(a_run(paths, run, DATES[0]), grid, fewer)
    assert third.patch_ids == [name for at, name in enumerate(first.patch_ids) if at != 3]
    other = RunPaths.for_run(tmp_path, RUNS[1])
    elsewhere = identify_patches(a_run(other, RUNS[1], DATES[1]), grid, table)
    assert not set(elsewhere.patch_ids) & set(first.patch_ids)
