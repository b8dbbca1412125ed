"""The whole county, from a seed to the files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from .deliver import deliver
from .imagery import write_imagery
from .layout import lay_out
from .nuisances import Nuisance, place_nuisances
from .place import ellipsoid_area_m2
from .plants import Plant, plant_all
from .scenery import build_scenery
from .sensor import GSD_M
from .siting import Ground
from .truth import change_rows, faint_share, measure_contrast
from .write import fix_clock, write_gpkg

META = """\
# 程序生成的示例县影像，虚构，不对应任何真实地点。
bands: [blue, green, red, nir]
before_date: 2024-05-06
after_date: 2024-10-18
before_mask: before_mask.tif
after_mask: after_mask.tif
mask: {0: clear, 1: nodata, 2: cloud, 3: shadow}
label: {0: unchanged, 1: built, 255: not seen}
"""


def make_county(raw: Path, reference: Path, seed: int, size: int) -> str:
    """Write imagery, truth and layers; return a summary in Chinese."""
    fix_clock()
    side_m = size * GSD_M
    plants, ground = _found(seed, side_m)
    sensors = ground.sensors
    nuisances = place_nuisances(ground.county, ground.scenery, plants, sensors)
    water = write_imagery(raw, ground, plants, [s for n in nuisances for s in n.shapes])
    (raw / "meta.yaml").write_text(META, encoding="utf-8", newline="\n")
    contrast = measure_contrast(raw, plants, water, sensors)
    areas = [ellipsoid_area_m2(plant.footprint) for plant in plants]
    rows = change_rows(plants, contrast, areas)
    shaped = [{**row, "geometry": p.footprint} for row, p in zip(rows, plants, strict=True)]
    write_gpkg(raw / "truth.gpkg", "changes", shaped)
    papers = deliver(raw, reference, plants, ground)
    events = sorted(papers.events, key=lambda e: (str(e["truth_id"]), str(e["date"])))
    write_gpkg(raw / "truth.gpkg", "events", events)
    write_gpkg(raw / "truth.gpkg", "nuisances", _nuisance_rows(nuisances))
    return _summary(plants, size, faint_share(plants, contrast))


LAYOUTS = 12
SEED_STEP = 1_000_003
"""Between the layouts tried for one seed: a small county does not always hold every case."""


def _found(seed: int, side_m: float) -> tuple[list[Plant], Ground]:
    """The first layout of a seed that holds every case."""
    for number in range(LAYOUTS):
        county = lay_out(seed + number * SEED_STEP, side_m)
        planted = plant_all(county, build_scenery(county))
        if planted is not None:
            return planted
    raise RuntimeError(f"no layout of seed {seed} holds every case at {side_m:.0f} m")


def _nuisance_rows(nuisances: list[Nuisance]) -> list[dict[str, object]]:
    return [
        {"nuisance_id": f"N{k:04d}", "code": n.code, "text": n.text, "geometry": n.footprint}
        for k, n in enumerate(nuisances, start=1)
    ]


def _summary(plants: list[Plant], size: int, faint: float) -> str:
    built = [p for p in plants if p.is_construction]
    cases = Counter(p.case.case_id for p in plants)
    return (
        f"{size} × {size} 像元（2 米）；变化 {len(plants)} 处，其中建设 {len(built)} 处，"
        f"情形 {len(cases)} 种，下发 {sum(bool(p.tblx) for p in plants)} 个；"
        f"可见建设中对比度低于 2σ 的占 {faint:.0%}"
    )
