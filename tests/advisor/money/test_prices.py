"""Prices have a unit, a date and a source; a request is priced as the provider would bill it."""

import random
import re
import statistics
import subprocess
import sys
from datetime import date

import numpy as np
import pytest

from advisor.money import prices
from scenarios.errors import UserError

TODAY = date(2026, 11, 24)


@pytest.fixture
def found():
    return prices.catalog(TODAY)


def test_a_thousand_requests_are_priced_one_by_one_and_not_as_one():
    """Claude Haiku 5.5: above 200k tokens a request costs five times as much per token.

    1,000 requests of 2,000 tokens with answers of 10:
    1,000 x (2,000 x $0.10 + 10 x $0.50) / 10^6 = $0.205. The same tokens as one request: $1.025.
    """
    rates = prices.hosted("claude-haiku-5-5", prices.catalog(TODAY)).standard
    assert 1000 * rates.usd(2_000, 10) == pytest.approx(0.205)
    assert rates.usd(2_000_000, 10_000) == pytest.approx(1.025)


def test_a_providers_price_list_is_reproduced_to_the_cent(found):
    """Claude Haiku 4.5's list: $1 in, $5 out, $0.10 read from the cache, $1.25 written into it, half
    of each by batch, for a million tokens.

    A million requests of 900 tokens in and 200 out: 900 x $1 + 200 x $5 = $1,900.00; 600 of them from
    the cache: 300 x $1 + 600 x $0.10 + $1,000 = $1,360.00; 600 written: 300 + 600 x 1.25 + 1,000 =
    $2,050.00; by batch: $950.00.
    """
    model = prices.hosted("anthropic:claude-haiku-4-5", found)
    million = 10**6
    assert round(million * model.standard.usd(900, 200), 2) == 1900.00
    assert round(million * model.standard.usd(900, 200, 600, 0), 2) == 1360.00
    assert round(million * model.standard.usd(900, 200, 0, 600), 2) == 2050.00
    assert round(million * model.batch.usd(900, 200), 2) == 950.00


@pytest.mark.parametrize(
    "name", ["gpt-6-luna", "claude-haiku-5-5", "claude-sonnet-4-5", "gpt-4.1-mini"]
)
@pytest.mark.parametrize("context", [{}, {"processing": "batch"}])
def test_rates_give_what_the_package_asks_for_each_request(name, context, found):
    from genai_prices import Usage, calc_price

    model = prices.hosted(name, found)
    rates = model.batch if context else model.standard
    rng = random.Random(3)
    sizes = [
        rng.choice([10, 2_000, 150_000, 199_999, 272_000, 272_001, 400_000]) for _ in range(40)
    ]
    for size in sizes:
        cached, answer = rng.randrange(size), rng.randrange(5_000)
        cached = cached if rates.cached else 0
        asked = calc_price(Usage(input_tokens=size, output_tokens=answer, cache_read_tokens=cached),
                           name, price_context=context)  # fmt: skip
        assert rates.usd(size, answer, cached) == pytest.approx(float(asked.total_price), rel=1e-9)
    together = rates.usd(np.array(sizes, np.float64), 7.0)
    assert together == pytest.approx([rates.usd(size, 7) for size in sizes])


def test_pricing_imports_no_client_of_a_network_and_leaves_the_package_whole():
    code = (
        "import sys; from datetime import date\n"
        "from advisor.money import prices\n"
        "prices.hosted('gpt-6-luna', prices.catalog(date(2026, 11, 24)))\n"
        "heavy = {'httpx2', 'httpx', 'http.client', 'ssl', 'asyncio', 'torch', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "import genai_prices; print(genai_prices.calc_price.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "calc_price"]


def test_an_unknown_model_is_an_error_with_the_nearest_name(found):
    with pytest.raises(UserError, match=r"no price .* 'gpt-6-lune' .*did you mean 'gpt-6-luna'\?"):
        prices.hosted("gpt-6-lune", found)
    with pytest.raises(UserError, match="isn't priced by input and output tokens"):
        prices.hosted("whisper-1", found)


def test_a_model_without_a_batch_price_has_none(found):
    """For a context that it doesn't know, the package silently gives the standard price."""
    assert prices.hosted("mistral:mistral-large-latest", found).batch is None


def test_every_entry_of_the_catalog_has_a_source_a_date_and_a_kind(found):
    for entry in (*found.gpus, *found.tuning):
        assert len(entry.source) > 5
        assert date(2025, 1, 1) < entry.as_of <= TODAY
    assert {entry.kind for entry in found.gpus} <= set(prices.OFFERS)
    assert {"community", "spot", "on-demand", "hyperscaler"} == {entry.kind for entry in found.gpus}


GPU = '[[gpu]]\ngpu = "H100"\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            GPU + 'usd_per_gpu_hour = 2\ncurrency = "EUR"\nsource = "x"\nas_of = 2026-11-01',
            "US dollars.*EUR.*remove 'currency'",
        ),
        (
            GPU + 'usd_per_gpu_hour = 1e300\nsource = "x"\nas_of = 2026-11-01',
            "usd_per_gpu_hour is 1e\\+300; give a price between",
        ),
        (GPU + 'usd_per_gpu_hour = 2\nsource = "x"', "has no date; add"),
        (GPU + "usd_per_gpu_hour = 2\nas_of = 2026-11-01", "source: missing"),
        (GPU + 'usd_per_gpu_hour = 2\nsource = ""\nas_of = 2026-11-01', "source: string should have"),
        (GPU + 'price = 2\nsource = "x"\nas_of = 2026-11-01', "'price' has no known unit.*usd_per_gpu_hour"),
        (GPU + 'eur_per_gpu_hour = 2\nsource = "x"\nas_of = 2026-11-01', "'eur_per_gpu_hour' is in EUR.*US dollars.*usd_per_gpu_hour"),
        (GPU + 'usd_per_gpu_hour = 2\nsource = "x"\nas_of = "2026-11-01"', "has no date"),
        (GPU + 'usd_per_gpu_hour = 2\nsource = "x"\nas_of = 2027-11-01', "is in the future"),
        (GPU + 'usd_per_gpu_hour = -2\nsource = "x"\nas_of = 2026-11-01', "greater than or equal to 0.000001"),
        (GPU + 'usd_per_gpu_hour = nan\nsource = "x"\nas_of = 2026-11-01', "usd_per_gpu_hour"),
        (GPU + 'usd_per_machine_hour = 55\nsource = "x"\nas_of = 2026-11-01', "divided among its GPUs"),
        (GPU + 'source = "x"\nas_of = 2026-11-01', "needs one price"),
        (GPU.replace("H100", "H1000") + 'usd_per_gpu_hour = 2\nsource = "x"\nas_of = 2026-11-01',
         "no GPU named 'H1000'"),
        ('[gpu]\ngpu = "H100"', r"\[\[gpu\]\]"),
        ('[[gpus]]\ngpu = "H100"', r"'gpus'.*\[\[gpu\]\]"),
        ("[[gpu", "isn't TOML"),
    ],
)  # fmt: skip
def test_a_price_without_unit_date_or_source_is_refused_in_one_line(text, fault):
    with pytest.raises(UserError) as error:
        prices.read(text, "mine.toml", TODAY)
    assert re.search(fault, str(error.value))
    assert str(error.value).startswith("mine.toml")
    assert "\n" not in str(error.value)


def test_a_price_of_a_machine_is_not_read_as_a_price_of_a_gpu():
    """$55.04 an hour for eight H100 are $6.88 each, and fewer than eight aren't available at that price."""
    text = GPU + ('usd_per_machine_hour = 55.04\ngpus_per_machine = 8\nkind = "hyperscaler"\n'
                  'source = "p5.48xlarge"\nas_of = 2026-11-09')  # fmt: skip
    (entry,) = prices.read(text, "mine.toml", TODAY)["gpu"]
    assert (entry.gpu, entry.each) == ("H100-SXM", pytest.approx(6.88))
    only = prices.Prices((entry,), (), (), TODAY)
    assert only.gpu_hour("H100-SXM", 1, prices.OFFERS)[1] == []
    assert only.gpu_hour("H100-SXM", 8, prices.OFFERS)[0].value == pytest.approx(6.88)


def test_a_users_entry_replaces_the_catalogs(found, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(GPU + 'usd_per_gpu_hour = 1.5\nsource = "contract"\nas_of = 2026-11-20\n'
                    '[[hosted]]\nmodel = "house"\ninput_usd_per_mtok = 2\noutput_usd_per_mtok = 8\n'
                    'source = "contract"\nas_of = 2026-11-20\n')  # fmt: skip
    changed = prices.with_file(found, mine)
    hour, offers = changed.gpu_hour("H100-SXM", 1, (*prices.OFFERS, "own"))
    assert (hour.low, hour.value, hour.high, len(offers)) == (1.5, 1.5, 1.5, 1)
    assert changed.gpu_hour("A100-80GB", 1, prices.OFFERS) == found.gpu_hour(
        "A100-80GB", 1, prices.OFFERS
    )
    own = prices.hosted("house", changed)
    assert own.standard.usd(1000, 100) == pytest.approx(0.0028)
    assert own.batch is None
    assert own.standard.cached is None


def test_offers_give_a_median_with_their_lowest_and_highest(found):
    """A single H100 on demand: RunPod $3.99, Lambda $4.29, Nebius $3.85."""
    hour, offers = found.gpu_hour("H100-SXM", 1, ("on-demand",))
    assert (hour.low, hour.value, hour.high) == (3.85, 3.99, 4.29)
    assert all(offer.together == 1 for offer in offers)


def test_a_single_offer_is_widened_by_the_spread_of_others(found):
    hour, offers = found.gpu_hour("H200", 1, prices.OFFERS)
    assert len(offers) == 1
    assert (hour.low, hour.high) == (hour.value / 2, hour.value * 2)
    by_gpu = {}
    for entry in found.gpus:
        by_gpu.setdefault(entry.gpu, []).append(entry.each)
    ratios = [
        max(each / middle, middle / each)
        for several in by_gpu.values()
        if len(several) > 1 and (middle := statistics.median(several))
        for each in several
        if each != middle
    ]
    assert sum(ratio <= prices.LONE_OFFER for ratio in ratios) / len(ratios) == pytest.approx(
        7 / 8, abs=0.03
    )


def test_a_price_of_91_days_gives_a_warning_and_one_of_90_does_not(found):
    entries = [("a", date(2026, 8, 25)), ("b", date(2026, 8, 26))]
    assert found.old(entries) == [
        "a is dated 2026-08-25 (91 days ago): check it and pass the current price with --prices"
    ]
