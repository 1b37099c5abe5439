"""How names and texts are written that do not say it: the code page by whose letters they are likeliest words.

Each language is its letters, from the most used to the least; beside Latin ones without accents, which all pages have.
A page is as likely as the best of its languages fits all words together, or, a little less, each word by itself.
"""

from __future__ import annotations

import codecs
import posixpath
import re
import unicodedata
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from ssrl_core.errors import SpecError

WESTERN = "cp1252 or cp437"
_OF_THE_WEST = ("éèêàçâîôûùëïœæÿ", "üäöß", "óíáéñúü", "ãáçéíóõêâúôà", "äöåé", "åøæé", "àèòùìé", "ëéïöü")
_OF_THE_MIDDLE = ("íáéěřýčžšůúňťóďü", "áéíčľšťžýúňôďäŕĺó", "łąęśóżćńź", "áéöóőüúíű", "šćčžđ", "ăîșțşţâ")
_CYRILLIC = ("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", "оаиітнвреслкудмпьяйзгбчхжшюцєїфщґ", "аоеинтрвслдкпмзугбъчщшжцхюйяьф")
_GREEK = ("αιοετσνηρπυκμλςγόδάίέχθύωφβήξώζψϊ",)
_HEBREW = ("יוהלאתמרבשנםכדקעחטפגסץצןזךף",)
_ARABIC = ("اليمنرةوبتهدعسفكقحجشطخصضذزئثغظأءىإآؤ",)
_THAI = ("านรอกเงมยลวดทสตะปบคหแจพชขใไโผถซณภฟธฉฮฝศญษฐฆฬฎฏฑฒฤำๆ่้ั็ิีุื์ู",)
_EACH_WORD_HAS = {**dict.fromkeys(_CYRILLIC, "аеиоуыэюяєіъ"), _GREEK[0]: "\u0301"}  # a vowel, an accent
_ALPHABETS = {  # a page and its languages
    WESTERN: _OF_THE_WEST,
    "cp850": _OF_THE_WEST,
    "mac_roman": _OF_THE_WEST,
    "cp1250": _OF_THE_MIDDLE,
    "cp852": _OF_THE_MIDDLE,
    "cp1254": ("ıüşçğöİâ",),
    "cp857": ("ıüşçğöİâ",),
    "cp1257": ("āēšīūņļķčģž", "ėšųžįąūčę", "äõüöšž"),
    "cp1251": _CYRILLIC,
    "cp866": _CYRILLIC,
    "mac_cyrillic": _CYRILLIC,
    "cp1253": _GREEK,
    "cp737": _GREEK,
    "cp1255": _HEBREW,
    "cp862": _HEBREW,
    "cp1256": _ARABIC,
    "cp720": _ARABIC,
    "cp874": _THAI,
}
_RARER = {"cp850": 0.01, "mac_roman": 0.06, "mac_cyrillic": 0.12, "cp852": 0.04, "cp857": 0.02, "cp737": 0.02}
_RARER |= {"cp720": 0.02, "cp862": 0.02, "cp1250": 0.04, "cp1254": 0.02, "cp1257": 0.025}
_EAST_ASIAN = ("gb18030", "shift_jis", "big5", "euc-kr")
_CODE_PAGES = (*(page for page in _ALPHABETS if page != WESTERN), *_EAST_ASIAN)
_OF_DOS = ("cp866", "cp852", "cp850", "cp857", "cp737", "cp862", "cp720")
_LATIN = ("cp437", "cp1252")
_LEAST_KOREAN = 8  # letters; fewer cannot be told from Chinese
_MANY_LANGUAGES = 0.08  # how much less likely names of several languages are


def readable_name(info: zipfile.ZipInfo, code_page: str) -> str:
    """The name of a file in a zip; one that carries no flag is of a code page, or UTF-8 among western ones."""
    if _says(info):
        return info.filename
    written = info.filename.encode("cp437")
    with suppress(UnicodeDecodeError):
        text = written.decode("utf-8")
        if _ALPHABETS.get(code_page, _OF_THE_WEST) is _OF_THE_WEST and code_page not in _EAST_ASIAN:
            return text
    return _western(written) if code_page == WESTERN else written.decode(code_page, "replace")


def code_page_of(infos: Sequence[zipfile.ZipInfo], asked: str | None) -> tuple[str, list[str]]:
    """The code page of all names of an archive that carry no flag and are no UTF-8, and what to say of it.

    Raises:
        SpecError: a code page that is not known.
    """
    if asked is not None:
        try:
            codecs.lookup(asked)
        except LookupError:
            raise SpecError.at("data import", "--code-page", f"one of {', '.join(_CODE_PAGES)}", asked) from None
        return asked, []
    unsaid = [info for info in infos if not _says(info) and not _is_utf8(info.filename.encode("cp437"))]
    if not unsaid:
        return WESTERN, []
    every = b"/".join(posixpath.splitext(info.filename)[0].encode("cp437") for info in unsaid)
    western = "/".join(posixpath.splitext(readable_name(info, WESTERN))[0] for info in unsaid)
    page = _likeliest(every, {page: _decoded(every, page) for page in _LATIN}, western)
    shown = posixpath.dirname(readable_name(unsaid[0], page)) or readable_name(unsaid[0], page)
    return page, [f"{len(unsaid)} names in the zip do not say how they are written; read as {page}: {shown}"]


def code_page_of_text(written: bytes) -> str:
    """The likeliest code page of a text that is no UTF-8; `cp1252` for western Europe."""
    text = written.decode("cp1252", "replace")
    page = _likeliest(written, {"cp1252": text}, text, dos=False)
    return "cp1252" if page == WESTERN else page


def _likeliest(written: bytes, western: dict[str, str | None], mixed: str, *, dos: bool = True) -> str:
    """The page by whose letters a text is likeliest words.

    Args:
        western: how it reads by each page of the west, None where it cannot; `mixed`: each name by its likeliest.
    """
    tried = [page for page in _CODE_PAGES if dos or not (page in _OF_DOS or page.startswith("mac"))]
    texts = {page: _decoded(written, page) for page in tried} | western
    likely = {page: _likelihood(page, text) for page, text in texts.items() if text is not None}
    likely[WESTERN] = _likelihood(WESTERN, mixed) - (0.03 if dos else 0)
    return max(likely, key=likely.__getitem__)


def _western(written: bytes) -> str:
    """A name by the likelier page of the west."""
    return max((written.decode(page, "replace") for page in _LATIN), key=partial(_likelihood, WESTERN))


def _says(info: zipfile.ZipInfo) -> bool:
    return bool(info.flag_bits & 0x800) or info.filename.isascii()


def _is_utf8(written: bytes) -> bool:
    return _decoded(written, "utf-8") is not None


def _decoded(written: bytes, page: str) -> str | None:
    try:
        return written.decode(page)
    except UnicodeDecodeError:
        return None


def _likelihood(page: str, text: str) -> float:
    """How usual the letters of a text are in names of a code page, on the average."""
    if page in _EAST_ASIAN:
        return _likelihood_of_signs(page, text)
    letters = sum(not c.isascii() and not c.isspace() for c in text)
    words = [word for word in re.findall(r"(?:[^\W\d_]|[\u0e31-\u0e4e])+", text) if not word.isascii()]
    languages = _ALPHABETS.get(page, _OF_THE_WEST)
    latin = languages[0][0].isascii() or unicodedata.name(languages[0][0]).startswith("LATIN")
    if latin and letters > 4 and sum(c.isascii() and c.isalpha() for c in text) < letters:
        return 0.5  # words of accents alone
    fits = [[_fit(word, language, latin=latin) for word in words] for language in languages]
    whole: float = max(sum(fit) for fit in fits)
    each: float = sum(max(fit) for fit in zip(*fits, strict=True)) - _MANY_LANGUAGES * letters
    return max(whole, each) / max(1, letters) - _RARER.get(page, 0.0)


def _fit(word: str, language: str, *, latin: bool) -> float:
    """Sum over the letters of a word that are not ASCII: how usual they are in a language, less where it is no word."""
    marked = [letter for letter in word if not letter.isascii()]
    if not latin and len(marked) < len(word):
        return 0.0  # letters of two alphabets
    bent = re.search(r"[^\W\d_][A-ZÀ-ÖØ-ÞЀ-ЯΆ-Ϋ]", word) is not None and not word.isupper()
    bent = bent or word[0] in "ßъьςםןץףך" or re.search("[ςםןץףך](?=.)", word) is not None
    needed = _EACH_WORD_HAS.get(language)
    bare = needed is not None and len(word) > 2 and not set(unicodedata.normalize("NFD", word.lower())) & set(needed)
    return (0.3 if bent else 0.6 if bare else 1.0) * sum(
        _usual_letter(letter, language, latin=latin) for letter in marked
    )


def _usual_letter(letter: str, language: str, *, latin: bool) -> float:
    place = language.find(letter) if letter in language else language.find(letter.lower())
    if place < 0:
        return 0.3 * unicodedata.name(letter, "").startswith("LATIN")
    case = 0.85 if letter.isupper() else 1.0
    return case * (1.0 - 0.2 * place / len(language)) if latin else case * (1.15 - 0.5 * place / len(language))


def _likelihood_of_signs(page: str, text: str) -> float:
    letters = [c for c in text if not c.isascii()]
    if page == "euc-kr" and len(set(letters)) < _LEAST_KOREAN:
        return -1.0
    # a word is of one script: a letter of another one beside Latin letters was read wrongly
    mixed = sum(_is_mixed(word) for word in re.findall(r"[^\W\d_]+", text) if not word.isascii())
    return sum(_weight(page, letter) for letter in letters) / max(1, len(letters) + 2 * mixed)


def _is_mixed(word: str) -> bool:
    """Whether a word has Latin letters and Cyrillic or Greek ones."""
    scripts = {unicodedata.name(letter, "?").split(" ")[0] for letter in word}
    return "LATIN" in scripts and len(scripts) > 1


def _weight(page: str, letter: str) -> float:
    """How usual a sign is in names of a code page."""
    name = unicodedata.name(letter, "")
    if page == "shift_jis" and name.startswith(("HIRAGANA", "KATAKANA")):
        return 1.2
    if page == "euc-kr":
        return 1.2 if name.startswith("HANGUL SYLLABLE") else 0.2
    return _usual(page, letter) if name.startswith("CJK UNIFIED") else 0.1


def _usual(page: str, letter: str) -> float:
    """Characters of the first level of a standard are those in use: GB 2312 (by sound), JIS X 0208, Big5."""
    try:
        lead = letter.encode({"gb18030": "gb2312"}.get(page, page))[0]
    except UnicodeEncodeError:
        return 0.3
    first = {"gb18030": (0xB0, 0xD7), "shift_jis": (0x88, 0x97), "big5": (0xA4, 0xC6)}[page]
    return 1.15 if first[0] <= lead <= first[1] else 0.5
