"""Archives of training runs: read in place, verified, and written.

``names`` knows which member plays which part, ``zip_source`` and ``folder_source`` read bytes,
``strict_json``, ``schema`` and ``summary`` read the training summary, ``reader`` puts them together, ``writer`` is
the way back.
"""

from pytest_modelgate.adapters.archive.declaration import policy_json_schema
from pytest_modelgate.adapters.archive.limits import Limits
from pytest_modelgate.adapters.archive.reader import Archive, open_archive
from pytest_modelgate.adapters.archive.summary import summary_json_schema
from pytest_modelgate.adapters.archive.writer import Assembled, ModelArtifact, assemble

__all__ = [
    "Archive",
    "Assembled",
    "Limits",
    "ModelArtifact",
    "assemble",
    "open_archive",
    "policy_json_schema",
    "summary_json_schema",
]
