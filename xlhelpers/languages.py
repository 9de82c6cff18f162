"""Language cards: code, names, script, direction, family, and which model has seen what.

Names and codes follow ISO 639 and ISO 15924; families follow the usual grouping (Glottolog
4 names some branches otherwise). What a model has seen is transcribed from its authors:

* mBERT (cased): "List of Languages" in multilingual.md, github.com/google-research/bert;
* XLM-R: the table in examples/xlmr/README.md, github.com/facebookresearch/fairseq, which
  accompanies Conneau et al. (2020, ACL), "Unsupervised Cross-lingual Representation
  Learning at Scale".
"""

from __future__ import annotations

import difflib
import html as _html
from dataclasses import dataclass
from typing import Literal

from xlhelpers.errors import CourseError

# 104 entries in the authors' list; Simplified and Traditional Chinese are two of them and
# one code here.
MBERT = frozenset(
    """
    af an ar ast az azb ba bar be bg bn bpy br bs ca ce ceb cs cv cy da de el en es et eu fa
    fi fr fy ga gl gu he hi hr ht hu hy id io is it ja jv ka kk kn ko ky la lb lmo lt lv mg
    min mk ml mn mr ms my nb nds ne new nl nn oc pa pl pms pnb pt ro ru scn sco sh sk sl sq
    sr su sv sw ta te tg th tl tr tt uk ur uz vi vo war yo zh
    """.split()
)

# 100 cells in the authors' table. Five are romanised (Bengali, Hindi, Tamil, Telugu, Urdu),
# one is Burmese in the Zawgyi font and Chinese counts twice: 93 languages.
XLMR = frozenset(
    """
    af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha
    he hi hr hu hy id is it ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl
    no om or pa pl ps pt ro ru sa sd si sk sl so sq sr su sv sw ta te th tl tr ug uk ur uz vi
    xh yi zh
    """.split()
)

# Languages that were added to the course's data after its models were trained. They can be named
# in every call, and stand in none of the lists that the notebooks go through, so that no figure
# there moves when one is added. docs/add-a-language.md says how that is done.
CONTRIBUTED: tuple[str, ...] = ("it",)

Direction = Literal["ltr", "rtl"]


class UnknownLanguageError(CourseError, LookupError):
    """There is no card for this code."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the course.

    Attributes:
        code: ISO 639-1, two letters.
        iso3: ISO 639-3 (the macrolanguage's code for Arabic, Chinese, Persian, Swahili).
        name: in English, in Latin script; safe in any font.
        native: in its own language and script; put it through `html`.
        script: ISO 15924 code of the script that the course's text is in.
        direction: `"ltr"` or `"rtl"`.
        family, branch: genealogy, two levels; equal where the family has one branch to speak of.
        seen_by: the models whose pretraining text had it: `"mBERT"`, `"XLM-R"`.
    """

    code: str
    iso3: str
    name: str
    native: str
    script: str
    direction: Direction
    family: str
    branch: str
    seen_by: frozenset[str]


# code iso3 | name | native | script | family | branch
_TABLE = """
am amh | Amharic    | አማርኛ | Ethi | Afro-Asiatic  | Semitic
ar ara | Arabic     | العربية | Arab | Afro-Asiatic  | Semitic
bg bul | Bulgarian  | български | Cyrl | Indo-European | Slavic
bn ben | Bengali    | বাংলা | Beng | Indo-European | Indo-Aryan
cs ces | Czech      | čeština | Latn | Indo-European | Slavic
cy cym | Welsh      | Cymraeg | Latn | Indo-European | Celtic
da dan | Danish     | dansk | Latn | Indo-European | Germanic
de deu | German     | Deutsch | Latn | Indo-European | Germanic
el ell | Greek      | Ελληνικά | Grek | Indo-European | Hellenic
en eng | English    | English | Latn | Indo-European | Germanic
es spa | Spanish    | español | Latn | Indo-European | Romance
eu eus | Basque     | euskara | Latn | Basque        | Basque
fa fas | Persian    | فارسی | Arab | Indo-European | Iranian
fi fin | Finnish    | suomi | Latn | Uralic        | Finnic
fr fra | French     | français | Latn | Indo-European | Romance
ha hau | Hausa      | Hausa | Latn | Afro-Asiatic  | Chadic
he heb | Hebrew     | עברית | Hebr | Afro-Asiatic  | Semitic
hi hin | Hindi      | हिन्दी | Deva | Indo-European | Indo-Aryan
hu hun | Hungarian  | magyar | Latn | Uralic        | Ugric
id ind | Indonesian | Bahasa Indonesia | Latn | Austronesian | Malayo-Polynesian
ig ibo | Igbo       | Igbo | Latn | Niger-Congo   | Volta-Niger
is isl | Icelandic  | íslenska | Latn | Indo-European | Germanic
it ita | Italian    | italiano | Latn | Indo-European | Romance
ja jpn | Japanese   | 日本語 | Jpan | Japonic       | Japonic
jv jav | Javanese   | Basa Jawa | Latn | Austronesian | Malayo-Polynesian
ko kor | Korean     | 한국어 | Kore | Koreanic      | Koreanic
nl nld | Dutch      | Nederlands | Latn | Indo-European | Germanic
pl pol | Polish     | polski | Latn | Indo-European | Slavic
pt por | Portuguese | português | Latn | Indo-European | Romance
ro ron | Romanian   | română | Latn | Indo-European | Romance
ru rus | Russian    | русский | Cyrl | Indo-European | Slavic
su sun | Sundanese  | Basa Sunda | Latn | Austronesian | Malayo-Polynesian
sv swe | Swedish    | svenska | Latn | Indo-European | Germanic
sw swa | Swahili    | Kiswahili | Latn | Niger-Congo   | Bantu
ta tam | Tamil      | தமிழ் | Taml | Dravidian     | South Dravidian
th tha | Thai       | ไทย | Thai | Kra-Dai       | Tai
tr tur | Turkish    | Türkçe | Latn | Turkic        | Oghuz
uk ukr | Ukrainian  | українська | Cyrl | Indo-European | Slavic
ur urd | Urdu       | اردو | Arab | Indo-European | Indo-Aryan
vi vie | Vietnamese | Tiếng Việt | Latn | Austroasiatic | Vietic
yo yor | Yoruba     | Yorùbá | Latn | Niger-Congo   | Volta-Niger
zh zho | Chinese    | 中文 | Hans | Sino-Tibetan  | Sinitic
zu zul | Zulu       | isiZulu | Latn | Niger-Congo   | Bantu
"""

_RIGHT_TO_LEFT = frozenset({"Arab", "Hebr"})


def _card(line: str) -> Language:
    codes, name, native, script, family, branch = (cell.strip() for cell in line.split("|"))
    code, iso3 = codes.split()
    seen = {"mBERT": MBERT, "XLM-R": XLMR}
    return Language(
        code=code,
        iso3=iso3,
        name=name,
        native=native,
        script=script,
        direction="rtl" if script in _RIGHT_TO_LEFT else "ltr",
        family=family,
        branch=branch,
        seen_by=frozenset(model for model, languages in seen.items() if code in languages),
    )


_CARDS = {card.code: card for card in map(_card, _TABLE.strip().splitlines())}


def get(code: str) -> Language:
    """Return the card of a language.

    Raises:
        UnknownLanguageError: there is none; the message names the nearest codes.
    """
    card = _CARDS.get(code) if isinstance(code, str) else None
    if card is not None:
        return card
    near = _nearest(str(code))
    raise UnknownLanguageError(
        f"there is no language card for {code!r}",
        f"did you mean {' or '.join(f'{c!r} ({_CARDS[c].name})' for c in near)}?"
        if near
        else f"the codes are {' '.join(_CARDS)}",
    )


def all() -> list[Language]:  # noqa: A001 - reads as languages.all()
    """Return every card, sorted by code."""
    return list(_CARDS.values())


def codes() -> list[str]:
    """Return every code, sorted."""
    return list(_CARDS)


def name(code: str) -> str:
    """Return the English name of a language, for labels that any font can show.

    Raises:
        UnknownLanguageError: there is no card for `code`.
    """
    return get(code).name


def html(text: str, code: str) -> str:
    """Return `text` as a safe HTML span that tells the browser its language and direction.

    The browser then picks a fitting font, shapes the letters and orders the words; markup
    inside `text` is shown, not obeyed.

    Raises:
        UnknownLanguageError: there is no card for `code`.
    """
    card = get(code)
    return f'<span lang="{card.code}" dir="{card.direction}">{_html.escape(text)}</span>'


def _nearest(wrong: str) -> list[str]:
    """Return up to three codes whose code or name looks like what was typed."""
    asked = wrong.strip().lower().replace("_", "-")
    known = {alias.lower(): c.code for c in all() for alias in (c.iso3, c.name, c.native, c.code)}
    if asked.partition("-")[0] in known:  # de-DE, German, deu, DE
        return [known[asked.partition("-")[0]]]
    # Two letters are too few for a general measure of likeness.
    short = [c for c in _CARDS if len(asked) == 2 and (asked[0] == c[0] or asked[1] == c[1])]
    names = difflib.get_close_matches(asked, known, n=3)
    return list(dict.fromkeys([*(known[n] for n in names), *short]))[:3]
