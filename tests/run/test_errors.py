"""One bad input per mistake: exit code, stable code, the file's name, what to do, no traceback."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from pipeline.errors import CODES
from tests.factories import Called, World, call_cli, make_pair, run_cli, write_raster

CHINESE = re.compile(r"[\u4e00-\u9fff]")
NORTH_UP = Affine(2.0, 0, 500_000.0, 0, -2.0, 4_000_000.0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_pair(tmp_path_factory.mktemp("good"), (80, 96), with_roles=False)


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """An output folder in which a refused command must leave no result."""
    folder = tmp_path / "out"
    yield folder
    for name in ("score.tif", "change.tif", "patches.gpkg", "manifest.json"):
        assert not (folder / name).exists()


def assert_refused(done: Called, exit_code: int, code: str, *words: str) -> None:
    assert done.code == exit_code, done.text
    assert code in CODES
    assert f"[阻断] {code} " in done.err
    assert "Traceback" not in done.text
    assert CHINESE.search(done.err)
    for word in words:
        assert word in done.err


def compare_cli(before: object, after: object, out: Path, *options: object) -> Called:
    return call_cli("compare", before, after, "--out", out, *options)


# --- files ---------------------------------------------------------------------------------------


def test_文件不存在(world: World, out: Path, tmp_path: Path) -> None:
    missing = tmp_path / "没有的.tif"
    done = compare_cli(world.before, missing, out)
    assert_refused(done, 3, "E-FILE-MISSING", str(missing), "检查路径")


def test_文本文件改名成影像(world: World, out: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.tif"
    path.write_text("这不是影像", encoding="utf-8")
    assert_refused(compare_cli(path, world.after, out), 3, "E-FILE-UNREADABLE", "notes.tif", "QGIS")


def test_空文件(world: World, out: Path, tmp_path: Path) -> None:
    path = tmp_path / "empty.tif"
    path.touch()
    assert_refused(compare_cli(path, world.after, out), 3, "E-FILE-UNREADABLE", "empty.tif")


VRT = """<VRTDataset rasterXSize="96" rasterYSize="80"><VRTRasterBand dataType="UInt16" band="1">
<SimpleSource><SourceFilename>{path}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"""


def test_虚拟数据源_按扩展名(world: World, out: Path, tmp_path: Path) -> None:
    path = tmp_path / "mosaic.vrt"
    path.write_text(VRT.format(path=world.before), encoding="utf-8")
    assert_refused(compare_cli(path, world.after, out), 3, "E-FILE-REFUSED", "mosaic.vrt")


def test_虚拟数据源_改名成影像(world: World, out: Path, tmp_path: Path) -> None:
    path = tmp_path / "mosaic.tif"
    path.write_text(VRT.format(path=world.before), encoding="utf-8")
    assert_refused(compare_cli(path, world.after, out), 3, "E-FILE-UNREADABLE", "mosaic.tif")


def test_网址(world: World, out: Path) -> None:
    done = compare_cli("https://example.com/image.tif", world.after, out)
    assert_refused(done, 3, "E-FILE-REFUSED", "example.com", "复制到本机")


def test_压缩包内的路径(world: World, out: Path, tmp_path: Path) -> None:
    archive = tmp_path / "image.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.write(world.before, "before.tif")
    done = compare_cli(f"/vsizip/{archive}/before.tif", world.after, out)
    assert_refused(done, 3, "E-FILE-REFUSED", "/vsizip/")


def test_影像被截断(out: Path, tmp_path: Path) -> None:
    pair = make_pair(tmp_path / "cut", (600, 700))
    content = pair.after.read_bytes()
    pair.after.write_bytes(content[: len(content) // 2])
    done = compare_cli(pair.before, pair.after, out)
    assert_refused(done, 3, "E-FILE-UNREADABLE", str(pair.after), "重新拷贝")


def test_成果文件夹其实是文件(world: World, tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("别动我", encoding="utf-8")
    done = compare_cli(world.before, world.after, path)
    assert_refused(done, 3, "E-FILE-WRITE", str(path))
    assert path.read_text(encoding="utf-8") == "别动我"


# --- content -------------------------------------------------------------------------------------


def test_没有坐标系又没有给分辨率(out: Path, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, (80, 96), n_bands=3, dtype="uint8", crs=None, suffix=".png")
    done = compare_cli(pair.before, pair.after, out)
    assert_refused(done, 3, "E-RASTER-NOCRS", "before.png", "--gsd")


def test_只有一期带坐标系(world: World, out: Path, tmp_path: Path) -> None:
    with rasterio.open(world.after) as dataset:
        pixels = dataset.read()
    bare = write_raster(tmp_path / "bare.tif", pixels, crs=None)
    assert_refused(compare_cli(world.before, bare, out), 3, "E-RASTER-NOCRS", "bare.tif")
    done = compare_cli(world.before, bare, out, "--gsd", 2)
    assert_refused(done, 3, "E-RASTER-NOCRS", "只有一期", "变化后")


def test_没有重叠(world: World, out: Path, tmp_path: Path) -> None:
    far = write_raster(
        tmp_path / "far.tif",
        np.ones((4, 80, 96), np.uint16),
        transform=Affine(2.0, 0, 600_000.0, 0, -2.0, 4_000_000.0),
    )
    assert_refused(compare_cli(world.before, far, out), 3, "E-RASTER-OVERLAP", "500000", "600000")


def test_分辨率相差过大(world: World, out: Path, tmp_path: Path) -> None:
    coarse = write_raster(
        tmp_path / "coarse.tif",
        np.ones((4, 20, 20), np.uint16),
        transform=Affine(10.0, 0, 500_000.0, 0, -10.0, 4_000_000.0),
    )
    assert_refused(compare_cli(world.before, coarse, out), 3, "E-RASTER-GSD", "4 倍")


def test_波段数不同又不知道角色(world: World, out: Path, tmp_path: Path) -> None:
    other = write_raster(tmp_path / "rgb.tif", np.ones((3, 80, 96), np.uint16), transform=NORTH_UP)
    done = compare_cli(world.before, other, out)
    assert_refused(done, 3, "E-RASTER-BANDS", "4 个波段", "3 个波段")


def test_全是无效值的影像(out: Path, tmp_path: Path, world: World) -> None:
    empty = write_raster(
        tmp_path / "empty.tif", np.zeros((4, 80, 96), np.uint16), transform=NORTH_UP, nodata=0
    )
    assert_refused(compare_cli(world.before, empty, out), 3, "E-RASTER-EMPTY")


def test_没有声明而全黑的影像(out: Path, tmp_path: Path, world: World) -> None:
    empty = write_raster(
        tmp_path / "black.tif", np.zeros((4, 80, 96), np.uint16), transform=NORTH_UP
    )
    assert_refused(compare_cli(world.before, empty, out), 3, "E-RASTER-EMPTY")


def test_复数影像(out: Path, tmp_path: Path) -> None:
    radar = write_raster(
        tmp_path / "slc.tif", np.ones((1, 80, 96), np.complex64), transform=NORTH_UP
    )
    assert_refused(compare_cli(radar, radar, out), 3, "E-RASTER-DTYPE", "slc.tif")


def test_说明文件里后时相早于前时相(out: Path, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, (80, 96))
    meta = tmp_path / "meta.yaml"
    meta.write_text("before_date: 2026-03-31\nafter_date: 2026-03-01\n", encoding="utf-8")
    done = compare_cli(pair.before, pair.after, out)
    assert_refused(done, 3, "E-CONFIG-VALUE", "meta.yaml", "2026-03")


@pytest.mark.parametrize(
    ("crs", "transform", "code", "word"),
    [
        (4549, Affine(float("nan"), 0, 500_000, 0, -2, 3_500_000), "E-RASTER-TRANSFORM", "nan"),
        (4549, None, "E-RASTER-TRANSFORM", "没有地理变换"),
        (4978, NORTH_UP, "E-IMAGE-CRS", "投影坐标系"),
        (4490, NORTH_UP, "E-IMAGE-CRS", "坐标是米"),
        (4549, Affine(2e-5, 0, 120, 0, -2e-5, 31.6), "E-IMAGE-CRS", "EPSG:4490"),
    ],
    ids=["不是数", "没有地理变换", "地心坐标", "米当作度", "度当作米"],
)
def test_两期的位置都不可能(
    out: Path, tmp_path: Path, crs: int, transform: Affine | None, code: str, word: str
) -> None:
    """Both images alike, so that nothing but the place itself can be refused."""
    world = make_pair(tmp_path / "good", (80, 96), with_roles=False)
    paths = []
    for path in (world.before, world.after):
        with rasterio.open(path) as dataset:
            pixels = dataset.read()
        paths.append(write_raster(tmp_path / path.name, pixels, crs=crs, transform=transform))
    assert_refused(compare_cli(*paths, out), 3, code, "before.tif", word)
    assert not out.exists() or not list(out.rglob("*.tif"))


def test_位置写在坐标文件里(out: Path, tmp_path: Path) -> None:
    world = make_pair(tmp_path, (80, 96), n_bands=3, dtype="uint8", crs=None, suffix=".png")
    for name in ("before.pgw", "after.PGW"):
        (tmp_path / name).write_text("2\n0\n0\n-2\n500001\n3999999\n", encoding="ascii")
    done = compare_cli(world.before, world.after, out, "--gsd", 2)
    assert_refused(done, 3, "E-RASTER-SIDECAR", "before.pgw", "gdal_translate")
    (tmp_path / "before.pgw").unlink()
    done = compare_cli(world.before, world.after, out, "--gsd", 2)
    assert_refused(done, 3, "E-RASTER-SIDECAR", "after.PGW", "另存为")


# --- options -------------------------------------------------------------------------------------


def test_波段角色个数不对(world: World, out: Path) -> None:
    done = compare_cli(world.before, world.after, out, "--bands", "blue,green,red")
    assert_refused(done, 3, "E-RASTER-BANDS", "4 个波段", "--bands", "before.tif")


@pytest.mark.parametrize("bands", ["blue,green,red,infrared", "blue,green,red,red", ""])
def test_波段角色写错(world: World, out: Path, bands: str) -> None:
    done = compare_cli(world.before, world.after, out, "--bands", bands)
    assert done.code in (2, 3), done.text
    assert "Traceback" not in done.text
    assert "[阻断] E-" in done.err
    assert "E-INTERNAL" not in done.err
    assert "nir" in done.err  # what is allowed


def test_没有这个检测器(world: World, out: Path) -> None:
    done = compare_cli(world.before, world.after, out, "--detector", "magic")
    assert_refused(done, 2, "E-USAGE", "magic", "irmad", "cva")


@pytest.mark.parametrize("tile", ["1000", "0", "-512"])
def test_瓦片边长不是_512_的倍数(world: World, out: Path, tile: str) -> None:
    done = compare_cli(world.before, world.after, out, "--tile", tile)
    assert_refused(done, 2, "E-USAGE", "--tile", "512", tile)


@pytest.mark.parametrize(
    "command",
    [
        ["compare", "before.tif", "after.tif", "--out", "out"],
        ["evaluate", "chips"],
        ["train", "chips", "--out", "model.onnx"],
        ["effect", "model.onnx", "chips"],
    ],
)
@pytest.mark.parametrize("gsd", ["0", "-1", "nan", "inf", "1e9"])
def test_分辨率不在合理范围_哪个命令都拒绝(command: list[str], gsd: str) -> None:
    done = call_cli(*command, f"--gsd={gsd}")
    assert_refused(done, 2, "E-USAGE", "--gsd", f"{float(gsd):g}", "10,000")


def test_说明文件里的分辨率也有上限(world: World, out: Path, tmp_path: Path) -> None:
    for name, path in (("before", world.before), ("after", world.after)):
        shutil.copyfile(path, tmp_path / f"{name}.tif")
    (tmp_path / "meta.yaml").write_text("gsd_m: 1.0e+9\n", encoding="utf-8")
    done = compare_cli(tmp_path / "before.tif", tmp_path / "after.tif", out)
    assert_refused(done, 3, "E-CONFIG-VALUE", "meta.yaml", "gsd_m", "10000")


@pytest.mark.parametrize(
    "args",
    [
        ["compare", "a.tif", "b.tif", "--out", "o", "--colour"],
        ["compare", "a.tif"],
        ["compare", "a.tif", "b.tif", "--out", "o", "--workers", "0"],
        ["nonsense"],
    ],
    ids=["未知选项", "缺少参数", "线程数为零", "没有这个命令"],
)
def test_命令用法有误(args: list[str]) -> None:
    assert_refused(call_cli(*args), 2, "E-USAGE", "--help")


ENGLISH = re.compile(r"[a-z]+ [a-z]+ [a-z]+", re.IGNORECASE)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--workers", "0"], ("位置：--workers", "现值：0", "不小于 1")),
        (["--gsd", "2米"], ("位置：--gsd", "现值：2米", "数字")),
        (["--tile", "x"], ("位置：--tile", "现值：x", "整数")),
        (["--gsd"], ("位置：--gsd", "没有写取值")),
        (["--colour"], ("位置：--colour", "没有这个选项")),
        (["--gsdd", "3"], ("位置：--gsdd", "没有这个选项")),
        (["c.tif", "d.tif"], ("多给了参数", "现值：c.tif d.tif")),
    ],
)
def test_用法有误_说明哪个选项_给了什么_允许什么(args: list[str], told: tuple[str, ...]) -> None:
    done = call_cli("compare", "a.tif", "b.tif", "--out", "o", *args)
    assert_refused(done, 2, "E-USAGE", *told)
    assert not ENGLISH.search(done.err), done.err


def test_缺少的参数_没有的命令_说明是哪个() -> None:
    missing = call_cli("compare", "a.tif", "b.tif")
    assert_refused(missing, 2, "E-USAGE", "位置：--out", "成果文件夹")
    assert_refused(call_cli("compare"), 2, "E-USAGE", "位置：BEFORE", "变化前影像")
    assert_refused(call_cli("nonsense"), 2, "E-USAGE", "没有这个命令", "现值：nonsense")


def test_评价空文件夹(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "空文件夹"
    folder.mkdir()
    done = call_cli("evaluate", folder, "--out", out)
    assert_refused(done, 3, "E-FILE-MISSING", str(folder), "label")


def test_标注与影像大小不同(tmp_path: Path, out: Path) -> None:
    make_pair(tmp_path / "pair", (80, 96))
    write_raster(tmp_path / "pair" / "label.tif", np.zeros((80, 90), np.uint8), transform=NORTH_UP)
    done = call_cli("evaluate", tmp_path / "pair", "--out", out / "e")
    assert_refused(done, 3, "E-LABEL-GRID", "label.tif", "80 × 90", "80 × 96")


def test_标注里有说不清含义的值(tmp_path: Path, out: Path) -> None:
    make_pair(tmp_path / "pair", (80, 96))
    label = np.zeros((80, 96), np.uint8)
    label[:4, :5] = 2, 3, 1, 255, 0
    write_raster(tmp_path / "pair" / "label.tif", label, transform=NORTH_UP)
    done = call_cli("evaluate", tmp_path / "pair", "--out", out / "e")
    assert_refused(done, 3, "E-LABEL-VALUE", "label.tif", "2、3", "PNG")


# --- run files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("run: t\nbefore: {path: a.tif\n", "E-CONFIG-SYNTAX", "t.yaml:2:"),
        ("run: t\nbefore: {path: a.tif}\nafter: {pathh: b.tif}\n", "E-CONFIG-VALUE", "t.yaml:3:9"),
        (
            "run: t\nbefore: {path: a.tif}\nafter: {path: b.tif}\nsettings:\n  detect:\n"
            "    thresholds: {noise_quantile: 2}\n",
            "E-CONFIG-VALUE",
            "t.yaml:6:34",
        ),
    ],
)
def test_运行配置有误_指明行列(tmp_path: Path, text: str, code: str, place: str) -> None:
    runs = tmp_path / "configs" / "runs"
    runs.mkdir(parents=True)
    (runs / "t.yaml").write_text(text, encoding="utf-8")
    for command in (["run"], ["status"], ["align", "--dry-run"]):
        done = call_cli(
            *command, "--run", "t", "--config-dir", tmp_path / "configs", "--data-dir", tmp_path
        )
        assert_refused(done, 3, code, place)


def test_没有这个运行(tmp_path: Path) -> None:
    done = call_cli("status", "--run", "none", "--config-dir", tmp_path, "--data-dir", tmp_path)
    assert_refused(done, 3, "E-FILE-MISSING", "none.yaml")


def test_没有这个阶段(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    text = "run: t\nbefore: {path: a.tif}\nafter: {path: b.tif}\n"
    (tmp_path / "runs" / "t.yaml").write_text(text, encoding="utf-8")
    done = call_cli("why", "paint", "--run", "t", "--config-dir", tmp_path, "--data-dir", tmp_path)
    assert_refused(done, 2, "E-USAGE", "paint", "align、detect、extract")


# --- as a process --------------------------------------------------------------------------------


def test_as_a_process_the_exit_code_and_utf8_text_are_the_same(tmp_path: Path) -> None:
    done = run_cli(["compare", "没有.tif", "也没有.tif", "--out", "out"], tmp_path)
    assert done.returncode == 3
    assert "E-FILE-MISSING" in done.stderr
    assert "没有.tif" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
