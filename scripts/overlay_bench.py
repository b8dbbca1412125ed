"""The overlay against `geopandas.overlay` and against direct intersection with a giant zone.

Every job is a process of its own, in turns (A B A B …), and timed from reading its files to its
table; ratios are of medians. CPU time is the steadier one where others use the machine. Layers come
from a generator given by path (`GENERATOR OUT PARCELS PATCHES` writes `parcels.gpkg` with column
`pid` and `changes.gpkg` with `cid`), so that nothing is read that was not named.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = 20
"""Patches that are intersected directly with the giant zone; all of them would take an hour."""
ZONE_SHARE = 70
"""Of a hundred parcels, how many make up the giant zone."""
BATCH = 2048
THREADS = 2
TINY = "tiny"
"""Folder of a handful of the patches."""


def _read(folder: Path) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    return gpd.read_file(folder / "changes.gpkg"), gpd.read_file(folder / "parcels.gpkg")


def geopandas_overlay(folder: Path) -> dict[str, float]:
    """The peer: files in, a table of pieces with both ids and their planar areas out."""
    patches, parcels = _read(folder)
    pieces = gpd.overlay(patches, parcels, how="intersection", keep_geom_type=True)
    return {"pieces": len(pieces), "area_m2": float(pieces.area.sum())}


def own_partition(folder: Path) -> dict[str, float]:
    """The same by this program's partition: disjoint faces, and each parcel that covers one."""
    from pipeline.patches.lines import index_lines
    from pipeline.patches.partition import split_patches

    patches, parcels = _read(folder)
    outlines = np.asarray(patches.geometry.to_numpy(), dtype=object)
    shapes = np.asarray(parcels.geometry.to_numpy(), dtype=object)
    near = np.unique(shapely.STRtree(shapes).query(outlines)[1])
    shapes, pid = shapes[near].copy(), parcels["pid"].to_numpy()[near]
    del parcels  # as the product does, which keeps of a layer what lies near patches
    lines, tree = index_lines(shapes), shapely.STRtree(shapes)

    def batch(first: int) -> gpd.GeoDataFrame:
        some = outlines[first : first + BATCH]
        pieces = split_patches(range(some.size), some, lines.near(shapely.bounds(some), some))
        face, parcel = tree.query(pieces.points).astype(np.int64)
        x, y = shapely.get_x(pieces.points), shapely.get_y(pieces.points)
        inside = lines.covers(parcel, x[face], y[face])
        face, parcel = face[inside], parcel[inside]
        cid = patches["cid"].to_numpy()[first + pieces.patch[face]]
        columns = {"cid": cid, "pid": pid[parcel], "area_m2": shapely.area(pieces.faces)[face]}
        return gpd.GeoDataFrame(columns, geometry=pieces.faces[face], crs=patches.crs)

    with ThreadPoolExecutor(THREADS) as pool:
        tables = list(pool.map(batch, range(0, len(outlines), BATCH)))
    table = pd.concat(tables, ignore_index=True)
    return {"pieces": len(table), "area_m2": float(table["area_m2"].sum())}


def own_overlay(folder: Path) -> dict[str, float]:
    """The whole stage in memory: parts, ellipsoidal areas, 亩, every column of every patch."""
    from pipeline.patches.area import area_mu100, ellipsoidal_area_m2
    from pipeline.patches.covering import PatchDates, as_days, prepare_layer
    from pipeline.patches.overlay import overlay_patches
    from pipeline.patches.townships import AssignmentParams
    from pipeline.schema.layers import PATCHES
    from pipeline.schema.reference import REFERENCE_LAYERS
    from pipeline.stages.overlay import load_overlay_codes

    patches, parcels = _read(folder)
    outlines = np.asarray(patches.geometry.to_numpy(), dtype=object)
    area = ellipsoidal_area_m2(outlines, patches.crs)
    columns: dict[str, Any] = dict.fromkeys(PATCHES.fields)
    columns |= {"area_m2": area, "area_mu100": area_mu100(area)}
    columns["patch_id"] = [f"379999ZJ24{n:06d}" for n in range(len(patches))]
    columns |= {"before_date": "2024-05-06", "after_date": "2024-10-18"}
    table = gpd.GeoDataFrame(columns, geometry=outlines, crs=patches.crs)
    x0, y0, x1, y1 = parcels.total_bounds
    given = {
        "townships": (
            [shapely.box(x0 - 9, y0 - 9, x1 + 9, y1 + 9)],
            {"township_code": "379999001"},
        ),
        "land_use": (
            parcels.geometry.to_numpy(),
            {"feature_id": parcels["pid"].astype(str), "land_class_code": parcels["dlbm"]},
        ),
    }
    layers = {}
    for name, (shapes, fields) in given.items():
        row = dict.fromkeys(REFERENCE_LAYERS[name].fields) | {"feature_id": "1"} | fields
        frame = gpd.GeoDataFrame(row, geometry=shapes, crs=patches.crs, index=range(len(shapes)))
        layers[name] = prepare_layer(frame, outlines, development_zone_first=True)
    dates = PatchDates(as_days(table["before_date"]), as_days(table["after_date"]))
    codes, params = load_overlay_codes(), AssignmentParams()
    pieces, total = 0, 0.0
    for first in range(0, len(table), BATCH):
        rows = np.arange(first, min(first + BATCH, len(table)))
        done = overlay_patches(table.iloc[rows], dates.of(rows), layers, codes, params)
        twice = done.gaps_overlaps[done.gaps_overlaps["cover_state"] == "overlap"]
        own = done.parts[done.parts["land_use_id"].notna()]
        pieces += len(own)
        total += float(own.area.sum() + (twice.area * twice["other_feature_ids"].map(len)).sum())
    return {"pieces": pieces, "area_m2": total}


def giant_zone(folder: Path) -> dict[str, float]:
    """Per-patch areas in a dissolved zone: ours for all patches, direct for a sample of them."""
    from pipeline.patches.lines import index_lines
    from pipeline.patches.partition import split_patches

    patches, parcels = _read(folder)
    outlines = np.asarray(patches.geometry.to_numpy(), dtype=object)
    chosen = parcels.geometry[parcels["pid"] % 100 < ZONE_SHARE].to_numpy()
    united = shapely.get_parts(shapely.union_all(chosen))
    zone = united[shapely.get_num_coordinates(united).argmax()]
    sample = np.random.default_rng(1).choice(len(outlines), SAMPLE, replace=False)
    started = time.process_time()
    direct = shapely.area(shapely.intersection(outlines[sample], zone))
    direct_s = time.process_time() - started
    zones = np.array([zone], dtype=object)
    started = time.process_time()
    lines = index_lines(zones)
    shapely.prepare(zones)
    own = np.zeros(len(outlines))
    for first in range(0, len(outlines), BATCH):
        some = outlines[first : first + BATCH]
        pieces = split_patches(range(some.size), some, lines.near(shapely.bounds(some), some))
        inside = shapely.contains_xy(
            zone, shapely.get_x(pieces.points), shapely.get_y(pieces.points)
        )
        area = np.where(inside, shapely.area(pieces.faces), 0.0)
        own[first : first + some.size] = np.bincount(pieces.patch, area, some.size)
    own_s = time.process_time() - started
    return {
        "vertices": int(shapely.get_num_coordinates(zone)),
        "holes": int(shapely.get_num_interior_rings(zone)),
        "own_s": own_s,
        "direct_s": direct_s * len(outlines) / SAMPLE,
        "ratio": direct_s * len(outlines) / SAMPLE / own_s,
        "largest_difference_m2": float(np.abs(own[sample] - direct).max()),
    }


JOBS: dict[str, Callable[[Path], dict[str, float]]] = {
    "geopandas": geopandas_overlay,
    "partition": own_partition,
    "overlay": own_overlay,
    "zone": giant_zone,
}


def child(job: str, folder: Path) -> None:
    """Run one job in this process; figures go to standard output as one line of JSON.

    It runs on a handful of patches first: neither side is charged for imports or its first call.
    """
    JOBS[job](folder / TINY)
    started, cpu = time.perf_counter(), time.process_time()
    result = JOBS[job](folder)
    result["wall_s"], result["cpu_s"] = time.perf_counter() - started, time.process_time() - cpu
    result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result))


def in_its_own_process(job: str, folder: Path) -> dict[str, float]:
    """The figures of one job."""
    command = [sys.executable, str(ROOT / "scripts" / "bench.py"), "overlay-job", job, str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, text=True
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _generate(generator: Path, work: Path, parcels: int, patches: int) -> None:
    (work / TINY).mkdir(parents=True, exist_ok=True)
    if not (work / "changes.gpkg").exists():
        command = [sys.executable, str(generator), str(work), str(parcels), str(patches)]
        subprocess.run(command, check=True)
    patches_table, parcels_table = _read(work)
    few = patches_table.iloc[:100]
    few.to_file(work / TINY / "changes.gpkg")
    parcels_table.iloc[np.unique(parcels_table.sindex.query(few.geometry)[1])].to_file(
        work / TINY / "parcels.gpkg"
    )


def compare(generator: Path, work: Path, parcels: int, patches: int, rounds: int) -> None:
    """Generate the layers once, run all jobs in turns and print medians and ratios."""
    _generate(generator, work, parcels, patches)
    names = ("geopandas", "partition", "overlay")
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            runs[name].append(in_its_own_process(name, work))
    medians = {
        name: {key: statistics.median(run[key] for run in own) for key in own[0]}
        for name, own in runs.items()
    }
    peer = medians["geopandas"]
    for name, own in medians.items():
        print(
            f"{name:10s} wall {own['wall_s']:6.2f} s ({own['wall_s'] / peer['wall_s']:.2f})  "
            f"cpu {own['cpu_s']:6.2f} s ({own['cpu_s'] / peer['cpu_s']:.2f})  "
            f"peak {own['peak_mib']:5.0f} MiB  pieces {own['pieces']:.0f}  "
            f"area {own['area_m2']:.6f} m2 ({own['area_m2'] / peer['area_m2'] - 1:+.1e})"
        )
    zone = in_its_own_process("zone", work)
    print("giant zone: " + ", ".join(f"{key} {value:.6g}" for key, value in zone.items()))
