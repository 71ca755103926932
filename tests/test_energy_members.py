"""Members that were not measured get the mean of those that were, and an interval that covers them."""

from __future__ import annotations

import random
import statistics

import pytest

from layerprof.energy.members import SPREAD_UNKNOWN, member_powers
from layerprof.estimates import Estimate, from_samples, summed, t_quantile

MEMBERS = tuple(f"layers.{number}" for number in range(39))
SAMPLED = {
    "layers.0": from_samples([398.0, 402.0], origin="windows of layers.0"),
    "layers.19": from_samples([404.0, 406.0], origin="windows of layers.19"),
    "layers.38": from_samples([409.0, 411.0], origin="windows of layers.38"),
}


def test_a_measured_member_keeps_its_own_power() -> None:
    powers = member_powers(SAMPLED, MEMBERS, origin="class").powers

    assert tuple(powers) == MEMBERS
    assert {name: powers[name] for name in SAMPLED} == SAMPLED


def test_the_others_have_the_mean_with_the_error_of_a_prediction() -> None:
    found = member_powers(SAMPLED, MEMBERS, origin="class")

    power = found.powers["layers.7"]
    assert power.value == pytest.approx(405.0)
    assert found.spread_w == pytest.approx(5.0)  # of 400, 405, 410
    assert power.standard_error == pytest.approx(5.0 * (1.0 + 1.0 / 3.0) ** 0.5)
    assert power.degrees == 2.0
    assert power.half_width == pytest.approx(t_quantile(2.0) * power.standard_error)
    assert found.flags == ()


def test_the_mean_is_wrong_for_all_others_at_once_and_each_is_wrong_by_itself() -> None:
    powers = member_powers(SAMPLED, MEMBERS, origin="class").powers
    others = [powers[name] for name in MEMBERS if name not in SAMPLED]

    total, difference = summed(others), others[0] - others[1]

    assert len(others) == 36
    assert total.standard_error == pytest.approx(5.0 * (36.0**2 / 3.0 + 36.0) ** 0.5)
    assert difference.standard_error == pytest.approx(5.0 * 2.0**0.5)  # the mean cancels
    assert total.degrees == pytest.approx(2.0)  # one standard deviation for them all


def test_two_measured_members_leave_one_degree_of_freedom() -> None:
    two = {name: SAMPLED[name] for name in ("layers.0", "layers.38")}

    assert member_powers(two, MEMBERS, origin="class").powers["layers.7"].degrees == 1.0


def test_a_single_measured_member_stands_for_all_and_is_flagged() -> None:
    one = {"layers.0": SAMPLED["layers.0"]}

    found = member_powers(one, MEMBERS, origin="class")

    assert set(found.powers) == set(MEMBERS)
    assert set(found.powers.values()) == {SAMPLED["layers.0"]}
    assert found.flags == (SPREAD_UNKNOWN,)
    assert found.spread_w is None


def test_a_class_of_one_has_no_spread_to_know() -> None:
    assert member_powers({"a": SAMPLED["layers.0"]}, ("a",), origin="class").flags == ()


def test_a_member_of_any_name_has_an_error_of_its_own() -> None:
    powers = member_powers(SAMPLED, [*SAMPLED, "mean", ""], origin="class").powers

    assert len(powers["mean"].errors) == len(powers[""].errors) == 2


def test_without_a_measured_member_there_is_nothing_to_say() -> None:
    with pytest.raises(ValueError, match="none was measured"):
        member_powers({}, MEMBERS, origin="class")


@pytest.mark.parametrize("sampled_count", [2, 3, 5])
def test_the_interval_of_an_unmeasured_member_covers_it_as_often_as_it_says(sampled_count: int) -> None:
    draw = random.Random(sampled_count)
    names = [f"{number}" for number in range(sampled_count)]
    covered, rounds = 0, 1000
    for _ in range(rounds):
        true_w = {name: draw.gauss(400.0, 2.0) for name in [*names, "other"]}  # a spread of 0.5 %
        sampled = {name: from_samples([draw.gauss(true_w[name], 1.2) for _ in range(5)], origin=name) for name in names}
        low, high = member_powers(sampled, [*names, "other"], origin="class").powers["other"].ci95
        covered += low <= true_w["other"] <= high

    assert 0.93 <= covered / rounds <= 0.97


def test_the_interval_of_a_whole_class_covers_its_sum() -> None:
    draw = random.Random(0)
    covered, rounds = 0, 600
    for _ in range(rounds):
        true_w = {name: draw.gauss(400.0, 2.0) for name in MEMBERS}
        sampled = {
            name: from_samples([draw.gauss(true_w[name], 1.2) for _ in range(5)], origin=name) for name in SAMPLED
        }
        low, high = summed(member_powers(sampled, MEMBERS, origin="class").powers.values()).ci95
        covered += low <= sum(true_w.values()) <= high

    assert 0.93 <= covered / rounds <= 0.98


def test_equal_members_have_no_spread() -> None:
    found = member_powers(dict.fromkeys("abc", Estimate(value=7.0)), "abcd", origin="class")

    assert found.powers["d"] == Estimate(value=7.0, errors=found.powers["d"].errors)
    assert found.powers["d"].half_width == 0.0
    assert statistics.fmean(power.value for power in found.powers.values()) == 7.0
