"""Default styles: every column named, drop-downs from the code tables, only the form is open."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from pipeline.config.load import CODES_DIR, load_codes
from pipeline.delivery.delivered import TABLE_OF_FIELD, Vocabulary
from pipeline.delivery.form_layout import TABS
from pipeline.delivery.isolation import NEVER_DELIVERED
from pipeline.delivery.palette import PART_COLORS, REFERENCE_SYMBOLS, SUSPECTED_COLORS
from pipeline.delivery.styles import (
    LayerStyle,
    alias,
    parts_style,
    patches_style,
    qml,
    reference_style,
    table_style,
    township_style,
)
from pipeline.schema.delivered import (
    COUNTY,
    DELIVERED_PARTS,
    FORM_COLUMNS,
    TOWNSHIP,
    VERIFY,
    reference_spec,
)
from pipeline.schema.fields import FIELDS
from pipeline.schema.layers import REASONS
from pipeline.schema.reference import REFERENCE_LAYERS

VOCABULARY = Vocabulary({path.stem: load_codes(path) for path in CODES_DIR.glob("*.csv")})
DROP_DOWNS = {name: VOCABULARY.labels(name) for name in TABLE_OF_FIELD}
STYLES: dict[str, LayerStyle] = {
    "verify": patches_style(VERIFY, DROP_DOWNS, is_form=True),
    "county": patches_style(COUNTY, DROP_DOWNS, is_form=False),
    "parts": parts_style(DELIVERED_PARTS, DROP_DOWNS),
    "township": township_style(TOWNSHIP, DROP_DOWNS),
    "reasons": table_style(REASONS),
    **{
        name: reference_style(reference_spec(name), DROP_DOWNS)
        for name in REFERENCE_LAYERS
        if name not in NEVER_DELIVERED | {"townships"}
    },
}


def parse(style: LayerStyle) -> Element:
    return fromstring(qml(style).partition("\n")[2])


@pytest.mark.parametrize("name", STYLES)
def test_every_column_has_a_chinese_name_and_a_widget(name: str) -> None:
    style, root = STYLES[name], parse(STYLES[name])
    aliases = {node.get("field"): node.get("name") for node in root.iter("alias")}
    widgets = {node.get("name") for node in root.findall("fieldConfiguration/*")}
    assert aliases.keys() == {spec.name for spec in style.fields}
    assert all(re.search("[一-鿿]", str(text)) for text in aliases.values())
    assert widgets == {"fid", *aliases}


@pytest.mark.parametrize("name", STYLES)
def test_only_the_township_form_can_be_filled_in(name: str) -> None:
    root = parse(STYLES[name])
    open_fields = {n.get("name") for n in root.findall("editable/*") if n.get("editable") == "1"}
    assert open_fields == (set(FORM_COLUMNS) if name == "verify" else set())
    assert root.get("readOnly") == ("0" if name == "verify" else "1")


def test_the_form_asks_every_question_once_and_hides_nothing_it_needs() -> None:
    shown = [column for _, groups in TABS for _, _, columns in groups for column in columns]
    assert set(shown) <= set(VERIFY.fields)
    assert all(shown.count(name) == 1 for name in FORM_COLUMNS)
    hidden = set(VERIFY.fields) - set(shown)
    assert hidden == {"theme", "township_code", "rule_set", "package_id", "area_mu100"}


def test_drop_downs_hold_the_codes_and_an_empty_answer() -> None:
    root = parse(STYLES["verify"])
    for field, table in (("site_state", "site_state"), ("stop_effect", "stop_effect")):
        node = root.find(f"fieldConfiguration/field[@name='{field}']")
        assert node is not None
        entries = [(n.get("value"), n.get("name")) for n in node.iter("Option") if n.get("value")]
        assert entries[0][0] == "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"
        assert entries[1:] == list(load_codes(CODES_DIR / f"{table}.csv").labels.items())


def test_every_class_and_every_layer_has_a_colour_of_its_own() -> None:
    classes = load_codes(CODES_DIR / "suspected_class.csv").labels
    assert SUSPECTED_COLORS.keys() == classes.keys()
    assert len(set(SUSPECTED_COLORS.values())) == len(classes)
    assert PART_COLORS.keys() == load_codes(CODES_DIR / "land_category.csv").labels.keys()
    assert REFERENCE_SYMBOLS.keys() == REFERENCE_LAYERS.keys() - NEVER_DELIVERED - {"townships"}
    values = [node.get("value") for node in parse(STYLES["verify"]).iter("category")]
    assert values == [*classes, ""]


def test_labels_use_columns_that_are_there() -> None:
    for name, (_, expression, _) in REFERENCE_SYMBOLS.items():
        used = re.findall('"([a-z_]+)"', expression)
        assert set(used) <= set(REFERENCE_LAYERS[name].fields), name


def test_aliases_tell_unit_and_official_code() -> None:
    assert alias(FIELDS["area_m2"]) == "图斑面积（㎡） JCMJ"
    assert alias(FIELDS["area_mu"]) == "图斑面积（亩）"
    assert alias(FIELDS["patch_id"]) == "图斑编号 JCBH"


def test_hostile_labels_stay_text() -> None:
    hostile = {**DROP_DOWNS, "suspected_class": {'a"b': "<x>&'\""}}
    root = parse(patches_style(VERIFY, hostile, is_form=True))
    first = next(root.iter("category"))
    assert (first.get("value"), first.get("label")) == ('a"b', "<x>&'\"")


def test_the_program_never_says_illegal_without_suspected() -> None:
    for style in STYLES.values():
        assert not re.search(r"(?<!疑似)(违法|非法)", qml(style))
    for path in Path(__file__).parents[2].joinpath("pipeline/delivery").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name.startswith(("brief", "book")):
            # They show what the bureau has signed; test_brief holds the brief's words.
            continue
        assert not re.search(r"(?<!疑似)(违法|非法)", text.replace("卫片执法", "")), path


def test_a_style_is_the_same_text_each_time() -> None:
    assert qml(STYLES["verify"]) == qml(patches_style(VERIFY, DROP_DOWNS, is_form=True))
