"""`readme.txt` of a township's package and of the bureau's folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.delivery.form_columns import CLUE_ZH

CONTENTS: dict[str, str] = {
    "readme.txt": "本说明",
    "cards.pdf": "核查卡，每个图斑一页，可打印带到现场",
    "register.xlsx": "图斑台账，黄色列由乡镇填写（WPS、Excel）",
    "verify.qgz": "地图工程，用 QGIS 3.22 或更新版本打开（QField 亦可）",
    "verify.gpkg": "图斑、套合分块、本乡镇范围和管理图层；样式和下拉表已存入",
    "patches.kml": "图斑位置，用手机地图软件打开",
    "route.csv": "核查路线：按天排好先后的图斑清单（register.xlsx 里也有一张）",
    "before.tif": "变化前影像",
    "after.tif": "变化后影像",
    "manifest.json": "文件清单和校验值（SHA-256），供回收时核对",
}
"""Every file of a package, in the order of the readme."""


@dataclass(frozen=True)
class TownshipLine:
    """What the bureau's readme says of one township."""

    code: str
    name: str
    n_patches: int
    n_withheld: int
    """Patches of classes that are not sent out; the bureau has them in `county.gpkg`."""
    area_mu: str
    observed_ratio: float
    """Share of its land seen on both dates, 0–1."""
    hidden_villages: tuple[str, ...] = ()
    """Its villages that were not seen as a whole, with their shares."""


@dataclass(frozen=True)
class PackageSeen:
    """How much of a township's land the images show."""

    observed_ratio: float
    hidden_villages: tuple[str, ...]


def hidden_villages(villages: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Villages (rows of `observed`) that were not seen as a whole, the least seen first."""
    partly = [row for row in villages if float(row["observed_ratio"]) < 1]
    partly.sort(key=lambda row: (float(row["observed_ratio"]), str(row["unit_code"])))
    return tuple(
        f"{row['unit_name']}（{row['unit_code']}）{_percent(float(row['observed_ratio']))}"
        for row in partly
    )


def package_readme(
    heading: Mapping[str, str],
    n_patches: int,
    buffer_m: float,
    seen: PackageSeen,
    route: Sequence[str],
) -> str:
    """Text of a package; `heading` as in `forms.register`, `route` the lines of the day plan."""
    lines = [
        f"{heading['county']}{heading['township']}　卫片执法核查包",
        "",
        f"密级：{heading['secrecy']}",
        f"期次：{heading['period'] or '—'}",
        f"核查包编号：{heading['package_id']}",
        f"图斑：{n_patches} 个",
        f"两期影像均可观测：{_percent(seen.observed_ratio)}（占本乡镇土地面积）",
        f"反馈截止：{heading['due'] or '见各图斑“反馈截止”'}",
        "",
        "一、性质",
        f"  {CLUE_ZH}",
        "",
        "二、内容",
        *(f"  {name:<14}{text}" for name, text in CONTENTS.items()),
        "",
        "三、怎么打开",
        "  先把压缩包整个解压到本机文件夹，不要在压缩包里直接打开。",
        "  双击 verify.qgz 查看地图；双击 register.xlsx 填表；打印 cards.pdf 带到现场。",
        "  各文件放在同一文件夹，不要改名、不要单独移走，否则地图工程找不到数据。",
        "",
        "四、怎么填报",
        "  在 register.xlsx 的黄色列填写，或在 verify.qgz 的“核查图斑”图层里填写；两处只用一处。",
        "  灰色列和图斑编号已锁定，改动会在回收时列为异常，不会并入。不清楚的留空，不要填 0。",
        "  照片：四个方向各一张、内部一张，文件名以图斑编号开头，放在 photos 文件夹。",
        "",
        "五、核查路线（图斑写作地图上的编号，即图斑编号末尾的数）",
        *(f"  {line}" for line in route),
        "",
        "六、怎么交回",
        "  把填好的 register.xlsx 或 verify.gpkg 和 photos 文件夹一起压缩，交回县局。",
        "",
        "七、范围",
        f"  影像和管理图层只到本乡镇范围和图斑外 {buffer_m:g} 米；更远处是空白，不是没有变化。",
        *_hidden(seen.hidden_villages),
        "  跨界图斑整体交给面积最大的乡镇，表中“是否跨界”为“是”。",
        "  面积为椭球面积；亩数由各分块相加得到。永久基本农田、生态保护红线等是“其中”，不另相加。",
    ]
    return _text(lines)


def county_readme(
    heading: Mapping[str, str], townships: Sequence[TownshipLine], n_outside: int
) -> str:
    """Text of the bureau's folder: who got how much, who nothing, how much was seen."""
    without = [line for line in townships if line.n_patches == 0]
    lines = [
        f"{heading['county']}　卫片执法核查成果（县局留存）",
        "",
        f"密级：{heading['secrecy']}",
        f"期次：{heading['period'] or '—'}",
        f"运行编号：{heading['package_id']}",
        "",
        "一、内容",
        "  county.gpkg       全县图斑、套合分块、初判理由、乡镇范围和管理图层",
        "  county.qgz        地图工程；影像引用本次运行的 align 文件夹，不要单独移走",
        "  judgements.xlsx   合法性判定表，由县局填写并签署",
        "  cases.xlsx        案件台账，由县局填写",
        "  county_inputs.xlsx 县填报数据（分母、指标、扣减），由县局填写",
        "",
        f"二、性质\n  {CLUE_ZH}",
        "",
        "三、各乡镇图斑",
        *(_township(line) for line in townships),
        "",
        "  留存不下发的是程序认为与建设无关的变化，county.gpkg 里“是否下发乡镇”为“否”，可复核。",
        "",
        "四、没有下发图斑的乡镇（不出核查包）",
        *(_without(line) for line in without),
        *([] if without else ["  无。"]),
        "",
        "五、没有看全的村（占该村土地面积的可观测比例；全部乡镇和村见 county.gpkg 的 observed 表）",
        *(
            f"  {line.name}：{'、'.join(line.hidden_villages)}"
            for line in townships
            if line.hidden_villages
        ),
        *([] if any(line.hidden_villages for line in townships) else ["  无。"]),
        "",
        "六、未定乡镇的图斑",
        f"  {n_outside} 个图斑不在任何乡镇范围内，没有下发，留县局处理。"
        if n_outside
        else "  无。",
    ]
    return _text(lines)


def _township(line: TownshipLine) -> str:
    """Where nothing was seen, no patch is not none."""
    withheld = f"留存不下发 {line.n_withheld} 个；"
    sent = f"下发核查 {line.n_patches} 个，{line.area_mu} 亩；"
    if not line.observed_ratio:
        sent = sent if line.n_patches else "下发核查：未观测，无法判定；"
        withheld = withheld if line.n_withheld else ""
    return (
        f"  {line.code} {line.name}：{sent}{withheld}两期均可观测 {_percent(line.observed_ratio)}"
    )


def _without(line: TownshipLine) -> str:
    if not line.observed_ratio:
        return f"  {line.code} {line.name}：两期影像都没有看到这里，有没有变化无法判定。"
    return (
        f"  {line.code} {line.name}：看得见的土地上本期未见需核查的图斑，两期均可观测"
        f" {_percent(line.observed_ratio)}；“未见”不等于没有变化。"
    )


def _hidden(villages: Sequence[str]) -> list[str]:
    if not villages:
        return []
    return [
        f"  没有看全的村：{'、'.join(villages)}。",
        "  被云、云影遮住或缺影像的地方没有图斑，不是没有变化。",
    ]


def _percent(ratio: float) -> str:
    """Rounded down, so that 100 % means everything; only nothing is 未观测."""
    if ratio == 0:
        return "未观测"
    return "不足0.1%" if ratio < 0.001 else f"{int(ratio * 1000) / 10:.1f}%"


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
