"""Part of `extract`: which patches are land that earlier runs told of, and every patch's id.

Open patches keep their id; pieces of one become its children; all others get a number of their own.
Detected patches on land that was settled as lawful or no real change are set aside unless they have
grown; issued ones never are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipeline.change.linear import SCORE_UNOBSERVED
from pipeline.config.load import CODES_DIR, load_codes
from pipeline.grid import BLOCK_PX, Grid, PixelWindow
from pipeline.io.rasters import read_window
from pipeline.io.register.earlier import read_earlier
from pipeline.io.register.ids import reserve_ids
from pipeline.patches.components import ComponentSums
from pipeline.patches.identity import EarlierPatches, Identity, IdentityParams, Link, identify
from pipeline.patches.measures import id_stem, patch_ids
from pipeline.patches.numbering import Unnumbered
from pipeline.patches.pixel_sets import rasterise_outlines
from pipeline.rules.register.lineage import IDENTIFIED, Told, tell_earlier
from pipeline.rules.register.payloads import OUTLINE
from pipeline.schema.layer import LayerSpec
from pipeline.schema.register_layers import IDENTITY, LINEAGE
from pipeline.stages.context import Number, StageContext
from pipeline.stages.extract_lineage import identity_rows, lineage_rows, row_table

NO_REAL_CHANGE = "0"
"""Value of `is_real_change` in judgement_detail.csv for 伪变化 and its like."""


@dataclass(frozen=True, eq=False)
class Identified:
    """Every patch with its id, and what became of the patches of earlier runs."""

    is_settled: NDArray[np.bool_]
    """Which of the given patches are set aside, `(patch,)`."""
    recalled: frozenset[str]
    """Names of those that would be but for the setting `recall`."""
    patch_ids: list[str]
    """Of those that stay, in their order."""
    layers: dict[LayerSpec, pd.DataFrame]
    counts: dict[str, Number]


def identify_patches(context: StageContext, grid: Grid, kept: gpd.GeoDataFrame) -> Identified:
    """Put the run's patches, by their first pixel, beside those of earlier runs, and number them.

    A run without a county has no register: its patches are numbered in order.
    """
    run, params = context.run, context.run.settings.extract.identity
    year = None if run.after.date is None else run.after.date.year
    if run.county is None:
        in_order = patch_ids(run.county_code, year, len(kept))
        return Identified(np.zeros(len(kept), np.bool_), frozenset(), in_order, {}, {})
    told = _told(context, grid)
    found = _compare(grid, kept, told, params)
    links = _by_patch(found, told)
    is_settled = _settled(kept, (told, found, links), params)
    names = (kept["first_row"].astype(str) + "_" + kept["first_col"].astype(str)).to_numpy()
    is_recalled = is_settled & np.isin(names.astype(str), list(run.settings.extract.recall))
    is_settled &= ~is_recalled
    links = {now: mine for now, mine in links.items() if not is_settled[now]}
    stays = kept[~is_settled]
    positions = np.flatnonzero(~is_settled).tolist()
    ids = dict(zip(positions, _ids(context, stays, (told, links), positions), strict=True))
    gone = _vanished(context, grid, (told, found), params)
    identity = identity_rows(run.run, kept["issued_id"].tolist(), ids, (told, found, links), params)
    by_position = dict(zip(ids, identity, strict=True))
    lineage = lineage_rows(run.run, by_position, told, found, gone)
    layers: dict[LayerSpec, pd.DataFrame] = {
        IDENTITY: row_table(identity, IDENTITY),
        LINEAGE: row_table(lineage, LINEAGE),
    }
    relations = Counter(str(row["lineage_relation"]) for row in lineage)
    counts: dict[str, Number] = {
        "earlier_patches": len(told),
        "continuing": sum(bool(row["is_continuing"]) for row in identity),
        "dropped_settled_before": int(is_settled.sum()),
        **{f"lineage_{relation}": n for relation, n in sorted(relations.items())},
    }
    recalled = frozenset(names[is_recalled].tolist())
    return Identified(is_settled, recalled, list(ids.values()), layers, counts)


def _told(context: StageContext, grid: Grid) -> list[Told]:
    """What earlier runs told; nothing where outlines have no metres."""
    run = context.run
    if grid.crs is None or grid.is_geographic:
        return []
    after = None if run.after.date is None else run.after.date.isoformat()
    state = read_earlier(context.paths.register(run.county_code), run.run, after, grid.crs.to_wkt())
    details = load_codes(CODES_DIR / "judgement_detail.csv").attributes
    unreal = {code for code, one in details.items() if one["is_real_change"] == NO_REAL_CHANGE}
    return [] if state is None else tell_earlier(state, unreal)


def _compare(
    grid: Grid, kept: gpd.GeoDataFrame, told: list[Told], params: IdentityParams
) -> Identity:
    earlier = EarlierPatches(
        _outlines(told),
        np.array([one.site for one in told], np.int64),
        np.array([one.run_no for one in told], np.int64),
        np.array([one.is_head for one in told], np.bool_),
        np.array([one.is_missing for one in told], np.bool_),
        tuple(one.row["issued_id"] for one in told),
    )
    issued = tuple(None if pd.isna(value) else str(value) for value in kept["issued_id"])
    outlines = np.asarray(kept.geometry.to_numpy(), dtype=object)
    tolerance_m = max(params.min_tolerance_m, params.tolerance_px * grid.pixel_size_m)
    return identify(outlines, issued, earlier, tolerance_m, params)


def _outlines(told: list[Told]) -> NDArray[np.object_]:
    found: NDArray[np.object_] = np.empty(len(told), object)
    found[:] = shapely.from_wkb([one.row[OUTLINE] for one in told])
    return found


def _by_patch(found: Identity, told: list[Told]) -> dict[int, list[Link]]:
    """Links of every linked patch; first the one whose identity it takes: open, most overlap."""
    links: dict[int, list[Link]] = defaultdict(list)
    for link in found.links:
        links[link.now].append(link)
    for mine in links.values():
        mine.sort(
            key=lambda link: (
                told[link.earlier].state not in IDENTIFIED,
                -link.overlap_m2,
                link.earlier,
            )
        )
    return links


def _settled(
    kept: gpd.GeoDataFrame,
    compared: tuple[list[Told], Identity, dict[int, list[Link]]],
    params: IdentityParams,
) -> NDArray[np.bool_]:
    """Detected patches on settled land alone that have not grown."""
    told, found, links = compared
    is_settled = np.zeros(len(kept), np.bool_)
    sources = kept["source"].tolist()
    for now, mine in links.items():
        is_settled[now] = (
            sources[now] == "detected"
            and all(told[link.earlier].is_settled for link in mine)
            and found.grown_m2[now] < params.min_growth_m2
        )
    return is_settled


def _ids(
    context: StageContext,
    stays: gpd.GeoDataFrame,
    linked: tuple[list[Told], dict[int, list[Link]]],
    positions: list[int],
) -> list[str]:
    """Ids of the patches that stay: of the open patch they are, of a piece of it, or new."""
    told, links = linked
    run = context.run
    year = None if run.after.date is None else run.after.date.year
    taken = {
        now: told[mine[0].earlier]
        for now, mine in links.items()
        if told[mine[0].earlier].state in IDENTIFIED
    }
    pieces = Counter(one.key for one in taken.values())
    ids: dict[int, str] = {}
    claimed: set[str] = set()
    stems: dict[int, str] = {}
    for now in positions:
        parent = taken.get(now)
        if parent is not None and pieces[parent.key] == 1 and parent.key[1] not in claimed:
            ids[now] = parent.key[1]
            claimed.add(parent.key[1])
        elif parent is not None and pieces[parent.key] > 1:
            stems[now] = parent.key[1]
        else:
            stems[now] = id_stem(run.county_code, year)
    rows = stays.iloc[[at for at, now in enumerate(positions) if now in stems]]
    wanted = Unnumbered(
        tuple(stems.values()),
        rows["first_row"].to_numpy(np.int64),
        rows["first_col"].to_numpy(np.int64),
        tuple("" if pd.isna(value) else str(value) for value in rows["issued_id"]),
        np.asarray(rows.geometry.to_numpy(), dtype=object),
    )
    book = context.paths.id_book(run.county_code)
    used = [one.key[1] for one in told]
    ids |= dict(zip(stems, reserve_ids(book, run.run, wanted, used), strict=True))
    return [ids[now] for now in positions]


def _vanished(
    context: StageContext,
    grid: Grid,
    compared: tuple[list[Told], Identity],
    params: IdentityParams,
) -> list[Told]:
    """Patches that no patch of the run met although their land was seen, told for the first time.

    Not seen is not vanished.
    """
    told, found = compared
    unmet = [told[at] for at in found.unmet.tolist() if not told[at].is_missing]
    if not unmet:
        return []
    pixels = rasterise_outlines(_outlines(unmet), grid)
    hidden = ComponentSums(pixels.inside, (SCORE_UNOBSERVED,))
    source = str(context.paths.detect_score)
    for row0 in range(0, grid.height, BLOCK_PX):
        window = PixelWindow(row0, min(row0 + BLOCK_PX, grid.height), 0, grid.width)
        hidden.add_window(window, read_window(source, (1,), window)[0])
    seen = (pixels.inside.n_pixels - hidden.counts[:, 0]) / pixels.n_pixels
    return [
        one for one, ratio in zip(unmet, seen, strict=True) if ratio >= params.min_observed_ratio
    ]
