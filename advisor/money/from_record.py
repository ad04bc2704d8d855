"""What a run's record contributes to a cost report: models, throughput, and the result on quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.money.options import own_model
from advisor.money.plan import SELF_PROMPTED, TUNED, Measured, Plan
from advisor.sizes import models
from scenarios.errors import UserError
from scenarios.schema import Scenario

if TYPE_CHECKING:
    from advisor.evidence.records import Weighed


def with_its_models(scenario: Scenario, weighed: Weighed) -> Scenario:
    """The scenario with the models that a run compared, if the profile names none."""
    evidence, profile, found = weighed.evidence, scenario.profile, {}
    if profile.own_model is None and evidence.model and _known(evidence.model):
        found["own_model"] = evidence.model
    prompted = evidence.baseline_model or ""
    if profile.hosted_model is None and ":" in prompted:
        found["hosted_model"] = prompted
    return scenario.model_copy(update={"profile": profile.model_copy(update=found)})


def _known(model: str) -> bool:
    try:
        models.shape_of(model)
    except UserError:
        return False
    return True


def _same(one: str, other: str) -> bool:
    """Equal except for case and owner."""
    return one.lower().rpartition("/")[2] == other.lower().rpartition("/")[2]


def measured_in(record: dict, scenario: Scenario) -> tuple[Measured | None, str | None]:
    """A run's throughput on a GPU in the catalog, or else the reason for keeping the forecast."""
    contenders = record.get("contenders")
    contenders = contenders if isinstance(contenders, list) else []
    done = [c for c in contenders if isinstance(c, dict) and _rows(c) is not None]
    tuned = next((c for c in done if c.get("family") == "fine_tune"), None)
    if tuned is None:
        return None, "the record has no throughput of a tuned model, so it is forecast"
    device = tuned.get("device") if isinstance(tuned.get("device"), dict) else {}
    gpu = device.get("gpu")
    name = gpu.get("name") if isinstance(gpu, dict) else gpu
    if not isinstance(name, str):
        kind = device.get("kind", "an unknown device")
        return None, (f"{_rows(tuned):.3g} requests a second were measured on {kind}, which has no "
                      "known price per hour, so the throughput of a GPU is forecast")  # fmt: skip
    try:
        known = models.gpu_named(name).name
    except UserError:
        return None, f"its throughput was measured on '{name}', which isn't in the catalog"
    model = str(tuned.get("model"))
    if not _same(model, own_model(scenario.profile)):
        return None, f"its throughput is that of {model}, whose shape isn't in the catalog"
    prompted = next((c for c in done if c.get("family") == "prompt"
                     and c.get("model") == tuned.get("model") and c.get("name") == "few-shot"), None)  # fmt: skip
    return Measured(
        model=model, gpu=known, tuned_rows_per_s=_rows(tuned),
        prompted_rows_per_s=_rows(prompted) if prompted else None,
        source=f"measured, record of {scenario.name}",
    ), None  # fmt: skip


def _rows(contender: dict) -> float | None:
    rows = contender.get("throughput_rows_per_s")
    usable = isinstance(rows, int | float) and not isinstance(rows, bool) and 1e-9 < rows < 1e9
    return float(rows) if usable else None


_OF_CONTENDERS = {"zero-shot": "hosted-zero-shot", "few-shot": "hosted-few-shot"}


def baseline_option(weighed: Weighed | None) -> str | None:
    """The option that a run prompted: hosted by a provider, or your own model."""
    if weighed is None or weighed.strength == "set-aside":
        return None
    evidence = weighed.evidence
    if ":" in (evidence.baseline_model or ""):
        return _OF_CONTENDERS.get(evidence.baseline.split("@")[0])
    return SELF_PROMPTED


_METHODS = {"lora": "lora", "dora": "lora", "rslora": "lora", "qlora": "qlora", "full": "full"}


def of_its_method(plan: Plan, weighed: Weighed | None) -> Plan:
    """The plan with only the tuned option that a run measured, if it measured one."""
    if weighed is None or weighed.strength == "set-aside":
        return plan
    method = _METHODS.get(weighed.evidence.challenger.partition("@")[0])
    measured = f"self-hosted-{method}"
    if method is None or measured not in plan.options:
        return plan
    others = tuple(option for option in TUNED if option != measured)
    return plan.without(others, f"the evidence is about {weighed.evidence.challenger}")


def condition_on_quality(weighed: Weighed | None) -> tuple[str, str | None]:
    """What the break-even assumes about quality, and why there is none if tuning is worse."""
    if weighed is None:
        return ("conditional on equal quality, for which there is no evidence: "
                "measure it with `bench run` and pass the record with --evidence"), None  # fmt: skip
    evidence = weighed.evidence
    if weighed.strength == "set-aside":
        return (f"conditional on equal quality: the evidence was set aside because "
                f"{weighed.because}"), None  # fmt: skip
    margin = f"the {evidence.margin * 100:g}-point margin"
    said = f"{evidence.challenger} vs {evidence.baseline}: {evidence.points}"
    if evidence.high < -evidence.margin:
        return said, (f"tuning is worse by more than {margin} ({said}), so no volume makes up for that")  # fmt: skip
    if evidence.low >= -evidence.margin:
        return f"measured, {said}, not worse by more than {margin}", None
    return f"conditional on equal quality, which isn't settled by {said}", None
