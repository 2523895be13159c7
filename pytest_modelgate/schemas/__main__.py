"""Write the published JSON Schemas anew."""

from pathlib import Path

from pytest_modelgate.adapters.archive import policy_json_schema, summary_json_schema
from pytest_modelgate.adapters.promotion import record_json_schema
from pytest_modelgate.adapters.verdict.writer import json_schema

SCHEMAS = {
    "policy.schema.json": policy_json_schema,
    "promotion.schema.json": record_json_schema,
    "training_summary.schema.json": summary_json_schema,
    "verdict.schema.json": json_schema,
}


def write() -> None:
    """Write every schema beside this file."""
    for name, text in SCHEMAS.items():
        (Path(__file__).parent / name).write_text(text(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
