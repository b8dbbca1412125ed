"""The register as a file: what gets in, what shows that it was touched, what a kill leaves."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyogrio
import pytest
from pyproj import CRS

from pipeline.errors import Finding, InputError
from pipeline.io.digests import file_sha256
from pipeline.io.register import file as register_file
from pipeline.io.register import schema as register_schema
from pipeline.io.register.schema import GUARDS
from pipeline.io.register.store import (
    EARLIER_MOVED,
    MOVED,
    NOT_COLLECTED,
    UNREADABLE,
    open_register,
    read_events,
    register_reasons,
    verify_register,
    write_snapshot,
)
from pipeline.io.vectors import read_layer
from pipeline.rules.register.chain import EVENT_COLUMNS, event_hash
from pipeline.rules.register.replay import replay
from pipeline.schema.events import EVENT_LABELS, GENESIS, NewEvent
from pipeline.schema.register_layers import CASE_PATCHES, COUNTY_INPUTS, LEDGER, REGISTERED, SURVEYS
from tests.register_factory import (
    CRS_WKT,
    RECORDED_AT,
    RUN,
    case,
    collected,
    finding,
    frozen,
    judgement,
    one_of_each,
    patch_id,
    posting,
    registered,
    reopened,
    survey,
    write_register,
)

ROOT = Path(__file__).resolve().parents[2]
LAST = len(one_of_each())
V1 = ROOT / "tests" / "data" / "register_v1.sql"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "register" / "379999.gpkg"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("example") / "379999.gpkg"
    write_register(place, one_of_each())
    return place


@pytest.fixture
def filled(path: Path, example: Path) -> Path:
    path.parent.mkdir()
    shutil.copyfile(example, path)
    return path


def edit(path: Path, *statements: str, values: tuple[Any, ...] = ()) -> None:
    """Change the file as somebody could who knows sqlite, and leave its guards as they were."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for name in GUARDS:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement, values if "?" in statement else ())
        for guard in GUARDS.values():
            connection.execute(guard)


def stored(path: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM events ORDER BY event_no")]


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def refused(path: Path, crs_wkt: str | None = None) -> str:
    with pytest.raises(InputError) as caught, open_register(path, crs_wkt):
        pass
    return caught.value.findings[0].code


# --- what gets in -------------------------------------------------------------------------------


def test_events_come_back_as_they_were_given(path: Path) -> None:
    given = one_of_each()
    written = write_register(path, given)
    assert read_events(path) == written
    for number, (event, new) in enumerate(zip(written, given, strict=True), start=1):
        assert (event.event_no, event.recorded_at) == (number, RECORDED_AT)
        assert {name: getattr(event, name) for name in vars(new)} == vars(new)
    assert written[0].previous_hash == GENESIS
    assert [event.previous_hash for event in written[1:]] == [e.hash for e in written[:-1]]
    assert verify_register(path) == []


def test_a_hash_can_be_recomputed_by_anyone(filled: Path) -> None:
    row = stored(filled)[0]
    own = row.pop("hash")
    text = json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == own


def test_there_is_no_register_before_anything_is_written(path: Path) -> None:
    assert read_events(path) == []
    assert codes(verify_register(path)) == ["E-FILE-MISSING"]
    assert not path.parent.exists()


def test_appending_nothing_writes_nothing(filled: Path) -> None:
    before = file_sha256(filled)
    with open_register(filled, CRS_WKT) as register:
        assert register.append([], RECORDED_AT) == []
        assert len(register.events(RUN)) == len(one_of_each())
        assert register.events("other") == []
    assert file_sha256(filled) == before


def test_one_bad_event_keeps_the_whole_batch_out(filled: Path) -> None:
    before = read_events(filled)
    with open_register(filled, CRS_WKT) as register:
        with pytest.raises(ValueError, match="area_m2"):
            register.append([finding(1), registered(4, area_m2=None)], RECORDED_AT)
        crooked = posting("second", 5)
        crooked.payload["lines"][0]["amount_mu100"] = 6
        with pytest.raises(InputError) as caught:
            register.append([finding(1), crooked], RECORDED_AT)
        with pytest.raises(InputError):
            register.append([finding(1), posting("third", -5, "nothing")], RECORDED_AT)
    assert codes(list(caught.value.findings)) == ["E-LEDGER-BALANCE"]
    assert read_events(filled) == before
    assert verify_register(filled) == []


def test_a_frozen_run_takes_nothing_but_being_opened(filled: Path) -> None:
    with open_register(filled, CRS_WKT) as register:
        register.append([frozen()], RECORDED_AT)
        for event in (finding(1), collected(), frozen()):
            with pytest.raises(InputError) as caught:
                register.append([event], RECORDED_AT)
            assert codes(list(caught.value.findings)) == ["E-REGISTER-FROZEN"]
        with pytest.raises(InputError):
            register.append([reopened(), frozen(), finding(1)], RECORDED_AT)
        register.append([registered(1, "2026Q3")], RECORDED_AT)
        register.append([reopened(), finding(1)], RECORDED_AT)
        assert register.state().frozen == frozenset()
    assert verify_register(filled) == []


@pytest.mark.parametrize("name", ["坏\udce5名.xlsx", "表😀.xlsx", "换\n行\u0000.xlsx"])
def test_any_file_name_can_be_written_down(path: Path, name: str) -> None:
    event = NewEvent("collected", RUN, RUN, collected().payload, source_file=name, by=name)
    (written,) = write_register(path, [event])
    expected = name.encode("utf-8", "backslashreplace").decode()
    assert (written.source_file, written.by) == (expected, expected)
    assert read_events(path) == [written]
    assert verify_register(path) == []


# --- the state tables ---------------------------------------------------------------------------


def test_state_tables_follow_the_events_appended_one_by_one(path: Path) -> None:
    events = [*one_of_each(), registered(3), case("示案〔2026〕1号", [3]), survey(1, 70.0)]
    events += [posting("minus", -12000, "allotted|2027|示例〔2026〕1号|379999"), judgement(2)]
    with open_register(path, CRS_WKT) as register:
        for event in events:
            register.append([event], RECORDED_AT)
        assert register.state() == replay(read_events(path))
    assert verify_register(path) == []
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT patch_id FROM case_patches").fetchall()
        reverses = connection.execute("SELECT posting_no, reverses_no FROM quota_ledger").fetchall()
    assert rows == [(patch_id(3),)]
    assert reverses == [(1, None), (1, None), (2, 1), (2, 1)]


def test_other_programs_read_it_as_layers(filled: Path) -> None:
    layers = dict(pyogrio.list_layers(filled))
    assert {name for name, kind in layers.items() if kind} == {"patches", "surveys"}
    assert set(layers) == {*register_schema_tables(), "events", "runs"}
    table = pyogrio.read_dataframe(filled, layer="patches")
    assert table.crs == CRS.from_wkt(CRS_WKT)
    assert set(table.columns) == {*REGISTERED.fields, "geometry"}
    assert table.set_index("patch_id").geometry[patch_id(1)].area == pytest.approx(2500.0)
    assert list(table["is_withdrawn"]) == [False, False, True]
    assert list(table["township_name"]) == ["示例镇", "示例镇😀", "示例镇"]
    assert pyogrio.read_info(filled, layer="patches")["total_bounds"] == pytest.approx(
        (39_500_100.0, 4_000_000.0, 39_500_350.0, 4_000_050.0)
    )
    assert len(pyogrio.read_dataframe(filled, layer="events")) == len(one_of_each())


def register_schema_tables() -> set[str]:
    return {spec.name for spec in register_schema.STATE_LAYERS}


def test_a_register_without_a_reference_system_is_one_too(path: Path) -> None:
    with open_register(path, None) as register:
        register.append([registered(1)], RECORDED_AT)
    assert verify_register(path) == []
    assert len(pyogrio.read_dataframe(path, layer="patches")) == 1


def test_a_snapshot_holds_this_run_and_earlier_ones(tmp_path: Path, path: Path) -> None:
    events = [registered(1, "2026Q1"), *one_of_each(), registered(1, "2026Q3")]
    write_register(path, [*events, posting("other", 1, run="2026Q3")])
    state = replay(read_events(path))
    for name in ("a.gpkg", "b.gpkg"):
        write_snapshot(tmp_path / name, state, state.runs_until(RUN), CRS_WKT)
    assert file_sha256(tmp_path / "a.gpkg") == file_sha256(tmp_path / "b.gpkg")
    patches = read_layer(tmp_path / "a.gpkg", REGISTERED)
    assert list(zip(patches["run"], patches["patch_id"], strict=True)) == [
        ("2026Q1", patch_id(1)),
        *((RUN, patch_id(number)) for number in (1, 2, 3)),
    ]
    assert list(read_layer(tmp_path / "a.gpkg", SURVEYS)["survey_area_m2"]) == [3600.0]
    assert len(read_layer(tmp_path / "a.gpkg", CASE_PATCHES)) == 2
    assert list(read_layer(tmp_path / "a.gpkg", COUNTY_INPUTS)["value_mu"]) == [120.0]
    assert list(read_layer(tmp_path / "a.gpkg", LEDGER)["amount_mu100"]) == [12000, -12000]


def test_an_empty_snapshot_has_all_layers(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "none.gpkg", replay([]), (RUN,), CRS_WKT)
    assert len(read_layer(tmp_path / "none.gpkg", REGISTERED)) == 0
    assert len(read_layer(tmp_path / "none.gpkg", LEDGER)) == 0


# --- why collect must run -----------------------------------------------------------------------


def test_reasons_to_collect_again(path: Path) -> None:
    assert register_reasons(path, RUN) == (NOT_COLLECTED,)
    with open_register(path, CRS_WKT) as register:
        for event, expected in (
            (registered(1), (NOT_COLLECTED,)),
            (collected(), ()),
            (registered(1, "2026Q3"), ()),
            (finding(1), (MOVED,)),
            (collected(), ()),
            (frozen(), ()),
            (reopened(), ()),
            (finding(1, site_state="vacant"), (MOVED,)),
            (frozen(), ()),
        ):
            register.append([event], RECORDED_AT)
            assert register_reasons(path, RUN) == expected
    path.write_text("no register")
    assert register_reasons(path, RUN) == (UNREADABLE,)


def test_what_an_earlier_run_is_told_later_is_a_reason_too(path: Path) -> None:
    later = "2026Q3"
    write_register(path, [registered(1), collected(), registered(1, later), collected(later)])
    for event, expected in (
        (frozen(), ()),
        (reopened(), ()),
        (finding(1), (EARLIER_MOVED,)),
        (collected(), (EARLIER_MOVED,)),
        (collected(later), ()),
    ):
        with open_register(path, CRS_WKT) as register:
            register.append([event], RECORDED_AT)
            assert register.needs_collected(later) is bool(expected)
        assert register_reasons(path, later) == expected
    # Not the other way round: the first run sees nothing of the second.
    write_register(path, [finding(1, later)])
    assert register_reasons(path, RUN) == ()


def test_a_case_that_was_taken_back_leaves_its_tables(path: Path) -> None:
    name = "示案〔2026〕1号"
    write_register(path, [registered(1), case(name, [1])])
    write_register(path, [case(name, [], case_name=None)])
    with closing(sqlite3.connect(path)) as connection:
        for table in ("cases", "case_patches"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    assert verify_register(path) == []


# --- what shows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("column", [name for name in EVENT_COLUMNS if name != "event_no"])
@pytest.mark.parametrize("number", [1, 7, LAST])
def test_a_change_of_any_column_names_its_row(filled: Path, column: str, number: int) -> None:
    row = stored(filled)[number - 1]
    value = f"{row[column] or ''}x"
    if column == "payload":
        value = row[column].replace("{", '{"z":1,', 1)
    edit(filled, f'UPDATE events SET "{column}" = ? WHERE event_no = {number}', values=(value,))
    found = [f.what for f in verify_register(filled) if f.code == "E-REGISTER-CHAIN"]
    assert [what.partition("：")[0] for what in found] == [f"第 {number} 条记录写入后被改动"]
    if column not in ("subject", "kind"):
        assert row["subject"] in found[0]
        assert EVENT_LABELS[row["kind"]] in found[0]


@pytest.mark.parametrize(("number", "gaps"), [(1, ["1", f"{LAST + 1}–98"]), (LAST, [f"{LAST}–98"])])
def test_a_change_of_a_number_names_its_row(filled: Path, number: int, gaps: list[str]) -> None:
    edit(filled, f"UPDATE events SET event_no = 99 WHERE event_no = {number}")
    found = [f for f in verify_register(filled) if f.code == "E-REGISTER-CHAIN"]
    assert [f.value for f in found[:-1]] == gaps
    assert found[-1].what.startswith("第 99 条记录写入后被改动")


def test_a_blank_inside_a_payload_shows(filled: Path) -> None:
    edit(filled, "UPDATE events SET payload = payload || ' ' WHERE event_no = 2")
    found = verify_register(filled)
    assert codes(found) == ["E-REGISTER-CHAIN"]
    assert patch_id(2) in found[0].what


def test_a_row_rewritten_with_its_own_hash_shows(filled: Path) -> None:
    row = stored(filled)[3]
    row["reason"] = "另一个理由"
    edit(
        filled,
        "UPDATE events SET reason = ?, hash = ? WHERE event_no = 4",
        values=(row["reason"], event_hash(row)),
    )
    found = verify_register(filled)
    assert codes(found) == ["E-REGISTER-CHAIN"]
    assert found[0].what.startswith("第 4 条记录被整条改写")


def test_rows_changed_for_each_other_show(filled: Path) -> None:
    edit(
        filled,
        "UPDATE events SET event_no = -4 WHERE event_no = 4",
        "UPDATE events SET event_no = 4 WHERE event_no = 5",
        "UPDATE events SET event_no = 5 WHERE event_no = -4",
    )
    named = [f.what[:5] for f in verify_register(filled) if f.code == "E-REGISTER-CHAIN"]
    assert named == ["第 4 条", "第 5 条"]


def test_rows_taken_out_of_the_middle_show(filled: Path) -> None:
    edit(filled, "DELETE FROM events WHERE event_no IN (4, 5)")
    found = verify_register(filled)
    assert found[0].what == "缺少第 4–5 条记录，历史被删减。"
    assert {f.code for f in found[1:]} == {"E-REGISTER-STATE"}


def test_rows_taken_out_and_the_rest_numbered_anew_show(filled: Path) -> None:
    edit(
        filled,
        "DELETE FROM events WHERE event_no = 4",
        "UPDATE events SET event_no = event_no - 1 WHERE event_no > 4",
    )
    found = [f for f in verify_register(filled) if f.code == "E-REGISTER-CHAIN"]
    assert found[0].what.startswith("第 4 条记录写入后被改动")


@pytest.mark.parametrize("kept", range(LAST))
def test_rows_cut_off_at_the_end_show_in_the_state(filled: Path, kept: int) -> None:
    edit(filled, f"DELETE FROM events WHERE event_no > {kept}")
    found = verify_register(filled)
    assert found
    assert set(codes(found)) == {"E-REGISTER-STATE"}


def test_an_event_added_by_hand_shows_though_its_hash_is_right(filled: Path) -> None:
    last = stored(filled)[-1]
    row = last | {"event_no": last["event_no"] + 1, "previous_hash": last["hash"]}
    row |= {"kind": "patch_withdrawn", "subject": patch_id(1), "payload": "{}"}
    row["hash"] = event_hash(row)
    with closing(sqlite3.connect(filled)) as connection, connection:
        columns = ", ".join(f'"{name}"' for name in EVENT_COLUMNS)
        marks = ", ".join("?" * len(EVENT_COLUMNS))
        connection.execute(
            f"INSERT INTO events ({columns}) VALUES ({marks})", [row[n] for n in EVENT_COLUMNS]
        )
    found = verify_register(filled)
    assert codes(found) == ["E-REGISTER-STATE"] * 2
    assert found[0].what == f"表 patches 有一行与历史不符：{RUN}/{patch_id(1)}。"
    assert found[0].value == "不符的列：是否已撤回"
    assert found[1].what.startswith("表 runs 有一行")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE patches SET judgement = 'new_lawful' WHERE issued_id = 'XF001'", "合法性判定"),
        ("UPDATE patches SET area_m2 = area_m2 + 0.001 WHERE issued_id = 'XF002'", "图斑面积"),
        ("UPDATE patches SET geom = (SELECT geom FROM surveys) WHERE issued_id = 'XF001'", "geom"),
        ("DELETE FROM patches WHERE issued_id = 'XF001'", "缺少一行"),
        ("UPDATE surveys SET surveyed_by = NULL", "测量单位"),
        ("UPDATE cases SET closed_date = '2026-08-01'", "结案日期"),
        ("INSERT INTO case_patches (run, case_no, patch_id) VALUES ('r', 'c', 'p')", "多出一行"),
        ("UPDATE county_inputs SET value_mu = 121", "数值"),
        ("UPDATE quota_ledger SET amount_mu100 = 1 WHERE line_no = 1", "金额"),
        ("UPDATE runs SET is_frozen = 1", "is_frozen"),
    ],
)
def test_a_change_of_any_state_table_names_its_row(
    filled: Path, statement: str, words: str
) -> None:
    edit(filled, statement)
    found = verify_register(filled)
    assert codes(found) == ["E-REGISTER-STATE"]
    assert words in found[0].what + found[0].value


def test_many_changed_rows_are_counted(path: Path) -> None:
    write_register(path, [registered(number) for number in range(30)])
    edit(path, "UPDATE patches SET township_name = NULL")
    found = verify_register(path)
    assert len(found) == 21
    assert found[-1].what == "表 patches 还有 10 行与历史不符。"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET reason = 'x' WHERE event_no = 1",
        "DELETE FROM events WHERE event_no = 1",
        "INSERT OR REPLACE INTO events SELECT * FROM events WHERE event_no = 1",
        "INSERT INTO events SELECT event_no + 100, recorded_at, run, kind, subject, event_date,"
        ' "by", reason, source_file, source_sha256, payload, previous_hash, hash FROM events',
    ],
)
def test_the_history_refuses_to_be_changed_by_a_slip(filled: Path, statement: str) -> None:
    with (
        closing(sqlite3.connect(filled)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="台账历史"),
    ):
        connection.execute(statement)
    assert verify_register(filled) == []


def test_guards_taken_away_or_added_show(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("DROP TRIGGER events_no_update")
        connection.execute("CREATE VIEW peep AS SELECT * FROM events")
    found = verify_register(filled)
    assert [(f.code, f.value) for f in found] == [
        ("E-REGISTER-STATE", "events_no_update"),
        ("E-REGISTER-STATE", "peep"),
    ]


@pytest.mark.parametrize("payload", ["[1]", "no json", "", "{}"])
def test_a_payload_that_is_none_is_named_and_nothing_is_built_on_it(
    filled: Path, payload: str
) -> None:
    edit(filled, "UPDATE events SET payload = ? WHERE event_no = 5", values=(payload,))
    found = verify_register(filled)
    assert found[0].what.startswith("第 5 条记录写入后被改动")
    assert refused(filled, CRS_WKT) == "E-REGISTER-CHAIN"


def test_a_posting_out_of_balance_shows_though_the_chain_is_right(filled: Path) -> None:
    rows = stored(filled)
    rows[10]["payload"] = rows[10]["payload"].replace("-12000", "-11900")
    previous_hash = rows[9]["hash"]
    for row in rows[10:]:
        row["previous_hash"] = previous_hash
        row["hash"] = previous_hash = event_hash(row)
    edit(
        filled,
        *(
            f"UPDATE events SET payload = '{row['payload']}',"
            f" previous_hash = '{row['previous_hash']}', hash = '{row['hash']}'"
            f" WHERE event_no = {row['event_no']}"
            for row in rows[10:]
        ),
    )
    found = verify_register(filled)
    assert "E-REGISTER-CHAIN" not in codes(found)
    assert (found[0].code, found[0].value) == ("E-LEDGER-BALANCE", "相差 1.00 亩")


# --- files that are none, versions, other programs ----------------------------------------------


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100, b"SQLite format 3\0" * 9])
def test_what_is_no_register_is_refused(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert refused(path) == "E-REGISTER-UNREADABLE"
    assert codes(verify_register(path)) == ["E-REGISTER-UNREADABLE"]
    with pytest.raises(InputError):
        read_events(path)
    assert path.read_bytes() == content


def test_another_geopackage_is_refused(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "other.gpkg", replay([]), (RUN,), CRS_WKT)
    assert refused(tmp_path / "other.gpkg") == "E-REGISTER-UNREADABLE"


def test_a_damaged_register_is_named(path: Path) -> None:
    write_register(path, [registered(number) for number in range(200)])
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 8192] = b"\xff" * 8192
    path.write_bytes(content)
    assert "E-REGISTER-UNREADABLE" in codes(verify_register(path))


def test_runs_in_another_reference_system_are_refused(filled: Path) -> None:
    assert refused(filled, CRS.from_epsg(4526).to_wkt()) == "E-LAYER-CRS"
    with open_register(filled, CRS.from_epsg(4527).to_wkt("WKT1_GDAL")) as register:
        assert register.append([collected()], RECORDED_AT)
    with open_register(filled, None) as register:
        assert register.append([collected()], RECORDED_AT)


def test_a_reference_system_of_its_own_is_kept(path: Path) -> None:
    own = CRS.from_proj4("+proj=tmerc +lon_0=117.25 +x_0=500000 +ellps=GRS80 +units=m")
    with open_register(path, own.to_wkt()) as register:
        register.append([registered(1)], RECORDED_AT)
    with open_register(path, own.to_wkt()) as register:
        register.append([collected()], RECORDED_AT)
    assert refused(path, CRS_WKT) == "E-LAYER-CRS"
    assert pyogrio.read_dataframe(path, layer="patches").crs is not None


def test_a_newer_version_is_refused(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute("PRAGMA user_version=3")
    assert refused(filled) == "E-REGISTER-VERSION"
    assert codes(verify_register(filled)) == ["E-REGISTER-VERSION"]
    with pytest.raises(InputError):
        read_events(filled)


def test_an_older_version_without_a_way_up_is_refused(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute("PRAGMA user_version=0")
    assert refused(filled) == "E-REGISTER-VERSION"


def _make_v0(path: Path) -> None:
    """A version that never was: without the table `runs`, under which it now stands."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE runs RENAME TO run_list")
        connection.execute("PRAGMA user_version=0")


def test_an_older_version_is_brought_up(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = read_events(filled)
    _make_v0(filled)
    step = lambda connection: connection.execute("ALTER TABLE run_list RENAME TO runs")
    monkeypatch.setattr(register_schema, "MIGRATIONS", ((1, step), (2, lambda _: None)))
    with open_register(filled, CRS_WKT) as register:
        register.append([finding(2)], RECORDED_AT)
    assert verify_register(filled) == []
    assert read_events(filled)[:-1] == events


def test_a_step_that_fails_leaves_the_old_version(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE run_list RENAME TO runs")
        raise sqlite3.OperationalError("half way")

    _make_v0(filled)
    monkeypatch.setattr(register_schema, "MIGRATIONS", ((1, step),))
    assert refused(filled) == "E-REGISTER-UNREADABLE"
    with closing(sqlite3.connect(filled)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM run_list").fetchone() == (1,)


def test_the_first_version_still_opens(path: Path) -> None:
    """A change of the tables needs a migration, and then this file stays as it is.

    Written by `python -m tests.unit.test_register` from the repository's root.
    """
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(V1.read_text(encoding="utf-8"))
        connection.execute("PRAGMA user_version=1")
    assert verify_register(path) == []
    with open_register(path, CRS_WKT) as register:
        register.append([finding(2), survey(2)], RECORDED_AT)
    assert verify_register(path) == []
    fresh = path.with_name("fresh.gpkg")
    write_register(fresh, one_of_each())
    assert structure(path) == structure(fresh)


def structure(path: Path) -> set[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall())


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_register_in_use_is_busy(
    filled: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(register_file, "BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(filled, isolation_level=None)) as other:
        other.execute(f"PRAGMA journal_mode={mode}")
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE runs SET is_moved = is_moved")
        with pytest.raises(InputError) as caught, open_register(filled, CRS_WKT) as register:
            register.append([finding(1)], RECORDED_AT)
        other.execute("ROLLBACK")
    assert codes(list(caught.value.findings)) == ["E-REGISTER-BUSY"]
    # What QGIS leaves behind in its own mode is taken over.
    with open_register(filled, CRS_WKT) as register:
        register.append([finding(1)], RECORDED_AT)
    assert verify_register(filled) == []
    with closing(sqlite3.connect(filled)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_second_writer_waits_for_the_first_to_close(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register_file, "BUSY_SECONDS", 0.05)
    with open_register(filled, CRS_WKT) as register:
        # Also between transactions: what the first one read must still hold when it writes.
        assert refused(filled, CRS_WKT) == "E-REGISTER-BUSY"
        assert len(read_events(filled)) == len(one_of_each())
        register.append([finding(1)], RECORDED_AT)
    with open_register(filled, CRS_WKT) as register:
        register.append([finding(1)], RECORDED_AT)


def test_a_full_disk_leaves_everything_as_it_was(filled: Path) -> None:
    before = read_events(filled)
    with open_register(filled, CRS_WKT) as register:
        (pages,) = register.connection.execute("PRAGMA page_count").fetchone()
        register.connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(InputError) as caught:
            register.append([registered(number) for number in range(10, 90)], RECORDED_AT)
    assert codes(list(caught.value.findings)) == ["E-FILE-WRITE"]
    assert read_events(filled) == before
    assert verify_register(filled) == []


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "register").write_text("a file where a folder should be")
    assert refused(tmp_path / "register" / "379999.gpkg") == "E-FILE-WRITE"


# --- kills --------------------------------------------------------------------------------------

WRITER = """
import os, signal, sys
from pathlib import Path
from pipeline.io.register.store import open_register
from tests.register_factory import CRS_WKT, RECORDED_AT, registered

path, kill_at, first = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
seen = 0

def die():
    global seen
    seen += 1
    if seen == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)

with open_register(path, CRS_WKT) as register:
    # Little memory, so that pages reach the file before the transaction ends.
    register.connection.execute("PRAGMA cache_size=5")
    register.connection.set_progress_handler(die, 500)
    register.append([registered(number) for number in range(first, first + 200)], RECORDED_AT)
print(seen)
"""


def write_or_die(path: Path, kill_at: int, first: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WRITER, str(path), str(kill_at), str(first)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def kill_and_look(path: Path, share: float) -> None:
    """Kill a writer when it has done a share of its work; nothing of it may be there."""
    whole = write_or_die(path, 0, 1)
    assert whole.returncode == 0, whole.stderr
    before = read_events(path)
    killed = write_or_die(path, max(1, round(int(whole.stdout) * share)), 1000)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert path.with_name(f"{path.name}-journal").exists()
    assert register_reasons(path, RUN) == (NOT_COLLECTED,)
    assert verify_register(path) == []
    assert read_events(path) == before
    assert not path.with_name(f"{path.name}-journal").exists()
    assert write_or_die(path, 0, 1000).returncode == 0
    assert len(read_events(path)) == 400
    assert verify_register(path) == []


def test_a_writer_killed_half_way_leaves_nothing_of_its_batch(path: Path) -> None:
    kill_and_look(path, 0.6)


@pytest.mark.faults
@pytest.mark.parametrize("share", [number / 10 for number in range(1, 10)])
def test_a_writer_killed_at_any_moment(path: Path, share: float) -> None:
    kill_and_look(path, share)


def test_a_register_killed_while_it_is_made_is_not_there(path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from pipeline.io.register import schema as register_schema
from pipeline.io.register.store import open_register

register_schema._list_table = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with open_register(Path(sys.argv[1]), None):
    pass
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, check=False, timeout=120
    )
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    write_register(path, one_of_each())
    assert verify_register(path) == []
    assert sorted(found.name for found in path.parent.iterdir()) == [".379999.lock", path.name]


def _write_v1(target: Path, scratch: Callable[[], Path]) -> None:
    place = scratch()
    write_register(place, one_of_each())
    with closing(sqlite3.connect(place)) as connection:
        text = "\n".join(connection.iterdump())
    target.write_text(text + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        _write_v1(V1, lambda: Path(folder) / "379999.gpkg")
