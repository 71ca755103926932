"""Powers by least squares: found where the windows determine them, left out where they do not."""

from __future__ import annotations

import random

import pytest

from layerprof.energy.regression import Mix, regressed_powers
from layerprof.estimates import ErrorPart, Estimate

TRUE_W = {"attention": 300.0, "mlp": 500.0, "norm": 200.0, "idle": 80.0}


def estimate(value: float, error: float, origin: str = "window") -> Estimate:
    return Estimate(value=value, errors=(ErrorPart(origin=origin, part=origin, error=error, degrees=20.0),))


def mix(fractions: dict[str, float], *, error_w: float = 0.5, off_w: float = 0.0, origin: str = "") -> Mix:
    power_w = sum(fraction * TRUE_W[name] for name, fraction in fractions.items())
    return Mix(
        power_w=estimate(power_w + off_w, error_w, origin or str(sorted(fractions.items()))), fractions=fractions
    )


IDLE = {"idle": estimate(80.0, 0.1, "idle")}


def test_as_many_windows_as_layers_give_their_powers_exactly() -> None:
    found = regressed_powers(
        [mix({"attention": 0.5, "mlp": 0.3, "idle": 0.2}), mix({"attention": 0.2, "mlp": 0.7, "idle": 0.1})], IDLE
    )

    assert {name: power.value for name, power in found.items()} == pytest.approx({"attention": 300.0, "mlp": 500.0})


def test_a_single_layer_beside_known_ones_has_the_error_of_its_window_over_its_share() -> None:
    found = regressed_powers([mix({"mlp": 0.5, "idle": 0.5}, error_w=1.0)], IDLE)

    # (P - 0.5 idle) / 0.5: errors 1.0 / 0.5 and 0.1 in quadrature.
    assert found["mlp"].standard_error == pytest.approx((2.0**2 + 0.1**2) ** 0.5)
    assert {part.origin for part in found["mlp"].errors} >= {"idle"}


def test_what_one_layer_gains_the_other_loses() -> None:
    found = regressed_powers([mix({"attention": 0.5, "mlp": 0.5}), mix({"attention": 0.4, "mlp": 0.6})], {})

    total = found["attention"].scaled(0.45) + found["mlp"].scaled(0.55)  # a mix between the two

    assert total.standard_error < 0.5 < min(power.standard_error for power in found.values())


def test_layers_that_are_always_in_the_same_proportion_are_left_out() -> None:
    mixes = [
        mix({"attention": 0.2, "norm": 0.1, "mlp": 0.7}),
        mix({"attention": 0.4, "norm": 0.2, "mlp": 0.4}),
        mix({"attention": 0.1, "norm": 0.05, "mlp": 0.85}),
    ]

    assert set(regressed_powers(mixes, {})) == {"mlp"}


def test_fewer_windows_than_layers_tell_nothing() -> None:
    assert regressed_powers([mix({"attention": 0.5, "mlp": 0.5})], {}) == {}


def test_a_power_that_comes_out_negative_is_left_out() -> None:
    found = regressed_powers([mix({"mlp": 1.0}), mix({"mlp": 0.5, "norm": 0.5}, off_w=-150.0)], {})

    assert set(found) == {"mlp"}  # norm would be -100 W


def test_a_power_whose_interval_is_wider_than_itself_is_left_out() -> None:
    found = regressed_powers([mix({"mlp": 1.0}), mix({"mlp": 0.99, "norm": 0.01}, error_w=2.0)], {})

    assert set(found) == {"mlp"}


@pytest.mark.parametrize("mixes", [[], [mix({"idle": 1.0})]])
def test_with_nothing_unknown_there_is_nothing_to_find(mixes: list[Mix]) -> None:
    assert regressed_powers(mixes, IDLE) == {}


def test_better_windows_count_for_more() -> None:
    good = mix({"mlp": 1.0}, error_w=1.0, origin="good")
    bad = mix({"mlp": 1.0}, error_w=10.0, off_w=5.0, origin="bad")

    found = regressed_powers([good, bad], {})["mlp"]

    assert found.value == pytest.approx(500.0 + 5.0 * 1.0 / 101.0)
    assert found.standard_error == pytest.approx((1.0 / (1.0 + 0.01)) ** 0.5)


def test_windows_that_disagree_make_the_error_larger() -> None:
    mixes = [mix({"mlp": 1.0}, error_w=1.0, off_w=off_w, origin=str(off_w)) for off_w in (-10.0, 10.0)]

    # A misfit of 10 errors in each of two windows, one degree of freedom: errors grow by sqrt(200).
    assert regressed_powers(mixes, {})["mlp"].standard_error == pytest.approx(0.5**0.5 * 200.0**0.5)


def test_known_powers_without_error_are_taken_as_they_are() -> None:
    found = regressed_powers([mix({"mlp": 0.5, "idle": 0.5})], {"idle": Estimate(value=80.0)})

    assert found["mlp"].value == pytest.approx(500.0)


def test_a_share_that_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match=r"found -0.1 for mlp"):
        Mix(power_w=Estimate(value=1.0), fractions={"mlp": -0.1})


def test_intervals_cover_the_truth() -> None:
    draw = random.Random(0)
    covered, rounds = 0, 600
    for _ in range(rounds):
        mixes = []
        for number in range(8):
            attention, norm = draw.uniform(0.1, 0.5), draw.uniform(0.05, 0.3)
            fractions = {"attention": attention, "norm": norm, "mlp": 1.0 - attention - norm}
            mixes.append(mix(fractions, error_w=2.0, off_w=draw.gauss(0.0, 2.0), origin=f"{number}"))
        found = regressed_powers(mixes, {})
        covered += all(found[name].ci95[0] <= TRUE_W[name] <= found[name].ci95[1] for name in ("attention",))

    assert 0.93 <= covered / rounds <= 0.985  # errors only ever grow by a misfit
