"""Archives of training runs: read in place, verified, and written.

``zip_source``, ``tar_source`` and ``folder_source`` read bytes, ``streamed_source`` has them sent. ``names`` knows
which members are passed over, ``roles`` which play which part. ``strict_json``, ``schema`` and ``entries`` read what is
said of models: ``summary`` in a training summary, ``manifest`` and ``manifest_fields`` in files without a schema.
``matching`` brings entries and checkpoints together, ``reader`` all of it; ``writer`` is the way back.
"""

from pytest_modelgate.adapters.archive.declaration import (
    beside,
    declared_together,
    policy_json_schema,
    written_declaration,
)
from pytest_modelgate.adapters.archive.limits import Limits
from pytest_modelgate.adapters.archive.names import SUFFIXES
from pytest_modelgate.adapters.archive.reader import Archive, open_archive, open_listing
from pytest_modelgate.adapters.archive.streamed_source import Listing
from pytest_modelgate.adapters.archive.summary import summary_json_schema
from pytest_modelgate.adapters.archive.writer import Assembled, ModelArtifact, assemble

__all__ = [
    "SUFFIXES",
    "Archive",
    "Assembled",
    "Limits",
    "Listing",
    "ModelArtifact",
    "assemble",
    "beside",
    "declared_together",
    "open_archive",
    "open_listing",
    "policy_json_schema",
    "summary_json_schema",
    "written_declaration",
]
