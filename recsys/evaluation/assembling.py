"""Putting runs together: the candidate and the baselines, window by window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from recsys.contracts.runs import VOCABULARIES, RunModel, RunWindow, Task
from recsys.evaluation.comparison import Listed
from recsys.evaluation.contenders import TRIALS, Contender, Ran, run
from recsys.evaluation.runs import rows_of_lists
from recsys.evaluation.splits import Split
from recsys.history import ItemIndex


@dataclass(slots=True)
class Assembly:
    """Lists of several models, as they are made.

    Args:
        k: The length of a list.
        baselines: Whom the candidate is held against.
        trials: How many settings of each baseline may be tried in a window.
    """

    k: int
    baselines: Sequence[Contender]
    trials: int = TRIALS
    _lists: list[pl.DataFrame] = field(default_factory=list)
    _vocabularies: list[pl.DataFrame] = field(default_factory=list)
    _settings: dict[str, dict[str, str]] = field(default_factory=dict)

    def add_window(self, window: RunWindow, vocabulary: ItemIndex) -> None:
        """Open a window: what can be listed in it."""
        rows = {"window": [window.name] * len(vocabulary), "item": list(vocabulary.names)}
        self._vocabularies.append(pl.DataFrame(rows, schema={"window": pl.String, "item": pl.String}))

    def add_lists(
        self, model: str, window: RunWindow, split: Split, vocabulary: ItemIndex, lists: Mapping[Task, Listed]
    ) -> None:
        """Add what a model listed for a window."""
        self._lists.append(rows_of_lists(model, window, split, vocabulary, lists))

    def add_baseline(
        self, contender: Contender, window: RunWindow, split: Split, validation: Split, vocabulary: ItemIndex
    ) -> None:
        """Let a baseline choose its settings and list for a window."""
        ran: Ran = run(contender, split, validation, k=self.k, trials=self.trials)
        self.add_lists(contender.name, window, split, vocabulary, ran.lists)
        told = {f"{window.name} {task}": setting for task, setting in ran.settings.items()}
        self._settings.setdefault(contender.name, {}).update(told)

    def models(self, candidate: RunModel) -> tuple[RunModel, ...]:
        """All of them, the candidate last."""
        return (
            *(
                RunModel(
                    name=contender.name,
                    role="baseline",
                    title=contender.title,
                    about=contender.about,
                    learned=contender.learned,
                    trials=len(contender.settings[: self.trials]) if len(contender.settings) > 1 else 0,
                    settings=self._settings.get(contender.name, {}),
                )
                for contender in self.baselines
            ),
            candidate,
        )

    def lists(self) -> pl.DataFrame:
        """In the lists contract."""
        return pl.concat(self._lists)

    def vocabularies(self) -> pl.DataFrame:
        """In the vocabularies contract."""
        return VOCABULARIES.checked(pl.concat(self._vocabularies), where="vocabulary")
