"""Issued outlines against detected components: hand-drawn pixels with the answer worked out."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from pydantic import ValidationError
from pyproj import CRS
from rasterio.features import rasterize
from shapely.affinity import rotate, translate
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from pipeline.grid import Grid, PixelWindow
from pipeline.patches import issued
from pipeline.patches.components import Components, burn, find_components
from pipeline.patches.issued import Detected, IssuedParams, Matching, match_issued, measure_outlines
from pipeline.patches.pixel_sets import join_sets, rasterise_outlines, reordered, shared_runs
from tests.overlay_factory import geodesic_area_m2

CRS_4547 = CRS.from_epsg(4547)
GSD = 2.0
X0, Y0 = 5e5, 4e6
GRID = Grid(40, 30, (GSD, 0.0, X0, 0.0, -GSD, Y0), CRS_4547.to_wkt())
MIN_PIXELS = 12


def pixels(row0: float, row1: float, col0: float, col1: float) -> BaseGeometry:
    """A rectangle by pixel edges."""
    return shapely.box(X0 + col0 * GSD, Y0 - row1 * GSD, X0 + col1 * GSD, Y0 - row0 * GSD)


def mask_of(*boxes: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    mask = np.zeros((GRID.height, GRID.width), np.uint8)
    for row0, row1, col0, col1 in boxes:
        mask[row0:row1, col0:col1] = 1
    return mask


def array_of(components: Components) -> NDArray[np.uint8]:
    out = np.zeros((GRID.height, GRID.width), np.uint8)
    burn(components, PixelWindow(0, GRID.height, 0, GRID.width), out, 1)
    return out


def detected(mask: NDArray[np.uint8], likely: NDArray[np.uint8] | None = None) -> Detected:
    """Components of at least `MIN_PIXELS` are patches; those that touch `likely` are likely."""
    found = find_components(mask)
    reasons = np.where(found.n_pixels < MIN_PIXELS, "below_min_area", "")
    is_likely = np.ones(len(found), bool)
    if likely is not None:
        is_likely = likely[found.first_row, found.first_col] == 1
    return Detected(found, reasons, is_likely)


def match(
    outlines: list[BaseGeometry], found: Detected, params: IssuedParams | None = None
) -> Matching:
    shapes = np.array(outlines, dtype=object)
    return match_issued(shapes, found, GRID, MIN_PIXELS, params or IssuedParams())


def patches_left(matching: Matching) -> NDArray[np.uint8]:
    left = matching.detected
    return array_of(left.components.select(left.reasons == ""))


def dropped_left(matching: Matching) -> dict[str, int]:
    left = matching.detected
    names, counts = np.unique(left.reasons[left.reasons != ""], return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


# --- outlines as pixels -------------------------------------------------------------------------


def test_outlines_on_pixel_edges_are_their_pixels() -> None:
    found = rasterise_outlines(np.array([pixels(3, 7, 5, 12)], dtype=object), GRID)
    np.testing.assert_array_equal(array_of(found.inside), mask_of((3, 7, 5, 12)))
    assert (found.n_pixels[0], found.first_row[0], found.first_col[0]) == (28, 3, 5)


@pytest.mark.parametrize("seed", range(6))
def test_pixels_are_those_of_gdal(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = []
    for _ in range(8):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 9))
        radius = rng.uniform(3, 25, 9)
        ring = np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None]
        shape = shapely.make_valid(Polygon(ring + rng.uniform([X0, Y0 - 60], [X0 + 80, Y0], 2)))
        shapes.append(shape.difference(rotate(shape, 30).buffer(-4)))
    polygons = [MultiPolygon([p for p in shapely.get_parts(s) if p.area > 0]) for s in shapes]
    found = rasterise_outlines(np.array(polygons, dtype=object), GRID)
    for number, polygon in enumerate(polygons):
        if found.n_pixels[number] <= 1:
            continue
        expected = rasterize([polygon], out_shape=(30, 40), transform=GRID.affine)
        mine = array_of(found.inside.select(np.arange(len(polygons)) == number))
        np.testing.assert_array_equal(mine, expected)
        inside = shapely.intersection(polygon, pixels(0, 30, 0, 40)).area
        assert found.n_pixels[number] >= mine.sum()
        if inside == pytest.approx(polygon.area):
            assert found.n_pixels[number] == mine.sum()


def test_holes_and_several_pieces() -> None:
    shape = MultiPolygon([pixels(0, 6, 0, 6).difference(pixels(2, 4, 2, 4)), pixels(10, 12, 3, 5)])
    found = rasterise_outlines(np.array([shape], dtype=object), GRID)
    assert found.n_pixels.tolist() == [36 - 4 + 4]


def test_neighbours_share_no_pixel() -> None:
    # the common edge runs through pixel centres
    shapes = np.array([pixels(0, 4.5, 0, 4.5), pixels(0, 4.5, 4.5, 9)], dtype=object)
    found = rasterise_outlines(shapes, GRID)
    assert shared_runs(found.inside, found.inside).runs.shape[1] == 4 + 4
    assert found.n_pixels.sum() == 4 * 9  # rows 0–3: the centre of row 4 lies on the edge


def test_an_outline_without_a_centre_has_the_pixel_it_lies_in() -> None:
    found = rasterise_outlines(np.array([pixels(7.6, 7.9, 9.1, 9.4)], dtype=object), GRID)
    assert (found.n_pixels[0], found.first_row[0], found.first_col[0]) == (1, 7, 9)
    assert array_of(found.inside)[7, 9] == 1


def test_partly_and_wholly_outside_the_image() -> None:
    outside = translate(pixels(0, 4, 0, 5), xoff=-1000.0, yoff=100.0)
    shapes = np.array([outside, pixels(-2, 2, 38, 43)], dtype=object)
    found = rasterise_outlines(shapes, GRID)
    assert found.n_pixels.tolist() == [20, 20]
    assert found.inside.n_pixels.tolist() == [0, 4]
    assert (found.first_row[0], found.first_col[0]) == (-50, -500)
    assert (found.first_row[1], found.first_col[1]) == (-2, 38)


def test_sets_can_be_joined_and_put_in_another_order() -> None:
    one = find_components(mask_of((0, 2, 0, 3), (5, 6, 5, 9)))
    two = find_components(mask_of((10, 12, 0, 3)))
    joined = join_sets([one, two])
    assert joined.n_pixels.tolist() == [6, 4, 6]
    turned = reordered(joined, np.array([2, 0, 1]))
    assert turned.n_pixels.tolist() == [6, 6, 4]
    assert turned.first_row.tolist() == [10, 0, 5]
    np.testing.assert_array_equal(array_of(turned), array_of(joined))


# --- matching -----------------------------------------------------------------------------------


def test_the_same_change_counts_once() -> None:
    found = detected(mask_of((5, 15, 5, 15)))
    matching = match([pixels(5, 15, 5, 15)], found)
    assert matching.is_seen.tolist() == [True]
    assert (matching.n_absorbed, matching.absorbed_pixels, matching.n_remainders) == (1, 100, 0)
    assert len(matching.detected.components) == 0


@pytest.mark.parametrize(("col1", "is_match"), [(8, True), (7, False)])
def test_thirty_per_cent_of_the_smaller(col1: int, is_match: bool) -> None:
    # detected 10 × 10 = 100 px; issued 20 × 10 = 200 px; common 10 × 3 = 30 or 10 × 2 = 20 px
    found = detected(mask_of((5, 15, 5, 15)))
    matching = match([pixels(5, 15, col1 - 20, col1)], found)
    assert matching.is_seen.tolist() == [is_match]
    assert matching.n_absorbed == int(is_match)
    if not is_match:
        np.testing.assert_array_equal(patches_left(matching), mask_of((5, 15, 5, 15)))
        assert matching.seen.n_pixels.tolist() == [0]


def test_the_share_is_a_setting() -> None:
    found = detected(mask_of((5, 15, 5, 15)))
    assert (
        match([pixels(5, 15, -12, 8)], found, IssuedParams(min_overlap_ratio=0.31)).n_absorbed == 0
    )
    with pytest.raises(ValidationError):
        IssuedParams(min_overlap_ratio=0.0)


def test_a_rim_around_the_outline_is_dropped_and_told() -> None:
    # two pixels around on every side: 14 × 14 − 10 × 10 = 96 px, more than the minimum size
    matching = match([pixels(7, 17, 7, 17)], detected(mask_of((5, 19, 5, 19))))
    assert patches_left(matching).sum() == 0
    assert dropped_left(matching) == {"covered_by_issued": 1}
    assert matching.detected.components.n_pixels.tolist() == [96]
    assert matching.absorbed_pixels == 100


def test_a_large_remainder_stays_a_patch_without_its_rim() -> None:
    # 10 rows × 20 cols detected; issued covers cols 0–9 of rows 2–9: a 2-px rim above it
    found = detected(mask_of((5, 15, 5, 25)))
    matching = match([pixels(7, 15, 5, 15)], found)
    left = patches_left(matching)
    # grown back by 2 px, the remainder keeps the first two pixels of the rim
    np.testing.assert_array_equal(left, mask_of((5, 15, 15, 25), (5, 7, 14, 15)))
    assert matching.n_remainders == 1
    assert dropped_left(matching) == {"covered_by_issued": 1}


def test_a_small_remainder_is_dropped() -> None:
    matching = match([pixels(5, 15, 5, 15)], detected(mask_of((5, 15, 5, 15), (5, 8, 15, 18))))
    assert patches_left(matching).sum() == 0
    assert matching.detected.components.n_pixels.tolist() == [9]  # 9 < 12


def test_every_pixel_of_the_detection_is_accounted_for() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        mask = (rng.random((30, 40)) < 0.62).astype(np.uint8)
        found = detected(mask)
        outlines = [
            pixels(r, r + h, c, c + w)
            for r, c, h, w in rng.integers([-3, -3, 2, 2], [28, 38, 15, 15], (5, 4)).tolist()
        ]
        matching = match(outlines, found)
        left = matching.detected
        is_patch = found.reasons == ""
        kept = int(found.components.n_pixels[is_patch].sum())
        again = left.components.n_pixels[left.reasons != "below_min_area"].sum()
        assert kept == again + matching.absorbed_pixels
        n_patches = int((left.reasons == "").sum())
        assert int(is_patch.sum()) == n_patches - matching.n_remainders + matching.n_absorbed
        # nothing twice: the sets do not overlap, and are in order of their first pixel
        assert array_of(left.components).sum() == left.components.n_pixels.sum()
        first = left.components.first_row.astype(int) * 40 + left.components.first_col
        assert (np.diff(first) > 0).all()
        np.testing.assert_array_equal(
            array_of(left.components) | (array_of(matching.seen) & mask), mask
        )


@pytest.mark.parametrize("rows", [1, 2, 5, 29])
def test_remainders_do_not_depend_on_the_strips(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    rng = np.random.default_rng(9)
    found = detected((rng.random((30, 40)) < 0.8).astype(np.uint8))
    outlines = [pixels(3, 11, 4, 30), pixels(15, 22, 10, 38)]
    whole = match(outlines, found)
    assert whole.n_remainders > 0
    monkeypatch.setattr(issued, "STRIP_ROWS", rows)
    cut = match(outlines, found)
    np.testing.assert_array_equal(cut.detected.components.runs, whole.detected.components.runs)
    assert cut.detected.reasons.tolist() == whole.detected.reasons.tolist()


def test_small_components_do_not_match() -> None:
    matching = match([pixels(5, 9, 5, 9)], detected(mask_of((5, 8, 5, 8))))
    assert matching.is_seen.tolist() == [False]
    assert dropped_left(matching) == {"below_min_area": 1}


def test_one_outline_with_two_patches_and_one_patch_with_two_outlines() -> None:
    found = detected(mask_of((2, 8, 2, 8), (2, 8, 12, 18), (20, 26, 2, 22)))
    outlines = [pixels(2, 8, 2, 18), pixels(20, 26, 2, 10), pixels(20, 26, 14, 22)]
    matching = match(outlines, found)
    assert matching.seen.n_pixels.tolist() == [72, 48, 48]
    assert (matching.n_absorbed, matching.n_remainders) == (3, 1)
    np.testing.assert_array_equal(patches_left(matching), mask_of((20, 26, 10, 14)))


def test_overlapping_outlines_count_absorbed_pixels_once() -> None:
    found = detected(mask_of((5, 15, 5, 15)))
    matching = match([pixels(5, 15, 5, 12), pixels(5, 15, 8, 15)], found)
    assert matching.seen.n_pixels.tolist() == [70, 70]
    assert matching.absorbed_pixels == 100


def test_remainders_of_the_two_classes_stay_apart() -> None:
    # two objects side by side, one construction-like, each half under its own outline
    left, right = mask_of((2, 22, 2, 12)), mask_of((2, 22, 12, 22))
    one, two = find_components(left), find_components(right)
    found = Detected(join_sets([one, two]), np.array(["", ""]), np.array([True, False]))
    matching = match([pixels(2, 12, 2, 12), pixels(2, 12, 12, 22)], found)
    kept = matching.detected.select(matching.detected.reasons == "")
    assert kept.components.n_pixels.tolist() == [100, 100]
    assert kept.is_likely.tolist() == [True, False]
    assert matching.is_seen_likely.tolist() == [True, False]


def test_without_detections_and_without_outlines() -> None:
    empty = detected(mask_of())
    matching = match([pixels(2, 5, 2, 5)], empty)
    assert (matching.is_seen.tolist(), matching.n_absorbed) == ([False], 0)
    found = detected(mask_of((5, 15, 5, 15)))
    matching = match([], found)
    np.testing.assert_array_equal(patches_left(matching), mask_of((5, 15, 5, 15)))


def test_measures_of_an_issued_outline() -> None:
    outline = rotate(pixels(5, 15, 5, 25), 20.0)
    shapes = np.array([MultiPolygon([outline])], dtype=object)
    row = measure_outlines(shapes, rasterise_outlines(shapes, GRID), CRS_4547).iloc[0]
    assert row["area_m2"] == pytest.approx(geodesic_area_m2(outline), rel=1e-6, abs=1e-4)
    assert row["area_planar_m2"] == pytest.approx(800.0)
    assert row["perimeter_m"] == pytest.approx(120.0)
    assert row["width_m"] == pytest.approx(20.0, rel=1e-3)
    assert abs(row["n_pixels"] - 200) < 10


def test_every_parameter_is_described() -> None:
    assert all(field.description for field in IssuedParams.model_fields.values())
