"""The quiz of notebook 04: zero-shot transfer."""

from __future__ import annotations

from xlhelpers.exercises._paper import Item
from xlhelpers.exercises.engine import Option

QUESTIONS = (
    Item(
        id="zero_shot.quiz1",
        section="How is a tagger scored?",
        prompt="A tagger says `O` to every word. What do the share of right words and the F1 of "
        "entities say?",
        options={
            "a": Option(
                "Both are 0: it has found no name.",
                "No name is found, yet most words are no names, and `O` is right for them.",
                belief="words mixed up with entities",
            ),
            "b": Option(
                "Both are high, since names are rare.",
                "F1 counts names that were found, and there are none.",
                belief="entities counted like words",
            ),
            "c": Option(
                "F1 is about a third, by chance among three types.",
                "It says no type at all. And a name guessed at random would need the right first "
                "and last word, too.",
                belief="tagging taken for a choice among three",
            ),
            "d": Option(
                "The share of right words is high, the F1 is 0.",
                "That is why names are scored whole.",
                right=True,
            ),
        },
    ),
    Item(
        id="zero_shot.quiz2",
        section="Where is it worst?",
        prompt="The tagger finds many names in a language that no model here has read. What does "
        "that show?",
        options={
            "a": Option(
                "It has picked the language up from the English training sentences.",
                "English teaches no Yoruba. Sort the names by their spelling, and the riddle is "
                "solved.",
                belief="a score taken for knowledge of a language",
            ),
            "b": Option(
                "Names spelled as in training carry over by themselves.",
                "No knowledge of the language is needed. Most of what looks like transfer among "
                "languages of one script is a list of names. So report names that are new "
                "separately.",
                right=True,
            ),
            "c": Option(
                "The test sentences have leaked into training.",
                "The sentences are others. A name that stands on both sides is no leak, but has "
                "to be told.",
                belief="a shared name taken for a shared row",
            ),
            "d": Option(
                "Languages are equally near to each other in the model.",
                "Then languages of other scripts, which it has read, would do as well. They do "
                "worse.",
                belief="spelling taken for nearness",
            ),
        },
    ),
    Item(
        id="zero_shot.quiz3",
        section="Failure: two ways to misread a tagger",
        prompt="A model has learned tags in IOB1, where a name begins with `I-`. Its answers are "
        "read as IOB2, strictly. What happens?",
        options={
            "a": Option(
                "Right names count as not found, without an error.",
                "It looks like a bad model and is a wrong reader.",
                right=True,
            ),
            "b": Option(
                "The scorer stops, since the tags are invalid.",
                "Common scorers read on without a word. The course's helper refuses gold tags "
                "that are not IOB2.",
                belief="an error counted on",
            ),
            "c": Option(
                "Nothing: both conventions mark the same names.",
                "They mark the same names with other letters, and a strict reader goes by the "
                "letters.",
                belief="conventions taken for interchangeable",
            ),
            "d": Option(
                "Two names side by side become one, and all else stays.",
                "That happens where the `B-` is missing, whoever reads. The strict reader finds "
                "hardly any name.",
                belief="strict mixed up with lenient",
            ),
        },
    ),
    Item(
        id="zero_shot.quiz4",
        section="Failure: two ways to misread a tagger",
        prompt='Why does `aggregation_strategy="simple"` cut words in two?',
        options={
            "a": Option(
                "The text was cut at a maximum length.",
                "It happens in short sentences, in the middle of them.",
                belief="truncation blamed",
            ),
            "b": Option(
                "It was made for English, where words are short.",
                "It cuts English words as well. Words of other languages have more pieces, and "
                "are cut more often.",
                belief="the language blamed",
            ),
            "c": Option(
                "It joins pieces, and those after a word's first were never trained.",
                "Their label was −100, which the loss leaves out. Give words in, and ask their "
                "first pieces.",
                right=True,
            ),
            "d": Option(
                "The tokenizer has forgotten where the pieces stood in the text.",
                "It knows the place of every piece. What the pieces say is what disagrees.",
                belief="lost positions blamed",
            ),
        },
    ),
    Item(
        id="zero_shot.quiz5",
        section="Failure: two ways to misread a classifier",
        prompt="A checkpoint was tuned on the development and test sets of a benchmark, in all "
        "its languages. How can it be scored on that benchmark all the same?",
        options={
            "a": Option(
                "In languages other than English: there the scores are transfer.",
                "The translations were in training, too.",
                belief="translations taken for new data",
            ),
            "b": Option(
                "Not at all: it takes data that it has never met.",
                "A test set that was trained on is a training set.",
                right=True,
            ),
            "c": Option(
                "With an interval, which says how uncertain the score is.",
                "An interval tells the luck of the draw of test rows. It knows nothing of what "
                "was learned by heart.",
                belief="bias mixed up with noise",
            ),
            "d": Option(
                "By going on training it on English alone for some epochs.",
                "What it has seen it does not reliably unlearn, and nobody could tell from the "
                "score.",
                belief="further training taken for forgetting",
            ),
        },
    ),
    Item(
        id="zero_shot.quiz6",
        section="What do the published tables say?",
        prompt="“Zero-shot transfer reaches 90 % of supervised performance.” What has to be asked "
        "first?",
        options={
            "a": Option(
                "With which seed the model was trained.",
                "Worth asking. But as long as nobody says what 100 % is, seeds cannot help.",
                belief="noise asked for before meaning",
            ),
            "b": Option(
                "How large the model was.",
                "A larger model may have a higher share. Of what, is still open.",
                belief="size asked for before meaning",
            ),
            "c": Option(
                "Per cent of what, and whether chance was taken off.",
                "The score in the source language, that of labels in the target, and either above "
                "chance: three shares of one and the same model.",
                right=True,
            ),
            "d": Option(
                "Whether the figure was rounded.",
                "The three denominators lie further apart than any rounding.",
                belief="digits asked for before meaning",
            ),
        },
    ),
)
