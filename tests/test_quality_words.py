"""Word errors, sample by sample and added up, against jiwer's own over whole lists."""

from __future__ import annotations

import random

import jiwer
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_scores import a_sample, an_answer, estimate, scored, scoring

from layerprof.quality import metrics_of, normalised, score
from layerprof.quality.words import least_errors, word_errors

WORDS = st.sampled_from(["a", "dog", "Dog.", "cat", "é", "3.5", "?", "don't", "", "the"])
TEXTS = st.lists(WORDS, max_size=9).map(" ".join) | st.text(max_size=20)
PAIRS = st.lists(st.tuples(TEXTS.filter(lambda text: normalised(text) != ""), TEXTS), min_size=1, max_size=8)


@given(PAIRS)
@settings(max_examples=60, deadline=None)
def test_totals_are_those_of_jiwer_over_the_whole_lists(pairs: list[tuple[str, str]]) -> None:
    whole = jiwer.process_words([normalised(one) for one, _ in pairs], [normalised(other) for _, other in pairs])

    each = [found for one, other in pairs if (found := word_errors(normalised(one), normalised(other))) is not None]

    assert sum(found.substitutions for found in each) == whole.substitutions
    assert sum(found.deletions for found in each) == whole.deletions
    assert sum(found.insertions for found in each) == whole.insertions
    assert sum(found.reference_words for found in each) == sum(map(len, whole.references))


def test_the_rate_and_the_counts_of_a_record_are_those_of_jiwer() -> None:
    draw = random.Random(7)
    words = ["a", "dog", "the", "cat", "runs", "over", "red", "field"]
    references = [" ".join(draw.choices(words, k=draw.randint(1, 9))) for _ in range(40)]
    texts = [" ".join(draw.choices(words, k=draw.randint(0, 12))) for _ in references]

    found = metrics_of(scored(texts, [[reference] for reference in references]))

    whole = jiwer.process_words(references, texts)
    assert found["wer"] == jiwer.wer(references, texts)
    assert (found["substitutions"], found["deletions"], found["insertions"]) == (
        whole.substitutions,
        whole.deletions,
        whole.insertions,
    )


def test_the_macro_rate_is_the_mean_of_the_samples_rates() -> None:
    record = scored(["a b", "x"], [["a"], ["a b c d"]])

    assert metrics_of(record)["wer"] == (1 + 4) / (1 + 4)
    assert metrics_of(record)["wer_macro"] == (1 / 1 + 4 / 4) / 2


def test_macro_and_micro_rates_differ_where_lengths_do() -> None:
    record = scored(["x", "a b c d"], [["a"], ["a b c d"]])

    assert metrics_of(record)["wer"] == 1 / 5
    assert metrics_of(record)["wer_macro"] == 1 / 2


def test_an_answer_without_words_is_all_deletions() -> None:
    for text in ("", " ", "?!"):
        (found,) = scored([text], [["a red dog"]]).samples

        assert (found.substitutions, found.deletions, found.insertions, found.reference_words) == (0, 3, 0, 3)
        assert found.is_exact is False


def test_a_sample_without_a_first_reference_is_left_out_and_counted() -> None:
    record = scored(["a dog", "cat", "dog"], [["dog"], ["?!", "cat"], []])

    found = metrics_of(record)
    assert found["wer"] == 1 / 1
    assert (found["scored_samples"], found["unscored_samples"], found["reference_words"]) == (1, 2, 1)
    assert [(note.quantity, note.text[:6]) for note in record.notes if note.code == "unscored_samples"] == [
        ("wer", "2 of 3"),
        ("accuracy", "1 of 3"),
    ]
    assert record.samples[1].errors is None
    assert record.samples[1].least_errors == 0  # its second reference has words
    assert record.samples[2].least_errors is None


def test_where_nothing_can_be_scored_there_is_no_number() -> None:
    record = scored(["a", "b"], [[""], ["!"]])

    found = metrics_of(record)
    assert all(found[name] is None for name in ("wer", "wer_min", "wer_macro", "accuracy", "exact_match"))
    assert (found["wer_low"], found["substitutions"], found["reference_words"]) == (None, None, 0)
    assert "nothing_to_score" in [note.code for note in record.notes]


def test_the_least_errors_are_against_the_reference_with_the_lowest_rate() -> None:
    found = least_errors(("a b", "a x y z v", ""), "a x y")  # 2 of 2, 2 of 5, none

    assert found is not None
    assert (found.total, found.reference_words) == (2, 5)


def test_of_equal_rates_the_first_reference_counts() -> None:
    found = least_errors(("a b", "a b c d"), "x")

    assert found is not None
    assert found.reference_words == 2


def test_insertions_count_among_the_least_errors() -> None:
    record = scored(["x b z"], [["a b c", "x b"]])

    (found,) = record.samples
    assert (found.errors, found.reference_words) == (2, 3)
    assert (found.least_errors, found.least_words) == (1, 2)
    assert (metrics_of(record)["wer"], metrics_of(record)["wer_min"]) == (2 / 3, 1 / 2)


def test_the_least_rate_is_over_the_words_of_the_references_taken() -> None:
    record = scored(["x y", "dog"], [["a b c d e", "x b"], ["a cat", "dog"]])

    assert metrics_of(record)["wer_min"] == (1 + 0) / (2 + 1)


def test_the_echo_scores_the_prompt_with_the_answer() -> None:
    answer = an_answer("s0", "dog cat", prompt="Question: what? Answer:")
    record = score([answer], [a_sample("s0")], [["dog"]], scoring(echo=True))

    assert record.samples[0].errors == 1
    assert record.samples[0].echo_errors == 4  # question, what, answer, cat
    assert metrics_of(record)["wer_echo"] == 4.0


def test_an_echo_that_was_not_asked_for_is_no_metric() -> None:
    record = scored(["dog"], [["dog"]])

    assert record.samples[0].echo_errors is None
    assert not [name for name in metrics_of(record) if name.startswith("wer_echo")]


def test_a_very_long_answer_is_scored_in_full() -> None:
    (found,) = scored(["dog " * 20_000], [["dog"]]).samples

    assert (found.insertions, found.errors) == (19_999, 19_999)


def test_the_rate_goes_above_one() -> None:
    assert metrics_of(scored(["a b c d"], [["x"]]))["wer"] == 4.0


def test_the_order_of_the_samples_changes_no_number() -> None:
    draw = random.Random(11)
    names = [f"s{number}" for number in range(60)]
    answers = [an_answer(name, " ".join(draw.choices("abcd", k=draw.randint(0, 6)))) for name in names]
    samples = [a_sample(name, image_id=f"p{draw.randint(0, 30)}") for name in names]
    references = [[" ".join(draw.choices("abcd", k=draw.randint(1, 5))), "a b"] for _ in names]
    order = draw.sample(range(60), k=60)

    before = score(answers, samples, references, scoring())
    after = score(
        [answers[at] for at in order], [samples[at] for at in order], [references[at] for at in order], scoring()
    )

    assert after.estimates == before.estimates
    assert metrics_of(after) == metrics_of(before)
    assert estimate(before, "wer").low is not None
