"""Whether a field policy makes sense: every role where it belongs, every contract fed whole, nothing fed twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final, TypeGuard

from pseudonymize.canonical.numbers import known_scheme
from pseudonymize.canonical.phone import known_region
from pseudonymize.fields import (
    Action,
    Consent,
    Drop,
    Evaluation,
    Feature,
    Feed,
    Field,
    FieldPolicy,
    FreeText,
    FreeTextAction,
    Generalise,
    Identifier,
    Quasi,
    Role,
    Sensitive,
    Subject,
    Table,
    nearest,
    read_fields,
    role_name,
)
from pseudonymize.gate.settings import Days, Keep
from recsys.errors import PolicyError

# What a column of each role may feed in each contract. Whatever is not here is refused.
_TARGETS: Final[dict[Feed, dict[type[Role], frozenset[str]]]] = {
    Feed.PURCHASES: {
        Feature: frozenset({"item", "day", "quantity", "value", "channel"}),
        Quasi: frozenset({"day", "quantity", "value"}),
        Identifier: frozenset({"basket"}),
        FreeText: frozenset({"channel"}),
    },
    Feed.SUBJECTS: {
        Feature: frozenset({"adult", "interests", "store", "region"}),
        Quasi: frozenset({"adult", "region", "store"}),
        FreeText: frozenset({"interests", "region", "store"}),
    },
    Feed.REDEMPTIONS: {Evaluation: frozenset({"offer_id", "day"}), Quasi: frozenset({"day"})},
    Feed.DEMOGRAPHICS: {},
}
# What each generalisation gives, and the keys that say how. A demographic attribute takes any of them but dates.
_GIVES: Final = {
    Generalise.DAY: frozenset({"day"}),
    Generalise.WEEK: frozenset({"day"}),
    Generalise.ADULT: frozenset({"adult"}),
    Generalise.BAND: frozenset({"region", "store"}),
    Generalise.PREFIX: frozenset({"region", "store"}),
    Generalise.ROUND: frozenset({"quantity", "value"}),
}
_HOW: Final = {
    Generalise.ADULT: ("years", "as_of"),
    Generalise.BAND: ("bands",),
    Generalise.PREFIX: ("length",),
    Generalise.ROUND: ("step",),
}
_NEEDED: Final = frozenset({"bands", "length", "step"})
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
    for name, field in policy.fields.items():
        _check_form(field, f"{path}, fields.{name}")
    for table in policy.tables:
        where = f"{path}, tables.{table.name}"
        for column, role in table.columns.items():
            _check_role(role, table, policy, f"{where}.columns.{column}")
        _check_table(table, where)
    _check_attributes(policy)
    _check_gate(policy)
    return policy


def attribute_of(column: str, role: Evaluation | Quasi | Sensitive) -> str:
    """The demographic attribute that a column becomes."""
    return role.to or column


def is_attribute(role: Role, table: Table) -> TypeGuard[Evaluation | Quasi | Sensitive]:
    """Whether a column goes to `demographics`, one row for each of its filled cells."""
    if isinstance(role, Evaluation):
        return Feed.DEMOGRAPHICS in {role.set, table.feeds}
    return isinstance(role, Quasi | Sensitive) and role.set is Feed.DEMOGRAPHICS


def sensitive_attributes(policy: FieldPolicy) -> frozenset[str]:
    """The demographic attributes that come from a column of role `sensitive`."""
    roles = ((name, role) for table in policy.tables for name, role in table.columns.items())
    return frozenset(attribute_of(name, role) for name, role in roles if isinstance(role, Sensitive) and role.set)


def subject_fields(policy: FieldPolicy) -> frozenset[str]:
    """The fields that name people, and not receipts."""
    roles = [role for table in policy.tables for role in table.columns.values()]
    return frozenset(role.field for role in roles if isinstance(role, Subject))


def person_fields(policy: FieldPolicy) -> frozenset[str]:
    """The fields that name people, by whom a row is or by a link."""
    roles = [role for table in policy.tables for role in table.columns.values()]
    linked = {role.field for role in roles if isinstance(role, Identifier) and role.action is Action.LINK}
    return subject_fields(policy) | {field for field in linked if field is not None}


def _check_role(role: Role, table: Table, policy: FieldPolicy, where: str) -> None:
    match role:
        case Subject(field=field):
            _check_field(field, policy, where)
        case Identifier():
            _check_identifier(role, table, policy, where)
        case Quasi():
            _check_generalisation(role, table, where)
        case Feature(to=to):
            _check_target(role, to, table, where)
        case Sensitive():
            _check_sensitive(role, table, where)
        case FreeText():
            _check_free_text(role, table, where)
        case Evaluation():
            _check_evaluation(role, table, where)
        case Consent() if table.feeds is not Feed.SUBJECTS:
            raise PolicyError("consents belong to subjects", where=where, mend="Name it in a table that feeds subjects")
        case Consent() | Drop():
            pass


def _check_identifier(role: Identifier, table: Table, policy: FieldPolicy, where: str) -> None:
    if role.action is Action.DROP:
        if role.field is not None or role.to is not None:
            raise PolicyError("a dropped identifier feeds nothing", where=where, mend="Take field and to away")
        return
    if role.action is Action.LINK:
        if role.field is None or role.to is not None:
            raise PolicyError(
                "a link needs a field and feeds nothing", where=where, mend="Give field, and take to away"
            )
        _check_field(role.field, policy, where)
        return
    if role.field is None or role.to is None:
        raise PolicyError("tokenise needs a field and a target", where=where, mend="Give both field and to")
    _check_field(role.field, policy, where)
    _check_target(role, role.to, table, where)


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


def _check_form(field: Field, where: str) -> None:
    try:
        field.form()
    except PolicyError as error:
        raise PolicyError(error.what, where=f"{where}.{error.where}", mend=error.mend) from None


def _check_generalisation(role: Quasi, table: Table, where: str) -> None:
    how = _HOW.get(role.generalise, ())
    for key in (key for keys in _HOW.values() for key in keys):
        if getattr(role, key) is not None and key not in how:
            owner = next(name for name, keys in _HOW.items() if key in keys)
            raise PolicyError(f"{key} belongs to generalise = '{owner}'", where=where, mend="Take it away")
        if getattr(role, key) is None and key in how and key in _NEEDED:
            raise PolicyError(f"generalise = '{role.generalise}' needs {key}", where=where, mend=f"Give {key}")
    if role.bands is not None and list(role.bands) != sorted(set(role.bands)):
        raise PolicyError("bands do not rise", where=where, mend="Write them from the lowest to the highest")
    if role.set is not None:
        _check_people(role, table, where)
        if role.generalise in {Generalise.DAY, Generalise.WEEK, Generalise.ADULT}:
            raise PolicyError("a date is no attribute", where=where, mend="Use 'band', 'prefix' or 'round'")
        return
    _check_target(role, role.to or "", table, where)
    if role.to not in _GIVES[role.generalise]:
        gives = " or ".join(sorted(_GIVES[role.generalise]))
        what = f"generalise = '{role.generalise}' does not give {role.to!r}"
        raise PolicyError(what, where=where, mend=f"It gives {gives}")


def _check_sensitive(role: Sensitive, table: Table, where: str) -> None:
    if role.set is not None:
        _check_people(role, table, where)
    elif role.to is not None:
        mend = "Take `to` away, or write set = 'demographics'"
        raise PolicyError("what is sensitive feeds nothing but an evaluation set", where=where, mend=mend)


def _check_people(role: Quasi | Sensitive, table: Table, where: str) -> None:
    if role.set is not Feed.DEMOGRAPHICS or table.feeds not in {Feed.SUBJECTS, Feed.DEMOGRAPHICS}:
        raise PolicyError(
            "people's attributes stand beside people",
            where=where,
            mend="Write set = 'demographics', in a table of people",
        )


def _check_free_text(role: FreeText, table: Table, where: str) -> None:
    if role.action is FreeTextAction.SCAN:
        _check_target(role, role.to or "", table, where)
    elif role.to is not None:
        raise PolicyError("dropped text feeds nothing", where=where, mend="Take `to` away, or write action = 'scan'")


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
    feeding = [role for role in roles if not is_attribute(role, table)]
    targets = Counter(
        role.to for role in feeding if isinstance(role, Identifier | Quasi | Feature | Evaluation | FreeText)
    )
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
            if is_attribute(role, table):
                attribute = attribute_of(column, role)
                if attribute in fed:
                    where = f"{policy.path}, tables.{table.name}.columns.{column}"
                    raise PolicyError(
                        f"{attribute!r} is fed twice", where=where, mend="Keep one, or name it apart by to"
                    )
                fed.add(attribute)


def _check_gate(policy: FieldPolicy) -> None:
    where, gate = f"{policy.path}, gate", policy.gate
    for region in gate.regions:
        if not known_region(region):
            raise PolicyError(f"there is no region {region!r}", where=f"{where}.regions", mend="Write 'GB', 'DE', …")
    for scheme in gate.national_ids:
        if not known_scheme(scheme):
            mend = "Write country and number as python-stdnum does: 'gb.nhs', 'de.idnr', 'us.ssn'"
            raise PolicyError(f"there is no scheme {scheme!r}", where=f"{where}.national_ids", mend=mend)
    if gate.days is Days.NONE:
        mend = "Write 'day', 'week' or 'month'"
        raise PolicyError("training and serving need days", where=f"{where}.days", mend=mend)
    external = gate.external
    if (external.keep is Keep.ALL) != (external.most == 0):
        mend = "Give keep = 'last' or 'sample' and most together, or neither"
        raise PolicyError("keep and most go together", where=f"{where}.external", mend=mend)
