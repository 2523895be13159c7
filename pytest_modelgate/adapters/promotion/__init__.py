"""The folder a trader reads: which set of models is in force there, and how another takes its place in one step.

``record`` is what ``promotion.json`` says, ``target`` the folder, ``layout`` how the names in it are switched.
"""

from pytest_modelgate.adapters.promotion.record import (
    Promoted,
    Record,
    Source,
    Waived,
    Withdrawn,
    record_json_schema,
)
from pytest_modelgate.adapters.promotion.target import Target

__all__ = ["Promoted", "Record", "Source", "Target", "Waived", "Withdrawn", "record_json_schema"]
