"""Errors of words: what has to be substituted, deleted and inserted to make an answer of a reference.

Error rates are made of these whole numbers later, as a ratio of sums; a rate above 1 is an answer with more wrong words
than the reference has words. It is no measure of meaning: a right answer in other words scores as badly as a wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WordErrors:
    """How an answer differs from one reference.

    Attributes:
        substitutions, deletions, insertions: of words.
        reference_words: of the reference; at least 1.
    """

    substitutions: int
    deletions: int
    insertions: int
    reference_words: int

    @property
    def total(self) -> int:
        """All three together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """The error rate of this sample alone."""
        return self.total / self.reference_words


def word_errors(reference: str, answer: str) -> WordErrors | None:
    """The fewest errors by which the answer is made of the reference; None where the reference has no words.

    An answer without words is all deletions.

    Args:
        reference: normalised, as the answer is.
        answer: of the model.

    Source:
        jiwer's ``process_words``; V. I. Levenshtein, Binary codes capable of correcting deletions, insertions, and
        reversals (1966).
    """
    import jiwer

    if not reference:
        return None
    found = jiwer.process_words(reference, answer)
    return WordErrors(
        substitutions=found.substitutions,
        deletions=found.deletions,
        insertions=found.insertions,
        reference_words=found.hits + found.substitutions + found.deletions,
    )


def least_errors(references: Iterable[str], answer: str) -> WordErrors | None:
    """Those against the reference with the lowest rate, the first of several such; None where all are empty.

    Args:
        references: normalised, as the answer is.
        answer: of the model.
    """
    found = [errors for each in dict.fromkeys(references) if (errors := word_errors(each, answer)) is not None]
    return min(found, key=lambda errors: errors.rate, default=None)
