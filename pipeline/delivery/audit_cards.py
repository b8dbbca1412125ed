"""Cards and forms of the omission audit (漏检抽查卡): what two readers see, and nothing more.

A card shows one cell before and after, framed in red. It does not show what the run found there,
and each reader has the cells in an order of their own, so that neither the program nor the other
reader can lead them.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.delivery.sheets import Column, ListSheet, Workbook

PRESENT_ZH, ABSENT_ZH, UNCLEAR_ZH = "有新增建设", "没有", "看不清"
ANSWERS_ZH = (PRESENT_ZH, ABSENT_ZH, UNCLEAR_ZH)
ANSWER_COLUMNS: Mapping[str, str] = {
    "card_no": "卡号",
    "answer": "判读结果",
    "read_by": "判读人",
    "remark": "备注",
}
"""Field name → title on a reader's form."""
QUESTION_ZH = (
    "红框内有没有两期之间新增的建设（房屋、厂房、硬化地面、道路、光伏、大棚等），"
    "面积不小于 100 平方米？"
)

_STYLE = """
@page { size: A4; margin: 12mm }
body { font: 14px/1.5 "Noto Sans SC","Microsoft YaHei",sans-serif; margin: 24px auto; width: 760px }
h1 { font-size: 20px; margin: 0 0 4px } .note { color: #555; margin: 0 0 16px }
.card { border: 1px solid #bbb; padding: 10px 12px; margin: 0 0 14px; break-inside: avoid }
.card h2 { font-size: 15px; margin: 0 0 6px } .pair { display: flex; gap: 12px }
figure { margin: 0; position: relative; width: 360px } img { width: 360px; height: 360px }
figure i { position: absolute; border: 2px solid #d5112b; box-sizing: border-box }
figcaption { font-size: 12px; color: #555 }
"""


@dataclass(frozen=True)
class AuditCard:
    """One cell as a reader sees it."""

    number: str
    before: bytes
    """JPEG, square, like `after`."""
    after: bytes
    cell_share: float
    """Side of the cell as a share of the picture's side; the cell is in the middle."""


def audit_page(
    heading: Mapping[str, str], reader: str, cards: Sequence[AuditCard], dates: tuple[str, str]
) -> str:
    """A reader's cards as one page that needs no network; prints two cards to a sheet."""
    body = "".join(_card(card, dates) for card in cards)
    title = html.escape(f"{heading['county']} {heading['period']} 漏检抽查卡（{reader}）")
    note = html.escape(
        f"{QUESTION_ZH}　在同名的判读表里按卡号填写；不要与另一位判读人商量。{heading['secrecy']}"
    )
    return (
        f'<!doctype html><html lang="zh"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1>"
        f'<p class="note">{note}</p>{body}</html>\n'
    )


def _card(card: AuditCard, dates: tuple[str, str]) -> str:
    side, start = 100 * card.cell_share, 50 * (1 - card.cell_share)
    frame = (
        f'<i style="left:{start:.2f}%;top:{start:.2f}%;width:{side:.2f}%;height:{side:.2f}%"></i>'
    )
    figures = "".join(
        f'<figure><div style="position:relative;width:360px;height:360px">'
        f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}">{frame}'
        f"</div><figcaption>{label}　{html.escape(date)}</figcaption></figure>"
        for picture, label, date in zip(
            (card.before, card.after), ("变化前", "变化后"), dates, strict=True
        )
    )
    return f'<div class="card"><h2>{card.number}</h2><div class="pair">{figures}</div></div>'


def answer_form(
    heading: Mapping[str, str], reader: str, numbers: Sequence[str], place: str
) -> Workbook:
    """The form that goes with a reader's cards; `place` is where it is to be put back."""
    title = f"{heading['county']}漏检抽查判读表（{reader}）"
    columns = [
        Column("card_no", ANSWER_COLUMNS["card_no"], "id", 10),
        Column("answer", ANSWER_COLUMNS["answer"], "text", 16, True, "判读结果"),
        Column("read_by", ANSWER_COLUMNS["read_by"], "text", 12, True),
        Column("remark", ANSWER_COLUMNS["remark"], "long", 40, True),
    ]
    return Workbook(
        title,
        heading["package_id"],
        heading["secrecy"],
        [
            ListSheet(
                "判读表",
                title,
                (QUESTION_ZH,),
                columns,
                [{"card_no": number} for number in numbers],
                1,
            )
        ],
        [
            ("怎么填", "每张卡选一个结果；遮挡或分不清的选“看不清”，不要猜。"),
            ("放在哪里", f"填好后仍存为 {place}，文件名不变。"),
        ],
        {"判读结果": ANSWERS_ZH},
    )
