"""What a quality record holds, what its metrics are called, and what is refused."""

from __future__ import annotations

from typing import get_args

import pytest
from quality_scores import a_sample, an_answer, scored, scoring

from layerprof.errors import InputError
from layerprof.quality import NORMALISER, metrics_of, score
from layerprof.records import QualityMetric


def test_a_record_holds_what_it_was_scored_as() -> None:
    about = scoring(sha256="123")

    record = scored(["dog"], [["dog", "hound"]], about=about)

    assert (record.dataset, record.origin, record.samples_sha256) == (about.dataset, about.origin, "123")
    assert (record.prompt, record.max_new_tokens, record.normaliser) == (about.template, 10, NORMALISER)
    assert record.samples[0].references == ("dog", "hound")
    assert record.samples[0].answer.text == "dog"
    assert record.estimates[0].name == "wer"


def test_the_cluster_is_the_picture_or_else_the_sample() -> None:
    record = scored(["a", "b"], [["a"], ["b"]], image_ids=["p7", ""])

    assert [each.cluster for each in record.samples] == ["p7", "s1"]


@pytest.mark.parametrize(
    ("answers", "samples", "references"), [(1, 2, 2), (2, 1, 2), (2, 2, 1), (3, 2, 2), (2, 2, 3), (0, 1, 1)]
)
def test_lists_of_other_lengths_are_refused(answers: int, samples: int, references: int) -> None:
    with pytest.raises(InputError, match=f"found {samples} samples, {answers} answers and references of {references}"):
        score(
            [an_answer(f"s{number}", "x") for number in range(answers)],
            [a_sample(f"s{number}") for number in range(samples)],
            [["x"]] * references,
            scoring(),
        )


def test_answers_of_other_samples_are_refused() -> None:
    with pytest.raises(InputError, match=r"about 's1' was given for the sample 's0'; put the answers"):
        score([an_answer("s1", "x"), an_answer("s0", "x")], [a_sample("s0"), a_sample("s1")], [["x"]] * 2, scoring())


def test_a_sample_that_comes_twice_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        score([an_answer("s0", "x")] * 2, [a_sample("s0")] * 2, [["x"]] * 2, scoring())


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(InputError, match="no answer to score"):
        score([], [], [], scoring())


def test_an_exact_match_is_equality_with_any_reference_after_normalising() -> None:
    record = scored(["The Dog!", "hound", "dogs", ""], [["cat", "the dog"], ["dog", "Hound."], ["dog"], ["dog", ""]])

    assert [each.is_exact for each in record.samples] == [True, True, False, False]
    assert metrics_of(record)["exact_match"] == 2 / 4


def test_where_the_exact_match_is_the_data_sets_own_metric_accuracy_is_the_same() -> None:
    record = scored(["dog", "cat", "x"], [["dog"], ["dog"], [""]])

    assert [each.accuracy for each in record.samples] == [1.0, 0.0, None]


def test_the_accuracy_is_by_the_metric_that_was_asked_for() -> None:
    people = ["red"] * 2 + ["blue"] * 8
    by_people = scored(["the red"], [people], about=scoring(metric="vqa_accuracy"))
    choices = score(
        [an_answer("s0", "(B) dog")],
        [a_sample("s0", choices=["cat", "dog"])],
        [["B", "dog", "1"]],
        scoring(metric="choice_accuracy"),
    )

    assert by_people.samples[0].accuracy == pytest.approx(0.6)
    assert by_people.samples[0].is_exact is False  # exact matches keep their articles
    assert choices.samples[0].accuracy == 1.0


def test_choices_that_a_sample_lacks_are_refused() -> None:
    with pytest.raises(InputError, match="0 choices"):
        scored(["A"], [["A"]], about=scoring(metric="choice_accuracy"))


@pytest.mark.parametrize("held_back", [(), ("",), ("", " ")])
@pytest.mark.parametrize("metric", get_args(QualityMetric))
def test_an_answer_that_is_held_back_costs_its_own_accuracy_and_no_others(
    metric: QualityMetric, held_back: tuple[str, ...]
) -> None:
    names, choices = ("s0", "s1", "s2"), ["cat", "dog"]
    references = [["B", *["dog"] * 9], held_back, ["A", *["cat"] * 9]]
    answers = [an_answer(name, "B", prompt="which?") for name in names]
    samples = [a_sample(name, choices=choices) for name in names]

    record = score(answers, samples, references, scoring(metric=metric, echo=True))

    kept = score(answers[::2], samples[::2], references[::2], scoring(metric=metric, echo=True))
    left_out = record.samples[1]
    assert (left_out.accuracy, left_out.is_exact, left_out.errors, left_out.echo_errors) == (None, None, None, None)
    assert [each.accuracy for each in record.samples[::2]] == [each.accuracy for each in kept.samples]
    assert record.estimates == kept.estimates
    assert [note.quantity for note in record.notes if note.code == "unscored_samples"] == ["wer", "accuracy"]
    assert not [note for note in record.notes if note.code == "few_references"]


def test_fewer_answers_than_the_accuracy_is_made_for_are_noted() -> None:
    few = scored(["dog"], [["dog"] * 3], about=scoring(metric="vqa_accuracy"))
    full = scored(["dog"], [["dog"] * 10], about=scoring(metric="vqa_accuracy"))

    assert "few_references" in [note.code for note in few.notes]
    assert "few_references" not in [note.code for note in full.notes]


def test_metrics_have_the_names_that_tables_ask_for() -> None:
    found = metrics_of(scored(["dog", "cat"], [["dog"], ["dog"]], about=scoring(echo=True)))

    with_interval = ["wer", "wer_min", "wer_echo", "accuracy", "exact_match"]
    assert set(found) == {
        *(f"{name}{end}" for name in with_interval for end in ("", "_low", "_high")),
        *("wer_macro", "substitutions", "deletions", "insertions", "reference_words"),
        *("scored_samples", "unscored_samples", "text_tokens_mean", "text_tokens_max", "cut_share", "new_tokens_mean"),
    }


def test_lengths_of_prompts_and_answers_are_over_all_samples() -> None:
    answers = [an_answer("s0", "a b c", text_tokens=10, cut_tokens=2), an_answer("s1", "d", text_tokens=5)]

    found = metrics_of(score(answers, [a_sample("s0"), a_sample("s1")], [["a"], [""]], scoring()))

    assert (found["text_tokens_mean"], found["text_tokens_max"]) == (7.5, 10)
    assert (found["cut_share"], found["new_tokens_mean"]) == (0.5, 2.0)
