"""The quiz of notebook 08: a model behind a service."""

from __future__ import annotations

from xlhelpers.exercises._paper import Item
from xlhelpers.exercises.engine import Option

QUESTIONS = (
    Item(
        id="production.quiz1",
        section="What must a service refuse?",
        prompt="How does the service of the notebook decide which languages it serves?",
        options={
            "a": Option(
                "By the languages that its encoder was pretrained on, as its card lists them.",
                "To have read a language is not yet to judge reviews in it. The list is a reason "
                "to measure.",
                belief="pretraining taken for a service",
            ),
            "b": Option(
                "By how sure its answers are in each language.",
                "It may be surest where it knows least. Confidence needs no knowledge.",
                belief="confidence taken for accuracy",
            ),
            "c": Option(
                "By its accuracy there: the whole interval has to lie above guessing.",
                "Measured on development rows, so that the test is not used up by the choice.",
                right=True,
            ),
            "d": Option(
                "By whether its tokenizer can spell the language without unknown pieces.",
                "That is needed and does not suffice: what is spelled need not be understood.",
                belief="spelling taken for understanding",
            ),
        },
    ),
    Item(
        id="production.quiz2",
        section="What has changed since yesterday?",
        prompt="An app begins to cut its users' texts. Fewer answers are right, and no alarm on "
        "confidence or labels rings. What finds such a fault?",
        options={
            "a": Option(
                "A louder alarm, set to fire at smaller changes.",
                "It would ring without cause, day by day, and soon nobody would listen.",
                belief="louder taken for sharper",
            ),
            "b": Option(
                "Labels for a sample drawn at random, and a look at the texts.",
                "What cannot be seen in what the model says has to be looked up elsewhere.",
                right=True,
            ),
            "c": Option(
                "The mean over all languages, which rests on more answers.",
                "In it a fault of one language is thinned by all the others.",
                belief="more data taken for a clearer view",
            ),
            "d": Option(
                "The confidence of each answer: a text that was cut makes the model hesitate.",
                "Half a text may sound as sure as a whole one. That is why no alarm rang.",
                belief="confidence taken for a sense of the fault",
            ),
        },
    ),
    Item(
        id="production.quiz3",
        section="When it says “nine in ten”, are nine in ten right?",
        prompt="What does it change to fit a temperature for a language?",
        options={
            "a": Option(
                "Which answer is given where the model hesitates between two.",
                "Dividing all logits by one number leaves the largest the largest.",
                belief="temperature taken for another decision",
            ),
            "b": Option(
                "The accuracy, which rises in languages far from English.",
                "No answer changes, so that as many are right as before.",
                belief="calibration taken for training",
            ),
            "c": Option(
                "The confidence on texts of every kind: it can be trusted from then on.",
                "It was fitted on texts of one kind, and falls short on others. Calibrate on rows "
                "of what will really come.",
                belief="one kind of text taken for all",
            ),
            "d": Option(
                "How sure its answers sound; the answers stay.",
                "So that confidence and accuracy lie closer together, on texts like those that it "
                "was fitted on.",
                right=True,
            ),
        },
    ),
    Item(
        id="production.quiz4",
        section="Which language is that?",
        prompt="A classifier of twenty languages is sure of a sentence in a language that it has "
        "never met. How can that be?",
        options={
            "a": Option(
                "“None of these” is not among its answers.",
                "Its probabilities sum to 1 over the languages that it knows, so that the nearest "
                "of them gets nearly all. Ask a second question: is this something else?",
                right=True,
            ),
            "b": Option(
                "Its threshold for being sure was set too low.",
                "However high it is set, the nearest of the known languages can pass it.",
                belief="a missing answer taken for a low bar",
            ),
            "c": Option(
                "The sentence was too short to tell languages apart.",
                "It happens with long ones as well: they only make it surer of the nearest one.",
                belief="the length blamed",
            ),
            "d": Option(
                "The classifier did badly on its own test set.",
                "On a test set of its twenty languages it may be nearly perfect. A strange "
                "language is not in it.",
                belief="a test set taken for the world",
            ),
        },
    ),
    Item(
        id="production.quiz5",
        section="Where does the time go?",
        prompt="Many requests of a service repeat. What is to be remembered?",
        options={
            "a": Option(
                "The tokens of each text, since a program in Python cuts it.",
                "Cutting a text is a tiny share of an answer; the layers take nearly all of it.",
                belief="time suspected where it does not go",
            ),
            "b": Option(
                "Nothing: a memory might give the answers of another model.",
                "The model belongs into the key of the memory. Then a new one starts afresh.",
                belief="a careless key taken for the rule",
            ),
            "c": Option(
                "The predictions, by text and model.",
                "A request that came before then costs next to nothing. How many do is for each "
                "service to count.",
                right=True,
            ),
            "d": Option(
                "The embeddings of the commonest words, which most texts share.",
                "Looking a row up in a table is the cheapest step of all. What follows depends on "
                "the whole text.",
                belief="a look-up taken for the work",
            ),
        },
    ),
    Item(
        id="production.quiz6",
        section="Half the layers: what does each language lose?",
        prompt="A student has half the layers of its multilingual teacher, and most of its "
        "parameters are still there. Why?",
        options={
            "a": Option(
                "Its layers are twice as wide, to make up for it.",
                "It begins as every other layer of the teacher, as wide as they are.",
                belief="lost layers thought to be made good",
            ),
            "b": Option(
                "Most of them are tables of embeddings, which no layer holds.",
                "The vocabulary is what is left. Speed goes with the layers, size does not.",
                right=True,
            ),
            "c": Option(
                "It holds the teacher's answers besides, from which it learned.",
                "It learned from them and forgot them; they are nowhere in the file.",
                belief="lessons taken for parameters",
            ),
            "d": Option(
                "Each language keeps layers of its own, which were not halved.",
                "All languages share all layers, in the teacher and in the student.",
                belief="a compartment for each language imagined",
            ),
        },
    ),
)
