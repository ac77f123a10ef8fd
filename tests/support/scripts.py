"""The scripts of docs/, as modules: they stand in no package."""

from __future__ import annotations

import importlib.util
from typing import Any

from support.chain import ROOT


def script(name: str) -> Any:  # noqa: ANN401 - whatever the script defines
    """The module that `docs/NAME.py` makes."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
