"""Archives of training runs: read in place, verified, and written.

``names`` knows which member plays which part, ``zip_layout``, ``zip_source`` and ``folder_source`` read bytes, ``strict_json``
and ``summary`` read the training summary, ``reader`` puts them together, ``writer`` is the way back.
"""

from pytest_modelgate.adapters.archive.limits import Limits

from pytest_modelgate.adapters.archive.summary import summary_json_schema


__all__ = ["Archive", "Limits", "ModelArtifact", "summary_json_schema", "open_archive", "write_archive"]
