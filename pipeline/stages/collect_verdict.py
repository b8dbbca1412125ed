"""Checks of everything gathered: forms first, then decisions, then the surveys they decide on."""

from __future__ import annotations

from pipeline.rules.returns.judge import Verdict, judge_returns, with_surveys
from pipeline.rules.returns.records import Accepted, Outcome, Received, Rejected
from pipeline.schema.returned import ReturnedFile, SurveyFeature
from pipeline.stages.collect_reading import Gathered
from pipeline.stages.collect_surveys import accept_surveys, survey_material
from pipeline.stages.collect_task import Material
from pipeline.stages.context import StageContext


def judge(context: StageContext, material: Material, gathered: Gathered) -> Verdict:
    """What became of every returned record."""
    task = material.task
    claims = [
        _received(file, feature, task.find_patch(feature.patch_id), gathered)
        for file, feature in gathered.surveys
    ]
    verdict = judge_returns(gathered.received, gathered.outcomes, claims, task)
    if not gathered.surveys:
        return verdict
    decided = {
        key.removeprefix("survey|"): decision.source_file
        for key, decision in verdict.decisions.items()
        if key.startswith("survey|")
    }
    held = survey_material(context, material.patches, gathered.township_of, decided)
    result = accept_surveys(held, gathered.surveys)
    outcomes: list[Outcome] = [
        Accepted(
            _received(one.file, one.feature, one.event.subject, gathered), one.event, one.notices
        )
        for one in result.accepted
    ]
    outcomes += [
        Rejected(_received(one.file, one.feature, one.patch_id, gathered), (one.finding,))
        for one in result.rejected
    ]
    return with_surveys(verdict, outcomes)


def _received(
    file: ReturnedFile, feature: SurveyFeature, patch: str | None, gathered: Gathered
) -> Received:
    return Received(
        "survey",
        file.name,
        file.sha256,
        feature.row_no,
        gathered.township_of.get(file.name),
        patch or feature.patch_id or "",
        notices=feature.notices,
    )
