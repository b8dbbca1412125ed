"""The words, figures and pictures of a verification card."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from PIL import Image

from pipeline.delivery.card_areas import AreaLine
from pipeline.delivery.card_images import (
    HIDDEN_GROUND,
    HIDDEN_LINE,
    CardImageParams,
    DateWindow,
    Stretch,
    card_extent,
    card_images,
    stretch_of,
)
from pipeline.delivery.card_map import SYMBOL_OF_LAYER, SYMBOLS, Extent, overlay_svg, swatch_svg
from pipeline.delivery.cards import MAX_REASON_CHARS, Card, crs_label_zh
from pipeline.errors import VerifyError
from pipeline.units import format_mu100
from tests import card_factory as factory
from tests.card_factory import CGCS2000_GK_114E, EAST, NORTH
from tests.wording import unguarded


def usual(**changes: Any) -> Card:
    row, parts = factory.usual_patch()
    return factory.card(row | changes, parts)


def mu_of(lines: tuple[AreaLine, ...]) -> dict[str, str]:
    return {line.label: line.area_mu for line in lines}


def fact(card: Card, label: str) -> str:
    return dict(card.facts)[label]


# ------------------------------------------------------------------ areas


def test_mu_are_sums_of_the_parts_and_addends_add_up() -> None:
    card = usual()
    assert mu_of(card.land) == {
        "图斑面积": "15.00",
        "耕地": "9.00",
        "其他农用地": "4.00",
        "未利用地": "0.00",
        "建设用地": "2.00",
        "地类未覆盖": "0.00",
        "耕地扣除田坎": "",
        "永久基本农田": "6.00",
        "自然保护地": "",
        "生态保护红线": "0.00",
    }
    addends = [round(float(line.area_mu) * 100) for line in card.land if line.role == "addend"]
    assert sum(addends) == 1500
    assert mu_of(card.permits)["批文"] == "2.50"
    assert mu_of(card.permits)["以上均未覆盖"] == "12.50"
    assert mu_of(card.plan) == {"符合规划": "4.50", "不符合规划": "10.50"}


def test_square_metres_have_two_decimals_rounded_half_up() -> None:
    areas = {line.label: line.area_m2 for line in usual(cultivated_m2=6000.125).land}
    assert areas["耕地"] == "6000.13"
    assert areas["其他农用地"] == "2666.67"


def test_a_layer_that_was_not_supplied_is_not_zero() -> None:
    card = usual()
    [reserve] = [line for line in card.land if line.label == "自然保护地"]
    assert (reserve.area_m2, reserve.area_mu) == ("未提供", "")


def test_a_patch_of_which_nothing_is_known_says_so() -> None:
    nothing = pd.DataFrame([factory.part(32)], columns=list(factory.PART_COLUMNS))
    row = factory.patch_row(210.0, area_mu100=32, before_date=float("nan"), flags=None)
    card = factory.card(row, nothing, listed=factory.reasons())
    lines = (*card.land[1:], *card.permits, *card.plan)
    assert {(line.area_m2, line.area_mu) for line in lines} == {("未提供", "")}
    assert (card.before_date, card.suspected_class, card.village) == (
        "日期未提供",
        "未初判",
        "未提供",
    )
    assert fact(card, "变化概率") == "无（未经自动检测）"
    assert fact(card, "责任单位") == "责任单位待定"
    assert card.issued_id == ""
    assert card.flags == card.violation_kinds == card.reasons == ()


def test_parts_that_do_not_add_up_are_refused() -> None:
    row, parts = factory.usual_patch()
    with pytest.raises(VerifyError) as problem:
        factory.card(row, parts.iloc[:-1])
    [finding] = problem.value.findings
    assert (finding.code, finding.value) == ("E-VERIFY-SUM", "各部分合计 13.00 亩")


# ------------------------------------------------------------------ facts


def test_the_central_meridian_is_at_500_km_east() -> None:
    row, parts = factory.usual_patch()
    on_meridian = shapely.box(499_990.0, 3_400_000.0, 500_010.0, 3_400_020.0)
    card = factory.card(row, parts, on_meridian)
    assert fact(card, "中心经纬度").startswith("114.000000°E，30.7")
    assert fact(card, "中心坐标") == "X 3400010.00，Y 500000.00"
    assert card.crs == "CGCS2000，3度带高斯投影，中央经线114°E"


def test_other_reference_systems_keep_their_own_name() -> None:
    assert crs_label_zh(type(CGCS2000_GK_114E).from_epsg(32650)) == "WGS 84 / UTM zone 50N"


@pytest.mark.parametrize(
    ("ratio", "shown"), [(1.0, "100%"), (0.9999, "99.9%"), (0.5, "50%"), (0.0, "0%")]
)
def test_only_what_was_seen_wholly_is_100_percent(ratio: float, shown: str) -> None:
    assert fact(usual(observed_ratio=ratio), "可观测比例").startswith(shown + "（")


def test_a_probability_is_never_printed_without_its_caveat() -> None:
    assert fact(usual(), "变化概率") == "0.87（由影像统计推出，仅供排序参考）"


def test_only_townships_that_may_be_named_are_named() -> None:
    card = usual(
        responsible_code=None,
        responsible_candidates='["379999001", "379998777"]',
        straddles=["379998777", "379998778"],
    )
    assert fact(card, "责任单位") == "待定（清溪镇、其他单位）"
    border = "另涉其他单位，整体由本乡镇核查，不拆分；本乡镇内 "
    assert fact(card, "跨越界线").startswith(border)
    assert "379998777" not in str(asdict(card))


def test_the_share_of_the_receiving_township_is_printed() -> None:
    row, parts = factory.usual_patch()
    row = row | {"straddles": ["379998777"]}
    parts = parts.assign(township_code=row["township_code"])
    whole = format_mu100(int(row["area_mu100"]))
    assert fact(factory.card(row, parts), "跨越界线").endswith(f"本乡镇内 {whole} 亩")
    parts.loc[parts.index[0], "township_code"] = None
    left = format_mu100(int(row["area_mu100"]) - int(parts["area_mu100"].iloc[0]))
    assert fact(factory.card(row, parts), "跨越界线").endswith(f"本乡镇内 {left} 亩")


def test_a_derived_grade_is_printed_with_its_zones() -> None:
    card = usual(patrol_area_id=None, patrol_grade_basis="国道、省道两侧")
    assert fact(card, "巡查责任") == "一级：国道、省道两侧"
    assert fact(usual(patrol_area_id=None, patrol_grade_basis=None), "巡查责任") == "未提供"


def test_invisible_characters_and_line_breaks_do_not_reach_the_page() -> None:
    assert usual(village_name="\ufeff垟埇\u200b村 \n 一组 ").village == "垟埇村 一组"


def test_vertices_are_listed_up_to_twelve_and_counted_beyond() -> None:
    row, parts = factory.usual_patch()
    ring = shapely.Point(EAST, NORTH).buffer(50, quad_segs=3)
    hole = ring.difference(shapely.box(EAST, NORTH, EAST + 1, NORTH + 1))
    twelve, sixteen = factory.card(row, parts, ring), factory.card(row, parts, hole)
    assert [vertex.number for vertex in twelve.vertices] == [f"J{k}" for k in range(1, 13)]
    assert (twelve.vertices[0].northing, twelve.vertices[0].easting) == (
        "3411600.00",
        "523450.00",
    )
    assert (sixteen.vertices, sixteen.n_vertices) == ((), 16)


# ------------------------------------------------------------------ screening


def test_reasons_come_in_their_order_with_reference_and_assumption() -> None:
    row, parts = factory.usual_patch()
    listed = factory.reasons("甲", "乙", "丙" * 500, reference="《土地管理法》", assumed=1)
    card = factory.card(row, parts, listed=listed.iloc[::-1])
    assert [reason.text[0] for reason in card.reasons] == ["甲", "乙", "丙"]
    assert card.reasons[2].text == "丙" * MAX_REASON_CHARS + "……"
    assert [reason.is_assumption for reason in card.reasons] == [False, False, True]
    assert card.reasons[0].reference == "《土地管理法》"
    assert card.uses_assumption
    assert not factory.card(row, parts, listed=listed.iloc[:2]).uses_assumption


def test_codes_are_printed_by_their_labels_and_unknown_ones_as_they_are() -> None:
    card = usual(missing_evidence='["supply", "new_code"]')
    assert card.missing_evidence == ("供地文件", "new_code")
    assert card.suspected_class == "疑似违法"
    assert card.rule_set == "9f3c2a7be410"


def test_the_score_is_printed_with_its_parts() -> None:
    parts = [
        {"code": "class", "label": "初判类别", "points": 50},
        {"code": "pbf", "label": "压占永久基本农田", "points": 20},
    ]
    for given in (parts, json.dumps(parts)):
        card = usual(priority=70, priority_parts=given)
        assert card.priority == "70"
        assert card.priority_parts == (("初判类别", "50"), ("压占永久基本农田", "20"))
    assert (usual().priority, usual().priority_parts) == ("", ())


def test_the_program_gives_no_verdict() -> None:
    assert unguarded(str(asdict(usual()))) == []


# ------------------------------------------------------------------ pictures

SMALL = CardImageParams(picture_px=120, max_enlargement=16)


def decoded(jpeg: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(jpeg)), np.int16)


def window_of(value: Any, extent: Extent, gsd_m: float = 2.0) -> DateWindow:
    """A grey image whose pixel at (east, north) has `value(east, north)`, 0–255."""
    count = int(extent.side_m / gsd_m) + 4
    transform = Affine(gsd_m, 0, extent.left - 2 * gsd_m, 0, -gsd_m, extent.top + 2 * gsd_m)
    return warped_window(value, transform, (count, count))


def warped_window(value: Any, transform: Affine, shape: tuple[int, int]) -> DateWindow:
    rows, cols = np.mgrid[0.5 : shape[0], 0.5 : shape[1]]
    east, north = transform @ (cols, rows)
    coefficients = tuple(transform)[:6]
    stretch = Stretch((0.0,) * 3, (255.0,) * 3)
    pixels = np.asarray(value(east, north), np.float32)[None]
    return DateWindow(pixels, np.zeros(shape, bool), coefficients, stretch)  # type: ignore[arg-type]


def test_a_small_patch_is_shown_in_120_metres_a_large_one_with_its_margin() -> None:
    small, large = card_extent(factory.box(10, 20)), card_extent(factory.box(600, 40))
    assert small == Extent(EAST + 5 - 60, NORTH + 10 + 60, 120.0)
    assert large.side_m == pytest.approx(600 * 1.7)
    assert large.bounds[0] == pytest.approx(EAST - 210)
    assert card_extent(factory.box(70, 70)).side_m == 130.0


def test_each_pixel_is_shown_where_it_lies() -> None:
    """The picture of a ramp is the ramp: 1 grey per metre eastwards, read back at known points."""
    outline = factory.box(40, 40)
    extent = card_extent(outline, SMALL)
    ramp = window_of(lambda east, north: east - extent.left + 0.5 * (extent.top - north), extent)
    shown = decoded(card_images(outline, ramp, ramp, {}, SMALL).before)[..., 0]
    assert shown.shape == (120, 120)
    for row, col in ((20, 20), (20, 100), (100, 20), (60, 60)):
        assert shown[row, col] == pytest.approx((col + 0.5) + 0.5 * (row + 0.5), abs=2.0)


def test_a_rotated_image_is_shown_north_up() -> None:
    outline = factory.box(40, 40)
    extent = card_extent(outline, SMALL)
    middle = (extent.left + 60, extent.top - 60)
    turned = (
        Affine.translation(*middle)
        @ Affine.rotation(30)
        @ Affine.scale(2, -2)
        @ Affine.translation(-60, -60)
    )
    image = warped_window(lambda east, north: east - extent.left, turned, (120, 120))
    shown = decoded(card_images(outline, image, image, {}, SMALL).after)[..., 0]
    assert shown[30, 90] == pytest.approx(90.5, abs=2.0)
    assert shown[90, 30] == pytest.approx(30.5, abs=2.0)


def test_pixels_are_enlarged_at_most_fourfold_and_averaged_if_finer() -> None:
    outline = factory.box(10, 10)
    coarse = factory.ramp_window(outline, gsd_m=2.0)
    assert decoded(card_images(outline, coarse, coarse, {}).before).shape == (240, 240, 3)
    extent = card_extent(outline, SMALL)
    stripes = window_of(
        lambda east, north: east - extent.left + (east // 0.25 % 2) * 100, extent, gsd_m=0.25
    )
    shown = decoded(card_images(outline, stripes, stripes, {}, SMALL).before)[..., 0]
    expected = np.arange(0.5, 120) + 50
    assert np.abs(shown[5:-5] - expected)[:, 5:-5].max() < 8


def test_what_was_not_seen_is_hatched_grey_and_counted() -> None:
    outline = factory.box(40, 40)
    extent = card_extent(outline, SMALL)
    flat = window_of(lambda east, north: np.zeros_like(east), extent)
    cols = np.arange(flat.hidden.shape[1])
    west = np.broadcast_to(cols < flat.hidden.shape[1] / 2, flat.hidden.shape)
    images = card_images(outline, replace(flat, hidden=west), flat, {}, SMALL)
    shown = decoded(images.before)
    assert images.hidden_before == pytest.approx(0.5, abs=0.02)
    assert images.hidden_after == 0.0
    assert shown[:, :50].min() > HIDDEN_LINE - 40
    assert shown[:, :50].max() <= HIDDEN_GROUND + 25
    assert shown[:, 70:].max() < 25


def test_each_date_shows_what_hides_its_ground_in_a_hatching_of_its_own() -> None:
    outline = factory.box(40, 40)
    extent = card_extent(outline, SMALL)
    flat = window_of(lambda east, north: np.full_like(east, 50.0), extent)
    rows = np.indices(flat.hidden.shape)[0]
    share = rows / len(rows)
    hidden = np.select([share < 0.45, share < 0.7], [2, 3], 0).astype(np.uint8)
    images = card_images(outline, replace(flat, hidden=hidden), flat, {}, SMALL)
    assert images.hidden_kinds == (("cloud", "shadow"), ())
    assert images.hidden_before == pytest.approx(0.7, abs=0.03)
    shown = decoded(images.before).astype(float).mean(axis=-1)
    cloud, shadow = shown[10:34, 20:100], shown[58:78, 20:100]
    # Level lines change down the rows alone, slanting ones along them too.
    assert shadow.std(axis=0).mean() > 3 * shadow.std(axis=1).mean()
    assert 0.7 < cloud.std(axis=0).mean() / cloud.std(axis=1).mean() < 1.4
    assert cloud.std() > 10
    other = card_images(outline, flat, replace(flat, hidden=hidden * 0 + 5), {}, SMALL)
    assert other.hidden_kinds == ((), ("other",))
    assert other.hidden_after == 1.0


def test_beyond_the_image_nothing_was_seen() -> None:
    outline = factory.box(40, 40)
    whole = factory.ramp_window(outline)
    half = len(whole.hidden) // 2
    cut = replace(whole, pixels=whole.pixels[:, :half], hidden=whole.hidden[:half])
    assert card_images(outline, cut, whole, {}).hidden_before == pytest.approx(0.5, abs=0.02)


def test_land_the_township_may_not_see_stays_blank() -> None:
    outline = factory.box(40, 40)
    extent = card_extent(outline, SMALL)
    dark = window_of(lambda east, north: np.zeros_like(east), extent)
    east_half = shapely.box(extent.left + 60, extent.top - 300, extent.left + 300, extent.top)
    images = card_images(outline, dark, dark, {}, SMALL, east_half)
    for picture in (images.before, images.after, images.muted):
        shown = decoded(picture)
        assert shown[:, :50].min() > 245
        assert shown[:, 70:].max() < 170


def test_the_stretch_ignores_what_was_not_seen() -> None:
    pixels = np.tile(np.arange(101.0), (1, 2, 1))
    pixels[0, 1] = 60_000
    seen = np.array([[True] * 101, [False] * 101])
    stretch = stretch_of(pixels, seen)
    assert stretch == Stretch((1.0,) * 3, (99.0,) * 3)
    assert stretch_of(pixels, ~seen & False) == Stretch((0.0,) * 3, (1.0,) * 3)


def test_pictures_of_the_same_patch_are_the_same_bytes() -> None:
    outline = factory.box(40, 40)
    overlays = {"approvals": [factory.box(20, 20)]}
    assert factory.images(outline, overlays) == factory.images(outline, overlays)


# ------------------------------------------------------------------ overlay map


def test_the_legend_lists_what_is_in_the_picture_only() -> None:
    outline = factory.box(40, 40)
    far_away = shapely.box(EAST + 5000, NORTH, EAST + 5100, NORTH + 100)
    beside = shapely.box(EAST + 80.5, NORTH, EAST + 82, NORTH + 20)  # in the bleed, not seen
    svg, present = overlay_svg(
        {
            "registration": [factory.box(20, 20)],
            "supply": [],
            "nature_reserve": [far_away, beside],
            "cultivated": [factory.box(30, 30)],
        },
        card_extent(outline),
    )
    assert present == ("cultivated", "supply_registration")
    assert SYMBOLS["protected"].ink.encode() not in svg


def test_a_shape_is_drawn_at_its_place_and_cut_at_the_picture() -> None:
    extent = Extent(1000.0, 2000.0, 100.0)
    north_west = shapely.box(1000, 1950, 1050, 2000)
    assert shapely.equals(extent.drawn(north_west), shapely.box(0, 0, 500, 500))
    everywhere = shapely.box(0, 0, 9000, 9000)
    assert shapely.bounds(extent.drawn(everywhere)).tolist() == [-30, -30, 1030, 1030]


def test_broken_polygons_are_drawn_nevertheless() -> None:
    bow_tie = shapely.Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])
    _, present = overlay_svg({"approvals": [bow_tie]}, Extent(0.0, 100.0, 100.0))
    assert present == ("approvals",)


def test_no_two_symbols_look_alike_in_black_and_white() -> None:
    looks = {(s.hatch, s.dash, s.tint > 0) for s in SYMBOLS.values()}
    assert len(looks) == len(SYMBOLS)
    assert set(SYMBOL_OF_LAYER.values()) == set(SYMBOLS)
    for symbol in SYMBOLS.values():
        red, green, blue = (int(symbol.ink[k : k + 2], 16) for k in (1, 3, 5))
        assert 0.299 * red + 0.587 * green + 0.114 * blue < 155
    assert len({swatch_svg(key) for key in SYMBOLS}) == len(SYMBOLS)
