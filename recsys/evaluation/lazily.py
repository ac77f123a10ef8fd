"""Libraries that take a second or more to load are loaded when something of them is first used.

Most commands neither draw nor test; without this each would wait for altair and scipy.stats as if it did.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


def lazily(name: str) -> ModuleType:
    """The module `name`, by the standard library's `LazyLoader`.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
