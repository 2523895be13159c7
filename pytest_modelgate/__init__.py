"""A pytest plugin that decides whether a freshly trained trading model may touch money.

What a ``conftest.py``, a suite of model tests or a trainer may import stands in ``__init__.pyi``, the list that type
checkers read; everything else is private and may change with any release. A name is imported on first use, since most
need numpy and pandas: a run without ``--model-archive`` pays for none.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
