"""The stage `package`: what each township gets, what it must never get, the same bytes again."""

from __future__ import annotations

import csv
import datetime
import json
import re
import shutil
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
import rasterio
import shapely
from pyproj import Transformer
from rio_cogeo.cogeo import cog_validate

from pipeline.errors import InputError
from pipeline.io.digests import content_digest, file_sha256
from pipeline.io.runs import RunPaths
from pipeline.io.vectors import read_layer
from pipeline.schema.delivered import (
    COUNTY,
    DELIVERED_PARTS,
    MU_COLUMNS,
    ROUTE,
    STOPS,
    TOWNSHIP,
    VERIFY,
)
from pipeline.stages import card_press
from pipeline.stages.context import StageReport
from tests.package_factory import (
    LAND,
    NAMES,
    PATCHES,
    VILLAGES,
    WORKING,
    X0,
    Y0,
    A,
    B,
    C,
    D,
    county_run,
    package_county,
    patch_id,
)
from tests.pdf_text import pdf_lines
from tests.wording import unguarded

BUFFER_M = 50
FILES = {
    "verify.gpkg",
    "verify.qgz",
    "before.tif",
    "after.tif",
    "cards.pdf",
    "register.xlsx",
    "patches.kml",
    "route.csv",
    "readme.txt",
    "manifest.json",
}


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunPaths, StageReport]:
    return package_county(tmp_path_factory.mktemp("county"))


@pytest.fixture(scope="module")
def paths(county: tuple[RunPaths, StageReport]) -> RunPaths:
    return county[0]


def folder(paths: RunPaths, code: str) -> Path:
    return paths.package(code, NAMES[code])


def texts_of(file: Path) -> Iterator[str]:
    """Every text in a delivered file, as somebody who looks for it would find it."""
    if file.suffix == ".gpkg":
        with closing(sqlite3.connect(file)) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            for (name,) in names.fetchall():
                if not name.startswith("rtree_"):
                    rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
                    yield from (str(v) for row in rows for v in row if isinstance(v, str))
        # Also what was deleted or overwritten inside the file.
        yield file.read_bytes().decode("utf-8", "ignore")
    elif file.suffix in (".qgz", ".xlsx"):
        with zipfile.ZipFile(file) as archive:
            yield from (archive.read(name).decode("utf-8", "ignore") for name in archive.namelist())
    elif file.suffix == ".pdf":
        if shutil.which("pdftotext"):
            done = subprocess.run(["pdftotext", file, "-"], capture_output=True, check=True)
            yield done.stdout.decode("utf-8").replace("\n", "")
    elif file.suffix == ".tif":
        with rasterio.open(file) as image:
            yield json.dumps([image.tags(), image.descriptions])
    else:
        yield file.read_text(encoding="utf-8-sig")


def test_every_township_with_patches_gets_one_package(
    county: tuple[RunPaths, StageReport],
) -> None:
    paths, report = county
    found = sorted(path.name for path in paths.packages.iterdir())
    expected = [f"{code}_{NAMES[code]}" for code in (A, B, D)]
    assert found == sorted([*expected, *(f"{name}.zip" for name in expected)])
    assert report.counts["packages"] == 3
    assert report.counts["patches"] == 7
    assert report.counts["patches_outside"] == 1
    assert report.counts["townships_without_package"] == 1
    assert [notice.code for notice in report.notices] == ["N-LAYER-GAP"]
    for code in (A, B, D):
        assert {path.name for path in folder(paths, code).iterdir()} == FILES


@pytest.mark.parametrize("code", [A, B, D])
def test_a_package_names_nobody_else(paths: RunPaths, code: str) -> None:
    foreign = {name for other, name in NAMES.items() if other != code}
    foreign |= {other for other in NAMES if other != code}
    foreign |= {patch_id(n) for n, owner, _, _ in PATCHES if owner != code}
    foreign |= {f"2024Q3-{n:04d}" for n, owner, _, _ in PATCHES if owner != code}
    foreign |= {text for key, name in VILLAGES.items() if key[:9] != code for text in (key, name)}
    foreign |= {f"巡查员{other[-3:]}" for other in NAMES if other != code} | {"举报人", "张三"}
    if code != B:
        foreign |= {"王某", "B区〔2022〕1号", "2023-B-9", "B的旧图斑"}
    for file in sorted(folder(paths, code).iterdir()):
        for text in texts_of(file):
            assert not [word for word in foreign if word in text], (file.name, text[:80])


def test_the_search_for_foreign_names_can_find_them(paths: RunPaths) -> None:
    """The county's own file holds them all: the test above looks in the right way."""
    found = "".join(texts_of(paths.delivery / "county.gpkg"))
    assert all(word in found for word in (*NAMES.values(), patch_id(4), "巡查员002"))
    own = "".join(text for file in sorted(folder(paths, A).iterdir()) for text in texts_of(file))
    assert all(word in own for word in (NAMES[A], A, patch_id(2), "上清村"))


def test_pixels_end_at_the_buffer(paths: RunPaths) -> None:
    """Beyond the border plus buffer everything is blank, except around the straddling patch."""
    land = shapely.difference(LAND[A], LAND[D])
    shapes = [shape for _, code, shape, _ in PATCHES if code == A]
    visible = shapely.union_all([land, *shapes])
    for name in ("before.tif", "after.tif"):
        with (
            rasterio.open(folder(paths, A) / name) as image,
            rasterio.open(getattr(paths, f"align_{name[:-4]}")) as source,
        ):
            pixels, bounds = image.read(), image.bounds
            window = source.window(*bounds)
            original = source.read(window=window)
            rows, cols = np.mgrid[0 : image.height, 0 : image.width]
            x = bounds.left + 2 * (cols + 0.5)
            y = bounds.top - 2 * (rows + 0.5)
        distance = shapely.distance(visible, shapely.points(x.ravel(), y.ravel()))
        distance = distance.reshape(x.shape)
        is_blank = (pixels == 0).all(axis=0)
        assert is_blank[distance > BUFFER_M + 2].all()
        near = distance < BUFFER_M - 2
        np.testing.assert_array_equal(pixels[:, near], original[:, near])
        assert near.sum() > 0.5 * near.size
        east = bounds.right - X0
        assert 640 + BUFFER_M - 4 <= east <= 640 + BUFFER_M + 4
        assert cog_validate(str(folder(paths, A) / name), strict=True)[0]


def test_the_development_zone_is_blank_in_the_package_of_the_town_around(paths: RunPaths) -> None:
    """D is 150 m wide; with a buffer of 50 m its inner 50 m stay hidden from A."""
    with rasterio.open(folder(paths, A) / "after.tif") as image:
        values = list(image.sample([(X0 + 175, Y0 + 675), (X0 + 110, Y0 + 675)]))
    assert (values[0] == 0).all()
    assert (values[1] != 0).any()


def test_layers_of_the_package(paths: RunPaths) -> None:
    path = folder(paths, A) / "verify.gpkg"
    patches = read_layer(path, VERIFY)
    assert patches["patch_id"].tolist() == [patch_id(n) for n in (1, 2, 3)]
    assert (patches["township_code"] == A).all()
    # The straddling patch goes whole.
    assert patches.geometry.iloc[1].equals(PATCHES[1][2])
    parts = read_layer(path, DELIVERED_PARTS)
    assert set(parts["patch_id"]) == set(patches["patch_id"])
    assert read_layer(path, TOWNSHIP)["township_code"].tolist() == [A]
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        layers = {row[0] for row in connection.execute("SELECT table_name FROM gpkg_contents")}
        styled = {row[0] for row in connection.execute("SELECT f_table_name FROM layer_styles")}
    assert version <= 10300
    assert layers == styled | {"layer_styles"}
    assert {"patches", "parts", "township", "ref_land_use", "ref_approvals"} <= layers
    assert not layers & {"ref_leads", "ref_townships", "ref_issued_patches"}


def test_figures_agree_in_map_register_and_county(paths: RunPaths) -> None:
    county = read_layer(paths.delivery / "county.gpkg", COUNTY).set_index("patch_id")
    total = 0
    for code in (A, B, D):
        patches = read_layer(folder(paths, code) / "verify.gpkg", VERIFY).set_index("patch_id")
        columns = list(MU_COLUMNS)
        assert patches[columns].equals(county.loc[patches.index, columns])
        sheet = openpyxl.load_workbook(folder(paths, code) / "register.xlsx", data_only=True)[
            "图斑台账"
        ]
        rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
        header = next(row for row in rows if "patch_id" in row)
        at = header.index("area_mu")
        listed = [row for row in rows if str(row[header.index("patch_id")]).startswith("379999ZJ")]
        assert [row[at] for row in listed] == patches["area_mu"].tolist()
        assert rows[-1][at] == pytest.approx(patches["area_mu100"].sum() / 100, abs=1e-9)
        total += int(patches["area_mu100"].sum())
    outside = county["township_code"].isna()
    assert total == int(county.loc[~outside, "area_mu100"].sum())


def test_manifest_and_zip_agree_with_the_folder(paths: RunPaths) -> None:
    own = folder(paths, A)
    manifest = json.loads((own / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["files"].keys() == FILES - {"manifest.json"}
    for name, entry in manifest["files"].items():
        assert entry == {"sha256": file_sha256(own / name), "size": (own / name).stat().st_size}
    assert manifest["counts"] == {"patches": 3, "parts": 6}
    assert re.fullmatch(rf"T1-{A}-[0-9a-f]{{8}}", manifest["package_id"])
    patches = read_layer(own / "verify.gpkg", VERIFY)
    assert (patches["package_id"] == manifest["package_id"]).all()
    with zipfile.ZipFile(own.with_name(f"{own.name}.zip")) as archive:
        assert {Path(name).name for name in archive.namelist()} == FILES
        for name in FILES:
            assert archive.read(f"{own.name}/{name}") == (own / name).read_bytes()


def test_the_bureau_keeps_all_patches_and_empty_forms(paths: RunPaths) -> None:
    found = {path.name for path in paths.delivery.iterdir()}
    forms = {"judgements.xlsx", "cases.xlsx", "county_inputs.xlsx"}
    assert found == {"county.gpkg", "county.qgz", "readme.txt", *forms}
    assert len(read_layer(paths.delivery / "county.gpkg", COUNTY)) == 7
    with zipfile.ZipFile(paths.delivery / "county.qgz") as archive:
        project = archive.read("county.qgs").decode("utf-8")
    assert "<datasource>../align/after.tif</datasource>" in project
    assert str(paths.root) not in project
    assert "ref_leads" not in project


def test_the_readme_says_where_nothing_was_found_and_how_much_was_seen(paths: RunPaths) -> None:
    text = (paths.delivery / "readme.txt").read_text(encoding="utf-8-sig")
    told = "看得见的土地上本期未见需核查的图斑，两期均可观测 50.0%；“未见”不等于没有变化。"
    assert f"{C} {NAMES[C]}：{told}" in text
    assert "1 个图斑不在任何乡镇范围内" in text
    own = (folder(paths, A) / "readme.txt").read_text(encoding="utf-8-sig")
    for word in ("内部资料", "50 米", "2024-11-20", "线索", "T1-"):
        assert word in own
    assert unguarded(text + own) == []


@pytest.mark.parametrize("code", [A, B, D])
def test_the_day_plan_visits_every_patch_once_wherever_it_is_told(
    paths: RunPaths, code: str
) -> None:
    """CSV, sheet, layers, readme and cards tell the same plan, of the own patches only."""
    own = folder(paths, code)
    wanted = {patch_id(n) for n, owner, _, _ in PATCHES if owner == code}
    with (own / "route.csv").open(encoding="utf-8-sig", newline="") as stream:
        listed = [list(row) for row in csv.reader(stream)]
    column = next(n for n, title in enumerate(listed[0]) if title.startswith("图斑编号"))
    assert listed[0][:2] == ["第几天", "当天第几站"]
    told = [(int(row[0]), int(row[1]), row[column]) for row in listed[1:]]
    assert len(told) == len(wanted)
    assert {patch for _, _, patch in told} == wanted
    stops, route = (read_layer(own / "verify.gpkg", spec) for spec in (STOPS, ROUTE))
    keys = ["visit_day", "visit_order", "patch_id"]
    assert list(stops[keys].itertuples(index=False, name=None)) == told
    patches = read_layer(own / "verify.gpkg", VERIFY).set_index("patch_id")
    for row in stops.itertuples():
        assert shapely.covers(patches.geometry[row.patch_id], row.geometry)
    assert route["stop_count"].sum() == len(wanted)
    for row in route.itertuples():
        day = stops[stops["visit_day"] == row.visit_day]
        (trip,) = row.geometry.geoms
        assert row.route_m == pytest.approx(trip.length, abs=0.1)
        assert [p.coords[0] for p in day.geometry] == list(trip.coords)[1:-1]
        assert trip.coords[0] == trip.coords[-1]
    sheet = openpyxl.load_workbook(own / "register.xlsx")["核查路线"]
    cells = [[str(c.value) for c in row] for row in sheet.iter_rows()]
    assert [row[2] for row in cells if row[2] in wanted] == [patch for *_, patch in told]
    readme = (own / "readme.txt").read_text(encoding="utf-8-sig")
    assert f"{len(wanted)} 个图斑，一个组每天 8 个（示例口径，待上级文件确认）" in readme
    assert "一个组走得完" in readme
    assert " → ".join(str(int(patch[-6:])) for *_, patch in told) in readme
    words = "".join("".join(line) for line in pdf_lines((own / "cards.pdf").read_bytes()))
    for day, order, _ in told:
        assert f"第{day}天第{order}站" in words


def test_the_bureau_sees_every_plan(paths: RunPaths) -> None:
    stops = read_layer(paths.delivery / "county.gpkg", STOPS)
    sent = {patch_id(n): owner for n, owner, _, _ in PATCHES if owner is not None}
    assert dict(zip(stops["patch_id"], stops["township_code"], strict=True)) == sent
    route = read_layer(paths.delivery / "county.gpkg", ROUTE)
    assert sorted(route["township_code"]) == sorted({A, B, D})


def test_days_begin_at_the_stated_seat(tmp_path: Path) -> None:
    seat = (X0 + 30.0, Y0 + 40.0)
    lon, lat = Transformer.from_crs(WORKING, 4490, always_xy=True).transform(*seat)
    paths, _ = package_county(tmp_path, county_run(seats={A: (lon, lat)}))
    (trip,) = read_layer(folder(paths, A) / "verify.gpkg", ROUTE).geometry[0].geoms
    assert trip.coords[0] == pytest.approx(seat, abs=0.01)
    assert "从乡镇政府驻地出发" in (folder(paths, A) / "readme.txt").read_text("utf-8-sig")


@pytest.mark.parametrize("seats", [{"370000001": (114.0, 30.7)}, {A: (30.7, 114.0)}])
def test_a_seat_that_can_not_be_is_refused(tmp_path: Path, seats: Any) -> None:
    with pytest.raises(InputError) as refused:
        package_county(tmp_path, county_run(seats=seats))
    assert [finding.code for finding in refused.value.findings] == ["E-CONFIG-VALUE"]


def test_kml_without_outlines_gives_no_coordinates_of_borders(tmp_path: Path) -> None:
    paths, _ = package_county(tmp_path, county_run(kml_outlines=False))
    text = (folder(paths, A) / "patches.kml").read_text(encoding="utf-8")
    assert "<Point>" in text
    assert "Polygon" not in text


def test_the_same_inputs_give_the_same_bytes(paths: RunPaths, tmp_path: Path) -> None:
    again, _ = package_county(tmp_path)
    for tree in ("packages", "delivery"):
        first = {p.relative_to(paths.root): p for p in sorted((paths.root / tree).rglob("*.*"))}
        second = {p.relative_to(again.root): p for p in sorted((again.root / tree).rglob("*.*"))}
        assert first.keys() == second.keys()
        for name, file in first.items():
            assert content_digest(file) == content_digest(second[name]), name
            assert file_sha256(file) == file_sha256(second[name]), name


def test_cards_are_the_same_wherever_they_are_typeset(
    paths: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_press, "PAGES_HERE", 1)
    again, _ = package_county(tmp_path)
    for code in (A, B, D):
        name = "cards.pdf"
        assert file_sha256(folder(again, code) / name) == file_sha256(folder(paths, code) / name)


def test_a_press_that_dies_is_made_up_for(
    paths: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying:
        def __init__(self, *args: object, **kwargs: object) -> None: ...

        def shutdown(self, **kwargs: object) -> None: ...

        def submit(self, *args: object) -> Future[bytes]:
            future: Future[bytes] = Future()
            future.set_exception(BrokenProcessPool("killed"))
            return future

    monkeypatch.setattr(card_press, "PAGES_HERE", 0)
    monkeypatch.setattr(card_press, "ProcessPoolExecutor", Dying)
    again, _ = package_county(tmp_path)
    name = "cards.pdf"
    assert file_sha256(folder(again, A) / name) == file_sha256(folder(paths, A) / name)


def test_the_date_inside_files_is_the_runs(paths: RunPaths) -> None:
    with closing(sqlite3.connect(folder(paths, A) / "verify.gpkg")) as connection:
        stamps = {
            row[0][:10] for row in connection.execute("SELECT last_change FROM gpkg_contents")
        }
    assert stamps == {datetime.date(2024, 10, 30).isoformat()}


def test_texts_that_look_like_formulas_stay_texts(paths: RunPaths) -> None:
    book: Any = openpyxl.load_workbook(folder(paths, A) / "register.xlsx")
    sheet = book["图斑台账"]
    formulas = [
        cell.coordinate for row in sheet.iter_rows() for cell in row if cell.data_type == "f"
    ]
    assert {int(re.sub("[A-Z]", "", name)) for name in formulas} == {sheet.max_row}
