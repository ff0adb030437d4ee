"""What is recognised as personal data, and what only looks like it."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from tidemill.data.personal_kinds import recognise


def found(name: str, values: Sequence[str], kind: str = "category") -> tuple[str, float] | None:
    """Kind and confidence of a column with these values."""
    one = recognise(name, kind, dict.fromkeys(values, 1))  # type: ignore[arg-type]
    return (one.kind, one.confidence) if one else None


#: IBANs of the European Committee for Banking Standards' register of examples, and cards of the networks' test sets.
IBANS = [
    *("DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "FR1420041010050500013M02606"),
    *("NL91ABNA0417164300", "BE68 5390 0754 7034"),
]
CARDS = ["4111111111111111", "5500 0055 5555 5559", "378282246310005", "6011-1111-1111-1117", "3530111333300000"]
SSNS = [f"{area}-{group:02d}-{serial}" for area, group, serial in [(536, 22, 1234), (123, 45, 6788), (219, 9, 9998)]]


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("c1", ["ann@example.com", "Bob B. <bob.b+x@mail.example.org>", "mailto:c@ü.example"], "email"),
        ("contact", ["ann@example.com", "see file", "none of it", "call back"], "email"),
        (
            "c2",
            ["+49 30 901820", "+44 20 7946 0958", "+1 212-736-5000", "+33 1 42 68 53 00", "+81 3-3224-5000"],
            "phone",
        ),
        ("c2", ["(212) 736-5000", "415-981-1100", "(312) 744-5000", "617-635-4500", "213-473-3231"], "phone"),
        ("Telefon_privat", ["030 901820", "089 233-00", "0221 2210"], "phone"),
        ("mobilePhone", ["5551234567", "5559876543.0"], "phone"),
        ("c3", CARDS, "payment_card"),
        ("c4", IBANS, "bank_account"),
        ("routing number", ["021000021", "011401533", "091000019"], "bank_account"),
        ("c5", [*SSNS, "078-05-1121", "212-09-7694"], "national_id"),
        ("SSN", [ssn.replace("-", "") for ssn in SSNS], "national_id"),
        ("c6", ["RCCMNL83S18D969H", "MRTMTT91D08F205J", "VRDGPP13R10B293P", "BNCLRA85M41H501F"], None),
        ("c6", ["RCCMNL83S18D969H", "MRTMTT25D09F205Z", "BNZVCN32S10E573Z"], "national_id"),
        ("c7", ["54362315A", "00000000B", "12345678C", "87654321D"], None),
        ("DNI", ["54362315K", "00000000T", "12345678Z"], "national_id"),
        ("cpf", ["39053344705", "390.533.447-05"], "national_id"),
        ("PESEL", ["44051401359", "02070803628"], "national_id"),
        ("c8", ["192.168.0.1", "2001:db8::1", "8.8.8.8", "10.20.30.40", "fe80::1"], "ip_address"),
        ("DOB", ["1980-01-02", "02/03/1971"], "date_of_birth"),
        ("Geburtsdatum", ["2. Januar 1980"], None),
        ("fødselsdato", ["02.03.1971", "12.11.1999"], "date_of_birth"),
        ("Street Address", ["12 Main St", "Unter den Linden 77"], "postal_address"),
        ("PLZ", ["10117", "20095"], "postal_address"),
        ("post_code", ["SW1A 1AA", "EC1A 1BB"], "postal_address"),
        ("pickup zip", ["10117", "20095-1234"], "postal_address"),
    ],
)
def test_recognised(name: str, values: list[str], kind: str | None) -> None:
    one = found(name, values)
    assert (one[0] if one else None) == kind


def test_the_confidence_is_the_share_of_the_values() -> None:
    assert found("c", ["a@example.com", "b@example.com", "no", "none"]) == ("email", 0.5)
    one = recognise("c", "category", {"a@example.com": 9, "no": 1})
    assert one is not None
    assert one.confidence == 0.9


def test_a_date_column_needs_a_name_to_be_of_birth() -> None:
    days = ["1980-01-02", "1981-05-06"]
    assert found("birth_date", days, "date") == ("date_of_birth", 1.0)
    assert found("joined", days, "date") is None
    assert found("birth_weight", ["3.2", "2.9"], "number") is None


@pytest.mark.parametrize(
    "name", ["amount", "customer_id", "order_no", "account_id", "tenure", "zip_file_bytes", "lot", "mobile_app_version"]
)
@pytest.mark.parametrize("digits", range(3, 17))
def test_plain_numbers_are_nothing(name: str, digits: int) -> None:
    draw = random.Random(digits)
    numbers = [str(draw.randrange(10 ** (digits - 1), 10**digits)) for _ in range(300)]
    assert found(name, numbers, "integer") in (None, *[("phone", 1.0)] * ("mobile" in name))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("date", ["2011-01-01", "2012-12-31", "2011-05-06", "2012-02-02", "2011-07-08"]),
        ("time", ["18.00.00", "19.00.00", "20.30.00", "21.00.00", "22.00.00"]),
        ("product", ["FUR-BO-10001798", "OFF-LA-10000240", "TEC-PH-10002275", "FUR-CH-10000454", "OFF-ST-10000760"]),
        ("version", ["1.2.3", "2.0.1", "10.4.0", "3.3.3", "0.1.0"]),
        ("phone_service", ["Yes", "No"]),
        ("email_opt_in", ["true", "false", "unknown"]),
        ("address_change", ["never", "once", "twice"]),
        ("credit_card", ["Visa", "Mastercard"]),
        ("ip_rating", ["IP67", "IP68", "IP54"]),
        ("birthplace", ["Rome", "Oslo"]),
        ("market cap", ["10000", "20000"]),
    ],
)
def test_what_only_looks_like_it_is_nothing(name: str, values: list[str]) -> None:
    assert found(name, values) is None
