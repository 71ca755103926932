"""The accuracy of visual question answering: how many people gave the model's answer.

    answer ─▶ processed ─▶ compared with ten people's, processed likewise ─▶ min(1, matches / 3)

The mean is taken over the ten ways to leave one person out, as the people's own answers are scored against the other
nine. The processing is kept as it was published, with its quirks, so that scores compare with published ones.

Source:
    S. Antol et al., VQA: Visual Question Answering (2015), section 3 and the released evaluation; A. Singh et al.,
    Towards VQA Models That Can Read (2019), section 4, for TextVQA.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

PEOPLE = 10  # who answer each question of VQA and TextVQA

_ENOUGH = 3  # people who agree make an answer fully right
_NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {"none": "0"} | {word: str(number) for number, word in enumerate(_NUMBER_WORDS)}
_ARTICLES = frozenset(("a", "an", "the"))
_PUNCTUATION = ';/[]"{}()=+\\_-><@`!'  # commas and question marks are gone before
_FULL_STOP = re.compile(r"\.(?![0-9])")
_CONTRACTIONS = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
    he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've
    o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's
    someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've
    there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's
    what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
    wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""


def vqa_accuracy(answer: str, references: Sequence[str]) -> float | None:
    """How right an answer is, from 0 to 1; None where nobody's answer is known.

    Of n people m gave the answer. Leaving out one of these m leaves m - 1 matches, leaving out another leaves m:
    ``(m * min(1, (m - 1) / 3) + (n - m) * min(1, m / 3)) / n``. An answer without text is wrong whatever they said.

    Args:
        answer: of the model.
        references: the people's, one each; equal ones count as often as they stand there.

    Limits:
        It is made for ten. With fewer than four even an answer that all gave has less than 1: of two equal ones a
        third, of three two thirds. With a single one, of which nothing is left to compare with, it is 1 or 0.
    """
    if not any(reference.strip() for reference in references):
        return None
    if not answer.strip():
        return 0.0
    people, given = len(references), processed(answer)
    matches = sum(processed(reference) == given for reference in references)
    if people == 1:
        return float(matches)
    of_matching = matches * min(1.0, (matches - 1) / _ENOUGH)
    of_others = (people - matches) * min(1.0, matches / _ENOUGH)
    return (of_matching + of_others) / people


def processed(text: str) -> str:
    """The text as the published evaluation compares it.

    Lower case; commas and question marks removed; a possessive ``'s`` set apart; other punctuation removed where it
    touches a space anywhere in the text, and otherwise replaced by one; full stops removed unless a digit follows;
    numbers up to ten as digits; articles removed; contractions with one apostrophe missing given it back.
    """
    lowered = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    spaced = re.sub(r"[\n\t]", " ", lowered).strip()
    bare = spaced
    for mark in _PUNCTUATION:
        touches_space = f"{mark} " in spaced or f" {mark}" in spaced
        bare = bare.replace(mark, "" if touches_space else " ")
    words = (_NUMBERS.get(word, word) for word in _FULL_STOP.sub("", bare).split())
    return " ".join(_WHOLE.get(word, word) for word in words if word not in _ARTICLES)


def _without_one_apostrophe(contraction: str) -> list[str]:
    return [contraction[:at] + contraction[at + 1 :] for at, char in enumerate(contraction) if char == "'"]


_WHOLE = {short: whole for whole in _CONTRACTIONS.split() for short in _without_one_apostrophe(whole)}
