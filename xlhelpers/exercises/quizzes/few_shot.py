"""The quiz of notebook 05: few labels in a new language."""

from __future__ import annotations

from xlhelpers.exercises._paper import Item
from xlhelpers.exercises.engine import Option

QUESTIONS = (
    Item(
        id="few_shot.quiz1",
        section="Failure: three sentences, ten times each",
        prompt="Six sentences are repeated fifty times, and a fifth of the rows is held out at "
        "random. What does the score on it measure?",
        options={
            "a": Option(
                "What a model can learn from fifty examples a sentence.",
                "A copy shows nothing new. There are six examples, however often they are "
                "repeated.",
                belief="copies taken for examples",
            ),
            "b": Option(
                "Whether the model is confused by repetition.",
                "Any program with a memory scores full marks here, a table of what was seen "
                "included.",
                belief="a memory test taken for a stress test",
            ),
            "c": Option(
                "Memory: every test text also stands in training.",
                "Copies have to be split together, or not made.",
                right=True,
            ),
            "d": Option(
                "The real performance, since the rows were held out at random.",
                "Rows were held out, texts were not: each of them has copies on the other side.",
                belief="held-out rows taken for unseen texts",
            ),
        },
    ),
    Item(
        id="few_shot.quiz2",
        section="What is a leak?",
        prompt="Training is in English, the test in German. No two texts are alike. Which leak "
        "may there still be?",
        options={
            "a": Option(
                "Test reviews whose label also occurs in training.",
                "All labels occur on both sides, as they must.",
                belief="a shared label taken for a leak",
            ),
            "b": Option(
                "None: what is written in another language cannot be copied.",
                "The encoder puts a sentence beside its translation. That is what it is used for.",
                belief="another language taken for another text",
            ),
            "c": Option(
                "Texts that differ in capitals and blanks only.",
                "A detector has evened those out before it compares. Between two languages it is "
                "not the spelling that gives a row away.",
                belief="leaks looked for in the spelling",
            ),
            "d": Option(
                "Test reviews whose translation was trained on.",
                "Only an id that says the same in every language shows it.",
                right=True,
            ),
        },
    ),
    Item(
        id="few_shot.quiz3",
        section="When do few labels hurt?",
        prompt="With a few true labels a model gets worse than it was without. What does the "
        "notebook take the reason to be?",
        options={
            "a": Option(
                "The steps that fit few rows overwrite what very many had taught.",
                "Catastrophic interference. Smaller steps lose less, and learn less.",
                right=True,
            ),
            "b": Option(
                "Those labels were wrong.",
                "They are as true as all others in the set.",
                belief="the labels blamed",
            ),
            "c": Option(
                "The test of that language is harder.",
                "It is the same test before and after, row by row: that is why each run is "
                "compared with its own start.",
                belief="the test blamed",
            ),
            "d": Option(
                "A model of this size cannot hold two languages.",
                "With more labels of the same kind, or smaller steps, it comes back. It had held "
                "eleven languages before.",
                belief="the size blamed",
            ),
        },
    ),
    Item(
        id="few_shot.quiz4",
        section="How much of the gap is closed?",
        prompt="When should the share of a gap that labels have closed not be computed?",
        options={
            "a": Option(
                "When it comes out above 1.",
                "That is no slip: the supervised model had no English, and both together may "
                "know more.",
                belief="a share above 1 taken for an error",
            ),
            "b": Option(
                "When the interval of the gap itself holds 0.",
                "With no sure gap there is nothing to have a share of: the ratio may be anything.",
                right=True,
            ),
            "c": Option(
                "When it comes out below 0, for less than nothing cannot be closed.",
                "Then the labels have hurt, which is a finding and should be told.",
                belief="bad news taken for an error",
            ),
            "d": Option(
                "When fewer than fifty labels were bought.",
                "It can be computed for five. What it needs is a gap, not a number of labels.",
                belief="few labels taken for the trouble",
            ),
        },
    ),
    Item(
        id="few_shot.quiz5",
        section="Which ten examples?",
        prompt="A report gives one score, from one set of ten shots, with an interval over test "
        "rows. What is missing most?",
        options={
            "a": Option(
                "A larger test set, to make the interval narrower.",
                "It would say more precisely how good this one set of shots was.",
                belief="the test taken for the only source of luck",
            ),
            "b": Option(
                "The best of several sets, to show what is possible.",
                "Nobody can choose the best set beforehand: that takes the labels of many.",
                belief="a choice that nobody has taken for a method",
            ),
            "c": Option(
                "Nothing, if the seed of the draw is stated.",
                "Then the number can be had again. It is still the number of one draw.",
                belief="repeatable taken for representative",
            ),
            "d": Option(
                "The spread over many sets of ten shots.",
                "Which ten rows happen to be drawn moves the score by many points.",
                right=True,
            ),
        },
    ),
    Item(
        id="few_shot.quiz6",
        section="What does meta-learning do?",
        prompt="A start that Reptile has learned from five languages beats a start from nothing. "
        "Against what must it be held before Reptile gets the credit?",
        options={
            "a": Option(
                "Ordinary training on the same rows of the same five languages.",
                "Otherwise one credits the method with what its data have done.",
                right=True,
            ),
            "b": Option(
                "The model without any shots.",
                "That says what shots and five languages bring together, and not what Reptile "
                "adds.",
                belief="any weaker rival taken for a control",
            ),
            "c": Option(
                "A second run of Reptile with another seed.",
                "It tells how steady the result is. Both runs have read five languages.",
                belief="repetition taken for a control",
            ),
            "d": Option(
                "A model trained on all labels of the target language.",
                "That is a goal, and says nothing of where the gain came from.",
                belief="a goal taken for a control",
            ),
        },
    ),
)
