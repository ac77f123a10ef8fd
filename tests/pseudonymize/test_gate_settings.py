from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pseudonymize.fields_check import load_fields
from pseudonymize.gate.settings import Keep
from recsys.errors import PolicyError

PolicyFile = Callable[[Mapping[str, str]], Path]
LAST = 'redeemed_on = { role = "evaluation", to = "day" }\n'  # of the example


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("[gate]\nkk = 3", "unknown key 'kk'. Did you mean 'k'"),
        ("[gate]\nk = 0", "gate"),
        ('[gate]\nrare_items = "dropp"', "Did you mean 'drop'"),
        ('[gate]\ndays = "none"', "training and serving need days"),
        ('[gate]\nregions = ["XX"]', "there is no region 'XX'"),
        ('[gate]\nnational_ids = ["gb.nothing"]', "there is no scheme"),
        ("[gate.external]\nlimit = 0.06", "gate.external"),
        ('[gate]\nallow = [""]', "gate"),
        ('[gate]\nallow = ["x"]', "gate"),
        ("[gate.external]\nmost = 3", "keep and most go together"),
        ('[gate.external]\nkeep = "last"', "keep and most go together"),
        ("[gate.external]\nlevels = 3", "Did you mean 'level'"),
    ],
)
def test_settings_that_make_no_sense(policy_file: PolicyFile, said: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        load_fields(policy_file({LAST: f"{LAST}{said}\n"}))


def test_a_policy_without_a_gate_has_one(policy_file: PolicyFile) -> None:
    gate = load_fields(policy_file({})).gate
    assert (gate.k, gate.known, gate.external.limit, gate.external.keep) == (5, 4, 0.05, Keep.ALL)
