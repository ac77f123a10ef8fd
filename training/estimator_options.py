"""The parameters of `BundleEstimator`, as `training.fit` takes them: what means nothing is said in Python's words."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from recsys.errors import RecsysError, UsageError
from training.budget import Budget, parse_budget
from training.estimator_input import one_of
from training.fit import Options
from training.levels import LevelChoice
from training.options import LARGEST_SEED
from training.plan import Search
from training.profiles import Profile
from training.registry import check_name
from training.settings import ItemTable, Settings

_OPTION: Final = re.compile(r"--([a-z][a-z-]*[a-z])")  # of the command
_OTHERWISE: Final = {"seed": "random_state"}


@contextlib.contextmanager
def told_in_python() -> Iterator[None]:
    """Errors name parameters, where what raises them names the command's options: nobody here has given any."""
    try:
        yield
    except RecsysError as error:
        where, mend = (text and _OPTION.sub(_parameter, text) for text in (error.where, error.mend))
        raise type(error)(_OPTION.sub(_parameter, error.what), where=where, mend=mend) from None


def options_of(given: Mapping[str, Any]) -> Options:
    """What was asked for.

    Args:
        given: The estimator's parameters.

    Raises:
        ValueError: It means nothing.
    """
    settings, budget, table = given["settings"], given["budget"], given["item_table"]
    if settings is not None and not isinstance(settings, Settings):
        raise ValueError(f"settings are a {type(settings).__name__}, not training.settings.Settings: see read_settings")
    if settings is not None and budget is not None:
        raise ValueError("budget is of a search, and settings leave nothing to search for: leave one of them out")
    seed = given["random_state"]
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"random_state is a whole number from 0 to {LARGEST_SEED}: it stands in the bundle")
    try:
        with told_in_python():
            check_name(given["name"] if isinstance(given["name"], str) else "")
            allowed = Budget() if budget is None else parse_budget(str(budget))
    except UsageError as error:
        raise ValueError(str(error)) from None
    return Options(
        given["name"],
        one_of(LevelChoice, given["level"], name="level"),
        one_of(Profile, given["profile"], name="profile"),
        int(seed),
        Search(settings, allowed.trials, allowed.seconds),
        None if table is None else one_of(ItemTable, table, name="item_table"),
    )


def _parameter(option: re.Match[str]) -> str:
    return _OTHERWISE.get(option[1], option[1].replace("-", "_"))
