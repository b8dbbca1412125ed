"""Typesetting the verification cards."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import shapely

from pipeline.delivery.card_images import CardImages
from pipeline.delivery.cards import Card
from pipeline.errors import PipelineError, Severity
from pipeline.io.pdf import (
    CARD_TEMPLATE_PATH,
    compile_cards,
    compile_pdf,
    missing_characters,
    missing_glyphs,
    printable,
    printable_characters,
)
from tests import card_factory as factory
from tests.card_factory import HEADING

SENTENCE = (
    "与农用地转用批文图层叠加，图斑15.00亩中有2.50亩落在批文“示例县2022年度第3批次城镇建设用地”"
    "（示政土字〔2022〕118号）范围内，覆盖率16.7%，低于最低覆盖比例80%，不能认定为已批准。"
)


def page(**changes: Any) -> tuple[Card, CardImages]:
    row, parts = factory.usual_patch()
    overlays = {"approvals": [factory.box(30, 30)], "cultivated": [factory.box(60, 60)]}
    return factory.card(row | changes, parts), factory.images(factory.box(125, 80), overlays)


def page_count(pdf: bytes) -> int:
    [count] = re.findall(rb"/Type\s*/Pages\s*/Count (\d+)", pdf)
    return int(count)


def test_one_page_per_patch_and_the_same_bytes_again() -> None:
    pages = [page(), page(patch_id="379999ZJ24000018", issued_id=None)]
    pdf = compile_cards(pages, HEADING)
    assert pdf.startswith(b"%PDF-1.")
    assert page_count(pdf) == 2
    assert compile_cards(pages, HEADING) == pdf
    assert b"CreationDate" not in pdf


def test_no_card_is_longer_than_its_page() -> None:
    """Nothing known; 14 reasons of six lines; long names, lists and facts."""
    row, parts = factory.usual_patch()
    nothing = pd.DataFrame([factory.part(32)], columns=list(factory.PART_COLUMNS))
    empty = factory.card(factory.patch_row(210.0, area_mu100=32), nothing, listed=factory.reasons())
    talkative = factory.card(row, parts, listed=factory.reasons(*[SENTENCE * 3] * 14, assumed=2))
    long_name = "示例山垟埇自然保护区管理委员会第二居民委员会漷瀍片区"
    wordy = factory.card(
        row
        | {
            "patch_id": "379999ZJ24000017_12",
            "village_name": long_name,
            "township_name": long_name,
            "responsible_person": long_name,
            "flags": [long_name] * 6,
            "missing_evidence": [long_name] * 12,
            "handling_route": SENTENCE * 2,
            "violation_kinds": ["1", "2", "3", "4", "5", "6", "7"],
        },
        parts,
        shapely.Point(factory.EAST, factory.NORTH).buffer(50, quad_segs=3),
        factory.reasons(*[SENTENCE] * 8, reference="《中华人民共和国土地管理法》第四十四条"),
    )
    pictures = page()[1]
    unseen = replace(pictures, hidden_before=1.0, hidden_after=0.004, symbols=())
    pages = [(empty, unseen), (talkative, pictures), (wordy, pictures)]
    assert page_count(compile_cards(pages, HEADING)) == 3


def test_what_is_suspected_stays_on_a_full_page() -> None:
    """Reasons that found nothing are left out first, and the others keep their numbers."""
    row, parts = factory.usual_patch()
    steps = [*["approval"] * 12, "fallback", "violation_kind", "context"]
    listed = factory.reasons(*[f"理由{n}号：{SENTENCE}" for n in range(1, 16)], steps=steps)
    text = text_of(compile_cards([(factory.card(row, parts, listed=listed), page()[1])], HEADING))
    printed = [int(number) for number in re.findall(r"理由\s*(\d+)\s*号", text)]
    assert printed[-3:] == [13, 14, 15]
    assert printed[:-3] == list(range(1, len(printed) - 2))
    assert 3 < len(printed) < 15
    assert re.search(rf"余\s*{15 - len(printed)}\s*条见", text)
    assert re.search(r"\b15\.", text)


def text_of(pdf: bytes) -> str:
    if not shutil.which("pdftotext"):
        pytest.skip("没有 pdftotext")
    done = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True)
    return done.stdout.decode("utf-8")


def test_characters_the_font_lacks_are_replaced_and_told() -> None:
    pages = [
        page(responsible_person="王\U00020bb7"),
        page(patch_id="379999ZJ24000018"),
        page(patch_id="379999ZJ24000019", village_name="\ue815村"),
    ]
    (notice,) = missing_glyphs(pages, HEADING, "x/cards.pdf")
    assert (notice.code, notice.severity, notice.where) == (
        "N-FONT-GLYPH",
        Severity.NOTICE,
        "x/cards.pdf",
    )
    named = "\ue815（U+E815）、\U00020bb7（U+20BB7）；图斑 379999ZJ24000017 等 2 张卡"
    assert notice.value == named
    pdf = compile_cards(pages, HEADING)
    assert page_count(pdf) == 3
    text = text_of(pdf)
    assert "王〓" in text
    assert "〓村" in text
    assert text.count("〓") == 2
    assert missing_glyphs(pages[1:2], HEADING, "x") == ()
    (everywhere,) = missing_glyphs(pages, replace(HEADING, secrecy="\ue000"), "x")
    assert "页眉" in everywhere.value


def test_invisible_characters_are_left_out() -> None:
    hidden = "葛\U000e0100\u202e一\u200b\x01二\n三"
    assert printable({"name": (hidden, 1, None)}) == {"name": ["葛一二 三", 1, None]}
    assert missing_characters(hidden) == ""


def test_rare_place_names_are_in_the_font() -> None:
    assert missing_characters(["堉垟埇㘵漷瀍", {"亩": "〔2023〕m²㎡※"}]) == ""
    assert missing_characters("a\ue000b\U0001f600") == "\ue000\U0001f600"
    assert len(printable_characters()) > 30_000


def test_the_form_itself_can_be_printed_and_gives_no_verdict() -> None:
    text = CARD_TEMPLATE_PATH.read_text(encoding="utf-8")
    assert missing_characters(text.replace("\n", "")) == ""
    assert not re.findall(r"(?<!疑似)(?:违法|非法)", text)


def test_a_warning_of_the_typesetter_is_an_error() -> None:
    with pytest.raises(PipelineError) as problem:
        compile_pdf('#set text(font: "No Such Font")\nword', {}, {})
    [finding] = problem.value.findings
    assert finding.code == "E-INTERNAL"
    assert "unknown font family" in finding.value
    with pytest.raises(PipelineError):
        compile_pdf("#no-such-function()", {}, {})


def test_texts_are_printed_and_not_executed() -> None:
    hostile = '#panic("x") \\ $a$ *b* <c> @d {{e}} "'
    assert page_count(compile_cards([page(village_name=hostile)], HEADING)) == 1


def test_a_package_without_patches_has_no_cards() -> None:
    with pytest.raises(ValueError, match="no cards"):
        compile_cards([], HEADING)
