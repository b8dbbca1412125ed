"""The page on registration, radiometry and what was seen."""

from __future__ import annotations

from pipeline.delivery.align_report import AlignFacts, BandLine, percent, render_alignment

SHARES = {
    "observed": 0.699,
    "nodata": 0.0,
    "cloud": 0.3,
    "shadow": 0.001,
    "saturated": 0.0,
    "unregistered": 0.0,
}
CLEAR = dict.fromkeys(SHARES, 0.0) | {"observed": 1.0}


def facts(**changes: object) -> AlignFacts:
    known: dict[str, object] = {
        "dates": ("2024-05-06", "日期不详"),
        "size_px": (600, 300),
        "pixel_m": 2.0,
        "registration": {
            "kind": "field",
            "moved": "before",
            "shift_row_px": 0.83,
            "shift_col_px": -1.47,
            "residual_px": None,
            "residual_p95_px": 0.17,
            "n_points": 144,
            "n_used": 135,
            "n_check": 32,
        },
        "limits_px": {"flag_median_px": 0.5, "stop_median_px": 2.0},
        "points": [(100.0, 50.0, 0.1), (500.0, 250.0, 0.7)],
        "bands": (BandLine("blue", 1.2, -150.0, 0.951, 68.6, 32.2), BandLine("", 1, 0, 1, 2, 1)),
        "n_sample": 1000,
        "n_invariant": 680,
        "validity": {"valid_before": CLEAR, "valid_after": SHARES, "valid": SHARES},
        "n_clouds": {"before": 0, "after": 3},
        "notices": ("两期影像的亮度关系把握不大。<b>",),
    }
    return AlignFacts(**(known | changes))  # type: ignore[arg-type]


def test_the_page_tells_every_figure() -> None:
    page = render_alignment(facts())
    for text in (
        "局部位移场", "位置为准的影像</th><td class=num>变化后",
        "0.83，-1.47 像元", "144 个，一致的 135 个", "未知 像元", "0.17 像元",
        "<td>蓝</td>", "<td>第 2 波段</td>", "1.2000", "-150.00", "0.951", "68.60", "32.20",
        "样本 1,000 个，其中不变 680 个（68.00%）", "云 30.00%", "云影 0.10%", "69.90%",
        "变化前 0 片、变化后 3 片", "没有看到不等于没有变化", "&lt;b&gt;",
    ):  # fmt: skip
        assert text in page, text
    assert "过饱和 0" not in page
    assert page.count("<circle") == 2
    assert "http" not in page
    assert "<script" not in page


def test_switched_off_is_said() -> None:
    assert "没有自行判断云" in render_alignment(facts(n_clouds={}))


def test_a_share_is_never_rounded_up_to_all() -> None:
    assert percent(0.99999) == "99.99%"
    assert percent(1.0) == "100.00%"
    assert percent(0.29) == "29.00%"
