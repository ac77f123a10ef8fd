"""What the figures of the gate mean, and which settings change them: for whoever answers for a release."""

from __future__ import annotations

from typing import Final

from pseudonymize.gate.settings import ReleaseClass
from pseudonymize.gate.verdict import Measure, Verdict

HISTORIES: Final = (
    "k-anonymity of attributes does not protect a history. Whatever is done to attributes, what somebody bought, and "
    "when, singles them out: that is what unicity and linkage measure."
)

MEANING: Final = {
    Measure.K_ANONYMITY: "So many people at least share every combination of attributes that occurs. One means that "
    "somebody is alone with theirs (Sweeney 2002).",
    Measure.BELOW_K: "Whoever knows the attributes of one of them is left with fewer than k people to choose from.",
    Measure.BELOW_K_JUDGED: "Demographics of the evaluation sets single out further. Only recsys-evaluate reads "
    "them: keep them from whoever reads the rest.",
    Measure.L_DIVERSITY: "Among people who share their attributes, so many different values of each sensitive one "
    "occur at least. One means that the attributes tell it (Machanavajjhala 2007).",
    Measure.RARE_ITEMS: "Such an item is nearly a name: whoever knows who buys it has found the history.",
    Measure.RARE_ROWS: "How much of the release that is.",
    Measure.ITEMS: "Who knows a few things that a person bought, drawn at random, finds one history only "
    "(de Montjoye 2015).",
    Measure.DATES: "Who knows a few days on which a person shopped finds one history only (de Montjoye 2013).",
    Measure.DATED_ITEMS: "Who knows a few things and on which day each was bought finds one history only.",
    Measure.UNICITY: "Who knows a few points of a released history, as exactly as they are released, finds that "
    "history only.",
    Measure.LINKAGE: "Who has the same people's purchases under other tokens puts the right two together "
    "(Narayanan and Shmatikov 2008).",
}

SETTINGS: Final = {
    Measure.K_ANONYMITY: "gate.k, gate.classes; generalise of the columns",
    Measure.BELOW_K: "gate.k, gate.classes",
    Measure.BELOW_K_JUDGED: "gate.k; generalise of the columns",
    Measure.L_DIVERSITY: "gate.l; role of the column",
    Measure.RARE_ITEMS: "gate.k, gate.rare_items",
    Measure.RARE_ROWS: "gate.k, gate.rare_items",
    Measure.ITEMS: "gate.known, gate.rare_items",
    Measure.DATES: "gate.known, gate.days",
    Measure.DATED_ITEMS: "gate.known, gate.rare_items, gate.days",
    Measure.UNICITY: "gate.external: level, days, keep, most, limit; gate.known, gate.k",
    Measure.LINKAGE: "gate.external: level, days, keep, most, limit",
}

_STILL_KNOWN: Final[dict[ReleaseClass, tuple[str, ...]]] = {
    ReleaseClass.INTERNAL: (
        "With the vault: everything. Tokens are undone by whoever holds its keys.",
        (
            "Without it, a colleague who knows a few of somebody's purchases, from a receipt or a shared kitchen, "
            "finds the history by them, and reads the rest of it. The unicity above says how often. No setting of an "
            "internal release takes that away, since training needs the histories: it is why it stays inside."
        ),
        "Two internal releases of one domain are linked by their tokens. That is their purpose.",
        "Consents, and which categories somebody avoids, show in the tables.",
        (
            "The scan of texts finds forms, and the names of the raw files themselves. A nickname, or a name that "
            "stands in no raw file, passes."
        ),
    ),
    ReleaseClass.EXTERNAL: (
        (
            "What the release says of each subject, under a token: that is given away, and not guessed. Who learns "
            "whose a token is, by whatever way, reads it as that person's."
        ),
        "That somebody is among the customers, where they were linked: the figure above says how often, at most.",
        (
            "What most customers buy, and when. That is what the release is for, and it tells about each of them what "
            "it tells about all."
        ),
        (
            "Who knows more points, or more about people than points, may link more of them than the attacks that were "
            "run."
        ),
        (
            "A second release of the same people adds to the first: what is drawn at random differs, and both together "
            "say more than either. Give every partner a domain of its own, and one release."
        ),
        "With the vault: everything.",
    ),
}


def still_known(verdict: Verdict) -> tuple[str, ...]:
    """What somebody determined could still learn: first what this very release says of each subject, then the rest."""
    if verdict.release is ReleaseClass.INTERNAL or not verdict.subjects:
        return _STILL_KNOWN[verdict.release]
    how = str(verdict.made) if verdict.made else "as the rows of its file say"
    given = (
        f"Of each of {verdict.subjects:,} subjects, purchases: {how}. That is {verdict.rows / verdict.subjects:,.1f} "
    )
    return (f"{given}rows a subject on average.", *_STILL_KNOWN[verdict.release])
