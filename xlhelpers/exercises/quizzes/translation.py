"""The quiz of notebook 07: translation, of words or of data."""

from __future__ import annotations

from xlhelpers.exercises._paper import Item
from xlhelpers.exercises.engine import Option

QUESTIONS = (
    Item(
        id="translation.quiz1",
        section="What does a translator do, step by step?",
        prompt="What does greedy decoding find?",
        options={
            "a": Option(
                "The most probable sentence of all.",
                "A likely first piece may lead nowhere good, and greedy never takes one back.",
                belief="best steps taken for the best sentence",
            ),
            "b": Option(
                "At each step the most probable next piece, given what is written so far.",
                "Its loop asks for nothing else, least of all whether the sentence is true to "
                "its source.",
                right=True,
            ),
            "c": Option(
                "The most probable translation of each word.",
                "Each piece is chosen by the whole source and all that was written, not by a "
                "word of the source.",
                belief="translation taken for looking up words",
            ),
            "d": Option(
                "Several beginnings, of which the best survives.",
                "That is beam search.",
                belief="greedy mixed up with beam search",
            ),
        },
    ),
    Item(
        id="translation.quiz2",
        section="Does it help to look further ahead?",
        prompt="Two systems translate the same sentences. Their intervals overlap. What is to be "
        "concluded?",
        options={
            "a": Option(
                "They are equally good.",
                "That they cannot be told apart so far is no proof that nothing differs.",
                belief="not told apart taken for equal",
            ),
            "b": Option(
                "The one with the higher mean is better.",
                "Perhaps by luck. Whether by luck, the interval of the difference says.",
                belief="means ranked without intervals",
            ),
            "c": Option(
                "The test set is too small for any comparison.",
                "The comparison has not been made yet. On the same sentences it may well be sure.",
                belief="overlap taken for the end of the matter",
            ),
            "d": Option(
                "Nothing yet: look at the difference on the same draws of sentences.",
                "What is hard for both then does not count as uncertainty.",
                right=True,
            ),
        },
    ),
    Item(
        id="translation.quiz3",
        section="Failure: three ways to be wrong without an error",
        prompt="Translation code ends in a bare `except:` that prints sentences typed in "
        "beforehand. Which faults does it hide?",
        options={
            "a": Option(
                "Those of the network, for which it was meant.",
                "A bare `except:` does not know what it was meant for.",
                belief="the intention taken for the effect",
            ),
            "b": Option(
                "None: the program's own errors are still shown.",
                "A misspelled name is caught like a broken line, and prints the same sentences.",
                belief="own errors thought to be exempt",
            ),
            "c": Option(
                "All of them, a misspelled name and a reader's stop included.",
                "Catch what you expect, by name, and mark what is simulated as simulated.",
                right=True,
            ),
            "d": Option(
                "Errors of the translator, but not those of the data, which are of another kind.",
                "Whatever is raised inside the block is caught, wherever it comes from.",
                belief="kinds of errors thought to be told apart",
            ),
        },
    ),
    Item(
        id="translation.quiz4",
        section="Which way is best?",
        prompt="Which cost does translate-test have that translate-train has not?",
        options={
            "a": Option(
                "A translator in memory and at every request.",
                "And nobody looks through its mistakes beforehand, while translated training rows "
                "can be read and mended.",
                right=True,
            ),
            "b": Option(
                "A classifier of its own for each language.",
                "One classifier, of English, serves all languages. It is the translators that "
                "there are many of.",
                belief="translators mistaken for classifiers",
            ),
            "c": Option(
                "The translation of the whole training set, once for each language.",
                "That is what translate-train pays.",
                belief="the two ways exchanged",
            ),
            "d": Option(
                "Labels in the language of the test.",
                "Neither needs any. Both live on the English ones.",
                belief="a translation taken for a label",
            ),
        },
    ),
    Item(
        id="translation.quiz5",
        section="Does the label survive?",
        prompt="The audit of negation is run on translations made by people first. Why?",
        options={
            "a": Option(
                "To correct the people's mistakes before the machine learns from them.",
                "The machine has learned before. The audit reads, it corrects nothing.",
                belief="an audit taken for a cleaning",
            ),
            "b": Option(
                "To find out how much better people translate.",
                "That would need a judge who errs with neither. The audit is a list of words.",
                belief="a rough tool taken for a judge",
            ),
            "c": Option(
                "Because a machine's text cannot be searched for negation.",
                "It can, with the same list of words.",
                belief="an obstacle imagined",
            ),
            "d": Option(
                "What it finds amiss there is its own error, the least that it finds anywhere.",
                "A measure has to be tried where the answer is known.",
                right=True,
            ),
        },
    ),
    Item(
        id="translation.quiz6",
        section="On which side of the split does a translation belong?",
        prompt="Labels are thrown by dice, one throw for a review and its translation. A "
        "classifier does well on rows held out at random. What has it learned?",
        options={
            "a": Option(
                "A hidden pattern of the dice.",
                "Split by group, with the same dice, it is down at chance.",
                belief="chance taken for a pattern",
            ),
            "b": Option(
                "Rows by heart: the test row's translation is in training.",
                "It gives the label away. A row and its translations are one group, on one side "
                "of every split.",
                right=True,
            ),
            "c": Option(
                "Which class is the commonest.",
                "The dice make all classes about equally common, and that would give a third.",
                belief="a skewed class blamed",
            ),
            "d": Option(
                "What the reviews feel like, which a good translation keeps whole.",
                "The labels have nothing to do with what the reviews say.",
                belief="labels taken for meanings",
            ),
        },
    ),
)
