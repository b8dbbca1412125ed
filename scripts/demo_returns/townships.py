"""What each township sends back, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl

from .county import Patch, roll
from .edited_geopackage import answer_by_geopackage
from .forms import Form, new_list, save_book, shown, write_csv, write_zip
from .photos import take_photos
from .played import Played
from .story import Values, finding
from .township import Township

UNKNOWN_PATCH = "379999ZJ24999999"
PHOTOGRAPHED = 3
"""Patches of a township of which there are photos."""
Decision = tuple[str, str, str, int, bool]
"""Patch, township, file, line, and whether it is the one that counts."""


def answer_all(
    packages: Sequence[Path], patches: list[Patch], played: Played, surveyed: frozenset[str]
) -> tuple[dict[str, str], list[Decision]]:
    """Every township's answer; folders of returns by township code, and the rivals to decide."""
    sent = [patch for patch in patches if patch.is_sent]
    often = Counter(patch.case_id for patch in sent)
    places: dict[str, str] = {}
    decisions: list[Decision] = []
    for package in packages:
        code = package.name[:9]
        own = [patch for patch in sent if patch.township_code == code]
        others = [patch for patch in sent if patch.township_code != code]
        order = sorted(own, key=lambda p: (often[p.case_id] == 1, roll(p.patch_id, "victim")))
        township = Township(code, package, own, others, order, played, surveyed)
        places[code] = township.place
        decisions += WAYS.get(code, _as_issued)(township) or []
    return places, decisions


def _as_issued(township: Township) -> None:
    form = Form(township.package / "register.xlsx")
    name = f"{township.place}/register.xlsx"
    for patch_id, values in township.findings().items():
        form.fill(form.row_of[patch_id], values)
        township.played.found(name, patch_id, values, form.row_of[patch_id])
    form.save(township.path(name))


def _by_csv(township: Township) -> None:
    form = Form(township.package / "register.xlsx")
    name, played = f"{township.place}/register.csv", township.played
    vague = {patch.patch_id for patch in township.victims[:1]}
    for patch_id, values in township.findings().items():
        row = form.row_of[patch_id]
        form.fill(row, values)
        if patch_id in vague:
            form.put(row, "start_date", "去年秋天")
            played.reject(name, "finding", patch_id, "E-RETURN-VALUE", "动工时间不是日期")
        else:
            played.found(name, patch_id, values, row)
    write_csv(township.path(name), form.lines(), "gb18030")
    escape = f"{township.place}/补充材料.zip"
    write_zip(township.path(escape), {"../../escape.txt": b"out", "note.txt": b"in"})
    played.reject(escape, "file", escape, "E-RETURN-REFUSED", "压缩包成员越出文件夹")
    minutes = f"{township.place}/会议纪要.docx"
    township.path(minutes).write_bytes(b"not a form")
    played.reject(minutes, "file", minutes, "E-RETURN-UNKNOWN", "认不出是什么")


def _by_form(township: Township) -> list[Decision]:
    form = Form(township.package / "register.xlsx")
    name, played = f"{township.place}/register.xlsx", township.played
    victims = [patch.patch_id for patch in township.victims]
    wrong, locked, rivals = victims[:1], victims[1:2], victims[2:4]
    findings = township.findings()
    for patch_id, values in findings.items():
        row = form.row_of[patch_id]
        form.fill(row, values)
        if patch_id in wrong:
            form.put(row, "site_state", "基本建成")
            played.reject(name, "finding", patch_id, "E-RETURN-VALUE", "现状不在选项中")
        elif patch_id not in rivals:
            played.found(name, patch_id, values, row)
        if patch_id in locked:
            form.put(row, "area_mu", round(form.get(row, "area_mu") / 2, 2))
            played.notice(name, patch_id, "N-RETURN-LOCKED", "图斑面积被改小")
    form.save(township.path(name))
    _photos(township, findings, f"{township.place}/photos", victims[4:])
    return _rivals(township, findings, form, rivals)


def _rivals(
    township: Township, findings: dict[str, Values], form: Form, rivals: list[str]
) -> list[Decision]:
    """A second file that says otherwise; of the first patch the bureau adopts it."""
    if not rivals:
        return []
    first, second = f"{township.place}/register.xlsx", f"{township.place}/register_补报.csv"
    names = ["patch_id", *next(iter(findings.values()))]
    titles = [str(form.sheet.cell(form.names_row + 1, form.columns[n]).value) for n in names]
    lines = [[str(form.sheet.cell(2, 1).value)], titles]
    name = township.patches[0].township_name
    decisions: list[Decision] = []
    for number, patch_id in enumerate(rivals):
        state = "under_construction" if findings[patch_id]["site_state"] == "built" else "built"
        other = findings[patch_id] | {"site_state": state, "photo_note": "复核后补报"}
        texts = [shown(name, value) for name, value in other.items()]
        lines.append([patch_id, *("" if text is None else str(text) for text in texts)])
        row, first_row = len(lines), form.row_of[patch_id]
        played = township.played
        played.reject(first, "finding", patch_id, "E-RETURN-CONFLICT", "两份填报互相矛盾")
        if number == 0:
            played.found(second, patch_id, other, row)
            decisions.append((patch_id, name, first, first_row, False))
            decisions.append((patch_id, name, second, row, True))
        else:
            played.reject(second, "finding", patch_id, "E-RETURN-CONFLICT", "两份填报互相矛盾")
    write_csv(township.path(second), lines, "utf-8-sig")
    return decisions


def _rebuilt(township: Township) -> None:
    """Another office program: columns turned round, no field names, titles with blanks."""
    form = Form(township.package / "register.xlsx")
    name, played = f"{township.place}/核查台账（填报）.xlsx", township.played
    names = list(reversed(form.columns))
    titles = {n: str(form.sheet.cell(form.names_row + 1, form.columns[n]).value) for n in names}
    lines: list[list[object]] = [
        [form.sheet.cell(row, 1).value] for row in range(1, form.names_row)
    ]
    lines.append([_retyped(titles[n]) for n in names])
    unsigned = {patch.patch_id for patch in township.victims[:1]}
    for patch_id, values in township.findings().items():
        form.fill(form.row_of[patch_id], values)
        if patch_id in unsigned:
            form.put(form.row_of[patch_id], "checked_by", None)
        lines.append([form.get(form.row_of[patch_id], n) for n in names])
        if patch_id in unsigned:
            played.reject(name, "finding", patch_id, "E-RETURN-INCOMPLETE", "没有审核人")
        else:
            played.found(name, patch_id, values, len(lines))
    strays = [(patch.patch_id, finding(patch, is_late=False)) for patch in township.strangers[:1]]
    strays += [(UNKNOWN_PATCH, finding(patch, is_late=False)) for patch in township.patches[:1]]
    for patch_id, values in strays:
        line = {n: shown(n, values[n]) for n in names if n in values} | {"patch_id": patch_id}
        lines.append([line.get(n) for n in names])
        code = "E-RETURN-PATCH" if patch_id == UNKNOWN_PATCH else "E-RETURN-FOREIGN"
        played.reject(name, "finding", patch_id, code, "不是下发给本乡镇的图斑")
    path = township.path(name)
    new_list(path, "Sheet1", lines)
    book = openpyxl.load_workbook(path)
    book.create_sheet("说明", 0).append(["本表由乡镇另存"])
    save_book(book, path)


def _retyped(title: str) -> str:
    """A title as somebody types it again."""
    plain = title.replace("（", "(").replace("）", ")")
    return f"{plain[0]} {plain[1]}" if len(plain) == 2 else plain


def _by_zip(township: Township) -> None:
    form = Form(township.package / "register.xlsx")
    name, played = f"{township.place}.zip", township.played
    inner = f"{name}!/{township.place}/register.xlsx"
    findings = township.findings()
    twice = [patch.patch_id for patch in township.victims[:1]]
    for patch_id, values in findings.items():
        form.fill(form.row_of[patch_id], values)
        if patch_id not in twice:
            played.found(inner, patch_id, values, form.row_of[patch_id])
    for patch_id in twice:
        row = form.free_row()
        form.copy_line(form, form.row_of[patch_id], row)
        form.put(row, "actual_use", "与上面一行不同")
        for _ in range(2):
            played.reject(inner, "finding", patch_id, "E-RETURN-DUPLICATE", "同一图斑填了两行")
    held = township.path(f"{name}.tmp.xlsx")
    form.save(held)
    members = {f"{township.place}/register.xlsx": held.read_bytes()}
    held.unlink()
    members[f"{township.place}/readme.txt"] = (township.package / "readme.txt").read_bytes()
    photographed = [patch for patch in township.victims[1:] if patch.plant][:PHOTOGRAPHED]
    for patch in photographed:
        for photo, content in take_photos(patch, findings[patch.patch_id]).items():
            members[f"{township.place}/photos/{photo}"] = content
            _photo_accepted(played, f"{name}!/{township.place}/photos/{photo}", patch.patch_id)
    if photographed:
        broken = f"{township.place}/photos/{photographed[0].patch_id}_内.jpg"
        members[broken] = "这不是照片".encode()
        subject = photographed[0].patch_id
        played.reject(f"{name}!/{broken}", "photo", subject, "E-RETURN-PHOTO", "不是照片")
    write_zip(township.path(name), members, is_gbk=True)


def _photos(township: Township, findings: dict[str, Values], place: str, wanted: list[str]) -> None:
    shown_patches = [p for p in township.patches if p.patch_id in wanted and p.plant]
    for patch in shown_patches[:PHOTOGRAPHED]:
        for photo, content in take_photos(patch, findings[patch.patch_id]).items():
            township.path(f"{place}/{photo}").write_bytes(content)
            _photo_accepted(township.played, f"{place}/{photo}", patch.patch_id)


def _photo_accepted(played: Played, name: str, patch_id: str) -> None:
    played.accept(name, "photo", patch_id)
    played.patches[patch_id]["photos"] += 1


def _late(township: Township) -> None:
    form = Form(township.package / "register.xlsx")
    name = f"{township.place}/register.xlsx"
    findings = township.findings(is_late=True)
    answered = list(findings)[: -(-2 * len(findings) // 3)]
    for patch_id in answered:
        form.fill(form.row_of[patch_id], findings[patch_id])
        township.played.found(name, patch_id, findings[patch_id], form.row_of[patch_id])
    path = township.path(name)
    form.save(path)
    broken = f"{township.place}/register(1).xlsx"
    content = path.read_bytes()
    township.path(broken).write_bytes(content[: len(content) * 3 // 5])
    township.played.reject(broken, "file", broken, "E-RETURN-FILE", "上传中断，文件不完整")


WAYS: dict[str, Callable[[Township], list[Decision] | None]] = {
    "379999001": _by_csv,
    "379999100": _by_form,
    "379999101": _rebuilt,
    "379999102": _by_zip,
    "379999200": answer_by_geopackage,
    "379999400": _late,
}
"""Township → how it answers; any other one fills in the form as it is."""
