"""The published data sets made from easy-VQA's test set: the same columns, offline, and always the same rows.

    easy-VQA   ten or so questions about each picture of one coloured shape, such as "is there not a circle?" "no"
    TextVQA    one question a row, with its one answer ten times
    ScienceQA  one question a row, the right answer among others of its kind, and as a hint up to all that is told
               about the picture by its other questions
    COCO       one picture a row, with five wordings of what its questions tell: "a red triangle", or "a shape"

The rows go through the same checks as those of the hub. Times and FLOPs are those of short texts and small pictures;
no figure of quality says anything about the published data set of that name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from layerprof.tasks.base import Triple, spread
from layerprof.tasks.published.base import Dataset, Origin, Table

_SHAPES = ("triangle", "circle", "rectangle")
_COLOURS = ("red", "green", "blue", "yellow", "gray", "black", "brown", "teal")
_KINDS = (_SHAPES, _COLOURS, ("yes", "no"))
_MOST_CHOICES = 4
_MOST_HINTS = 11  # of one question: with more, the longest prompts have over 200 tokens
_ANSWERS = 10  # people who were asked, in TextVQA
_WORDINGS = ("{}", "a picture of {}", "{} on a plain background", "there is {} in the image", "an image that shows {}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One question of easy-VQA.

    Attributes:
        number: in the test set.
        text, answer: as there.
        path: of its picture.
        others: questions about the same picture, in the test set's order.
    """

    number: int
    text: str
    answer: str
    path: str
    others: tuple[Triple, ...]


def table_of(dataset: Dataset, triples: Sequence[Triple], *, origin: str) -> Table:
    """Easy-VQA in the columns of the data set.

    Args:
        dataset: one of those that are made here.
        triples: of easy-VQA, picture by picture.
        origin: of the triples.
    """
    columns, rows = _MADE[dataset.name]
    return Table(columns=columns, rows=rows(triples), origin=origin_of(dataset, origin))


def origin_of(dataset: Dataset, origin: str) -> Origin:
    """Where the rows come from, given where the triples do."""
    return Origin(source=f"{origin}, in the columns of {dataset.name}")


def _questions(triples: Sequence[Triple]) -> Iterator[_Question]:
    by_picture = _by_picture(triples)
    for number in spread(len(triples)):
        text, answer, path = triples[number]
        others = tuple(each for each in by_picture[path] if each != triples[number])
        yield _Question(number=number, text=text, answer=answer, path=path, others=others)


def _by_picture(triples: Sequence[Triple]) -> dict[str, list[Triple]]:
    found: dict[str, list[Triple]] = {}
    for triple in triples:
        found.setdefault(triple[2], []).append(triple)
    return found


def _text_questions(triples: Sequence[Triple]) -> Iterator[Mapping[str, object]]:
    for each in _questions(triples):
        yield {
            "image": _image(each.path),
            "question": each.text,
            "answers": [each.answer] * _ANSWERS,
            "question_id": each.number,
            "image_id": Path(each.path).stem,
            "ocr_tokens": [],
        }


def _choice_questions(triples: Sequence[Triple]) -> Iterator[Mapping[str, object]]:
    for each in _questions(triples):
        choices = _choices(each)
        yield {
            "image": _image(each.path),
            "question": each.text,
            "choices": choices,
            "answer": choices.index(each.answer),
            "hint": _hint(each),
        }


def _choices(question: _Question) -> list[str]:
    """The right answer and up to three others of its kind, in an order that is the question's own."""
    kind = next((kind for kind in _KINDS if question.answer in kind), (question.answer, "something else"))
    others = _shuffled([word for word in kind if word != question.answer], question.number)
    return _shuffled([question.answer, *others[: _MOST_CHOICES - 1]], question.number)


def _shuffled(words: Sequence[str], number: int) -> list[str]:
    return sorted(words, key=lambda word: hashlib.sha256(f"{number} {word}".encode()).digest())


def _hint(question: _Question) -> str:
    """From none to all of what is known otherwise, in whole sentences: hints have many lengths."""
    count = question.number % (_MOST_HINTS + 1)
    return " ".join(f"{text.capitalize()} {answer.capitalize()}." for text, answer, _ in question.others[:count])


def _captions(triples: Sequence[Triple]) -> Iterator[Mapping[str, object]]:
    pictures = list(_by_picture(triples).items())
    for number in spread(len(pictures)):
        path, questions = pictures[number]
        what = " ".join(["a", *_told(questions, _COLOURS), *(_told(questions, _SHAPES) or ["shape"])])
        yield {
            "image": _image(path),
            "question": "",
            "answer": [wording.format(what) for wording in _WORDINGS],
            "question_id": Path(path).name,
        }


def _told(questions: Sequence[Triple], kind: Sequence[str]) -> list[str]:
    """The one word of the kind that the questions say is in the picture; none where they leave it open."""
    said = {
        word: _says(text, answer, word)
        for text, answer, _ in questions
        for word in kind
        if _is_about(text, answer, word)
    }
    left = [word for word in kind if said.get(word) is not False]
    return [word for word in kind if said.get(word)][:1] or (left if len(left) == 1 else [])


def _is_about(text: str, answer: str, word: str) -> bool:
    return word == answer or word in text.rstrip("?").split()


def _says(text: str, answer: str, word: str) -> bool:
    """Whether the picture shows the word: of "is no red shape present?" and "yes", that it does not show red."""
    if answer not in ("yes", "no"):
        return True
    is_negated = not {"not", "no"}.isdisjoint(text.split())
    return (answer == "yes") is not is_negated


def _image(path: str) -> dict[str, object]:
    return {"bytes": None, "path": path}


_Rows = Callable[[Sequence[Triple]], Iterator[Mapping[str, object]]]
_MADE: Mapping[str, tuple[tuple[str, ...], _Rows]] = {
    "TextVQA": (("image", "question", "answers", "question_id", "image_id", "ocr_tokens"), _text_questions),
    "ScienceQA": (("image", "question", "choices", "answer", "hint"), _choice_questions),
    "COCO": (("image", "question", "answer", "question_id"), _captions),
}
