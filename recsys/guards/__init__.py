"""The guards: what must not go out, whatever its score.

Each guard is a plain function in its own file. It is given the `Situation` of B subjects before O offers and returns a
bool array [B, O] that is true where the offer is withheld. They run after scoring, on every path, in this order; the
order decides which rule is named first, never what is withheld.
"""

from recsys.guards.age import age
from recsys.guards.consent import consent
from recsys.guards.cool_down import cool_down
from recsys.guards.dismissal import dismissal
from recsys.guards.eligibility import eligibility
from recsys.guards.fatigue import fatigue
from recsys.guards.holdout import holdout
from recsys.guards.never import never
from recsys.guards.only_if_purchased import only_if_purchased
from recsys.guards.past_purchase_trap import past_purchase_trap
from recsys.guards.situation import Guard, Situation
from recsys.guards.unknown_category import unknown_category

GUARDS: dict[str, Guard] = {
    "consent": consent,
    "holdout": holdout,
    "eligibility": eligibility,
    "unknown_category": unknown_category,
    "never": never,
    "age": age,
    "only_if_purchased": only_if_purchased,
    "past_purchase_trap": past_purchase_trap,
    "cool_down": cool_down,
    "dismissal": dismissal,
    "fatigue": fatigue,
}

__all__ = ["GUARDS", "Guard", "Situation"]
