"""Prices, each with its source and date: GPUs per hour, hosted models per token, hosted tuning.

Prices of hosted models come from the `genai-prices` package, those of GPU hours and tuning from our
catalog files. A user's file overrides any of them, entry by entry.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.util
import re
import statistics
import sys
import tomllib
import types
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from advisor.money.ranges import Range
from scenarios.errors import UserError
from scenarios.schema import Amount, Positive, Strict, faults

PACKAGE = "genai-prices"
# The day on which the version pinned in constraints.txt was adopted. The package doesn't date its prices,
# so those of any other version are reported without a date.
PACKAGE_VERSION, PACKAGE_AS_OF = "0.2.3", date(2026, 11, 24)
OLD_AFTER = timedelta(days=90)
LEAST, MOST = 1e-9, 1e9  # dollars
TOKENS = 10**6  # prices are per million
OFFERS = ("community", "spot", "on-demand", "hyperscaler")
_OTHER_CURRENCY = re.compile(
    r"(?:^|_)(eur|euro|euros|gbp|chf|jpy|cny|inr|cad|aud|sek|nok|dkk|pln|brl|krw)(?:_|$)"
)
_PRICE_WORDS = re.compile(r"price|cost|rate|hour|mtok|token|usd")


class GpuPrice(Strict):
    """An offer of a GPU, per GPU and hour. The price of a machine comes with its number of GPUs."""

    gpu: Annotated[str, Field(min_length=1)]
    kind: Literal["community", "spot", "on-demand", "hyperscaler", "own"] = "own"
    usd_per_gpu_hour: Positive | None = None
    usd_per_machine_hour: Positive | None = None
    gpus_per_machine: Annotated[int, Field(ge=1, le=1024)] | None = None
    gpus_rented_together: Annotated[int, Field(ge=1, le=1024)] = 1
    source: Annotated[str, Field(min_length=1)]
    as_of: date

    @property
    def each(self) -> float:
        """Dollars per GPU and hour."""
        if self.usd_per_gpu_hour is not None:
            return self.usd_per_gpu_hour
        return self.usd_per_machine_hour / self.gpus_per_machine

    @property
    def together(self) -> int:
        """The fewest GPUs that this offer rents."""
        return self.gpus_per_machine or self.gpus_rented_together


class HostedPrice(Strict):
    """A hosted model's price from a user's file; cache and batch prices are optional."""

    model: Annotated[str, Field(min_length=1)]
    input_usd_per_mtok: Amount
    output_usd_per_mtok: Amount
    cached_input_usd_per_mtok: Amount | None = None
    cache_write_usd_per_mtok: Amount | None = None
    batch_input_usd_per_mtok: Amount | None = None
    batch_output_usd_per_mtok: Amount | None = None
    source: Annotated[str, Field(min_length=1)]
    as_of: date


class TuningPrice(Strict):
    """Hosted tuning: the price of a million training tokens, and until when it is sold.

    `served_as` is the tuned model's name in the price package; if the package doesn't know it,
    `input_usd_per_mtok` and `output_usd_per_mtok` give the price of a request.
    """

    model: Annotated[str, Field(min_length=1)]
    provider: Annotated[str, Field(min_length=1)]
    served_as: str | None = None
    training_usd_per_mtok: Amount
    input_usd_per_mtok: Amount | None = None
    output_usd_per_mtok: Amount | None = None
    new_jobs_until: date | None = None
    served_until: date | None = None
    only_for: str | None = None
    source: Annotated[str, Field(min_length=1)]
    as_of: date


KINDS = {"gpu": GpuPrice, "hosted": HostedPrice, "tuning": TuningPrice}


@dataclass(frozen=True)
class Rates:
    """A model's dollars per token, by size of request: above each of `starts`, the corresponding rates.

    A whole request is billed at the rates for the size of its input. `cached` and `written` (into the
    cache) are None if the provider has no such price.
    """

    model: str
    starts: tuple[float, ...]
    input: tuple[float, ...]
    output: tuple[float, ...]
    cached: tuple[float, ...] | None
    written: tuple[float, ...] | None
    source: str
    as_of: date
    context_tokens: int | None = None

    def usd(self, input_tokens, output_tokens, cached_tokens=0.0, written_tokens=0.0):
        """Dollars for one request, or for each of an array of requests.

        `input_tokens` is its whole input, including the cached and the written tokens.
        """
        rate = self._at(input_tokens)
        fresh = input_tokens - cached_tokens - written_tokens
        usd = fresh * rate(self.input) + output_tokens * rate(self.output)
        if self.cached is not None:
            usd = usd + cached_tokens * rate(self.cached)
            usd = usd + written_tokens * rate(self.written or self.input)
        return usd

    def _at(self, input_tokens):
        """A function that picks the rate for the size of a request."""
        if len(self.starts) == 1:
            return lambda rates: rates[0]
        if isinstance(input_tokens, int | float):
            place = max(0, sum(input_tokens > start for start in self.starts) - 1)
            return lambda rates: rates[place]
        import numpy as np

        if np.max(input_tokens) <= self.starts[1]:  # the usual case
            return lambda rates: rates[0]
        places = np.maximum(0, np.searchsorted(self.starts, input_tokens, side="left") - 1)
        return lambda rates: np.asarray(rates, input_tokens.dtype)[places]


@dataclass(frozen=True)
class Prices:
    """The catalog, overridden by a user's entries."""

    gpus: tuple[GpuPrice, ...]
    hosted: tuple[HostedPrice, ...]
    tuning: tuple[TuningPrice, ...]
    today: date

    def gpu_hour(self, gpu: str, together: int, kinds) -> tuple[Range, list[GpuPrice]]:
        """A GPU's price per hour if `together` are needed: median, lowest and highest of such offers.

        A single offer is widened by `LONE_OFFER`; a user's own price isn't. An empty list: no offer.
        """
        fitting = [
            offer for offer in self.gpus
            if offer.gpu == gpu and offer.together <= together and offer.kind in kinds
        ]  # fmt: skip
        if not fitting:
            return Range.known(0.0), []
        found = [offer.each for offer in fitting]
        middle = statistics.median(found)
        if len(fitting) == 1 and fitting[0].kind != "own":
            return Range(middle, middle / LONE_OFFER, middle * LONE_OFFER), fitting
        return Range(middle, min(found), max(found)), fitting

    def old(self, entries) -> list[str]:
        """A warning for each entry that is older than 90 days."""
        return [
            f"{name} is dated {as_of} ({(self.today - as_of).days} days ago): check it and pass the "
            "current price with --prices"
            for name, as_of in dict.fromkeys(entries)
            if self.today - as_of > OLD_AFTER
        ]


LONE_OFFER = 2.0
"""The factor by which a single offer is widened each way: among GPUs with several offers in the catalog,
seven in eight offers are within a factor of 2 of their GPU's median."""


@cache
def catalog(today: date) -> Prices:
    """The prices in the catalog."""
    found = {kind: [] for kind in KINDS}
    for kind in ("gpu", "tuning"):
        name = f"{kind}_prices.toml"
        text = (resources.files("advisor") / "catalog" / name).read_text(encoding="utf-8")
        for each, entries in read(text, name, today).items():
            found[each] += entries
    return Prices(*(tuple(found[kind]) for kind in KINDS), today=today)


def with_file(prices: Prices, path: str | Path) -> Prices:
    """The prices overridden by a user's file: its GPUs and models replace all entries of that name.

    Raises `UserError` for a file that can't be read, and for a price without unit or date or in another
    currency than dollars.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it isn't UTF-8 text"
        raise UserError(f"can't read '{path}': {reason}; give a TOML file of prices") from None
    mine = read(text, str(path), prices.today)
    gpus = {entry.gpu for entry in mine["gpu"]}
    models = {entry.model for entry in mine["tuning"]}
    return Prices(
        gpus=(*mine["gpu"], *(entry for entry in prices.gpus if entry.gpu not in gpus)),
        hosted=tuple(mine["hosted"]),
        tuning=(*mine["tuning"], *(entry for entry in prices.tuning if entry.model not in models)),
        today=prices.today,
    )


def read(text: str, place: str, today: date) -> dict[str, list]:
    """The entries of a file of prices, by kind. Raises `UserError` that names the entry and the fault."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place} isn't TOML: {error}") from None
    found: dict[str, list] = {kind: [] for kind in KINDS}
    for kind, entries in raw.items():
        if kind not in KINDS:
            raise UserError(
                f"{place}: no kind of price is named '{kind}'; start an entry with [[gpu]], [[hosted]] "
                "or [[tuning]]"
            )
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise UserError(f"{place}: start an entry with [[{kind}]], in double brackets")
        for number, entry in enumerate(entries, start=1):
            name = entry.get("gpu") or entry.get("model")
            where = f"{place}: {kind} {number}" + (f" ('{name}')" if name else "")
            made = _entry(kind, entry, where, today)
            if kind == "hosted" and any(made.model == other.model for other in found[kind]):
                raise UserError(f"{where} is listed twice; keep one of the prices")
            found[kind].append(made)
    return found


def _entry(kind: str, entry: dict, where: str, today: date):
    """One entry, checked, with specific messages for the most common mistakes: unit, currency, date."""
    known = KINDS[kind].model_fields
    units = [key for key in known if "usd_per" in key]
    for key, value in entry.items():
        if key.lower() == "currency":
            raise UserError(f"{where}: prices are in US dollars, as their keys say; convert it if "
                            f"it is in {value}, and remove 'currency'")  # fmt: skip
        if "usd_per" in key:
            _check_price(f"{where}: {key}", value)
        if found := _OTHER_CURRENCY.search(key.lower()):
            raise UserError(f"{where}: '{key}' is in {found[1].upper()}, but prices are in US dollars; "
                            f"convert it and give {' or '.join(units[:2])}")  # fmt: skip
        if key not in known and _PRICE_WORDS.search(key.lower()):
            raise UserError(f"{where}: '{key}' has no known unit; the key of a price is one of "
                            f"{', '.join(units)}")  # fmt: skip
    if not isinstance(entry.get("as_of"), date) or isinstance(entry.get("as_of"), datetime):
        raise UserError(f"{where} has no date; add the date of the price, as_of = {today}")
    if entry["as_of"] > today + timedelta(days=1):
        raise UserError(f"{where} is dated {entry['as_of']}, which is in the future; correct as_of")
    try:
        made = KINDS[kind].model_validate(entry)
    except ValidationError as error:
        raise UserError(f"{where}: {'; '.join(faults(error, KINDS[kind]))}") from None
    return _gpu_checked(made, where) if kind == "gpu" else made


def _check_price(what: str, value) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{what} is {value!r}; give a number of dollars")
    if value > MOST or 0 < value < LEAST:
        raise UserError(f"{what} is {value:g}; give a price between {LEAST:g} and {MOST:g}, or 0")  # fmt: skip


def _gpu_checked(entry: GpuPrice, where: str) -> GpuPrice:
    from advisor.sizes.models import gpu_named

    if (entry.usd_per_gpu_hour is None) == (entry.usd_per_machine_hour is None):
        raise UserError(f"{where} needs one price: usd_per_gpu_hour, or usd_per_machine_hour with "
                        "gpus_per_machine")  # fmt: skip
    if (entry.usd_per_machine_hour is None) != (entry.gpus_per_machine is None):
        raise UserError(f"{where}: a price of a machine is divided among its GPUs; give "
                        "usd_per_machine_hour and gpus_per_machine together")  # fmt: skip
    try:
        return entry.model_copy(update={"gpu": gpu_named(entry.gpu).name})
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


@dataclass(frozen=True)
class Hosted:
    """A hosted model: its standard rates, and its batch rates if the provider has any."""

    standard: Rates
    batch: Rates | None


def hosted(name: str, prices: Prices) -> Hosted:
    """The rates of a hosted model, given by its name or as `provider:model`.

    Raises `UserError` with the nearest name for an unknown one, and for a model that isn't priced
    by input and output tokens.
    """
    for entry in prices.hosted:
        if entry.model.lower() in (name.lower(), name.partition(":")[2].lower()):
            return _own_rates(entry)
    provider, model = _found(name)
    return Hosted(
        standard=_rates(provider, model, {}, prices.today),
        batch=_rates(provider, model, {"processing": "batch"}, prices.today)
        if _has_batch(model, prices.today)
        else None,
    )


@cache
def package_version() -> str:
    """The version of the package that prices hosted models."""
    return importlib.metadata.version(PACKAGE)


def package_as_of() -> date | None:
    """The date of our snapshot of the package; None if another version is installed."""
    return PACKAGE_AS_OF if package_version() == PACKAGE_VERSION else None


def _own_rates(entry: HostedPrice) -> Hosted:
    def rates(read, written, cached=None, cache_write=None):
        def each(price):
            return None if price is None else (price / TOKENS,)

        return Rates(entry.model, (0.0,), each(read), each(written), each(cached), each(cache_write),
                     entry.source, entry.as_of)  # fmt: skip

    batch = None
    if entry.batch_input_usd_per_mtok is not None and entry.batch_output_usd_per_mtok is not None:
        batch = rates(entry.batch_input_usd_per_mtok, entry.batch_output_usd_per_mtok)
    standard = rates(entry.input_usd_per_mtok, entry.output_usd_per_mtok,
                     entry.cached_input_usd_per_mtok, entry.cache_write_usd_per_mtok)  # fmt: skip
    return Hosted(standard, batch)


_PARTS = ("types", "units", "data_units", "validation", "decompose", "data", "data_snapshot")


@cache
def _package():
    """The package's snapshot and its type of usage.

    Its parts are loaded without its `__init__`, which imports a network client to update the prices:
    nothing here does that, and it takes a third of a second. The bare parent is removed again, so that
    anyone who imports the package later gets all of it.
    """
    parent = None
    if "genai_prices" not in sys.modules:
        spec = importlib.util.find_spec("genai_prices")
        if spec is None:
            raise UserError(
                f"hosted prices need {PACKAGE}; install it with `pip install {PACKAGE}`"
            )
        parent = types.ModuleType("genai_prices")
        parent.__path__ = list(spec.submodule_search_locations)
        sys.modules["genai_prices"] = parent
    try:
        loaded = {part: importlib.import_module(f"genai_prices.{part}") for part in _PARTS}
        return loaded["data_snapshot"].get_snapshot(), loaded["types"].Usage
    finally:
        if parent is not None:
            del sys.modules["genai_prices"]


@cache
def _found(name: str):
    """The package's provider and model of a name. Raises `UserError` with the nearest name."""
    snapshot, _ = _package()
    provider, colon, model = name.partition(":")
    known = {each.id for each in snapshot.providers}
    wanted, of = (model, provider) if colon and provider in known else (name, None)
    try:
        return snapshot.find_provider_model(wanted, None, of, None)
    except LookupError:
        ids = sorted({m.id for p in snapshot.providers if of in (None, p.id) for m in p.models})
        near = difflib.get_close_matches(wanted.lower(), ids, n=1, cutoff=0.6)
        if near == [wanted.lower()]:  # known, but the provider is ambiguous
            sellers = [p.id for p in snapshot.providers if any(m.id == near[0] for m in p.models)]
            near = [f"{sellers[0]}:{near[0]}"]
        hint = f"did you mean '{near[0]}'?" if near else (
            "use the provider's name for it, such as 'gpt-6-luna' or 'anthropic:claude-haiku-5-5'")  # fmt: skip
        raise UserError(
            f"no price for a hosted model named '{name[:80]}' in {PACKAGE} {package_version()}; {hint}"
        ) from None


def _noon(today: date) -> datetime:
    """The moment whose prices are used: some providers' prices differ by the hour."""
    return datetime.combine(today, time(12), tzinfo=UTC)


def _has_batch(model, today: date) -> bool:
    # For a context that a model doesn't have, the package silently returns the standard price.
    standard = model.get_prices(_noon(today))
    return model.get_prices(_noon(today), {"processing": "batch"}) != standard


def _rates(provider, model, context: dict, today: date) -> Rates:
    key = (provider.id, model.id, tuple(context.items()), today)
    if key not in _KNOWN_RATES:
        _KNOWN_RATES[key] = _asked_rates(provider, model, context, today)
    return _KNOWN_RATES[key]


_KNOWN_RATES: dict[tuple, Rates] = {}


def _asked_rates(provider, model, context: dict, today: date) -> Rates:
    """A model's rates, each from the package's price of one request of that size."""
    _, usage = _package()
    now = _noon(today)
    listed = model.get_prices(now, context)
    starts = {0.0}
    for price in vars(listed).values():
        starts |= {float(tier.start) for tier in getattr(price, "tiers", ())}

    def asked(size: int, **counts) -> float:
        done = model.calc_price(usage(input_tokens=size, **counts), provider,
                                genai_request_timestamp=now, price_context=context)  # fmt: skip
        return float(done.total_price)

    def each(key: str, **counts):
        if getattr(listed, key, None) is None:
            return None
        return tuple(
            asked(size, **dict.fromkeys(counts, size)) / size
            for size in (int(start) + 1 for start in ordered)
        )

    ordered = sorted(starts)
    read = each("input_mtok")
    if read is None or getattr(listed, "output_mtok", None) is None:
        raise UserError(f"'{model.id}' isn't priced by input and output tokens; name a model that "
                        "generates text")  # fmt: skip
    written = tuple(
        (asked(int(start) + 1, output_tokens=TOKENS) - asked(int(start) + 1)) / TOKENS
        for start in ordered
    )
    return Rates(
        model=model.id,
        starts=tuple(ordered),
        input=read,
        output=written,
        cached=each("cache_read_mtok", cache_read_tokens=True),
        written=each("cache_write_mtok", cache_write_tokens=True),
        source=f"{PACKAGE} {package_version()}, {provider.name}",
        as_of=package_as_of() or today,
        context_tokens=model.context_window,
    )
