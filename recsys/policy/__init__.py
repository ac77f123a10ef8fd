"""The guards' policy: what a category manager and a privacy officer decided, strict and hashed."""

from recsys.policy.document import Group, OnlyIfPurchased, Policy
from recsys.policy.placement import Placement, named_items, never_items, place
from recsys.policy.reading import load_policy
from recsys.policy.unlearned import Unlearned, read_unlearned

__all__ = [
    "Group",
    "OnlyIfPurchased",
    "Placement",
    "Policy",
    "Unlearned",
    "load_policy",
    "named_items",
    "never_items",
    "place",
    "read_unlearned",
]
