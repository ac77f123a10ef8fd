"""List constraints: what may not stand in one list together, or not yet again.

They are applied down the ranked list of what the guards allow, and the list is filled from the next best.
"""

from recsys.constraints.list_rules import ListRules
from recsys.constraints.tally import Tally, fill_list

__all__ = ["ListRules", "Tally", "fill_list"]
