"""Whether a field policy makes sense: every role where it belongs, every contract fed whole, nothing fed twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from pseudonymize.fields import (
    Action,
    Consent,
    Drop,
    Evaluation,
    Feature,
    Feed,
    FieldPolicy,
    Generalise,
    Identifier,
    Quasi,
    Role,
    Subject,
    Table,
    nearest,
    read_fields,
    role_name,
)
from recsys.errors import PolicyError

# What a column of each role may feed in each contract. Whatever is not here is refused.
_TARGETS: Final[dict[Feed, dict[type[Role], frozenset[str]]]] = {
    Feed.PURCHASES: {
        Feature: frozenset({"item", "day", "quantity", "value", "channel"}),
        Quasi: frozenset({"day"}),
        Identifier: frozenset({"basket"}),
    },
    Feed.SUBJECTS: {
        Feature: frozenset({"adult", "interests", "store", "region"}),
        Quasi: frozenset({"adult"}),
    },
    Feed.REDEMPTIONS: {Evaluation: frozenset({"offer_id", "day"}), Quasi: frozenset({"day"})},
    Feed.DEMOGRAPHICS: {},
}
_REQUIRED: Final = {
    Feed.PURCHASES: frozenset({"item", "day", "quantity"}),
    Feed.SUBJECTS: frozenset[str](),
    Feed.REDEMPTIONS: frozenset({"offer_id", "day"}),
    Feed.DEMOGRAPHICS: frozenset[str](),
}


def load_fields(path: Path) -> FieldPolicy:
    """Read a field policy and check it as a whole.

    Raises:
        PolicyError: As `read_fields`, or a role in a place where it means nothing.
    """
    policy = read_fields(path)
    for table in policy.tables:
        where = f"{path}, tables.{table.name}"
        for column, role in table.columns.items():
            _check_role(role, table, policy, f"{where}.columns.{column}")
        _check_table(table, where)
    _check_attributes(policy)
    return policy


def attribute_of(column: str, role: Evaluation) -> str:
    """The demographic attribute that a column becomes."""
    return role.to or column


def is_attribute(role: Role, table: Table) -> bool:
    """Whether a column goes to `demographics`, one row for each of its filled cells."""
    return isinstance(role, Evaluation) and Feed.DEMOGRAPHICS in {role.set, table.feeds}


def _check_role(role: Role, table: Table, policy: FieldPolicy, where: str) -> None:
    match role:
        case Subject(field=field):
            _check_field(field, policy, where)
        case Identifier(action=Action.DROP) if role.field is None and role.to is None:
            pass
        case Identifier(action=Action.DROP):
            raise PolicyError("a dropped identifier feeds nothing", where=where, mend="Take field and to away")
        case Identifier(field=field, to=to):
            if field is None or to is None:
                raise PolicyError("tokenise needs a field and a target", where=where, mend="Give both field and to")
            _check_field(field, policy, where)
            _check_target(role, to, table, where)
        case Quasi(to=to) | Feature(to=to):
            _check_target(role, to, table, where)
            _check_generalisation(role, where)
        case Evaluation():
            _check_evaluation(role, table, where)
        case Consent() if table.feeds is not Feed.SUBJECTS:
            raise PolicyError("consents belong to subjects", where=where, mend="Name it in a table that feeds subjects")
        case Consent() | Drop():
            pass


def _check_field(field: str, policy: FieldPolicy, where: str) -> None:
    if field not in policy.fields:
        mend = nearest(field, policy.fields, otherwise=f"Add [fields.{field}]")
        raise PolicyError(f"there is no field {field!r}", where=where, mend=mend)


def _check_target(role: Role, to: str, table: Table, where: str) -> None:
    known = _TARGETS[table.feeds].get(type(role), frozenset())
    if to not in known:
        spoken = role_name(type(role))
        every = f"It may feed: {', '.join(sorted(known))}" if known else f"No {spoken} feeds {table.feeds}; drop it"
        what = f"{spoken} cannot feed column {to!r} of {table.feeds}"
        raise PolicyError(what, where=where, mend=nearest(to, known, otherwise=every))


def _check_generalisation(role: Role, where: str) -> None:
    if not isinstance(role, Quasi):
        return
    if role.generalise != role.to:
        what = f"generalise = '{role.generalise}' does not give {role.to!r}"
        raise PolicyError(what, where=where, mend=f"Write to = '{role.generalise}'")
    if role.as_of is not None and role.generalise is not Generalise.ADULT:
        raise PolicyError("as_of belongs to generalise = 'adult'", where=where, mend="Take it away")


def _check_evaluation(role: Evaluation, table: Table, where: str) -> None:
    if is_attribute(role, table):
        if table.feeds not in {Feed.SUBJECTS, Feed.DEMOGRAPHICS}:
            raise PolicyError(
                "people's attributes stand beside people", where=where, mend="Name them in a table of people"
            )
        return
    if role.set is not None or role.to is None or table.feeds is not Feed.REDEMPTIONS:
        mend = "Write set = 'demographics' in a table of people, or to = 'offer_id' or 'day' in one of redemptions"
        raise PolicyError("names no evaluation set that it can go to", where=where, mend=mend)
    _check_target(role, role.to, table, where)


def _check_table(table: Table, where: str) -> None:
    roles = table.columns.values()
    subjects = sum(isinstance(role, Subject) for role in roles)
    if subjects != 1:
        raise PolicyError(
            f"has {subjects} columns of role 'subject'", where=where, mend="Say which one column holds the person"
        )
    targets = Counter(role.to for role in roles if isinstance(role, Identifier | Quasi | Feature | Evaluation))
    missing = _REQUIRED[table.feeds] - set(targets)
    if missing:
        mend = "Give a column `to = ` each of them"
        raise PolicyError(f"{table.feeds} need {', '.join(sorted(missing))}", where=where, mend=mend)
    purposes = Counter(role.purpose for role in roles if isinstance(role, Consent))
    for name, count in (targets + purposes).items():
        if count > 1 and name is not None:
            raise PolicyError(f"{count} columns feed {name!r}", where=where, mend="Keep one and drop the others")
    if table.drop_zero_quantity and table.feeds is not Feed.PURCHASES:
        raise PolicyError("drop_zero_quantity belongs to purchases", where=where, mend="Take it away")


def _check_attributes(policy: FieldPolicy) -> None:
    """An attribute that two columns feed would give a person two groups."""
    fed: set[str] = set()
    for table in policy.tables:
        for column, role in table.columns.items():
            if isinstance(role, Evaluation) and is_attribute(role, table):
                attribute = attribute_of(column, role)
                if attribute in fed:
                    where = f"{policy.path}, tables.{table.name}.columns.{column}"
                    raise PolicyError(
                        f"{attribute!r} is fed twice", where=where, mend="Keep one, or name it apart by to"
                    )
                fed.add(attribute)
