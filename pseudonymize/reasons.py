"""Why a column becomes what it becomes, in words: for the dry run and for the record of processing."""

from __future__ import annotations

from typing import Final

from pseudonymize.fields import (
    Action,
    Consent,
    Drop,
    Evaluation,
    Feature,
    FreeText,
    FreeTextAction,
    Identifier,
    Quasi,
    Role,
    Sensitive,
    Subject,
)

_OF_ROLES: Final[dict[type[Role], str]] = {
    Subject: "names the person: only the token leaves",
    Quasi: "singles people out together with others of its kind: only a coarser form leaves",
    Sensitive: "about health, belief, origin or the like: never learned from, never served",
    Feature: "says nothing about who it is: passes as it is",
    Evaluation: "only recsys-evaluate reads it",
    Consent: "an explicit yes counts, an empty cell is a no",
    Drop: "nothing downstream needs it",
}
_OF_IDENTIFIERS: Final = {
    Action.TOKENISE: "names a person or a receipt: only the token leaves",
    Action.DROP: "names a person: nothing downstream needs it",
    Action.LINK: "names a person: tells the custodian alone who is the same",
}
_OF_TEXTS: Final = {
    FreeTextAction.DROP: "people write names into it",
    FreeTextAction.SCAN: "people write names into it: a scan refuses traces, and finds no names",
}


def why(role: Role) -> str:
    """The reason for what a role makes of a column."""
    match role:
        case Identifier(action=action):
            return _OF_IDENTIFIERS[action]
        case FreeText(action=written):
            return _OF_TEXTS[written]
        case _:
            return _OF_ROLES[type(role)]
