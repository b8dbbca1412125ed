"""The stage `collect`: every returned record gets its receipt, the register only grows."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from PIL import Image

from pipeline.errors import CODES, InputError
from pipeline.io.digests import DigestCache
from pipeline.io.register.store import Register, open_register, verify_register
from pipeline.io.runs import RunPaths
from pipeline.io.vectors import read_layer, write_layers
from pipeline.schema.delivered import FORM_COLUMNS
from pipeline.schema.events import NewEvent
from pipeline.schema.layers import PARTS, REASONS, SCREENED
from pipeline.schema.register_layers import CASES, LEDGER, REGISTERED
from pipeline.stages.catalogue import stage_by_name
from pipeline.stages.runner import run_stage
from tests.factories import cli_environment
from tests.package_factory import A, B, D, patch_id
from tests.returns_factory import (
    ANSWER,
    SIGNED,
    add_rows,
    answer,
    closing_run,
    collect,
    columns_of,
    context_of,
    copy_run,
    events_of,
    fill,
    folder_of,
    key_row,
    packaged,
    register_of,
    results,
    return_everything,
    returned,
    told,
)

PLACE_A = f"{folder_of(A)}/register.xlsx"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    return packaged(tmp_path_factory.mktemp("packaged"))


@pytest.fixture
def paths(template: RunPaths, tmp_path: Path) -> RunPaths:
    return copy_run(template, tmp_path)


def said(paths: RunPaths) -> list[tuple[str, str, Any]]:
    """What the register says happened, without when."""
    return [(one.kind, one.subject, one.payload) for one in events_of(paths)]


def outputs(paths: RunPaths) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths.stage_dir("collect").iterdir()}


def test_nothing_returned_is_no_error_and_registers_the_patches(paths: RunPaths) -> None:
    report = collect(paths)
    assert [notice.code for notice in report.notices] == ["N-RETURN-NONE"]
    assert report.counts["received"] == 0
    assert report.counts["missing"] == 7
    assert told(paths) == []
    assert [one.kind for one in events_of(paths)] == ["patch_registered"] * 7 + ["collected"]
    assert not paths.returns.exists()
    paths.returns.mkdir(parents=True)
    assert collect(paths).counts["received"] == 0
    snapshot = read_layer(paths.snapshot, REGISTERED)
    first = snapshot.set_index("patch_id").loc[patch_id(1)]
    assert (first["source_group"], first["lineage_id"]) == ("issued", "2024Q3-0001")
    assert (first["area_mu100"], first["cultivated_mu100"]) == (540, 270)
    assert first["check_year"] == 2024


def test_what_was_filled_in_is_accepted_and_stands_in_the_register(paths: RunPaths) -> None:
    return_everything(paths)
    report = collect(paths)
    # Five answers, two judgements, one case, two figures.
    assert report.counts["received"] == report.counts["accepted"] == 10
    assert {row["结果"] for row in told(paths)} == {"接收"}
    snapshot = read_layer(paths.snapshot, REGISTERED).set_index("patch_id")
    assert snapshot.loc[patch_id(1), "site_state"] == "built"
    assert snapshot.loc[patch_id(1), "judgement"] == "new_violation"
    assert snapshot.loc[patch_id(4), "start_date"] == "2024-08-01"
    assert report.counts["missing"] == 2
    assert verify_register(paths.register("379999")) == []
    ledger = read_layer(paths.snapshot, LEDGER)
    assert ledger.groupby("posting_no")["amount_mu100"].sum().tolist() == [0, 0]
    shared = ledger[(ledger["posting_kind"] == "deducted") & (ledger["account"] == "deduction")]
    # 10 亩 over the two townships by their signed violations, to the last hundredth.
    assert set(shared[shared["amount_mu100"] > 0]["unit_code"]) == {A, B}
    assert shared["amount_mu100"].sum() == 1000


def test_a_second_collection_changes_nothing(paths: RunPaths) -> None:
    return_everything(paths)
    collect(paths)
    before, events = outputs(paths), events_of(paths)
    collect(paths, at="2025-09-09T09:09:09")
    assert outputs(paths) == before
    assert events_of(paths) == events


def test_receipts_do_not_depend_on_what_was_collected_before(
    template: RunPaths, tmp_path: Path
) -> None:
    fresh, seasoned = copy_run(template, tmp_path / "a"), copy_run(template, tmp_path / "b")
    target = returned(seasoned, PLACE_A)
    fill(register_of(seasoned, A), target, answer(1, 2, site_state="在建"))
    collect(seasoned)
    target.unlink()
    return_everything(fresh)
    shutil.copytree(fresh.returns, seasoned.returns, dirs_exist_ok=True)
    collect(fresh)
    collect(seasoned)
    assert fresh.receipts.read_bytes() == seasoned.receipts.read_bytes()
    corrected = [one for one in events_of(seasoned) if one.reason == "更正"]
    assert {(one.kind, one.subject) for one in corrected} == {
        ("finding_accepted", patch_id(1)),
        ("finding_accepted", patch_id(2)),
    }


def test_what_was_accepted_stays_when_its_file_is_gone(paths: RunPaths) -> None:
    target = fill(register_of(paths, A), returned(paths, PLACE_A), answer(1))
    collect(paths)
    target.unlink()
    report = collect(paths)
    assert report.counts["received"] == 0
    snapshot = read_layer(paths.snapshot, REGISTERED).set_index("patch_id")
    assert snapshot.loc[patch_id(1), "site_state"] == "built"


def as_csv(book: Path, target: Path, encoding: str) -> None:
    """The list as somebody saves it as CSV: titles only, all texts."""
    sheet = openpyxl.load_workbook(book, data_only=True).worksheets[0]
    first = key_row(sheet) + 1
    with target.open("w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream)
        for row in sheet.iter_rows(min_row=first, values_only=True):
            writer.writerow(["" if cell is None else cell for cell in row])


def reordered(book: Path, target: Path) -> None:
    """Columns in another order and no hidden row, as after copying into a new workbook."""
    source = openpyxl.load_workbook(book, data_only=True).worksheets[0]
    first = key_row(source) + 1
    made = openpyxl.Workbook()
    sheet = made.active
    for row in source.iter_rows(min_row=first, values_only=True):
        sheet.append(list(reversed(row)))
    made.save(target)


@pytest.mark.parametrize("how", ["xlsx", "zip", "csv", "gbk", "reordered", "gpkg"])
def test_the_same_answers_come_in_every_way(paths: RunPaths, tmp_path: Path, how: str) -> None:
    book = fill(register_of(paths, A), tmp_path / "filled.xlsx", answer(1, 3))
    target = returned(paths, f"{folder_of(A)}/answers.{how}")
    match how:
        case "xlsx":
            shutil.copy(book, target)
        case "zip":
            with zipfile.ZipFile(target, "w") as archive:
                archive.write(book, "核查/register.xlsx")
        case "csv" | "gbk":
            as_csv(book, target.with_suffix(".csv"), "utf-8-sig" if how == "csv" else "gbk")
        case "reordered":
            reordered(book, target.with_suffix(".xlsx"))
        case _:
            shutil.copy(register_of(paths, A).with_name("verify.gpkg"), target)
            fill_gpkg(target, 1, 3)
    collect(paths)
    assert results(paths) == [(patch_id(1), "接收", ""), (patch_id(3), "接收", "")]
    assert [row["提示"] for row in told(paths)] == ["", ""]
    payloads = [one.payload for one in events_of(paths) if one.kind == "finding_accepted"]
    assert payloads[0]["measured_area_m2"] == 3600.5
    assert payloads[0]["is_notified"] is True
    assert payloads[0]["start_date"] == "2024-08-01"


def fill_gpkg(file: Path, *numbers: int) -> None:
    codes = {"site_state": "built", "is_found_by_patrol": 0, "is_notified": 1}
    values = {name: str(value) for name, value in ANSWER.items()} | codes
    assignments = ", ".join(f'"{name}" = ?' for name in values)
    with closing(sqlite3.connect(file)) as connection:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type='trigger'"
        ).fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        for number in numbers:
            connection.execute(
                f"UPDATE patches SET {assignments} WHERE patch_id = ?",
                [*values.values(), patch_id(number)],
            )
        connection.commit()


def test_moved_outlines_and_altered_cells_are_told_and_not_merged(paths: RunPaths) -> None:
    gpkg = returned(paths, f"{folder_of(A)}/verify.gpkg")
    shutil.copy(register_of(paths, A).with_name("verify.gpkg"), gpkg)
    fill_gpkg(gpkg, 1, 2)
    with closing(sqlite3.connect(gpkg)) as connection:
        shape = connection.execute("SELECT geom FROM patches WHERE patch_id = ?", [patch_id(2)])
        connection.execute(
            "UPDATE patches SET geom = ?, area_mu = 99 WHERE patch_id = ?",
            [shape.fetchone()[0], patch_id(1)],
        )
        connection.commit()
    collect(paths)
    first, second = told(paths)
    assert "图斑范围被改动" in first["提示"]
    assert "5.4 → 99" in first["提示"]
    assert second["提示"] == ""
    row = read_layer(paths.snapshot, REGISTERED).set_index("patch_id").loc[patch_id(1)]
    assert row["area_mu100"] == 540


def broken_bytes(paths: RunPaths) -> None:
    returned(paths, PLACE_A).write_bytes(b"PK\x03\x04" + b"nothing" * 50)


def escaping_zip(paths: RunPaths) -> None:
    with zipfile.ZipFile(returned(paths, f"{folder_of(A)}/a.zip"), "w") as archive:
        archive.writestr("../../evil.xlsx", b"x")


def no_photo(paths: RunPaths) -> None:
    returned(paths, f"{folder_of(A)}/photos/{patch_id(1)}_1.jpg").write_bytes(b"no photo at all")


def nobodys_form(paths: RunPaths) -> None:
    book = openpyxl.load_workbook(fill(register_of(paths, A), returned(paths, "x.xlsx"), answer(1)))
    book.properties.subject = None
    del book["填写说明"]
    for row in range(1, 5):
        book.worksheets[0].cell(row, 1).value = (
            "卫片执法" if row < 4 else book.worksheets[0].cell(row, 1).value
        )
    book.save(paths.returns / "x.xlsx")


def judgement_of_a_township(paths: RunPaths) -> None:
    target = returned(paths, f"{folder_of(A)}/judgements.xlsx")
    fill(paths.delivery / "judgements.xlsx", target, {patch_id(1): SIGNED})


def other_run(paths: RunPaths) -> None:
    book = openpyxl.load_workbook(fill(register_of(paths, A), returned(paths, PLACE_A), answer(1)))
    book.properties.subject = f"T0-{A}-abcdef01"
    book.save(paths.returns / PLACE_A)


def answers(**changed: Any) -> Callable[[RunPaths], None]:
    def put(paths: RunPaths) -> None:
        fill(register_of(paths, A), returned(paths, PLACE_A), answer(1, **changed))

    return put


def judgements(**changed: Any) -> Callable[[RunPaths], None]:
    def put(paths: RunPaths) -> None:
        judged = {patch_id(1): {**SIGNED, **changed}}
        fill(paths.delivery / "judgements.xlsx", returned(paths, "bureau/judgements.xlsx"), judged)

    return put


def foreign_patch(paths: RunPaths) -> None:
    changed = {**ANSWER, "patch_id": patch_id(4), "issued_id": None}
    fill(register_of(paths, A), returned(paths, PLACE_A), {patch_id(1): changed})


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (broken_bytes, "E-RETURN-FILE"),
        (escaping_zip, "E-RETURN-REFUSED"),
        (no_photo, "E-RETURN-PHOTO"),
        (nobodys_form, "E-RETURN-UNKNOWN"),
        (judgement_of_a_township, "E-RETURN-UNKNOWN"),
        (other_run, "E-RETURN-UNKNOWN"),
        (foreign_patch, "E-RETURN-FOREIGN"),
        (answers(patch_id="379999ZJ24000999", issued_id=None), "E-RETURN-PATCH"),
        (answers(site_state="盖了"), "E-RETURN-VALUE"),
        (answers(occupant_name="=1+1"), "E-RETURN-VALUE"),
        (answers(checked_by=None), "E-RETURN-INCOMPLETE"),
        (judgements(reviewed_by=None), "E-RETURN-UNSIGNED"),
        (judgements(recognised_area_m2=100), "E-RETURN-INCOMPLETE"),
        (judgements(judgement_detail="批文"), "E-RETURN-VALUE"),
    ],
)
def test_what_is_rejected_says_why_in_words_that_help(
    paths: RunPaths, spoil: Callable[[RunPaths], None], code: str
) -> None:
    spoil(paths)
    report = collect(paths)
    (row,) = told(paths)
    assert (row["结果"], row["代码"]) == ("退回", code)
    assert row["说明"]
    assert row["办法"]
    assert (report.counts["received"], report.counts["rejected"]) == (1, 1)
    told_of = {notice.code: notice.value for notice in report.notices}
    assert CODES[code] in told_of["N-RETURN-REJECTED"]
    assert {one.kind for one in events_of(paths)} == {"patch_registered", "collected"}
    assert not list(paths.root.parent.parent.rglob("evil*"))


def test_the_row_of_a_receipt_is_the_row_of_the_sheet(paths: RunPaths) -> None:
    book = fill(register_of(paths, A), returned(paths, PLACE_A), answer(1, 2, 3, site_state="盖了"))
    collect(paths)
    sheet = openpyxl.load_workbook(book).worksheets[0]
    column = columns_of(sheet)["patch_id"]
    for row in told(paths):
        assert sheet.cell(int(row["行号"]), column).value == row["对象"]
        assert row["现值"] == "盖了"
        assert "建成、在建" in row["允许"]


def rival_answers(paths: RunPaths) -> None:
    fill(register_of(paths, A), returned(paths, PLACE_A), answer(1, 2))
    other = returned(paths, f"{folder_of(A)}/second.xlsx")
    fill(register_of(paths, A), other, answer(1, 2, site_state="在建"))


def test_rivals_wait_for_a_decision_on_the_form_that_lists_them(paths: RunPaths) -> None:
    rival_answers(paths)
    report = collect(paths)
    assert report.counts["open_conflicts"] == 2
    assert [code for _, _, code in results(paths)] == ["E-RETURN-CONFLICT"] * 4
    form = openpyxl.load_workbook(paths.decisions_form)
    sheet = form.worksheets[0]
    columns, first = columns_of(sheet), key_row(sheet) + 2
    listed = [
        [sheet.cell(row, columns[name]).value for name in ("subject", "source_file", "content")]
        for row in range(first, first + 4)
    ]
    assert listed[0] == [patch_id(1), PLACE_A, "现状：建成"]
    chosen = next(
        n for n in range(first, first + 4) if listed[n - first][1].endswith("second.xlsx")
    )
    decided = {"is_adopted": "是", "decided_by": "局长", "decided_date": "2025-01-05"}
    for name, value in decided.items():
        sheet.cell(chosen, columns[name]).value = value
    target = returned(paths, "bureau/decisions.xlsx")
    form.save(target)
    report = collect(paths)
    assert report.counts["open_conflicts"] == 1
    assert sorted(results(paths, 对象=patch_id(1))) == [
        (patch_id(1), "接收", ""),
        (patch_id(1), "退回", "E-RETURN-CONFLICT"),
    ]
    assert results(paths, 类别="冲突裁决") == [(f"乡镇核查结果|{patch_id(1)}", "接收", "")]
    (event,) = [one for one in events_of(paths) if one.kind == "finding_accepted"]
    assert event.payload["site_state"] == "under_construction"
    # The new form keeps what was decided, so that it can replace the old one.
    shutil.copy(paths.decisions_form, target)
    before = paths.receipts.read_bytes().replace(b"bureau/decisions.xlsx,", b"")
    collect(paths)
    assert results(paths, 类别="冲突裁决") == [(f"乡镇核查结果|{patch_id(1)}", "接收", "")]
    assert len(before) > 100


def test_photos_and_surveys_come_with_the_answers(paths: RunPaths) -> None:
    photo = returned(paths, f"{folder_of(A)}/photos/{patch_id(1)}_东.jpg")
    Image.new("RGB", (40, 30), (90, 120, 60)).save(photo)
    shutil.copy(photo, photo.with_name(f"{patch_id(1)}_西.jpg"))
    Image.new("RGB", (40, 30), (10, 20, 60)).save(photo.with_name(f"{patch_id(3)}.jpg"))
    survey = returned(paths, f"{folder_of(A)}/survey/{patch_id(1)}.csv")
    corners = [(500300, 3400100), (500358, 3400100), (500358, 3400160), (500300, 3400160)]
    lines = [f"{patch_id(1)},J{n},{y},{x}" for n, (x, y) in enumerate(corners, start=1)]
    survey.write_text("\n".join(["图斑编号,点号,X,Y", *lines]), encoding="utf-8")
    report = collect(paths)
    assert report.counts["accepted"] == 4, told(paths)
    row = read_layer(paths.snapshot, REGISTERED).set_index("patch_id").loc[patch_id(1)]
    # The same photo under two names is one photo.
    assert row["photo_count"] == 1
    assert row["survey_area_mu100"] == pytest.approx(522, abs=1)
    collect(paths)
    assert [one.kind for one in events_of(paths)].count("photo_accepted") == 2


def test_blank_packages_that_come_back_are_no_records(paths: RunPaths) -> None:
    for code in (A, B, D):
        shutil.copytree(register_of(paths, code).parent, paths.returns / folder_of(code))
    shutil.copytree(paths.delivery, paths.returns / "bureau")
    for name in ("county.gpkg", "county.qgz"):
        (paths.returns / "bureau" / name).unlink()
    report = collect(paths)
    assert told(paths) == []
    assert report.counts["missing"] == 7


def test_a_new_screening_registers_changes_and_withdraws_what_is_gone(paths: RunPaths) -> None:
    return_everything(paths)
    collect(paths)
    patches = read_layer(paths.screened, SCREENED)
    reasons, parts = read_layer(paths.screened, REASONS), read_layer(paths.overlay, PARTS)
    wkt = patches.crs.to_wkt()
    patches.loc[patches["patch_id"] == patch_id(2), "suspected_class"] = "suspected_violation"
    kept = patches[~patches["patch_id"].isin([patch_id(1), patch_id(6)])].reset_index(drop=True)
    write_layers(paths.screened, {SCREENED: kept, REASONS: reasons}, wkt)
    parts = parts[parts["patch_id"].isin(kept["patch_id"])].reset_index(drop=True)
    write_layers(paths.overlay, {PARTS: parts}, wkt)
    count = len(events_of(paths))
    report = collect(paths)
    new = events_of(paths)[count:]
    assert [(one.kind, one.subject, one.reason) for one in new[:3]] == [
        ("patch_registered", patch_id(2), "更正"),
        ("patch_withdrawn", patch_id(1), None),
        ("patch_withdrawn", patch_id(6), None),
    ]
    (notice,) = [n for n in report.notices if "撤回" in n.what]
    assert notice.value == patch_id(1)
    snapshot = read_layer(paths.snapshot, REGISTERED).set_index("patch_id")
    assert bool(snapshot.loc[patch_id(1), "is_withdrawn"])
    assert snapshot.loc[patch_id(1), "judgement"] == "new_violation"
    # An answer to what is no patch any more is refused, one on an older package is looked at.
    assert (patch_id(1), "退回", "E-RETURN-PATCH") in results(paths)
    old = [row for row in told(paths) if row["文件"] == PLACE_A and row["结果"] == "接收"]
    assert len(old) == 2
    assert all("核查包编号不是现在的那一份" in row["提示"] for row in old)


def test_a_run_without_any_patch_is_collected_too(paths: RunPaths) -> None:
    spec = {SCREENED: paths.screened, REASONS: paths.screened, PARTS: paths.overlay}
    layers = {one: read_layer(path, one).iloc[:0] for one, path in spec.items()}
    wkt = layers[SCREENED].crs.to_wkt()
    write_layers(paths.screened, {SCREENED: layers[SCREENED], REASONS: layers[REASONS]}, wkt)
    write_layers(paths.overlay, {PARTS: layers[PARTS]}, wkt)
    assert collect(paths).counts["missing"] == 0
    assert [one.kind for one in events_of(paths)] == ["collected"]
    collect(paths)
    assert len(events_of(paths)) == 1
    assert len(read_layer(paths.snapshot, REGISTERED)) == 0


def test_a_sealed_run_takes_nothing_new(paths: RunPaths) -> None:
    return_everything(paths)
    collect(paths)
    seal = {"tables_sha256": "0" * 64, "books_sha256": "0" * 64}
    with open_register(paths.register("379999"), None) as register:
        register.append(
            [NewEvent("frozen", "T1", "T1", seal, by="局长", reason="定稿")], "2025-08-01"
        )
    events, written = events_of(paths), outputs(paths)
    # What would be rejected is refused too: its receipt would change the sealed tables.
    returned(paths, "bureau/会议纪要.docx").write_bytes(b"x")
    with pytest.raises(InputError) as refused:
        collect(paths)
    assert refused.value.findings[0].code == "E-REGISTER-FROZEN"
    fill(register_of(paths, A), returned(paths, PLACE_A), answer(1, 2, 3, site_state="已拆"))
    with pytest.raises(InputError) as refused:
        collect(paths)
    assert refused.value.findings[0].code == "E-REGISTER-FROZEN"
    assert (events_of(paths), outputs(paths)) == (events, written)
    with open_register(paths.register("379999"), None) as register:
        register.append([NewEvent("reopened", "T1", "T1", by="局长", reason="更正")], "2025-08-02")
    collect(paths)
    assert len(events_of(paths)) > len(events) + 1


def test_interrupted_between_any_two_transactions_a_rerun_gives_the_same(
    template: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = copy_run(template, tmp_path / "whole")
    return_everything(whole)
    append, calls = Register.append, 0

    def count(self: Register, events: Sequence[NewEvent], at: str) -> Any:
        nonlocal calls
        calls += 1
        return append(self, events, at)

    monkeypatch.setattr(Register, "append", count)
    collect(whole)
    total = calls
    assert total == 8  # patches, five files, postings, collected
    for stop in range(total):
        broken = copy_run(template, tmp_path / f"stop{stop}")
        shutil.copytree(whole.returns, broken.returns)
        left = stop

        def fail(self: Register, events: Sequence[NewEvent], at: str) -> Any:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            return append(self, events, at)

        monkeypatch.setattr(Register, "append", fail)
        with pytest.raises(KeyboardInterrupt):
            collect(broken)
        monkeypatch.setattr(Register, "append", append)
        collect(broken, at="2025-07-02T10:00:00")
        assert said(broken) == said(whole)
        assert outputs(broken) == outputs(whole)
        assert verify_register(broken.register("379999")) == []


COLLECT = (
    "import sys; from pathlib import Path; from pipeline.io.runs import RunPaths;"
    " from tests.returns_factory import collect; collect(RunPaths(Path(sys.argv[1])))"
)


@pytest.mark.faults
def test_killed_at_any_moment_a_rerun_gives_the_same(template: RunPaths, tmp_path: Path) -> None:
    whole = copy_run(template, tmp_path / "whole")
    return_everything(whole)
    command = [sys.executable, "-c", COLLECT]
    started = time.monotonic()
    assert (
        subprocess.run([*command, str(whole.root)], env=cli_environment(), check=False).returncode
        == 0
    )
    usual = time.monotonic() - started
    rng = random.Random(7)
    for number in range(30):
        broken = copy_run(template, tmp_path / f"kill{number}")
        shutil.copytree(whole.returns, broken.returns)
        process = subprocess.Popen([*command, str(broken.root)], env=cli_environment())
        try:
            process.wait(rng.uniform(0.5, 1.0) * usual)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        collect(broken)
        assert said(broken) == said(whole)
        assert outputs(broken) == outputs(whole)
        assert verify_register(broken.register("379999")) == []


def test_the_runner_collects_once_and_again_when_the_register_is_gone(paths: RunPaths) -> None:
    return_everything(paths)
    stage = stage_by_name("collect")

    def bring_up() -> bool:
        return run_stage(stage, context_of(paths), DigestCache(paths.digest_cache)).was_run

    assert bring_up()
    assert not bring_up()
    receipts = paths.receipts.read_bytes()
    paths.register("379999").unlink()
    assert bring_up()
    assert paths.receipts.read_bytes() == receipts
    returned(paths, "bureau/note.txt").write_text("x", encoding="utf-8")
    assert bring_up()


# Many spoiled forms at once: whatever is done to them, every filled row has its receipt.

JUNK = (
    "建成",
    "",
    None,
    "?",
    "2024-11-02",
    45598,
    "=A1",
    "#REF!",
    1e20,
    -5,
    "是",
    "  ",
    "审" * 3000,
)


def spoil(book: Any, rng: random.Random) -> None:
    """Fill in some rows well and some badly, and disturb the sheet."""
    sheet = book.worksheets[0]
    columns, first = columns_of(sheet), key_row(sheet) + 2
    for row in range(first, first + 3):
        if rng.random() < 0.8:
            for name, value in ANSWER.items():
                sheet.cell(row, columns[name]).value = value
        for _ in range(rng.randrange(4)):
            name = rng.choice([*FORM_COLUMNS, *FORM_COLUMNS, "patch_id", "area_mu", "serial_no"])
            sheet.cell(row, columns[name]).value = rng.choice(JUNK)
    if rng.random() < 0.2:
        sheet.insert_rows(first + 1)
    if rng.random() < 0.2:
        sheet.delete_rows(first - 2)
    if rng.random() < 0.2:
        sheet.insert_cols(1 + rng.randrange(5))
    if rng.random() < 0.2:
        sheet.title = "Sheet1"
    if rng.random() < 0.2:
        twin = [cell.value for cell in sheet[first]]
        for number, value in enumerate(twin, start=1):
            sheet.cell(first + 6, number).value = value


def filled_rows(file: Path) -> int:
    """Rows with something in an open column, counted straight from the sheet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a number that is no day in a column of days
        sheet = openpyxl.load_workbook(file).worksheets[0]
    rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    wanted = set(FORM_COLUMNS)
    keys = next((n for n, row in enumerate(rows) if len(wanted & set(row)) > 8), None)
    if keys is not None:
        places, start = [n for n, name in enumerate(rows[keys]) if name in wanted], keys + 2
    else:
        titles = next(n for n, row in enumerate(rows) if "填表人" in row)
        at = {
            str(title).split("（")[0].split(" ")[0]: n
            for n, title in enumerate(rows[titles])
            if title
        }
        labels = (
            "现状",
            "用地主体",
            "现场项目名称",
            "动工时间",
            "实际用途",
            "实测面积",
            "制止文书号",
        )
        labels += (
            "制止文书日期",
            "制止效果",
            "巡查是否已发现",
            "巡查台账号",
            "是否已抄告",
            "处理意见",
        )
        labels += ("照片说明", "填表人", "审核人", "填表日期")
        places, start = [at[label] for label in labels], titles + 1
    return sum(
        any(str(row[n]).strip() for n in places if row[n] is not None)
        for row in rows[start:]
        if not any(cell == "合计" for cell in row)
    )


def assert_every_row_has_a_receipt(paths: RunPaths, seeds: range) -> None:
    expected = {}
    for seed in seeds:
        rng = random.Random(seed)
        book = openpyxl.load_workbook(register_of(paths, A))
        spoil(book, rng)
        file = returned(paths, f"{folder_of(A)}/{seed:03d}.xlsx")
        book.save(file)
        expected[f"{folder_of(A)}/{seed:03d}.xlsx"] = filled_rows(file)
        if rng.random() < 0.1:
            content = bytearray(file.read_bytes())
            content[rng.randrange(len(content))] ^= 0xFF
            file.write_bytes(content[: rng.randrange(len(content))])
            expected[f"{folder_of(A)}/{seed:03d}.xlsx"] = 1
    report = collect(paths)
    summary = json.loads(paths.collect_summary.read_text(encoding="utf-8"))
    assert {one["file"]: one["received"] for one in summary["by_file"]} == expected
    assert summary["received"] == summary["accepted"] + summary["rejected"] == len(told(paths))
    assert report.counts["received"] == sum(expected.values())
    for row in told(paths):
        assert (row["结果"] == "退回") == bool(row["代码"])
        assert row["结果"] == "接收" or (row["说明"] and row["办法"])
    before, events = outputs(paths), events_of(paths)
    collect(paths)
    assert outputs(paths) == before
    assert events_of(paths) == events


def test_sixty_spoiled_forms_lose_no_row(paths: RunPaths) -> None:
    assert_every_row_has_a_receipt(paths, range(60))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(60, 300, 60))
def test_three_hundred_spoiled_forms_lose_no_row(paths: RunPaths, start: int) -> None:
    assert_every_row_has_a_receipt(paths, range(start, start + 60))


@pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere")
def test_a_file_name_that_is_no_text_is_told(paths: RunPaths) -> None:
    book = fill(register_of(paths, A), returned(paths, PLACE_A), answer(1))
    folder = os.fsencode(book.parent)
    os.rename(os.fsencode(book), folder + b"/\xba\xcb\xb2\xe9.xlsx")
    context = context_of(paths)
    stage, cache = stage_by_name("collect"), DigestCache(paths.digest_cache)
    run_stage(stage, context, cache)
    (row,) = told(paths)
    assert (row["结果"], row["文件"]) == ("接收", f"{folder_of(A)}/核查.xlsx")
    assert not run_stage(stage, context, cache).was_run


def test_the_same_figures_in_two_runs_are_posted_once(template: RunPaths, tmp_path: Path) -> None:
    first = copy_run(template, tmp_path)
    return_everything(first)
    collect(first)
    second = RunPaths.for_run(tmp_path, "T2")
    shutil.copytree(first.root, second.root)
    shutil.copytree(first.returns / "bureau", second.returns / "bureau")
    # The forms name the run that they were made for.
    for path in (second.returns / "bureau").iterdir():
        book = openpyxl.load_workbook(path)
        book.properties.subject = "T2"
        book.save(path)
    report = collect(second, closing_run(run="T2"))
    assert report.counts["rejected"] == 0, told(second)
    postings = [one for one in events_of(first) if one.kind == "posting_made"]
    assert [one.run for one in postings] == ["T1", "T1"]
    assert set(read_layer(second.snapshot, REGISTERED)["run"]) == {"T1", "T2"}
    before, events = outputs(first), events_of(first)
    collect(first)
    assert outputs(first) == before
    assert events_of(first) == events


def test_a_case_and_a_figure_that_are_filled_in_twice_differently(paths: RunPaths) -> None:
    rows = [
        {"case_no": "1号", "patch_ids": patch_id(1), "closed_date": "2025-01-01"},
        {"case_no": "1号", "patch_ids": patch_id(1)},
        {"case_no": "2号", "patch_ids": "没有"},
    ]
    add_rows(paths.delivery / "cases.xlsx", returned(paths, "bureau/cases.xlsx"), rows)
    collect(paths, closing_run())
    assert results(paths) == [
        ("1号", "退回", "E-RETURN-DUPLICATE"),
        ("1号", "退回", "E-RETURN-DUPLICATE"),
        ("2号", "退回", "E-RETURN-PATCH"),
    ]


def test_a_case_number_or_document_that_was_corrected_can_be_taken_back(paths: RunPaths) -> None:
    return_everything(paths)
    assert [one.code for one in collect(paths).notices] == ["N-RETURN-MISSING"]
    cases, inputs = (paths.returns / "bureau" / f"{name}.xlsx" for name in CORRECTED)
    wrong = {}
    for file, (column, value) in zip((cases, inputs), CORRECTED.values(), strict=True):
        wrong[column] = change_last(file, column, value)
    (notice,) = [one for one in collect(paths).notices if one.code == "N-RETURN-DOUBT"]
    # What was accepted under the wrong number still counts, and nobody would see it.
    assert notice.what.startswith("台账里有 2 条")
    assert str(wrong["case_no"]) in notice.value
    assert f"上级扣减指标 示例县 2025 {wrong['doc_no']}" in notice.value
    assert len(read_layer(paths.snapshot, CASES)) == 2
    repeat_last(cases, {"case_no": wrong["case_no"], "remark": "案号写错"}, is_alone=True)
    repeat_last(inputs, {"doc_no": wrong["doc_no"], "value_mu": 0})
    assert [one.code for one in collect(paths).notices] == ["N-RETURN-MISSING"]
    assert read_layer(paths.snapshot, CASES)["case_no"].tolist() == [CORRECTED["cases"][1]]
    ledger = read_layer(paths.snapshot, LEDGER)
    taken = ledger[(ledger["account"] == "deduction") & (ledger["posting_kind"] != "restored")]
    assert taken["amount_mu100"].sum() == 1000
    assert verify_register(paths.register("379999")) == []


CORRECTED = {
    "cases": ("case_no", "示案〔2024〕99号"),
    "county_inputs": ("doc_no", "示函〔2025〕99号"),
}


def change_last(file: Path, column: str, value: str) -> Any:
    """Change the last filled cell of a column; what it said before."""
    book = openpyxl.load_workbook(file)
    sheet = book.worksheets[0]
    columns = columns_of(sheet)
    cells = [cell for (cell,) in sheet.iter_rows(min_col=columns[column], max_col=columns[column])]
    last = [cell for cell in cells if cell.value][-1]
    before, last.value = last.value, value
    book.save(file)
    return before


def repeat_last(file: Path, given: dict[str, Any], *, is_alone: bool = False) -> None:
    """Add a row like the one that was changed, but for what is given."""
    book = openpyxl.load_workbook(file)
    sheet = book.worksheets[0]
    columns = columns_of(sheet)
    key = next(iter(given))
    last = max(row for row in range(1, sheet.max_row + 1) if sheet.cell(row, columns[key]).value)
    target = sheet.max_row + 1
    for name, column in columns.items():
        value = None if is_alone else sheet.cell(last, column).value
        sheet.cell(target, column).value = given.get(name, value)
    book.save(file)


def test_patches_numbered_anew_do_not_inherit_what_was_said_of_others(paths: RunPaths) -> None:
    return_everything(paths)
    collect(paths)
    events = events_of(paths)
    patches = read_layer(paths.screened, SCREENED)
    reasons = read_layer(paths.screened, REASONS)
    first = patches["patch_id"] == patch_id(1)
    outlines = patches.geometry
    patches.geometry = outlines.where(~first, outlines.translate(2.0, 2.0))
    write_layers(paths.screened, {SCREENED: patches, REASONS: reasons}, patches.crs.to_wkt())
    collect(paths)  # a little other, but the same land
    events = events_of(paths)
    patches.geometry = outlines.where(~first, outlines.translate(200.0, 0.0))
    write_layers(paths.screened, {SCREENED: patches, REASONS: reasons}, patches.crs.to_wkt())
    with pytest.raises(InputError) as refused:
        collect(paths)
    (found,) = refused.value.findings
    assert (found.code, found.value) == ("E-REGISTER-STATE", patch_id(1))
    assert events_of(paths) == events
