"""Kinds of personal data, and how a column of each is told from its values and its name.

Whatever the cells of a column look like, a plain number is easily taken for something
else: nearly every number of nine digits is a valid US social security number. So a value
counts by itself only where its form tells (an @, a country code, letters and separators
in their places, check digits behind them); everything else needs a column name that says
what it is, in one of several languages. Names of persons are not recognised.
"""

from __future__ import annotations

import importlib
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tidemill.contracts import ColumnType

#: What each kind is called in a sentence.
NAMES = {
    "email": "e-mail addresses",
    "bank_account": "bank account numbers",
    "payment_card": "payment card numbers",
    "national_id": "national id numbers",
    "ip_address": "IP addresses",
    "phone": "phone numbers",
    "date_of_birth": "dates of birth",
    "postal_address": "postal addresses",
    "other": "personal data",
}
#: Regions whose way of writing a phone number without a country code is tried.
REGIONS = (
    *("US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "PL", "PT", "SE", "NO", "DK", "FI", "IE", "CZ"),
    *("BR", "MX", "AR", "CL", "CO", "IN", "CN", "JP", "KR", "AU", "NZ", "ZA", "NG", "TR", "RU", "IL", "SG"),
)


@dataclass(frozen=True)
class Recognised:
    """What a column seems to hold."""

    kind: str
    confidence: float  #: share of the present values that are accepted, 0 to 1


def recognise(name: str, kind: ColumnType, values: Mapping[str, int]) -> Recognised | None:
    """What personal data a column holds, or None.

    Parameters
    ----------
    kind
        the column's type.
    values
        a sample of its present texts, and how many rows of the sample have each.
    """
    if kind in ("boolean", "empty") or not values:
        return None
    words = _words(name)
    texts = [_without_fraction(text) for text in values]
    total = sum(values.values())
    for recogniser in _RECOGNISERS:
        hinted = recogniser.hint.search(words) is not None
        least = recogniser.least_hinted if hinted else recogniser.least
        if least is None:
            continue
        accepted = recogniser.accept(texts, kind, words if hinted else "")
        share = sum(count for count, good in zip(values.values(), accepted, strict=True) if good) / total
        different = len({text for text, good in zip(texts, accepted, strict=True) if good})
        if share >= least and (hinted or different >= min(5, least * len(texts))):
            return Recognised(recogniser.kind, round(share, 4))
    return None


#: Letters that are no letter with an accent.
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "ß": "ss", "ł": "l", "đ": "d", "ı": "i"})


def _words(name: str) -> str:
    """The lower-case words of a column's name, without accents: "homePhone_Nr" is "home phone nr"."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    return " ".join(re.findall(r"\w+", split.replace("_", " ").lower().translate(_LETTERS)))


def _without_fraction(text: str) -> str:
    """A whole number as such: 5551234.0 comes from tools that know floating-point numbers only."""
    return re.sub(r"^(\d+)\.0+$", r"\1", text)


def _all(accept: Callable[[str], bool]) -> Callable[[Sequence[str], ColumnType, str], list[bool]]:
    return lambda texts, _, __: [accept(text) for text in texts]


# --- addresses on the net ----------------------------------------------------------------------

_EMAIL = re.compile(r"(?:mailto:)?[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}", re.IGNORECASE)
_NAMED_EMAIL = re.compile(r"[^<>@]{0,100}<([^<>]+)>")


def _is_email(text: str) -> bool:
    named = _NAMED_EMAIL.fullmatch(text)
    return len(text) <= 400 and _EMAIL.fullmatch(named[1] if named else text) is not None


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return not text.isdecimal()


# --- numbers with check digits -----------------------------------------------------------------

#: First digits and lengths of the issuers' cards (ISO/IEC 7812 issuer ranges as the networks publish them).
_CARD = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12,15}"  # Discover
    r"|3(?:0[0-5]|[689]\d)\d{11}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|62\d{14,17}"  # UnionPay
    r"|(?:50|5[6-8])\d{10,17}"  # Maestro
)
_GROUPED = re.compile(r"\d{12,19}|\d{4}([ -])\d{4,6}\1\d{4,5}(?:\1\d{2,4})?(?:\1\d{1,3})?")


def _is_card(text: str) -> bool:
    digits = re.sub("[ -]", "", text)
    return bool(_GROUPED.fullmatch(text) and _CARD.fullmatch(digits)) and _valid("luhn", digits)


_IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}", re.IGNORECASE)
#: National forms of account numbers that have check digits: stdnum's modules.
_ACCOUNTS = ("us.rtn", "es.ccc", "no.kontonr", "nz.bankaccount", "cz.bankaccount", "ar.cbu")


def _are_accounts(texts: Sequence[str], _: ColumnType, hint: str) -> list[bool]:
    ibans = [_IBAN.fullmatch(text) is not None and _valid("iban", text) for text in texts]
    if any(ibans) or not hint:
        return ibans
    national = [re.fullmatch(r"[\d ./-]{8,30}", text) is not None for text in texts]
    return _best(
        [[good and _valid(module, text) for text, good in zip(texts, national, strict=True)] for module in _ACCOUNTS]
    )


@dataclass(frozen=True)
class _NationalId:
    """A country's number: stdnum's module, the form that tells by itself, and whether check digits prove it."""

    module: str
    form: str = ""
    checked: bool = True
    names: str = ""  #: words for it that prove a number without check digits


_NATIONAL_IDS = (
    _NationalId("us.ssn", r"\d{3}-\d{2}-\d{4}", False, r"\bssn\b|social security"),
    _NationalId("us.itin", r"\d{3}-\d{2}-\d{4}", False, r"\bitin\b"),
    _NationalId("gb.nhs", r"\d{3} \d{3} \d{4}"),
    _NationalId("ie.pps", r"\d{7}[A-W][A-I]?"),
    _NationalId("fr.nir", r"[12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d"),
    _NationalId("de.idnr", r"\d\d \d{3} \d{3} \d{3}"),
    _NationalId("at.vnr", r"\d{4} \d{6}"),
    _NationalId("ch.ssn", r"756\.\d{4}\.\d{4}\.\d\d"),
    _NationalId("es.dni", r"\d{8}[ -]?[A-Z]"),
    _NationalId("es.nie", r"[XYZ][ -]?\d{7}[ -]?[A-Z]"),
    _NationalId("it.codicefiscale", r"[A-Z]{6}[A-Z0-9]{10}"),
    _NationalId("pt.cc", r"\d{8} ?\d ?[A-Z]{2}\d"),
    _NationalId("nl.bsn"),
    _NationalId("be.nn", r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d"),
    _NationalId("dk.cpr", r"\d{6}-\d{4}", False, r"\bcpr\b"),
    _NationalId("se.personnummer", r"(?:\d\d)?\d{6}[-+]\d{4}"),
    _NationalId("no.fodselsnummer", r"\d{6} \d{5}"),
    _NationalId("fi.hetu", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]"),
    _NationalId("ee.ik"),
    _NationalId("lt.asmens"),
    _NationalId("pl.pesel"),
    _NationalId("cz.rc", r"\d{6}/\d{3,4}"),
    _NationalId("hr.oib"),
    _NationalId("ro.cnp"),
    _NationalId("bg.egn"),
    _NationalId("gr.amka"),
    _NationalId("tr.tckimlik"),
    _NationalId("il.idnr"),
    _NationalId("za.idnr"),
    _NationalId("ca.sin", r"\d{3}([ -])\d{3}\1\d{3}"),
    _NationalId("mx.curp", r"[A-Z]{4}\d{6}[A-Z]{6}[A-Z0-9]\d"),
    _NationalId("br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d\d"),
    _NationalId("ar.cuit", r"\d\d-\d{8}-\d"),
    _NationalId("cl.rut", r"\d{1,2}\.?\d{3}\.?\d{3}-[\dK]"),
    _NationalId("in_.aadhaar", r"\d{4} \d{4} \d{4}"),
    _NationalId("in_.pan", r"[A-Z]{5}\d{4}[A-Z]", False),
    _NationalId("cn.ric", r"\d{17}[\dX]"),
    _NationalId("kr.rrn", r"\d{6}-\d{7}"),
    _NationalId("jp.in_", r"\d{4}[ -]\d{4}[ -]\d{4}"),
    _NationalId("th.pin", r"\d-\d{4}-\d{5}-\d\d-\d"),
    _NationalId("my.nric", r"\d{6}-\d\d-\d{4}", False, r"\bnric\b|mykad"),
    _NationalId("au.tfn", r"\d{3} \d{3} \d{3}"),
)


def _are_national_ids(texts: Sequence[str], _: ColumnType, hint: str) -> list[bool]:
    """Those that are valid numbers of one country, the one of which most are."""
    candidates = [re.fullmatch(r"[0-9A-Z][0-9A-Z .+/-]{6,24}", text, re.IGNORECASE) is not None for text in texts]
    if not any(candidates):
        return candidates
    return _best(
        [
            [good and _is_national_id(known, text, hint) for text, good in zip(texts, candidates, strict=True)]
            for known in _NATIONAL_IDS
        ]
    )


def _is_national_id(known: _NationalId, text: str, hint: str) -> bool:
    tells = bool(known.form) and re.fullmatch(known.form, text, re.IGNORECASE) is not None
    proven = bool(hint) and (known.checked or (bool(known.names) and re.search(known.names, hint) is not None))
    return (tells or proven) and _valid(known.module, text)


def _valid(module: str, text: str) -> bool:
    """Whether a module of python-stdnum takes the number: its form, and its check digits where it has some."""
    return bool(importlib.import_module(f"stdnum.{module}").is_valid(text))


# --- phone numbers -----------------------------------------------------------------------------

_PHONE = re.compile(r"[+(]?\d[\d\s()./-]{4,20}\d(?:\s*(?:x|ext\.?)\s*\d{1,6})?", re.IGNORECASE)
_TELLING_PHONE = re.compile(r"\+\d[\d\s()./-]{6,20}\d|(?:\(\d{3}\) ?|\d{3}-)\d{3}-\d{4}")
_DATE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}(?:[T ].*)?")


def _are_phones(texts: Sequence[str], kind: ColumnType, hint: str) -> list[bool]:
    """Those that are phone numbers as people of one region write them, the region of which most are.

    With a column name that says so a number need only have the length of one; without, it needs a country code or
    the usual brackets and hyphens, and must be one that is given out.
    """
    import phonenumbers  # a tenth of a second, and most tables have no candidates

    form = _PHONE if hint else _TELLING_PHONE
    candidates = [
        kind != "date"
        and form.fullmatch(text) is not None
        and _DATE.fullmatch(text) is None
        and 7 <= sum(map(str.isdecimal, text)) <= 20
        for text in texts
    ]
    if not any(candidates):
        return candidates
    is_one = phonenumbers.is_possible_number if hint else phonenumbers.is_valid_number

    def accepted(text: str, region: str) -> bool:
        try:
            return bool(is_one(phonenumbers.parse(text, region)))
        except phonenumbers.NumberParseException:
            return False

    return _best(
        [
            [good and accepted(text, region) for text, good in zip(texts, candidates, strict=True)]
            for region in (REGIONS if hint else REGIONS[:1])
        ]
    )


# --- dates of birth and postal addresses -------------------------------------------------------


def _are_dates(texts: Sequence[str], kind: ColumnType, _: str) -> list[bool]:
    return [kind == "date" or _DATE.fullmatch(text) is not None for text in texts]


_STREET = re.compile(r"(?=.*\d)(?=.*[^\W\d_]{3}).{6,200}", re.DOTALL)
#: How countries write postal codes.
_POSTAL_CODES = (
    r"\d{5}(?:-\d{4})?",  # United States, Germany, France, Spain, Italy, Mexico, ...
    r"\d{4}",  # Austria, Belgium, Switzerland, Denmark, Norway, Australia, ...
    r"\d{6}",  # India, China, Russia, Singapore, ...
    r"[A-Z]\d[A-Z] ?\d[A-Z]\d",  # Canada
    r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}",  # United Kingdom
    r"\d{4} ?[A-Z]{2}",  # Netherlands
    r"\d{3} ?\d{2}",  # Sweden, Czechia, Slovakia, Greece
    r"\d{2}-\d{3}",  # Poland
    r"\d{4}-\d{3}",  # Portugal
    r"\d{5}-?\d{3}",  # Brazil
    r"\d{3}-?\d{4}",  # Japan
)


def _are_addresses(texts: Sequence[str], _: ColumnType, hint: str) -> list[bool]:
    """Streets with a number, or postal codes as one country writes them, whichever the name of the column means."""
    if _STREET_NAMES.search(hint):
        return [" " in text and _STREET.fullmatch(text) is not None for text in texts]
    return _best([[re.fullmatch(form, text, re.IGNORECASE) is not None for text in texts] for form in _POSTAL_CODES])


def _best(alternatives: Sequence[list[bool]]) -> list[bool]:
    """The alternative that accepts most, the first of equals."""
    return max(alternatives, key=sum)


# --- the kinds, the surest first ---------------------------------------------------------------


@dataclass(frozen=True)
class _Recogniser:
    """One kind: the words in a name that hint at it, and from which share of values on it is believed."""

    kind: str
    hint: re.Pattern[str]
    least: float | None  #: without a hint; None when a name has to say it
    least_hinted: float
    accept: Callable[[Sequence[str], ColumnType, str], list[bool]]


_STREET_NAMES = re.compile(
    r"^(?!.*\b(?:ip|mac|e ?mail|mail|web|url|net|memory|wallet)\b).*"
    r"(?:\badd?ress|\baddr|adress|anschrift|\bstreet|\bstr(?:asse|a?sse|eet)\b|strasse|straat|\brue\b|\bcalle\b|"
    r"direccion|domicilio|indirizzo|\bvia\b|endereco|\brua\b|morada|\bulica\b|\bosoite|katuosoite|\bgate?adresse|\bgata\b)"
)
_RECOGNISERS = (
    _Recogniser("email", re.compile(r"mail|correo"), 0.2, 0.2, _all(_is_email)),
    _Recogniser(
        "bank_account",
        re.compile(
            r"\biban|bank|account|konto|compte|cuenta|\bconto\b|\bconta\b|rekening|routing|\brtn\b|\baba\b|\bcbu\b"
        ),
        0.2,
        0.5,
        _are_accounts,
    ),
    _Recogniser(
        "payment_card",
        re.compile(r"card|karte|carte\b|tarjeta|\bcarta\b|cartao|\bpan\b|\bcc ?n|credit"),
        0.5,
        0.2,
        _all(_is_card),
    ),
    _Recogniser(
        "national_id",
        re.compile(
            r"\bssn\b|social security|sozialversicherung|\bsvnr\b|\bitin\b|\bsin\b|social insurance|\bnino\b|"
            r"national insurance|\bnhs\b|national ?id|\bnat ?id|\bid ?(?:card|no|nr|number|num|nummer)\b|identi|"
            r"\bnir\b|insee|securite sociale|\bdni\b|\bnie\b|\bnif\b|\bcurp\b|\bcpf\b|\bcuit\b|\bcuil\b|\brut\b|"
            r"\brun\b|\bbsn\b|burgerservice|rijksregister|registre national|\bpesel\b|person(?:al)? ?(?:nummer|number|"
            r"id|code)|\bcpr\b|fodselsnummer|\bhetu\b|henkilotunnus|isikukood|asmens|codice ?fiscale|aadha?ar|"
            r"\bpan\b|\brrn\b|\bnric\b|mykad|tax|\btin\b|\btfn\b|steuer ?id|\bahv\b|\bavs\b|\bcnp\b|\begn\b|"
            r"rodne cislo|\boib\b|\bamka\b|\btckn?\b|kimlik|teudat|my ?number|\bpps(?:n| number)?\b|medicare|citizen|"
            r"cartao de cidadao|\bcedula\b"
        ),
        0.8,
        0.8,
        _are_national_ids,
    ),
    _Recogniser(
        "ip_address", re.compile(r"\bip\b|\bip ?(?:addr|v ?[46])|\bhost\b|remote addr"), 0.8, 0.2, _all(_is_ip_address)
    ),
    _Recogniser(
        "phone",
        re.compile(
            r"phone|fone\b|telefon|telephon|\btel\b|\bmobil|\bcell\b|cellular|\bcelular|\bhandy|\bfax|whatsapp|\bgsm\b|"
            r"msisdn|puhelin|\bmovil\b|contact (?:no|nr|number)\b|numer kontaktowy"
        ),
        0.8,
        0.5,
        _are_phones,
    ),
    _Recogniser(
        "date_of_birth",
        re.compile(
            r"\bdob\b|birth(?!\w* ?(?:rate|weight|order|place|country))|\bbday\b|\bborn\b|geburt|\bgeb ?(?:dat|tag)|"
            r"naissance|nacimiento|\bfecha nac|nascita|nascimento|geboorte|fodsels?dato|fodelse|syntyma|urodzenia|"
            r"narozeni|narodenia|rozhdeni|dogum|生年月日|出生|рождени"
        ),
        None,
        0.5,
        _are_dates,
    ),
    _Recogniser(
        "postal_address",
        re.compile(
            rf"{_STREET_NAMES.pattern}|\bzip$|\bzip ?code|\bpost(?:al|leit)? ?(?:code|zahl)|postleitzahl|\bplz\b|"
            r"code postal|codigo postal|\bcep\b|\bpin ?code|^cap$|postn(?:umme)?r|kod pocztowy|\bpsc\b|postinumero"
        ),
        None,
        0.8,
        _are_addresses,
    ),
)
