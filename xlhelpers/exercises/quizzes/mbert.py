"""The quiz of notebook 02: what a multilingual encoder knows."""

from __future__ import annotations

from xlhelpers.exercises._paper import Item
from xlhelpers.exercises.engine import Option

QUESTIONS = (
    Item(
        id="mbert.quiz1",
        section="The article's table",
        prompt="What does a random twin of a model tell?",
        options={
            "a": Option(
                "How much two trainings of one model differ by luck.",
                "For that one trains twice. The twin was never trained: it has the shape of the "
                "model and fresh random weights.",
                belief="the twin taken for a second training",
            ),
            "b": Option(
                "Which part of a score needs no learning at all.",
                "What the twin reaches too, the model has not shown to have learned.",
                right=True,
            ),
            "c": Option(
                "How good the model could become with more text.",
                "It is a bound from below. A cousin that saw translations is the one from above.",
                belief="the lower bound taken for the upper",
            ),
            "d": Option(
                "Whether the tokenizer belongs to the model.",
                "The twin reads through the same tokenizer, so that it cannot tell. Whoever had "
                "something to lose notices a broken one.",
                belief="one control taken for all",
            ),
        },
    ),
    Item(
        id="mbert.quiz2",
        section="Compared with what?",
        prompt="Texts of different length are padded to one length. Why must the padding be left "
        "out of the mean over the tokens?",
        options={
            "a": Option(
                "The vectors there are zeros, so that the mean would come out too short.",
                "Zeros would only shorten the mean, and a cosine does not see lengths. What stands "
                "at the padding after the layers is not zero.",
                belief="padding taken for zeros",
            ),
            "b": Option(
                "The library refuses to take a mean over padding.",
                "It takes it without a word. That is why it has to be thought of.",
                belief="an error counted on",
            ),
            "c": Option(
                "Otherwise the vector of a text depends on which texts are in its batch.",
                "The longest of the batch decides how much padding the others get.",
                right=True,
            ),
            "d": Option(
                "It saves the time that the layers would spend on it.",
                "The layers have run by then. Leaving padding out of the mean saves nothing; it "
                "makes the mean right.",
                belief="correctness taken for speed",
            ),
        },
    ),
    Item(
        id="mbert.quiz3",
        section="Is the translation the nearest?",
        prompt="Vectors of character n-grams know no language. What are they for in the "
        "comparison?",
        options={
            "a": Option(
                "Whoever finds no more than they do has shown no knowledge of languages.",
                "Names, loan words and digits are enough to find some, and the n-grams say how "
                "many.",
                right=True,
            ),
            "b": Option(
                "They show how well a perfect model would do.",
                "The cousin, which saw translations, stood for what can be reached. N-grams only "
                "compare how texts are written.",
                belief="a baseline taken for a goal",
            ),
            "c": Option(
                "They find translations where the two scripts differ.",
                "There they find next to nothing, since two scripts share no letters.",
                belief="spelling expected to cross scripts",
            ),
            "d": Option(
                "They replace the interval, since they are computed exactly.",
                "The sentences of a test are a draw, whoever is asked about them. Either score "
                "needs its interval.",
                belief="exact arithmetic taken for certainty",
            ),
        },
    ),
    Item(
        id="mbert.quiz4",
        section="Which layer?",
        prompt="All layers are tried on the test sentences and the best score is reported. What "
        "is wrong with that?",
        options={
            "a": Option(
                "The last layer has to be used, since it is the model's answer.",
                "The last layer works for the words that it has to predict. Another may well "
                "serve better.",
                belief="the last taken for the best",
            ),
            "b": Option(
                "Layers have different scales, so that their scores cannot be compared.",
                "Finding the nearest sentence happens within one layer, and the share that is "
                "found compares well.",
                belief="scores mixed up with cosines",
            ),
            "c": Option(
                "Nothing, as long as all layers were asked the same sentences.",
                "The same sentences make the comparison fair. They do not make the winner's score "
                "honest.",
                belief="a fair comparison taken for an honest score",
            ),
            "d": Option(
                "The best of several is partly the luckiest.",
                "Choose the layer on development sentences, and report that one on the test.",
                right=True,
            ),
        },
    ),
    Item(
        id="mbert.quiz5",
        section="How language-neutral is it?",
        prompt="After centring by language, a linear probe names the language no better than by "
        "guessing. What follows?",
        options={
            "a": Option(
                "The vectors no longer say which language they came from.",
                "Who lies nearest to whom may still go by language, and in our models it largely "
                "does.",
                belief="a blind probe taken for an empty vector",
            ),
            "b": Option(
                "Little: the probe lives on the languages' means, and those were just made equal.",
                "What is bound to fail says as little as what cannot fail. Ask for the nearest "
                "neighbours instead.",
                right=True,
            ),
            "c": Option(
                "Centring has destroyed the meaning together with the language.",
                "It takes one and the same vector off every sentence of a language. Translations "
                "are found better after it in a model that knows some.",
                belief="a shift taken for a loss",
            ),
            "d": Option(
                "The probe had too few sentences to learn from.",
                "Before centring the same number was plenty. More would not help: what it looks "
                "for is gone.",
                belief="lack of data blamed",
            ),
        },
    ),
    Item(
        id="mbert.quiz6",
        section="Failure: a model that can read nothing",
        prompt="A tokenizer without a vocabulary turns every word into `[UNK]`, and the table of "
        "cosines looks better than before. What does that teach?",
        options={
            "a": Option(
                "A vocabulary is not needed for sentences of everyday length.",
                "Nothing is left of a sentence but its number of words. Finding translations "
                "breaks down where there was something to lose.",
                belief="high cosines taken for understanding",
            ),
            "b": Option(
                "It cannot happen in practice: the library stops with an error.",
                "One of its two ways to load a tokenizer does. The other hands out the empty one "
                "without a complaint.",
                belief="an error counted on",
            ),
            "c": Option(
                "A figure that cannot tell a model from a broken one measures nothing.",
                "So try a measure on something broken before you trust it.",
                right=True,
            ),
            "d": Option(
                "Cosines have to be averaged over more than five sentences before they tell much.",
                "The mean over thousands would be as high: every text has become nearly the same.",
                belief="lack of data blamed",
            ),
        },
    ),
)
