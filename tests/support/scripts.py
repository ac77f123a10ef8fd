"""The scripts of docs/, requirements/ and tests/soak/, as modules: they stand in no package."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from support.chain import ROOT


def script(name: str, folder: str = "docs") -> Any:  # noqa: ANN401 - whatever the script defines
    """The module that `FOLDER/NAME.py` makes."""
    spec = importlib.util.spec_from_file_location(name, ROOT / folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for what their annotations mean
    spec.loader.exec_module(module)
    return module
