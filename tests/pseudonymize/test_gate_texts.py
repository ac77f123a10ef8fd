"""What the scan of the release gate finds in a text, and what it leaves alone."""

from __future__ import annotations

import polars as pl
import pytest
from stdnum import ean, luhn

from pseudonymize.gate.canaries import Canaries
from pseudonymize.gate.text_scan import traces_in
from pseudonymize.gate.traces import Trace, rules

PLAIN = rules((), ())


def found(
    text: str, *, codes: bool = False, regions: tuple[str, ...] = (), schemes: tuple[str, ...] = ()
) -> set[Trace]:
    held = traces_in(pl.Series([text, None]), rules(regions, schemes), codes=codes)
    assert not any(mask[1] for mask in held.values())
    return {trace for trace, mask in held.items() if mask[0]}


@pytest.mark.parametrize(
    ("text", "trace"),
    [
        ("write to Ada.Canary+offers@mail.canary.example, please", Trace.EMAIL),
        ("\uff41\uff44\uff41\uff20canary.example", Trace.EMAIL),
        ("ada@canary\u200b.example", Trace.EMAIL),
        ("ada@localhost", Trace.EMAIL),
        ("地址 用户@例子.广告", Trace.EMAIL),
        ("+44 20 7946 0001", Trace.PHONE),
        ("0044 (20) 7946-0001", Trace.PHONE),
        ("call (212) 555-0100 now", Trace.PHONE),
        ("Tel. 0171/5550123", Trace.PHONE),
        ("4111111111111111", Trace.CARD),
        ("card: 5500-0000-0000-0004.", Trace.CARD),
        ("3400 0000 0000 009", Trace.CARD),
        ("iban gb82west12345698765432", Trace.IBAN),
        ("DE89 3704 0044 0532 0130 00 for Ada", Trace.IBAN),
        ("123-45-6789", Trace.NATIONAL_ID),
        ("nino AB 12 34 56 C", Trace.NATIONAL_ID),
        ("RSSMRA85T10A562S", Trace.NATIONAL_ID),
        ("12345678Z", Trace.NATIONAL_ID),
        ("from 10.0.0.1:8080", Trace.IP),
        ("fe80::1ff:fe23:4567:890a", Trace.IP),
        ("\u756a\u53f7\u306f4111111111111111\u3067\u3059", Trace.CARD),
        ("(813)218-6091x39099", Trace.PHONE),
        ("+44 (0)20 7946 0001", Trace.PHONE),
    ],
)
def test_what_gives_a_person_away_is_found(text: str, trace: Trace) -> None:
    assert trace in found(text)
    assert trace in found(f"about {text} again")


@pytest.mark.parametrize(
    "text",
    [
        "Milk 2@5.99",
        "5901234123457",
        "26-51380041013",
        "COCA-COLA 12/12 OZ",
        "std::vector",
        "12:30:45",
        "release 1.2.3.4.5",
        "999.999.999.999",
        "GB82 WEST 1234 5698 7654 33",
        "4111 1111 1111 1112",
        "2 x 500 g, 100-200",
        "12345678A",
        "2017-01-01 to 2017-12-31",
        "",
    ],
)
def test_what_says_nothing_of_a_person_passes(text: str) -> None:
    assert found(text, codes=True) == set()


def test_a_national_number_of_a_named_region_or_scheme_is_found_in_any_writing() -> None:
    assert found("ring 02079460001") == set()
    assert found("ring 02079460001", regions=("GB",)) == {Trace.PHONE}
    assert found("number 9434765919") == set()
    assert found("number 9434765919", schemes=("gb.nhs",)) == {Trace.NATIONAL_ID}
    assert found("number 9434765918", schemes=("gb.nhs",)) == set()


def test_digits_of_any_script_are_digits() -> None:
    assert found("ফোন +৮৮০ ১৭১২ ৩৪৫৬৭৮") == {Trace.PHONE}
    assert found("رقم ٤١١١١١١١١١١١١١١١") == {Trace.CARD}


def test_an_item_number_is_no_telephone_number_but_may_be_a_card() -> None:
    assert found("02079460001", regions=("GB",), codes=True) == set()
    assert found("02079460001", regions=("GB",)) == {Trace.PHONE}
    assert found("4111111111111111", codes=True) == {Trace.CARD}


def held(canaries: Canaries, *texts: str | None, allowed: tuple[str, ...] = ()) -> list[bool]:
    return canaries.standing_in(pl.Series(texts, dtype=pl.String), allowed=allowed).to_list()


def test_names_of_the_raw_files_are_found_as_words_however_they_are_written() -> None:
    canaries = Canaries()
    canaries.add(pl.DataFrame({"name": ["Ada Canary", "Zoë Müller-Nest", None], "card": [98400017, 1, 2]}))
    canaries.add(pl.DataFrame({"card": ["9840000000000017", "31", ""]}))
    assert (
        held(canaries, "cake for ADA  CANARY!", "Canary, Ada", "zoë müller nest's", "9840000000000017.") == [True] * 4
    )
    assert held(canaries, "ada", "Canaryada", "Adaland canary", "31", "", None, "98400017") == [False] * 7
    assert held(canaries, "Ada Canary cakes", allowed=("ada canary",)) == [False]


def test_first_and_last_names_in_columns_of_their_own_are_put_together() -> None:
    canaries = Canaries()
    canaries.add(pl.DataFrame({"first": ["Rose", "Jack"], "last": ["Baker", "Daniels"]}))
    assert held(canaries, "Rose wine", "by Rose Baker", "baker rose", "Jack Baker", "Jack Daniels") == [
        False, True, True, False, True
    ]  # fmt: skip


def test_names_are_put_together_row_by_row_whoever_else_is_in_the_file() -> None:
    canaries = Canaries()
    canaries.add(
        pl.DataFrame({"first": ["Anna", "Jan", "María José"], "last": ["Schmidt", "van Dijk", "López García"]})
    )
    assert held(canaries, "for Anna Schmidt", "van Dijk, Jan", "para María José López García!") == [True] * 3
    assert held(canaries, "Anna", "Jan Schmidt", "José García") == [False] * 3


def test_a_name_is_found_in_a_file_with_many_other_columns() -> None:
    canaries = Canaries()
    row = {"salutation": "Ms", "email": "anna@shop.example", "street": "High Street", "city": "Bath", "country": "UK"}
    row |= {"company": "Acme Ltd", "first": "Anna", "last": "Schmidt", "phone": "12 34 56 78"}
    canaries.add(pl.DataFrame({name: [cell] for name, cell in row.items()}))
    assert held(canaries, "cake for Anna Schmidt", "Schmidt (Anna)") == [True] * 2
    assert held(canaries, "12345678", "order 1 2345678", "Anna Shop") == [False] * 3  # numbers that short are items'


def test_accents_initials_and_the_grouping_of_digits_hide_nobody() -> None:
    canaries = Canaries()
    canaries.add(
        pl.DataFrame({"name": ["Zoë Müller", "Ada M. Canary"], "phone": ["+44 20 7946 0001", "(020) 7946-0002"]})
    )
    assert held(canaries, "ZOE MULLER", "Ada Canary", "canary m ada") == [True] * 3
    assert held(canaries, "ring 442079460001", "44 2079 460001", "02079460002", "020 7946 0002") == [True] * 4
    assert held(canaries, "20 7946 0001 0", "4420794600011", "Ada M", "M Canary") == [False] * 4


def test_without_canaries_nothing_is_a_name() -> None:
    assert held(Canaries(), "Ada Canary", None) == [False, False]
    nothing = Canaries()
    nothing.add(pl.DataFrame({"name": [None, ""]}, schema={"name": pl.String}))
    assert held(nothing, "Ada Canary", "", None) == [False] * 3


def test_a_telephone_number_is_found_however_it_is_dialled() -> None:
    canaries = Canaries()
    canaries.add(pl.DataFrame({"phone": ["+44 20 7946 0001", "0033 (0)6 12 34 56 78", "+49-30-901820", None]}))
    assert (
        held(canaries, "020 7946 0001", "call 02079460001!", "442079460001", "(020) 7946-0001", "06 12 34 56 78")
        == [True] * 5
    )
    assert held(canaries, "020 7946 0002", "2079460001", "7946 0001", "030901820", "20 7946") == [False] * 5


@pytest.mark.parametrize(
    ("text", "trace"),
    [
        ("RRN 971013-9019902", Trace.NATIONAL_ID),
        ("CURP BOXW310820HNERXN09.", Trace.NATIONAL_ID),
        ("85.07.30-033.28", Trace.NATIONAL_ID),
        ("card 4280404227740", Trace.CARD),
        ("Maestro 6762 6681 3861", Trace.CARD),
        ("ES77 1234-1234-16 1234567890", Trace.IBAN),
        ("BE32 123-4567890-02", Trace.IBAN),
    ],
)
def test_shorter_cards_and_further_countries(text: str, trace: Trace) -> None:
    assert found(text) == {trace}


def test_a_barcode_that_passes_for_an_old_card_is_a_barcode() -> None:
    numbers = (f"{number}{ean.calc_check_digit(str(number))}" for number in range(400638133390, 400638133500))
    barcode = next(number for number in numbers if luhn.is_valid(number))
    assert found(barcode) == found(f"EAN {barcode} was out of stock") == set()
    assert found(f"{barcode[:4]} {barcode[4:]}") == {Trace.CARD}
