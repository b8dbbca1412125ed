"""How the townships and the bureau of the demo county answer: who sends what, and what is wrong.

Everything that is filled in follows from the truth and from what was sent out; nothing here imports
`pipeline`. Same inputs, same bytes. What was filled and what must be rejected is written down in
`.played.json` of the returns folder, which no reader of returns looks at.

============  ==================================================================================
township      answers by
============  ==================================================================================
379999001     CSV saved from the form, GB 18030; a start of works in words; a zip that leaves its
              folder
379999100     the form itself; a choice not on the list, an altered locked cell; a second file that
              contradicts it twice, one of them decided by the bureau; photos, survey (shapefile)
379999101     the form rebuilt by another office program: columns in another order, no row of field
              names; one line without checker, one of another township, one patch nobody sent;
              survey as boundary points
379999102     one zip: form, photos, one file that is no photo; one patch filled twice; survey as
              national boundary records beside it
379999200     `verify.gpkg`, one outline moved; survey of a ring that crosses itself
379999400     late, the last third unanswered; the first upload broke off
bureau        judgements (one unsigned, one with more cultivated land than land), cases (one both
              closed and dealt with without a case, one of an unknown patch), county inputs (one
              deduction without a document number, one township left out, one stated as 0),
              decisions, survey (GeoPackage)
============  ==================================================================================

The bureau judges what was sent out and only that. A patch that no planted change explains is
未变化; a detected one that is part of a planted change is judged as it.
"""
