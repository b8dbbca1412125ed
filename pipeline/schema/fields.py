"""The register of fields: one meaning, one name, one type, one unit, wherever the field appears."""

from __future__ import annotations

from pipeline.schema.book_fields import BOOK_FIELDS
from pipeline.schema.field import Dtype, FieldSpec
from pipeline.schema.form_fields import DELIVERY_FIELDS, FORM_FIELDS
from pipeline.schema.overlay_fields import OVERLAY_FIELDS
from pipeline.schema.patch_fields import PATCH_FIELDS
from pipeline.schema.reference_fields import REFERENCE_FIELDS
from pipeline.schema.register_fields import REGISTER_FIELDS
from pipeline.schema.screening_fields import SCREENING_FIELDS

__all__ = ["FIELDS", "Dtype", "FieldSpec"]

FIELDS: dict[str, FieldSpec] = {
    spec.name: spec
    for spec in (
        *PATCH_FIELDS,
        *REFERENCE_FIELDS,
        *OVERLAY_FIELDS,
        *SCREENING_FIELDS,
        *DELIVERY_FIELDS,
        *FORM_FIELDS,
        *REGISTER_FIELDS,
        *BOOK_FIELDS,
    )
}
"""Every field by name."""
