"""SQL of the books T01 to T07 over the register; used by `tests.books_oracle` alone.

`{unit}` and `{grp}` are the columns of the rows, or literals for the totals.
"""

VIEWS = """
CREATE TEMP TABLE given AS SELECT :run AS run, :closes AS closes, :check_year AS check_year;
CREATE TEMP VIEW held AS
  SELECT p.*, CASE WHEN judged_by IS NOT NULL AND reviewed_by IS NOT NULL
                    AND judged_date IS NOT NULL THEN judgement END AS signed,
         s.patch_id IS NOT NULL AS has_survey, s.survey_area_m2 AS s_area_m2,
         s.survey_area_mu100 AS s_area, s.survey_construction_m2 AS s_construction_m2,
         s.survey_construction_mu100 AS s_construction, s.survey_cultivated_m2 AS s_cultivated_m2,
         s.survey_cultivated_mu100 AS s_cultivated, s.survey_pbf_m2 AS s_pbf_m2,
         s.survey_pbf_mu100 AS s_pbf, s.survey_reserve_m2 AS s_reserve_m2,
         s.survey_reserve_mu100 AS s_reserve
  FROM register.patches p LEFT JOIN register.surveys s USING (run, patch_id), given
  WHERE p.run = given.run AND NOT p.is_withdrawn;
CREATE TEMP VIEW based AS
  SELECT *, CASE WHEN signed IS NOT NULL AND recognised_area_m2 IS NOT NULL THEN 'signed'
                 WHEN has_survey THEN 'survey' ELSE 'patch' END AS basis FROM held;
CREATE TEMP TABLE counted AS
  SELECT patch_id, COALESCE(township_code, '000000000') AS unit, source_group AS grp,
    is_sent, filled_date, suspected_class, primary_kind, signed, basis,
    area_mu100, area_m2, cultivated_mu100, cultivated_m2, pbf_mu100, pbf_m2,
    CASE basis WHEN 'signed' THEN COALESCE(is_surveyed, 0) ELSE basis = 'survey' END AS measured,
    CASE basis WHEN 'signed' THEN recognised_area_m2 WHEN 'survey' THEN s_area_m2
               ELSE area_m2 END AS c_area_m2,
    CASE basis WHEN 'signed' THEN CAST((recognised_area_m2 * 3 + 10) / 20 AS INTEGER)
               WHEN 'survey' THEN s_area ELSE area_mu100 END AS c_area,
    CASE basis WHEN 'signed' THEN COALESCE(recognised_new_m2, recognised_area_m2)
               WHEN 'survey' THEN MAX(0.0, s_area_m2 - COALESCE(s_construction_m2, 0))
               ELSE MAX(0.0, area_m2 - COALESCE(construction_m2, 0)) END AS c_new_m2,
    CASE basis WHEN 'signed'
               THEN CAST((COALESCE(recognised_new_m2, recognised_area_m2) * 3 + 10) / 20 AS INTEGER)
               WHEN 'survey' THEN MAX(0, s_area - COALESCE(s_construction, 0))
               ELSE MAX(0, area_mu100 - COALESCE(construction_mu100, 0)) END AS c_new,
    CASE basis WHEN 'signed' THEN recognised_cultivated_m2 WHEN 'survey' THEN s_cultivated_m2
               ELSE cultivated_m2 END AS c_cultivated_m2,
    CASE basis WHEN 'signed' THEN CAST((recognised_cultivated_m2 * 3 + 10) / 20 AS INTEGER)
               WHEN 'survey' THEN s_cultivated ELSE cultivated_mu100 END AS c_cultivated,
    CASE basis WHEN 'signed' THEN recognised_pbf_m2 WHEN 'survey' THEN s_pbf_m2
               ELSE pbf_m2 END AS c_pbf_m2,
    CASE basis WHEN 'signed' THEN CAST((recognised_pbf_m2 * 3 + 10) / 20 AS INTEGER)
               WHEN 'survey' THEN s_pbf ELSE pbf_mu100 END AS c_pbf,
    CASE basis WHEN 'signed' THEN recognised_reserve_m2 WHEN 'survey' THEN s_reserve_m2
               ELSE reserve_m2 END AS c_reserve_m2,
    CASE basis WHEN 'signed' THEN CAST((recognised_reserve_m2 * 3 + 10) / 20 AS INTEGER)
               WHEN 'survey' THEN s_reserve ELSE reserve_mu100 END AS c_reserve
  FROM based;
CREATE TEMP VIEW lawsuits AS
  SELECT c.*, COALESCE(c.is_filed_otherwise, 0) AS otherwise,
    COALESCE(NOT COALESCE(c.is_filed_otherwise, 0) AND c.closed_date <= given.closes, 0) AS closed,
    CASE WHEN c.rectification <> 'not_rectified' AND c.accepted_date <= given.closes
         THEN c.rectification END AS way
  FROM register.cases c, given WHERE c.run = given.run;
CREATE TEMP TABLE wrong AS
  SELECT x.*, (SELECT CASE WHEN COUNT(*) = 0 OR COUNT(*) > COUNT(l.way) THEN NULL
                           WHEN COUNT(DISTINCT l.way) = 1 THEN MIN(l.way) ELSE 'both' END
               FROM register.case_patches k JOIN lawsuits l USING (case_no)
               WHERE k.patch_id = x.patch_id AND k.run = :run) AS way
  FROM counted x WHERE signed = 'new_violation';
CREATE TEMP TABLE matters AS
  WITH held AS (
    SELECT k.case_no, w.*, ROW_NUMBER() OVER (
             PARTITION BY k.case_no ORDER BY w.c_area_m2 DESC, w.patch_id) AS place,
           MAX(w.grp = 'issued') OVER (PARTITION BY k.case_no) AS any_issued
    FROM wrong w JOIN register.case_patches k ON k.patch_id = w.patch_id AND k.run = :run)
  SELECT h.unit, CASE WHEN h.any_issued THEN 'issued' ELSE 'detected' END AS grp, 1 AS has_case,
         l.closed, l.closed AND l.way IS NOT NULL AS rectified, l.otherwise
  FROM held h JOIN lawsuits l USING (case_no) WHERE h.place = 1
  UNION ALL
  SELECT unit, grp, 0, 0, 0, 0 FROM wrong w WHERE NOT EXISTS (
    SELECT 1 FROM register.case_patches k WHERE k.patch_id = w.patch_id AND k.run = :run);
"""

T01 = """SELECT {unit}, {grp}, COUNT(*) AS patches, SUM(is_sent) AS sent,
  SUM(NOT is_sent) AS withheld, SUM(is_sent AND filled_date IS NOT NULL) AS answered,
  SUM(is_sent AND filled_date IS NULL) AS unanswered, SUM(signed IS NOT NULL) AS judged,
  SUM(signed IS NULL) AS unjudged, SUM(area_mu100) AS area_mu, SUM(area_m2) AS area_m2,
  SUM(cultivated_mu100) AS cultivated_mu, SUM(cultivated_m2) AS cultivated_m2,
  SUM(pbf_mu100) AS pbf_mu, SUM(pbf_m2) AS pbf_m2 FROM counted GROUP BY 1, 2"""
T02 = """SELECT {unit}, {grp}, COALESCE(signed, 'unjudged') AS judgement, COUNT(*) AS patches,
  SUM(NOT measured) AS unmeasured, SUM(c_area) AS area_mu, SUM(c_area_m2) AS area_m2,
  SUM(c_new) AS new_mu, SUM(c_new_m2) AS new_m2, SUM(c_cultivated) AS cultivated_mu,
  SUM(c_cultivated_m2) AS cultivated_m2, SUM(c_pbf) AS pbf_mu, SUM(c_pbf_m2) AS pbf_m2,
  SUM(c_reserve) AS reserve_mu, SUM(c_reserve_m2) AS reserve_m2 FROM counted GROUP BY 1, 2, 3"""
T03 = """SELECT {unit}, {grp}, suspected_class, COUNT(*) AS patches, SUM(area_mu100) AS area_mu,
  SUM(area_m2) AS area_m2, SUM(cultivated_mu100) AS cultivated_mu,
  SUM(cultivated_m2) AS cultivated_m2, SUM(pbf_mu100) AS pbf_mu, SUM(pbf_m2) AS pbf_m2,
  SUM(primary_kind = '1') AS kind_1, SUM(primary_kind = '2') AS kind_2,
  SUM(primary_kind = '3') AS kind_3, SUM(primary_kind = '4') AS kind_4,
  SUM(primary_kind = '5') AS kind_5, SUM(primary_kind = '6') AS kind_6,
  SUM(primary_kind = '7') AS kind_7, SUM(primary_kind IS NULL) AS kind_none
  FROM counted GROUP BY 1, 2, 3"""
T04_CASES = """SELECT {unit}, {grp}, COUNT(*) AS cases, SUM(closed) AS closed,
  SUM(rectified) AS rectified, SUM(otherwise) AS filed_otherwise,
  COUNT(*) - SUM(closed) - SUM(otherwise) AS open, SUM(NOT has_case) AS no_case,
  100.0 * (SUM(closed) + SUM(otherwise)) / COUNT(*) AS duty_rate,
  100.0 * (SUM(rectified) + SUM(otherwise)) / COUNT(*) AS rectification_rate
  FROM matters GROUP BY 1, 2"""
T04_AREAS = """SELECT {unit}, {grp}, COUNT(*) AS violations, SUM(c_area) AS area_mu,
  SUM(c_area_m2) AS area_m2, SUM(c_cultivated) AS cultivated_mu,
  SUM(c_cultivated_m2) AS cultivated_m2,
  TOTAL(CASE WHEN way = 'demolished_restored' THEN c_area END) AS demolished_mu,
  TOTAL(CASE WHEN way = 'demolished_restored' THEN c_area_m2 END) AS demolished_m2,
  TOTAL(CASE WHEN way = 'regularised' THEN c_area END) AS regularised_mu,
  TOTAL(CASE WHEN way = 'regularised' THEN c_area_m2 END) AS regularised_m2,
  TOTAL(CASE WHEN way = 'both' THEN c_area END) AS both_mu,
  TOTAL(CASE WHEN way = 'both' THEN c_area_m2 END) AS both_m2,
  TOTAL(CASE WHEN way IS NULL THEN c_area END) AS unrectified_mu,
  TOTAL(CASE WHEN way IS NULL THEN c_area_m2 END) AS unrectified_m2,
  TOTAL(CASE WHEN way IS NULL THEN c_cultivated END) AS unrectified_cultivated_mu,
  TOTAL(CASE WHEN way IS NULL THEN c_cultivated_m2 END) AS unrectified_cultivated_m2
  FROM wrong GROUP BY 1, 2"""
T05 = """SELECT {unit}, {grp}, SUM(c_new) AS base_before_mu, SUM(c_new_m2) AS base_before_m2,
  SUM(MIN(c_pbf, c_new)) AS base_pbf_before_mu,
  SUM(MIN(c_pbf_m2, c_new_m2)) AS base_pbf_before_m2,
  TOTAL(CASE WHEN way = 'demolished_restored' THEN c_new END) AS net_demolished_mu,
  TOTAL(CASE WHEN way = 'demolished_restored' THEN c_new_m2 END) AS net_demolished_m2,
  TOTAL(CASE WHEN way = 'regularised' THEN c_new END) AS net_regularised_mu,
  TOTAL(CASE WHEN way = 'regularised' THEN c_new_m2 END) AS net_regularised_m2,
  TOTAL(CASE WHEN way = 'both' THEN c_new END) AS net_both_mu,
  TOTAL(CASE WHEN way = 'both' THEN c_new_m2 END) AS net_both_m2,
  0 AS net_closed_mu, 0 AS net_closed_m2,
  TOTAL(CASE WHEN way IS NULL THEN c_new END) AS base_after_mu,
  TOTAL(CASE WHEN way IS NULL THEN c_new_m2 END) AS base_after_m2,
  TOTAL(CASE WHEN way IS NULL THEN MIN(c_pbf, c_new) END) AS base_pbf_after_mu,
  TOTAL(CASE WHEN way IS NULL THEN MIN(c_pbf_m2, c_new_m2) END) AS base_pbf_after_m2
  FROM wrong GROUP BY 1, 2"""
T05_LEDGER = """SELECT unit_code, IIF(LENGTH(unit_code) = 6, 'county', 'issued') AS grp,
  SUM(CASE WHEN account = 'quota' AND posting_kind = 'opening'
      THEN amount_mu100 END) AS quota_opening_mu,
  SUM(CASE WHEN account = 'quota' AND posting_kind = 'allotted'
      THEN amount_mu100 END) AS quota_allotted_mu,
  SUM(CASE WHEN account = 'quota' AND posting_kind = 'restored'
      THEN amount_mu100 END) AS quota_restored_mu,
  SUM(CASE WHEN account = 'quota' AND posting_kind = 'carried_in'
      THEN amount_mu100 END) AS quota_carried_in_mu,
  SUM(CASE WHEN account = 'quota' AND posting_kind = 'deducted'
      THEN -amount_mu100 END) AS quota_deducted_mu,
  SUM(CASE WHEN account = 'quota' AND posting_kind = 'carried_out'
      THEN -amount_mu100 END) AS quota_carried_out_mu,
  SUM(CASE WHEN account = 'deduction' AND posting_kind = 'deduction_opening'
      THEN amount_mu100 END) AS deduction_opening_mu,
  SUM(CASE WHEN account = 'deduction' AND posting_kind = 'deducted'
      THEN amount_mu100 END) AS deduction_deducted_mu,
  SUM(CASE WHEN account = 'deduction' AND posting_kind = 'restored'
      THEN -amount_mu100 END) AS deduction_restored_mu,
  SUM(CASE WHEN account = 'quota' THEN amount_mu100 END) AS quota_closing_mu,
  SUM(CASE WHEN account = 'deduction' THEN amount_mu100 END) AS deduction_closing_mu
  FROM register.quota_ledger, given WHERE year = given.check_year + 1 GROUP BY 1"""
T05_FACTS = """SELECT unit_code,
  SUM(CASE WHEN item IN ('quota_opening', 'quota_allotted', 'quota_carried_in')
            AND year = given.check_year + 1 THEN value_mu END) AS quota_mu,
  TOTAL(CASE WHEN item = 'deducted_last_year' AND year = given.check_year - 1
        THEN value_mu END) > 0 AS is_repeat
  FROM register.county_inputs i, given WHERE i.run = given.run GROUP BY 1"""
T06 = """SELECT {unit} AS unit, 'issued' AS grp, SUM(c_cultivated) AS violation_cultivated_mu,
  SUM(c_cultivated_m2) AS violation_cultivated_m2,
  TOTAL(CASE WHEN way IS NULL THEN c_cultivated END) AS net_cultivated_mu,
  TOTAL(CASE WHEN way IS NULL THEN c_cultivated_m2 END) AS net_cultivated_m2,
  SUM(c_new) AS violation_new_mu, SUM(c_new_m2) AS violation_new_m2,
  TOTAL(CASE WHEN way IS NULL THEN c_new END) AS net_new_mu,
  TOTAL(CASE WHEN way IS NULL THEN c_new_m2 END) AS net_new_m2,
  SUM(c_area) AS violation_area_mu, SUM(c_area_m2) AS violation_area_m2,
  TOTAL(CASE WHEN way IS NULL THEN c_area END) AS unrectified_area_mu,
  TOTAL(CASE WHEN way IS NULL THEN c_area_m2 END) AS unrectified_area_m2
  FROM wrong WHERE grp = 'issued' GROUP BY 1"""
T07 = """SELECT unit, grp, measure, SUM(area) AS before_mu, SUM(area_m2) AS before_m2,
  TOTAL(CASE WHEN way IS NULL THEN area END) AS after_mu,
  TOTAL(CASE WHEN way IS NULL THEN area_m2 END) AS after_m2 FROM (
    SELECT unit, grp, way, '永久基本农田' AS measure, c_pbf AS area, c_pbf_m2 AS area_m2 FROM wrong
    UNION ALL SELECT unit, grp, way, '自然保护地', c_reserve, c_reserve_m2 FROM wrong
    UNION ALL SELECT unit, grp, way, '一般耕地', MAX(0, c_cultivated - c_pbf),
      MAX(0.0, c_cultivated_m2 - c_pbf_m2) FROM wrong)
  GROUP BY 1, 2, 3"""
INPUTS = """SELECT item, unit_code, SUM(value_mu) FROM register.county_inputs i, given
  WHERE i.run = given.run AND year = given.check_year AND item LIKE 'denominator%' GROUP BY 1, 2"""
OBSERVED = """SELECT {unit}, 100 * SUM(land_m2 * observed_ratio) / SUM(land_m2)
  FROM books.townships GROUP BY 1"""
