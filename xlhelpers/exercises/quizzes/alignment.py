"""The quiz of notebook 01: alignment of word vectors."""

from __future__ import annotations

from xlhelpers.exercises._paper import Item
from xlhelpers.exercises.engine import Option

QUESTIONS = (
    Item(
        id="alignment.quiz1",
        section="Can a rotation bring them together?",
        prompt="Why is the map between two languages required to be orthogonal?",
        options={
            "a": Option(
                "From so few pairs no other map could be computed.",
                "Least squares computes a map from the very same pairs. It is only the worse one "
                "when it is asked by cosine.",
                belief="a choice taken for a necessity",
            ),
            "b": Option(
                "It fits the pairs that it is learned from more closely than any other map.",
                "A constraint can only make that fit worse. The freer map knows its own list "
                "better, and finds fewer new words by cosine.",
                belief="fit to the training pairs taken for quality",
            ),
            "c": Option(
                "It turns the cloud and keeps its shape: lengths and angles stay.",
                "That is the assumption behind it: two clouds of like shape, one of them turned.",
                right=True,
            ),
            "d": Option(
                "It makes sure that each word has a single translation.",
                "Nothing in a rotation does that. After it, too, one German word may be the "
                "nearest of many English ones.",
                belief="a map of spaces taken for a pairing of words",
            ),
        },
    ),
    Item(
        id="alignment.quiz2",
        section="How good is the map on words it has not seen?",
        prompt="On which words does a test of the map tell most?",
        options={
            "a": Option(
                "On words whose stem is in no training pair, names left out.",
                "Then neither the training pairs nor the spelling can give an answer away.",
                right=True,
            ),
            "b": Option(
                "On a third of the pairs, drawn at random as they come.",
                "Then “king” may be in training and “kings” in the test, and the one gives the "
                "other away.",
                belief="leaks through the stem overlooked",
            ),
            "c": Option(
                "On names, which have only one right translation.",
                "Names are often spelled alike in both languages. A test on them asks how they "
                "are written, and not how the spaces lie.",
                belief="spelling taken for meaning",
            ),
            "d": Option(
                "On the pairs that the map was learned from, if there are enough.",
                "On its own pairs a map can be perfect and know nothing else, with four pairs of "
                "random numbers as with a thousand.",
                belief="training score taken for a test",
            ),
        },
    ),
    Item(
        id="alignment.quiz3",
        section="Failure: four random pairs that align perfectly",
        prompt="A colleague shows that `W @ W.T` is the identity and calls the alignment a "
        "success. What is wrong with that?",
        options={
            "a": Option(
                "It holds only for a square matrix; he should have used `W.T @ W`.",
                "The map is square, and for a square matrix either product is the identity when "
                "the other is. Neither says anything about translations.",
                belief="rows and columns blamed",
            ),
            "b": Option(
                "Four pairs were too few; with a thousand it would be a proof.",
                "A map from a thousand random pairs passes as well.",
                belief="more of the same taken for a better check",
            ),
            "c": Option(
                "Nothing, if the deviation from the identity is small enough.",
                "However small it is: the product of two orthogonal matrices cannot be anything "
                "else.",
                belief="a check that cannot fail taken for evidence",
            ),
            "d": Option(
                "It cannot fail: such a map is always orthogonal.",
                "By construction, whatever the data. A check that cannot fail says nothing; "
                "held-out words can fail.",
                right=True,
            ),
        },
    ),
    Item(
        id="alignment.quiz4",
        section="Why does one word win so often?",
        prompt="What does CSLS take off the cosine of two words?",
        options={
            "a": Option(
                "How frequent the two words are, so that rare words get a chance.",
                "CSLS knows no frequencies. A hub is a word that is near to many others, frequent "
                "or not.",
                belief="hubs taken for frequent words",
            ),
            "b": Option(
                "How close each of them is to its nearest words in the other language.",
                "A hub is close to many, so that it loses its unfair lead.",
                right=True,
            ),
            "c": Option(
                "The mean vector of each language, so that both clouds lie at the origin.",
                "That is centring; `normalised()` had done it before. Hubs are there all the same.",
                belief="CSLS mixed up with centring",
            ),
            "d": Option(
                "The cosine of the second-best word, so that only clear answers count.",
                "That would be a margin between two answers. CSLS looks at ten neighbours, and "
                "on both sides.",
                belief="CSLS mixed up with a margin",
            ),
        },
    ),
    Item(
        id="alignment.quiz5",
        section="Can the map teach itself?",
        prompt="Self-learning from 25 pairs gets as far as a map from a whole dictionary. What "
        "carries it?",
        options={
            "a": Option(
                "The 25 pairs: frequent words are most of any text.",
                "One plain map from 25 pairs finds next to nothing. They say where to begin and "
                "no more.",
                belief="the beginning taken for the cause",
            ),
            "b": Option(
                "A dictionary, from which each round takes some more pairs.",
                "Each round takes words that are each other's nearest neighbour. Nobody has told "
                "it that they are translations.",
                belief="pairs that were found taken for pairs that were given",
            ),
            "c": Option(
                "CSLS, which turns wrong pairs into right ones.",
                "It repairs some look-ups. Without two clouds of like shape there is nothing "
                "right to look up, as Swahili shows in the next section.",
                belief="a better look-up taken for the cause",
            ),
            "d": Option(
                "The like shape of the two clouds.",
                "The pairs only say where to begin. Where the shapes differ, the same loop ends "
                "just as calmly, and has found nothing.",
                right=True,
            ),
        },
    ),
    Item(
        id="alignment.quiz6",
        section="And with no dictionary at all?",
        prompt="An unsupervised alignment has ended, with a score of its own. You have no "
        "dictionary. What tells you whether it worked?",
        options={
            "a": Option(
                "A second run with other random choices: if the two disagree, it did not.",
                "Agreement proves nothing, but disagreement is a warning, the only one that needs "
                "no known pair. Certainty takes some translations.",
                right=True,
            ),
            "b": Option(
                "Its own score: it is an estimate of the P@1.",
                "Its score is a mean cosine of pairs that it believes in. It has a value for "
                "failed maps too, and nobody knows what a good one would be.",
                belief="its own belief taken for accuracy",
            ),
            "c": Option(
                "The absence of a warning: a failed loop would have stopped.",
                "Nothing announces the failure. The loop ends as usual and returns a map.",
                belief="silence taken for success",
            ),
            "d": Option(
                "Training it until its score no longer rises.",
                "It may settle on something wrong. That it has settled says nothing of where.",
                belief="settled taken for right",
            ),
        },
    ),
)
