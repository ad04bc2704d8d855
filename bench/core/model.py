"""The interface of a language model: what it can do, what identifies it, and what it costs.

A file in `bench/models/` is one kind of model, and its class is named `Model`. Only that file knows where such
a model comes from: a folder of weights, or a server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NotRequired, Protocol, TypedDict

from scenarios.rows import Example
from scenarios.schema import Task

if TYPE_CHECKING:
    from bench.core.contender import Answerer

Near = Callable[[Sequence[Example]], list[list[Example]]]
"""For each row the demonstrations of its own."""

Ability = Literal["score", "write", "train", "embed"]
"""`score`: a log-likelihood for each label. `write`: free texts. `train`: its weights can be tuned.
`embed`: a text as a vector."""


class Price(TypedDict):
    """Of a model that somebody else runs: US dollars per million tokens, with their source and date."""

    input_usd_per_mtok: float
    output_usd_per_mtok: float
    source: str
    date: str


class ModelFacts(TypedDict):
    """What identifies a model in a record: the digest of its files, if it has any, and its type.

    `price` is there for a model that is paid by the token.
    """

    sha256: str | None
    model_type: str | None
    price: NotRequired[Price]


class Loaded(Protocol):
    """A model that is ready to answer.

    One that can't train or embed raises `TrialFailed` there; plans don't get that far, since contenders
    declare what they need.
    """

    name: str
    can: ClassVar[frozenset[Ability]]

    def answerer(
        self,
        task: Task,
        demonstrations: Sequence[Example] = (),
        notes: dict[str, Any] | None = None,
        bias: Sequence[float] = (),
        near: Near | None = None,
        longest: Sequence[Example] = (),
    ) -> Answerer:
        """Answers a task's rows after a prompt with these demonstrations.

        `bias` is subtracted from the labels' log-likelihoods, which a model that can't score ignores. `near`
        gives each row demonstrations of its own, of which `longest` are the longest there may be. Raises
        `PromptTooLong` where a prompt may not fit the model's context.
        """

    def embedder(self, task: Task, depths: Sequence[float]) -> Any:
        """Turns texts into vectors: `embed(texts)`, shape (depths, texts, width), and `tokens(text)`.

        `depths` are relative layers, of which 1 is the last.
        """

    def trainer(self, task: Task) -> Any:
        """Trains on a task's rows: `bench.engine.trainer.Trainer`, which takes local weights."""

    def ran_on(self) -> dict[str, Any] | None:
        """The device for the record, and the operations that can't be repeated there; None if it isn't here."""


class Model(Protocol):
    """A model by its name; nothing of it is loaded."""

    name: str
    can: ClassVar[frozenset[Ability]]

    def is_ready(self) -> bool:
        """Whether it can be loaded here without fetching anything."""

    def fetch(self) -> None:
        """Make it available here. Raises `UserError` where that isn't possible."""

    def check(self, kind: str, settings: Mapping[str, Any]) -> None:
        """Raises `UserError` for settings of a contender of this kind that the model can't take.

        Asked when it is ready, before anything is trained.
        """

    def facts(self) -> ModelFacts:
        """What identifies it; asked when it is ready."""

    def price(self) -> Price | None:
        """What its tokens cost; None for a model that runs on the user's own machine."""

    def load(self, four_bit: bool, check: Callable[[Any], None]) -> Loaded:
        """The model, ready to answer; its weights as NF4 with `four_bit`.

        `check` is the contender's: it gets the device first, and raises `TrialSkipped` where it can't run there.
        """
