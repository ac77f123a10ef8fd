"""The rules in words that need no manual."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "consent": "the shopper did not agree to the channel.",
        "holdout": "the shopper is left out by lot, so that uplift can be measured.",
        "eligibility": "not valid that day, not for this channel or place, or out of stock.",
        "unknown_category": "something in the offer is of a kind that nobody can tell.",
        "never": "goes to nobody, such as pregnancy tests.",
        "age": "only for those who were verified to be of age.",
        "only_if_purchased": "only for those who buy such things themselves, such as alcohol or pork.",
        "past_purchase_trap": "bought, but as a gift or in another time of life: counts as not bought.",
        "cool_down": "just bought; one is enough for a while.",
        "dismissal": "the shopper said no to it.",
        "fatigue": "was shown and ignored several times in a row: rests.",
        "frequency_cap": "was shown as often as it may be.",
        "diversity": "there are enough of its kind in the list.",
    }
)


def in_words(rules: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Each rule with what it means, in the order of decisions."""
    named = set(rules)
    return tuple((rule, meaning) for rule, meaning in RULES.items() if rule in named)
