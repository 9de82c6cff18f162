"""The quiz of notebook 03: XLM-R, vocabularies and a classifier."""

from __future__ import annotations

from xlhelpers.exercises._paper import Item
from xlhelpers.exercises.engine import Option

QUESTIONS = (
    Item(
        id="xlmr.quiz1",
        section="What is in a vocabulary of many languages?",
        prompt="A tokenizer needs hardly more tokens for a language than for English. When is "
        "that good news?",
        options={
            "a": Option(
                "Always: fewer tokens are cheaper, and more text fits.",
                "A sentence whose words are lost is short as well. What is not read costs nothing.",
                belief="what is lost taken for what is saved",
            ),
            "b": Option(
                "When the string `<unk>` never occurs among the tokens.",
                "XLM-R's tokenizer shows an unknown sign as it was written, so that this count is "
                "always 0.",
                belief="unknowns counted by string",
            ),
            "c": Option(
                "When the language is written in the same script as English, and so shares its "
                "pieces.",
                "Yoruba is, and its dotted letters and tone marks are unknown all the same.",
                belief="a shared script taken for a shared vocabulary",
            ),
            "d": Option(
                "When the share of unknown pieces, counted by id, is low too.",
                "A price says something only beside what was bought for it.",
                right=True,
            ),
        },
    ),
    Item(
        id="xlmr.quiz2",
        section="Where are the parameters?",
        prompt="XLM-R base has many more parameters than mBERT. Where are most of the additional "
        "ones?",
        options={
            "a": Option(
                "In the word embeddings.",
                "One row of numbers for each entry of a longer list. More parameters may mean "
                "more words, and not more thinking.",
                right=True,
            ),
            "b": Option(
                "In additional layers above those of mBERT.",
                "It has as many layers as mBERT. XLM-R large has more.",
                belief="base mixed up with large",
            ),
            "c": Option(
                "In wider layers, which can hold more languages.",
                "Its layers are as wide as mBERT's.",
                belief="more parameters taken for wider layers",
            ),
            "d": Option(
                "In a part of its own for each language, which mBERT has not.",
                "There is no such part. All languages share all layers and one vocabulary.",
                belief="a compartment for each language imagined",
            ),
        },
    ),
    Item(
        id="xlmr.quiz3",
        section="Do languages crowd each other out?",
        prompt="More languages in a model of one size, and from some point on all get worse: the "
        "curse of multilinguality. What relieved it in the paper?",
        options={
            "a": Option(
                "A lower sampling exponent, so that rare languages are drawn more often.",
                "That shares out the steps between rich and poor languages. What one gains, "
                "others lose; it makes no room.",
                belief="the curse mixed up with sampling",
            ),
            "b": Option(
                "More languages, until each finds a relative to learn from.",
                "Going from a few languages to some more helped the poor ones. From there on more "
                "of them made all of them worse.",
                belief="transfer expected to grow without end",
            ),
            "c": Option(
                "Wider layers: more room for the same number of languages.",
                "The curse is about room, and room relieves it.",
                right=True,
            ),
            "d": Option(
                "Parallel sentences, which tie the languages together.",
                "XLM-R has none. They help transfer in other models, and were not what the paper "
                "changed.",
                belief="every gain put down to translations",
            ),
        },
    ),
    Item(
        id="xlmr.quiz4",
        section="Failure: predictions of a head that nobody trained",
        prompt="XLM-R is loaded with `num_labels=3` and asked about three sentences at once. What "
        "are the three labels that it prints?",
        options={
            "a": Option(
                "Zero-shot predictions: the encoder knows the languages.",
                "The encoder was trained, the layer on top of it was not. Zero-shot means that "
                "some language was trained on.",
                belief="a trained encoder taken for a trained classifier",
            ),
            "b": Option(
                "The answers of random numbers: loaded again, it gives others.",
                "And the library's warning about it scrolls by.",
                right=True,
            ),
            "c": Option(
                "Wrong answers: a head without training is never right.",
                "It is right about as often as a guess, and so looks plausible now and then.",
                belief="random taken for wrong",
            ),
            "d": Option(
                "The commonest label of the texts that it was pretrained on.",
                "Those texts had no labels.",
                belief="pretraining taken for training with labels",
            ),
        },
    ),
    Item(
        id="xlmr.quiz5",
        section="What arrives in other languages?",
        prompt="Why is polarity reported beside the accuracy over three classes?",
        options={
            "a": Option(
                "Of two classes more are guessed right, so that the figures are higher.",
                "They are, and for that reason they are held against one half and not a third. A "
                "higher figure is no reason to report it.",
                belief="a higher figure taken for a better one",
            ),
            "b": Option(
                "Neutral reviews have no right answer.",
                "They have: neutral is one of the three, and a model can be wrong about it.",
                belief="neutral taken for undecided",
            ),
            "c": Option(
                "It needs fewer reviews, so that its interval is narrower.",
                "Fewer reviews make an interval wider.",
                belief="intervals thought to shrink with less data",
            ),
            "d": Option(
                "A model may tell opinion from none, and know nothing of the opinion.",
                "Length and punctuation are enough for the first, and the accuracy over three "
                "classes then lies well above a third.",
                right=True,
            ),
        },
    ),
    Item(
        id="xlmr.quiz6",
        section="Is it better than mBERT, or than nothing?",
        prompt="Two models differ in text, vocabulary, sampling and objective. One has the higher "
        "score, and the interval of the difference lies above 0. What may be said?",
        options={
            "a": Option(
                "That it is better on this test; not which of the four did it.",
                "For that, two models are needed that differ in one thing alone.",
                right=True,
            ),
            "b": Option(
                "That its larger corpus pays: it is the biggest of the differences.",
                "It may. But the three others changed with it, and no figure of these two models "
                "takes them apart.",
                belief="the favourite difference taken for the cause",
            ),
            "c": Option(
                "Nothing: models that differ in so much must not be compared.",
                "They may be compared, and whoever has to choose one of them should. Only the "
                "reason stays open.",
                belief="an unknown cause taken for no result",
            ),
            "d": Option(
                "That each of the four contributed, a quarter of the gain or so.",
                "One of them may have brought all of it, and another may have cost something.",
                belief="a gain divided among all suspects",
            ),
        },
    ),
)
