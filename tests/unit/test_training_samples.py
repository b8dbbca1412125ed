"""What training is fed: labels, parting without leaks, augmentation, thresholds, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from numpy.typing import NDArray

from pipeline.change.learned.card import NetworkCard
from pipeline.change.learned.effect import Effect, effect_of
from pipeline.change.learned.infer import fit_scaling
from pipeline.change.learned.params import TrainParams
from pipeline.change.learned.samples import (
    Crop,
    LabelledScene,
    SampleCount,
    augmented,
    count_samples,
    cut_blocks,
    normalisation_for,
    places,
    read_crop,
    scaling_of,
    set_aside,
)
from pipeline.change.learned.scoring import stored_score
from pipeline.change.learned.skill import (
    BINS,
    best_skill,
    interval,
    probability_counts,
    skill_at,
)
from pipeline.config.models import Settings
from pipeline.errors import InputError, UsageError
from pipeline.grid import Grid, PixelWindow
from pipeline.io import backbone
from pipeline.io.rasters import read_all
from pipeline.stages.labelled_pairs import find_pairs, label_reader
from pipeline.stages.train import require_sample
from pipeline.stages.train_data import joined, part, read_labelled
from pipeline.stages.train_runs import SQUARE_M, _labels, _pieces, verdicts
from tests.factories import call_cli, make_pair, write_raster
from tests.network_factory import card

NORTH_UP = Affine(2.0, 0, 500_000.0, 0, -2.0, 4_000_000.0)
PLAIN = TrainParams(colour_jitter=0.0, max_shift_px=0, is_symmetric=False)


def scene(
    shape: tuple[int, int] = (256, 256), name: str = "a", changed: tuple[slice, slice] | None = None
) -> LabelledScene:
    rows, cols = np.mgrid[0 : shape[0], 0 : shape[1]]
    before = np.stack([rows % 256, cols % 256, (rows + cols) % 256]).astype(np.uint8)
    label = np.zeros(shape, np.uint8)
    if changed is not None:
        label[changed] = 1
    return LabelledScene(name, name, before, before[::-1].copy(), label)


def plain_card(**changes: Any) -> NetworkCard:
    return NetworkCard.model_validate_json(json.dumps(card(**changes)))


def labelled_folder(folder: Path, seed: int = 1, size: int = 256) -> Path:
    boxes = [(40, 80, 40, 80), (150, 190, 100, 180)]
    world = make_pair(folder, (size, size), seed=seed, n_bands=3, dtype="uint8", boxes=boxes)
    write_raster(folder / "label.tif", world.truth.astype(np.uint8))
    return folder


def test_counts_objects_and_pixels() -> None:
    one = scene(changed=(slice(0, 10), slice(0, 10)))
    one.label[50:60, 50:60] = 1
    one.label[200:] = 255
    assert count_samples([one]) == SampleCount(2, 200, 200 * 256 - 200)


def test_blocks_cover_a_scene_once() -> None:
    whole = replace(scene((1100, 1500)), is_divisible=True)
    pieces = cut_blocks(whole)
    assert sum(piece.label.size for piece in pieces) == whole.label.size
    assert len({piece.group for piece in pieces}) == len(pieces) == 9
    assert cut_blocks(scene())[0].group == "a"


def test_a_named_group_is_never_parted() -> None:
    large = [replace(scene((1030, 1030), name), group=name[0]) for name in ("a1", "a2", "b1")]
    for seed in range(5):
        kept, held = part(large, "share:0.3", seed)
        assert not {s.group for s in kept} & {s.group for s in held}
        assert len(kept) + len(held) == 3


def test_what_was_not_seen_does_not_count_for_the_scaling() -> None:
    """Nodata at 0 over most of the image, NaN in a strip: as detection does, by what was seen."""
    rng = np.random.default_rng(2)
    told = plain_card(normalisation={"kind": "median_mad"})
    for dtype, empty in ((np.uint16, 0), (np.float32, np.nan)):
        image = rng.normal(1000, 100, (3, 64, 64)).astype(dtype)
        seen = np.zeros((64, 64), bool)
        seen[40:] = True
        image[:, ~seen] = empty
        holed = LabelledScene("n", "n", image, image, np.zeros((64, 64), np.uint8), seen=seen)
        own = fit_scaling(told, image[:, 40:].reshape(3, -1), image[:, 40:].reshape(3, -1))
        np.testing.assert_array_equal(scaling_of(told, holed).offset, own.offset)
        np.testing.assert_array_equal(scaling_of(told, holed).gain, own.gain)
        crop = read_crop(holed, own, (0, 0), 64)
        assert (crop.before[:, :40] == 0).all()
        assert np.std(crop.after[:, 40:]) == pytest.approx(1.0, abs=0.1)
    nothing = replace(holed, seen=np.zeros((64, 64), bool))
    assert np.isfinite(scaling_of(told, nothing).gain).all()


def test_reading_finds_what_was_not_seen(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "one")
    before = read_all(folder / "before.tif")
    pixels = np.stack([before] * 3).astype(np.float32)
    pixels[:, :20] = np.nan
    pixels[1, 30] = np.nan
    options = {"transform": NORTH_UP, "descriptions": ("blue", "green", "red")}
    write_raster(folder / "before.tif", pixels, **options)
    pixels = np.stack([before] * 3).astype(np.float32)
    pixels[:, 40] = -1
    write_raster(folder / "after.tif", pixels, nodata=-1, **options)
    found = read_labelled(folder, None, "").scenes[0]
    assert found.seen is not None
    hidden = np.flatnonzero(~found.seen.any(axis=1)).tolist()
    assert hidden == [*range(20), 30, 40]
    assert (found.label[~found.seen] == 255).all()


def test_set_aside_keeps_groups_whole_and_takes_both_kinds() -> None:
    scenes = [
        LabelledScene(
            f"{g}{n}", g, *(scene().before,) * 2, scene(changed=(slice(n * 9), slice(9))).label
        )
        for g in "abcdefghij"
        for n in (0, 1)
    ]
    kept, aside = set_aside(scenes, 0.3, seed=4)
    assert not {s.group for s in kept} & {s.group for s in aside}
    assert len(aside) == 6
    assert len(kept) + len(aside) == len(scenes)
    again = set_aside(list(reversed(scenes)), 0.3, seed=4)[1]
    assert {s.group for s in again} == {s.group for s in aside}


@pytest.mark.parametrize("side", ["north", "south", "west", "east"])
def test_a_side_is_held_out(side: str) -> None:
    whole = scene((300, 200))
    (kept,), (held,) = part([whole], f"{side}:0.25", 1)
    axis = 0 if side in ("north", "south") else 1
    assert held.shape[axis] == round(0.25 * whole.shape[axis])
    both = (kept, held) if side in ("south", "east") else (held, kept)
    joint = np.concatenate([s.before for s in both], axis=1 + axis)
    np.testing.assert_array_equal(joint, whole.before)


def test_named_groups_are_held_out() -> None:
    scenes = [scene(name=name) for name in "abc"]
    kept, held = part(scenes, "groups:b", 1)
    assert ([s.name for s in kept], [s.name for s in held]) == (["a", "c"], ["b"])
    for wrong in ("groups:zz", "groups:", "south:2", "share:x", "somewhere:0.2"):
        with pytest.raises(UsageError):
            part(scenes, wrong, 1)


def test_lattice_reaches_every_pixel() -> None:
    seen = np.zeros((300, 520), bool)
    for place in places([scene((300, 520))], 256):
        seen[place.row0 : place.row0 + 256, place.col0 : place.col0 + 256] = True
    assert seen.all()


def test_crop_beyond_the_scene_is_not_labelled() -> None:
    small = scene((200, 256))
    crop = read_crop(small, scaling_of(plain_card(), small), (0, 0), 256)
    assert crop.before.shape == (3, 256, 256)
    assert (crop.label[200:] == 255).all()
    assert (crop.label[:200] == 0).all()
    np.testing.assert_array_equal(crop.before[:, 200], crop.before[:, 199])


def test_augmentation_moves_images_and_label_alike() -> None:
    rng = np.random.default_rng(3)
    rows, cols = np.mgrid[0:96, 0:96].astype(np.float32)
    # A dark disc off the centre on a slope: no turn or mirroring leaves it where it is.
    disc = np.hypot(rows - 40, cols - 52) < 20
    image = np.where(disc, -5.0, rows / 96)[None].astype(np.float32)
    outside = 0
    for _ in range(40):
        crop = Crop(image, 2 * image, disc.astype(np.uint8))
        turned = augmented(crop, PLAIN, rng)
        known = turned.label != 255
        outside += int(np.count_nonzero(~known))
        wrong = (turned.before[0] < -2.5) != (turned.label == 1)
        assert np.count_nonzero(wrong & known) < 0.15 * np.count_nonzero(turned.label == 1)
    assert outside > 0


def test_dates_are_swapped_only_where_labels_are_symmetric() -> None:
    crop = Crop(
        *(np.full((1, 32, 32), v, np.float32) for v in (0, 1)), np.zeros((32, 32), np.uint8)
    )
    for is_symmetric, expected in ((False, {0.0}), (True, {0.0, 1.0})):
        params = PLAIN.model_copy(update={"is_symmetric": is_symmetric})
        rng = np.random.default_rng(1)
        found = {float(augmented(crop, params, rng).before.mean()) for _ in range(30)}
        assert found == expected


def test_normalisation_follows_the_pixel_type() -> None:
    assert normalisation_for([scene()]).kind == "fixed"
    whole = scene()
    wide = LabelledScene("w", "w", whole.before.astype(np.uint16), whole.after, whole.label)
    assert normalisation_for([wide]).kind == "median_mad"


def test_a_piece_is_scaled_by_the_whole_image(tmp_path: Path) -> None:
    world = make_pair(tmp_path, (1100, 1100), n_bands=3)
    write_raster(tmp_path / "label.tif", world.truth.astype(np.uint8))
    whole = read_labelled(tmp_path, None, "").scenes[0]
    told = plain_card(normalisation={"kind": "median_mad"})
    pieces = [*cut_blocks(whole), *part([whole], "south:0.3", 1)[1]]
    assert len(pieces) == 10
    for piece in pieces:
        np.testing.assert_array_equal(
            scaling_of(told, piece).offset, scaling_of(told, whole).offset
        )
    alone = LabelledScene("a", "a", pieces[0].before, pieces[0].after, pieces[0].label)
    assert (scaling_of(told, alone).offset != scaling_of(told, whole).offset).any()


def test_skill_and_its_best_threshold() -> None:
    probability = np.array([[0.9, 0.8, 0.4, 0.2, 0.7, 0.1]], np.float32)
    label = np.array([[1, 1, 1, 0, 0, 255]], np.uint8)
    counts = probability_counts(probability, label)
    assert counts.sum() == 5
    half = skill_at(counts, BINS // 2)
    assert half.precision == pytest.approx(2 / 3)
    assert half.recall == pytest.approx(2 / 3)
    best = best_skill(counts)
    assert best.f1 == pytest.approx(6 / 7)
    assert 0.2 < best.threshold <= 0.4


def test_interval_needs_groups_and_holds_the_figure() -> None:
    rng = np.random.default_rng(5)
    parts = []
    for _ in range(12):
        label = (rng.random((40, 40)) < 0.3).astype(np.uint8)
        wrong = rng.random((40, 40)) < 0.1
        parts.append(
            probability_counts(np.where(wrong, 1 - label, label).astype(np.float32), label)
        )
    figures = interval(parts, 0.5, 500, 1)
    f1 = skill_at(sum(parts[1:], parts[0]), BINS // 2).f1
    low, high = figures["f1"] or (0.0, 0.0)
    assert f1 is not None
    assert low < f1 < high < 1
    assert interval(parts[:4], 0.5, 500, 1)["f1"] is None


@pytest.mark.parametrize("threshold", [0.05, 0.4, 0.5, 0.93])
def test_stored_score_decides_as_the_network(threshold: float) -> None:
    values = np.linspace(0, 1, 20_001, dtype=np.float32)
    score = stored_score(values, threshold)
    np.testing.assert_array_equal(score >= 5000, values.astype(np.float64) >= threshold)
    assert (np.diff(score.astype(int)) >= 0).all()
    assert (score[0], score[-1]) == (0, 10_000)


def test_too_few_samples_are_refused_all_at_once() -> None:
    enough = SampleCount(100, 10**6, 10**6)
    require_sample(dict.fromkeys(("train", "validation", "held_out"), enough), TrainParams())
    few = {
        "train": SampleCount(29, 10**6, 10**6),
        "validation": enough,
        "held_out": SampleCount(9, 10**6, 10**6),
    }
    with pytest.raises(InputError) as caught:
        require_sample(few, TrainParams())
    assert [f.code for f in caught.value.findings] == ["E-TRAIN-SAMPLE"] * 2
    for scarce in (SampleCount(100, 4999, 10**6), SampleCount(100, 10**6, 4999)):
        with pytest.raises(InputError):
            require_sample({"train": scarce, "validation": enough, "held_out": enough},
                           TrainParams())  # fmt: skip


def test_reading_a_labelled_pair(tmp_path: Path) -> None:
    data = read_labelled(labelled_folder(tmp_path / "one"), None, "")
    (found,) = data.scenes
    assert (data.roles, data.gsd_m) == (("blue", "green", "red"), (2.0, 2.0))
    assert set(np.unique(found.label)) == {0, 1}
    assert set(data.digests) == {"one/before.tif", "one/after.tif", "one/label.tif"}


def test_reading_chips_with_groups(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name in ("x.png", "y.png"):
        for folder in ("A", "B"):
            write_raster(tmp_path / folder / name, rng.integers(0, 255, (3, 64, 64), np.uint8),
                         crs=None)  # fmt: skip
        write_raster(tmp_path / "label" / name, np.eye(64, dtype=np.uint8) * 255, crs=None)
    (tmp_path / "index.csv").write_text("chip,mosaic\nx.png,m1\ny.png,m2\n", encoding="utf-8")
    data = read_labelled(tmp_path, 0.5, "mosaic")
    assert [s.group for s in data.scenes] == ["m1", "m2"]
    assert all(int(s.label.sum()) == 64 for s in data.scenes)
    assert data.gsd_m == (0.5, 0.5)
    with pytest.raises(InputError) as caught:
        read_labelled(tmp_path, 0.5, "nothing")
    assert caught.value.findings[0].code == "E-TRAIN-DATA"


def test_pairs_off_grid_and_unlike_bands_are_refused(tmp_path: Path) -> None:
    first = labelled_folder(tmp_path / "one")
    other = labelled_folder(tmp_path / "two")
    world = make_pair(tmp_path / "three", (256, 256), n_bands=4)
    write_raster(tmp_path / "three" / "label.tif", world.truth.astype(np.uint8))
    with pytest.raises(InputError) as caught:
        joined([read_labelled(first, None, ""), read_labelled(tmp_path / "three", None, "")])
    assert caught.value.findings[0].code == "E-TRAIN-DATA"
    pixels = np.zeros((3, 250, 256), np.uint8)
    write_raster(other / "after.tif", pixels, transform=NORTH_UP, descriptions=("blue",))
    with pytest.raises(InputError) as caught:
        read_labelled(other, None, "")
    assert caught.value.findings[0].code == "E-TRAIN-DATA"


def test_label_of_another_size_is_refused(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "one")
    write_raster(folder / "label.tif", np.zeros((9, 9), np.uint8))
    with pytest.raises(InputError) as caught:
        read_labelled(folder, None, "")
    assert caught.value.findings[0].code == "E-LABEL-GRID"


NORTH_UP = Affine(2.0, 0, 500_000.0, 0, -2.0, 4_000_000.0)


@pytest.mark.parametrize(
    ("crs", "transform", "told"),
    [
        (32651, NORTH_UP, ("坐标系", "51N")),
        (4547, NORTH_UP, ("坐标系", "CGCS2000")),
        (32650, NORTH_UP @ Affine.translation(1, 0), ("位置", "1 个像元")),
        (None, NORTH_UP @ Affine.translation(0, 0.02), ("位置", "0.02 个像元")),
        (32650, NORTH_UP @ Affine.scale(1.001), ("位置", "像元大小")),
    ],
)
def test_别处的标注拒收(
    tmp_path: Path, crs: int | None, transform: Affine, told: tuple[str, ...]
) -> None:
    folder = labelled_folder(tmp_path)
    label = np.zeros((256, 256), np.uint8)
    write_raster(folder / "label.tif", label, crs=crs, transform=transform)
    [pair] = find_pairs(folder, Settings(), None)
    with pytest.raises(InputError) as caught:
        label_reader(pair, (256, 256))
    [finding] = caught.value.findings
    assert finding.code == "E-LABEL-GRID"
    assert all(word in caught.value.args[0] for word in told)


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (32650, NORTH_UP),
        (32650, NORTH_UP @ Affine.translation(0.002, 0)),
        (None, None),
        (None, NORTH_UP),
        (32650, None),
    ],
)
def test_与影像同一格网或不说位置的标注照读(
    tmp_path: Path, crs: int | None, transform: Affine | None
) -> None:
    folder = labelled_folder(tmp_path)
    label = np.ones((256, 256), np.uint8)
    write_raster(folder / "label.tif", label, crs=crs, transform=transform)
    [pair] = find_pairs(folder, Settings(), None)
    assert label_reader(pair, (256, 256))(PixelWindow(0, 2, 0, 2)).all()


def test_evaluation_and_training_read_labels_alike(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "one")
    stored = np.tile(np.array([0, 1, 255, 254], np.uint8), (256, 64))
    write_raster(folder / "label.tif", stored, nodata=254)
    (pair,) = find_pairs(folder, Settings(), None)
    read = label_reader(pair, (256, 256))(PixelWindow(0, 3, 0, 4))
    assert read.tolist() == [[0, 1, 255, 255]] * 3
    np.testing.assert_array_equal(read_labelled(folder, None, "").scenes[0].label[:3, :4], read)
    write_raster(folder / "label.tif", stored)
    with pytest.raises(InputError) as caught:
        label_reader(pair, (256, 256))(PixelWindow(0, 3, 0, 4))
    assert (caught.value.findings[0].code, caught.value.findings[0].value) == (
        "E-LABEL-VALUE",
        "254",
    )


def test_training_without_the_extra_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbone, "PACKAGES", ("no_such_package_here",))
    called = call_cli("train", labelled_folder(tmp_path / "one"), "--out", tmp_path / "m.onnx")
    assert called.code == 3
    assert "E-TRAIN-EXTRA" in called.err
    assert "--extra train" in called.err


def test_verdicts_of_people() -> None:
    patches = pd.DataFrame(
        {
            "judgement": ["new_violation", "new_lawful", *["other_use"] * 3, None],
            "judgement_detail": [None, "approved", "facility", "false_change", "sliver", None],
        }
    )  # fmt: skip
    assert verdicts(patches).tolist() == [1, 1, 1, 0, 255, 255]


GRID = Grid(1300, 700, (2.0, 0.0, 0.0, 0.0, -2.0, 1400.0), None, 2.0)


def squares(*centres: tuple[float, float]) -> NDArray[np.object_]:
    return np.array([shapely.box(x - 20, y - 20, x + 20, y + 20) for x, y in centres], object)


def test_pieces_lie_where_patches_were_judged() -> None:
    found = _pieces(GRID, "r", squares((100, 1300), (2590, 10)))
    assert [(p.window.row0, p.window.col0, p.group) for p in found] == [
        (0, 0, "x0y0"),
        (350, 1024, "x2048y0"),
    ]
    assert found[1].window.shape == (350, 276)


def test_the_same_ground_has_the_same_square_in_every_run() -> None:
    """Grids of another origin and pixel size; every pixel by its centre."""
    runs = {
        "a": Grid(1300, 700, (2.0, 0.0, 700.0, 0.0, -2.0, 5200.0), None, 2.0),
        "b": Grid(1700, 900, (1.6, 0.0, 691.1, 0.0, -1.6, 5311.3), None, 1.6),
        "c": Grid(400, 500, (5.0, 0.0, 900.0, 0.0, 5.0, 3300.0), None, 5.0),
    }
    for name, grid in runs.items():
        everywhere = np.array([shapely.box(-1e6, -1e6, 1e6, 1e6)], object)
        n_pixels = 0
        for window, group in _pieces(grid, name, everywhere):
            rows, cols = np.mgrid[window.row0 : window.row1, window.col0 : window.col1] + 0.5
            x, y = grid.xy(rows, cols)
            found = {f"x{int(a)}y{int(b)}" for a, b in zip(
                (x // SQUARE_M * SQUARE_M).ravel(), (y // SQUARE_M * SQUARE_M).ravel(), strict=True
            )}  # fmt: skip
            assert found == {group}
            assert max(window.shape) <= 512
            n_pixels += rows.size
        assert n_pixels == grid.width * grid.height


def test_squares_of_a_turned_grid_are_its_own_runs() -> None:
    turned = Grid(1300, 700, (1.9, 0.5, 0.0, 0.5, -1.9, 1400.0), None, 2.0)
    everywhere = np.array([shapely.box(-1e6, -1e6, 1e6, 1e6)], object)
    assert {p.group.split("#")[0] for p in _pieces(turned, "r", everywhere)} == {"r"}


def test_only_judged_land_is_labelled() -> None:
    shapes = squares((100, 1300), (300, 1300), (500, 1300))
    values = np.array([255, 0, 1], np.uint8)
    window = PixelWindow(0, 512, 0, 512)
    open_land = _labels(GRID, window, shapes, values, False)
    signed = _labels(GRID, window, shapes, values, True)
    for label, rest in ((open_land, 255), (signed, 0)):
        assert label[50, 50] == 255
        assert label[50, 150] == 0
        assert label[50, 250] == 1
        assert label[400, 400] == rest


def test_effect_counts_who_finds_what() -> None:
    label, present, other = (np.zeros((60, 60), np.uint8) for _ in range(3))
    for top in (0, 20, 40):
        label[top : top + 10, 0:10] = 1
    present[0:10, 0:10] = present[20:30, 0:8] = 1
    other[20:30, 0:10] = other[40:50, 0:4] = 1
    other[50:60, 50:60] = 1
    found = effect_of(label, present, other)
    assert found == Effect(3, 1, 1, 0, 0, 1)
    assert (found + found).objects == 6
