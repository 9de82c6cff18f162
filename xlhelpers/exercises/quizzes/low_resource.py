"""The quiz of notebook 06: a language that no model has read."""

from __future__ import annotations

from xlhelpers.exercises._paper import Item
from xlhelpers.exercises.engine import Option

QUESTIONS = (
    Item(
        id="low_resource.quiz1",
        section="Which language is dear?",
        prompt="Which number compares the price of a text between languages?",
        options={
            "a": Option(
                "Tokens over the words that blanks part.",
                "Chinese and Japanese write no blanks, so that a whole clause counts as a word.",
                belief="blanks taken for words",
            ),
            "b": Option(
                "Tokens over the words that a reader would count.",
                "It tells how one language is cut. A word of Finnish says what several words of "
                "English say, so that words are not the same unit.",
                belief="a word taken for a unit of content",
            ),
            "c": Option(
                "Tokens over those of the same content in English, with the unknown ones beside.",
                "Like is compared with like, and what was not read is not taken for cheap.",
                right=True,
            ),
            "d": Option(
                "Tokens over bytes, since bytes are what is stored.",
                "A Thai letter takes three bytes and a Latin one takes one. That is a matter of "
                "the encoding and not of the text.",
                belief="bytes taken for content",
            ),
        },
    ),
    Item(
        id="low_resource.quiz2",
        section="Failure: the loss that lies",
        prompt="The loss of masked words is taken over hidden tokens only. On short texts the "
        "number that is printed turns to `nan`. Why?",
        options={
            "a": Option(
                "The rate is too large, and the weights have run away.",
                "The weights are sound: a step without a hidden token has no gradient.",
                belief="every nan put down to the rate",
            ),
            "b": Option(
                "In some texts no token happened to be hidden.",
                "The mean over nothing is `nan`. Leave such batches out, and count them.",
                right=True,
            ),
            "c": Option(
                "The tokenizer has met characters that it does not know.",
                "Those become an entry like any other, the unknown one, and the loss has a value.",
                belief="the tokenizer blamed",
            ),
            "d": Option(
                "The label −100 is out of range.",
                "It is the sign by which the loss leaves a token out, and does so every time.",
                belief="the sign for “left out” taken for a class",
            ),
        },
    ),
    Item(
        id="low_resource.quiz3",
        section="What is missing: words, or knowledge?",
        prompt="A model is to learn a new language. What comes from text of that language, and "
        "what from a dictionary?",
        options={
            "a": Option(
                "From text how the language is written, from a dictionary its tie to the others.",
                "Two things that are learned in two ways. One task needs the one, another the "
                "other.",
                right=True,
            ),
            "b": Option(
                "From text the tie to other languages, from a dictionary the spelling.",
                "Nothing in the text says which English words its words are like.",
                belief="the two sources exchanged",
            ),
            "c": Option(
                "Both from text, if there is enough of it.",
                "In our model reading on even drew the language away from its translations, "
                "unless something held it.",
                belief="text alone expected to align",
            ),
            "d": Option(
                "Both from a dictionary, if it is large enough.",
                "A dictionary knows no order of words. Names, which are told by what stands "
                "around them, gained from text.",
                belief="a language taken for a list of words",
            ),
        },
    ),
    Item(
        id="low_resource.quiz4",
        section="Does it help a task?",
        prompt="A model has read on in Yoruba, and reads it well now. What else has to be "
        "measured?",
        options={
            "a": Option(
                "How low the training loss has become.",
                "It falls in any case, on text that the model is trained on.",
                belief="a falling loss taken for progress",
            ),
            "b": Option(
                "How many documents it has read.",
                "That is what was paid for, and not what was got.",
                belief="effort taken for effect",
            ),
            "c": Option(
                "Whether it can still spell English words with its old vocabulary.",
                "The vocabulary has lost nothing. What may be lost is what the layers knew.",
                belief="forgetting looked for in the vocabulary",
            ),
            "d": Option(
                "What the languages that it knew before have lost.",
                "An encoder that reads on in one language forgets others, more or less, by the "
                "way of training.",
                right=True,
            ),
        },
    ),
    Item(
        id="low_resource.quiz5",
        section="Failure: augmentation that deletes nothing",
        prompt="Rows with two changed copies each score higher than the rows alone. Against what "
        "has this to be held?",
        options={
            "a": Option(
                "The same rows, three times each and unchanged.",
                "Three times the rows are three times the updates. Only what lies above "
                "duplicates is due to the change.",
                right=True,
            ),
            "b": Option(
                "Three times as many rows with labels of their own.",
                "That tells what labels are worth, and not what the change has brought.",
                belief="a dearer rival taken for a control",
            ),
            "c": Option(
                "The score on the copies of the test rows.",
                "A test row is not to be copied. A changed copy of one in training is a leak.",
                belief="augmentation carried into the test",
            ),
            "d": Option(
                "The rows alone; the figure is the comparison already.",
                "It mixes two things: other words, and more steps.",
                belief="more steps taken for better data",
            ),
        },
    ),
    Item(
        id="low_resource.quiz6",
        section="Annotate your own",
        prompt="Two people give nearly all texts the same label, and yet their kappa is low. How "
        "can that be?",
        options={
            "a": Option(
                "One of the two has misread the instructions.",
                "Then they would disagree more. They agree on nearly everything.",
                belief="people blamed",
            ),
            "b": Option(
                "Kappa counts disagreements twice.",
                "It counts them once. It takes off what chance would have agreed on.",
                belief="the formula misread",
            ),
            "c": Option(
                "One label is so common that chance agrees on nearly as much.",
                "Where a label is rare, its rows have to be read twice on purpose.",
                right=True,
            ),
            "d": Option(
                "There were too many texts for so simple a measure, and it breaks down.",
                "More texts make kappa surer. Here there are too few of the rarer label.",
                belief="a large sample blamed",
            ),
        },
    ),
)
