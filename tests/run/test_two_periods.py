"""A second run of the demo county beside the register of the first: identity from end to end."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.io.register.store import read_events, verify_register
from pipeline.io.runs import RunPaths
from pipeline.io.vectors import read_layer
from pipeline.rules.register.replay import replay
from pipeline.schema.layers import DROPPED, PATCHES, SCREENED
from pipeline.schema.register_layers import IDENTITY, LINEAGE, REGISTERED
from tests.factories import ROOT, call_cli

FIRST, SECOND, COUNTY = "demo", "later", "379999"
UNREAL = ("unchanged", "sliver", "false_change")


@dataclass(frozen=True)
class County:
    data: Path
    configs: Path

    def call(self, *words: str) -> str:
        done = call_cli(*words, "--data", self.data, "--config-dir", self.configs)
        assert done.code == 0, done.text
        return done.text

    def paths(self, run: str = SECOND) -> RunPaths:
        return RunPaths.for_run(self.data, run)


@pytest.fixture(scope="module")
def county(closed_county: Path, tmp_path_factory: pytest.TempPathFactory) -> County:
    """The same pair once more as a run of its own: a re-delivery that shows everything again."""
    folder = tmp_path_factory.mktemp("two")
    shutil.copytree(closed_county, folder / "data")
    shutil.copytree(ROOT / "configs", folder / "configs")
    config = (folder / "configs" / "runs" / "demo.yaml").read_text(encoding="utf-8")
    assert "run: demo" in config
    later = folder / "configs" / "runs" / f"{SECOND}.yaml"
    later.write_text(config.replace("run: demo", f"run: {SECOND}"), encoding="utf-8")
    county = County(folder / "data", folder / "configs")
    for stage in ("intake", "align", "detect"):
        shutil.copytree(county.paths(FIRST).stage_dir(stage), county.paths().stage_dir(stage))
    for stage in ("extract", "overlay", "screen"):
        county.call(stage, "--run", SECOND)
    return county


def test_open_patches_keep_their_id_and_settled_ones_are_set_aside(county: County) -> None:
    state = replay(read_events(county.paths().register(COUNTY)))
    before = {
        patch: row
        for (run, patch), row in state.patches.items()
        if run == FIRST and not row["is_withdrawn"]
    }
    settled = {
        patch
        for patch, row in before.items()
        if row["judgement"] == "new_lawful" or row["judgement_detail"] in UNREAL
    }
    ours = {patch for patch in settled if before[patch]["source"] == "detected"}
    now = read_layer(county.paths().extract_patches, PATCHES)
    first = read_layer(county.paths(FIRST).extract_patches, PATCHES).set_index("patch_id")
    assert settled
    assert set(now["issued_id"].dropna()) == set(first["issued_id"].dropna())
    assert len(now) == len(first) - len(ours)
    identity = read_layer(county.paths().extract_patches, IDENTITY).set_index("patch_id")
    assert set(identity.index) == set(now["patch_id"])
    is_new = identity["lineage_relation"].isna()
    assert not is_new.any()
    for patch, row in identity.iterrows():
        earlier = before[patch] if patch in before else before[row["parent_id"]]
        assert row["lineage_id"] == earlier["lineage_id"]
        is_judged = earlier["judgement"] in ("new_lawful", "other_use")
        assert row["is_continuing"] == (
            not is_judged and bool(earlier["is_sent"]) and row["earlier_state"] == "open"
        )
    dropped = read_layer(county.paths().extract_patches, DROPPED)
    assert (dropped["reason"] == "settled_before").sum() == len(ours)


def test_people_are_told(county: County) -> None:
    screened = read_layer(county.paths().screened, SCREENED).set_index("patch_id")
    identity = read_layer(county.paths().extract_patches, IDENTITY).set_index("patch_id")
    for patch, row in identity.iterrows():
        flags, text = screened.loc[patch, "flags"], "".join(screened.loc[patch, "reasons"])
        assert ("continuing" in flags) == bool(row["is_continuing"])
        assert row["earlier_patches"][0] in text
        if row["earlier_state"] in ("lawful", "false_change"):
            assert "settled_before" in flags


def test_only_news_of_earlier_runs_asks_for_another_extraction(county: County) -> None:
    assert "register.earlier" not in county.call("quarter", "--run", FIRST, "--dry-run")
    county.call("package", "--run", SECOND)
    county.call("collect", "--run", SECOND)
    assert verify_register(county.paths().register(COUNTY)) == []
    state = replay(read_events(county.paths().register(COUNTY)))
    lineage = read_layer(county.paths().extract_patches, LINEAGE)
    assert len(state.lineage) == len(lineage) > 0
    said = county.call("quarter", "--run", SECOND, "--dry-run")
    assert "register.earlier" not in said, said
    said = county.call("quarter", "--run", FIRST, "--dry-run")
    assert "register.earlier" not in said, said
    snapshot = read_layer(county.paths().snapshot, REGISTERED)
    both = snapshot[snapshot["run"] == SECOND].set_index("patch_id")
    assert both["lineage_relation"].notna().all()
