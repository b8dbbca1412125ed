"""QGIS itself as the judge of a package: run where the system's python3 has PyQGIS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import CODES_DIR, load_codes
from pipeline.delivery.assets import FONT_PATH
from pipeline.delivery.book_styles import STATES
from pipeline.delivery.palette import SUSPECTED_COLORS
from pipeline.schema.delivered import FORM_COLUMNS, VERIFY
from tests.closing_factory import close_county
from tests.package_factory import NAMES, PATCHES, A, package_county

pytestmark = pytest.mark.qgis

SYSTEM_PYTHON = "/usr/bin/python3"
CHECK = Path(__file__).with_name("check_package.py")
COLOUR_TOLERANCE = 12
"""How far a rendered colour may lie from the symbol's, per channel."""


def has_qgis() -> bool:
    if not Path(SYSTEM_PYTHON).exists():
        return False
    done = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import qgis.core"], capture_output=True, check=False
    )
    return done.returncode == 0


def examine(folder: Path, project: str, layers: str, picture: Path) -> dict[str, Any]:
    """The report of a folder, from a process of its own."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["XDG_RUNTIME_DIR"] = str(picture.parent)
    done = subprocess.run(
        [SYSTEM_PYTHON, CHECK, folder, project, layers, picture, FONT_PATH],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A package carried to another place and made read-only, as from a stick."""
    if not has_qgis():
        pytest.skip("系统 python3 没有 PyQGIS，跳过")
    root = tmp_path_factory.mktemp("county")
    paths, _ = package_county(root)
    elsewhere = tmp_path_factory.mktemp("别处") / "核查包 一"
    shutil.copytree(paths.package(A, NAMES[A]), elsewhere)
    picture = tmp_path_factory.mktemp("maps") / "map.png"
    county = examine(paths.delivery, "county.qgz", "county.gpkg", picture)
    shutil.rmtree(root)
    for path in elsewhere.iterdir():
        path.chmod(0o444)
    elsewhere.chmod(0o555)
    before = sorted(path.name for path in elsewhere.iterdir())
    report = examine(elsewhere, "verify.qgz", "verify.gpkg", picture)
    elsewhere.chmod(0o755)
    report["county"] = county
    report["left_behind"] = sorted(set(report["files"]) - set(before))
    return report


def test_the_project_opens_without_any_warning(package: dict[str, Any]) -> None:
    assert package["read"]
    assert package["error"] == ""
    assert package["messages"] == []
    assert package["invalid"] == package["unresolved"] == []
    assert package["crs"] == "EPSG:4547"
    assert package["crs_valid"]
    assert package["groups"] == ["核查图斑", "管理图层", "影像"]
    assert package["n_layers"] == len(package["layers"]) + len(package["rasters"])
    assert not package["absolute"]
    assert package["canvas"]


def test_layers_come_in_the_runs_crs_with_their_features(package: dict[str, Any]) -> None:
    for name, layer in package["layers"].items():
        assert layer["valid"], name
        assert layer["crs"] == "EPSG:4547", name
        assert layer["n_features"] > 0, name
    assert package["layers"]["patches"]["n_features"] == 3
    for name in ("before.tif", "after.tif"):
        raster = package["rasters"][name]
        assert raster["valid"]
        assert raster["renderer"] == "multibandcolor"
        assert raster["bands"] == [3, 2, 1]
        assert raster["nodata"] == [0.0] * 4


def test_patches_are_drawn_by_suspected_class(package: dict[str, Any]) -> None:
    layer = package["layers"]["patches"]
    assert (layer["renderer"], layer["attribute"]) == ("categorizedSymbol", "suspected_class")
    labels = load_codes(CODES_DIR / "suspected_class.csv").labels
    expected = [
        [code, label, "#{:02x}{:02x}{:02x}".format(*map(int, SUSPECTED_COLORS[code].split(",")))]
        for code, label in labels.items()
    ]
    assert layer["categories"][:-1] == expected
    assert layer["labels"]


def test_the_form_is_chinese_and_only_the_form_is_open(package: dict[str, Any]) -> None:
    layer = package["layers"]["patches"]
    assert layer["tabs"] == ["核查填报", "线索与理由", "套合面积"]
    assert layer["editable"] == list(FORM_COLUMNS)
    assert layer["aliases"]["patch_id"] == "图斑编号 JCBH"
    assert all(layer["aliases"][name] for name in VERIFY.fields)
    assert layer["widgets"]["start_date"] == "DateTime"
    assert layer["widgets"]["package_id"] == "Hidden"
    assert layer["shown"]["suspected_class"] == "疑似违法"
    assert layer["shown"]["is_straddling"] == "否"
    assert layer["shown"]["site_state"] == "（未填）"
    built = [entry for entry in layer["drop_downs"]["site_state"] if "建成" in entry]
    assert built == [{"建成": "built"}]
    others = {name: other for name, other in package["layers"].items() if name != "patches"}
    assert all(other["read_only"] for other in others.values())


def test_the_file_alone_opens_with_the_same_styles(package: dict[str, Any]) -> None:
    assert package["alone"] == package["layers"]


def test_the_map_shows_patches_in_their_colours(package: dict[str, Any]) -> None:
    assert package["map"]["errors"] == []
    drawn = [tuple(bytes.fromhex(name[1:])) for name in package["map"]["colours"]]
    for code in ("suspected_violation", "uncertain", "early_warning"):
        wanted = tuple(map(int, SUSPECTED_COLORS[code].split(",")))
        nearest = min(max(abs(a - b) for a, b in zip(c, wanted, strict=True)) for c in drawn)
        assert nearest < COLOUR_TOLERANCE, code


def test_what_was_filled_in_comes_back(package: dict[str, Any]) -> None:
    assert package["edited"] == {
        "is_committed": True,
        "site_state": "built",
        "is_found_by_patrol": True,
        "start_date": "2024-06-01",
        "measured_area_m2": 3599.5,
    }


def test_the_bureaus_project_opens_beside_the_runs_images(package: dict[str, Any]) -> None:
    county = package["county"]
    assert county["read"]
    assert county["messages"] == []
    assert county["invalid"] == county["unresolved"] == county["map"]["errors"] == []
    assert county["layers"]["patches"]["n_features"] == len(PATCHES)
    assert all(layer["read_only"] for layer in county["layers"].values())
    assert {name: image["valid"] for name, image in county["rasters"].items()} == {
        "before.tif": True,
        "after.tif": True,
    }


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The books' project, carried elsewhere without the run's other stages."""
    if not has_qgis():
        pytest.skip("系统 python3 没有 PyQGIS，跳过")
    root = tmp_path_factory.mktemp("closed")
    paths, _ = close_county(root)
    elsewhere = tmp_path_factory.mktemp("统计") / "成果 一"
    shutil.copytree(paths.stage_dir("statistics"), elsewhere)
    shutil.rmtree(root)
    picture = tmp_path_factory.mktemp("maps") / "books.png"
    return examine(elsewhere, "county.qgz", "county.gpkg", picture)


def test_the_books_open_without_any_warning(books: dict[str, Any]) -> None:
    assert books["read"]
    assert (books["error"], books["messages"]) == ("", [])
    assert books["invalid"] == books["unresolved"] == books["map"]["errors"] == []
    assert books["crs"] == "EPSG:4547"
    assert not books["absolute"]
    assert {"patches", "parts", "townships", "cases", "quota_ledger"} <= set(books["layers"])
    assert all(layer["valid"] for layer in books["layers"].values())
    assert all(layer["read_only"] for layer in books["layers"].values())
    assert books["edited"] is None


def test_the_books_show_signed_judgements_by_colour(books: dict[str, Any]) -> None:
    drawn = [tuple(bytes.fromhex(name[1:])) for name in books["map"]["colours"]]
    layer = books["layers"]["patches"]
    assert [entry[1] for entry in layer["categories"]][:-1] == [label for _, label, _ in STATES]
    for state in ("new_violation", "rectified", "other_use", "unjudged"):
        outline = next(fill.outline for code, _, fill in STATES if code == state)
        wanted = tuple(map(int, outline.split(",")[:3]))
        nearest = min(max(abs(a - b) for a, b in zip(c, wanted, strict=True)) for c in drawn)
        assert nearest < COLOUR_TOLERANCE, state


def test_codes_of_the_books_tables_show_as_words(books: dict[str, Any]) -> None:
    shown = {name: layer["shown"] for name, layer in books["layers"].items()}
    labels = load_codes(CODES_DIR / "county_input.csv").labels
    assert shown["county_inputs"]["item"] in labels.values()
    assert shown["quota_ledger"]["account"] in ("指标", "扣减", "上级", "期初", "结转")
    assert shown["patches"]["judgement"] == "违法用地"
    for name, layer in books["layers"].items():
        aliases = [alias for field, alias in layer["aliases"].items() if field != "fid"]
        assert all(aliases), name


def test_reading_leaves_nothing_behind(package: dict[str, Any]) -> None:
    assert package["left_behind"] == []
