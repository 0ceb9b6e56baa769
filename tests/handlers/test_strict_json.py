"""JSON that means one thing only."""

import contextlib
import json
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Fault, InvalidError
from shared.strict_json import Json, parse, parse_object, render

DIGITS = st.decimals(allow_nan=False, allow_infinity=False, places=None, min_value=Decimal("-1e37"), max_value=Decimal("1e37"))
KEPT = DIGITS.filter(lambda number: len(number.as_tuple().digits) <= 38 and number.adjusted() >= -130)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | KEPT | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT.filter(bool), inner, max_size=4),
    max_leaves=12,
)


def refusal(raw: bytes | str) -> InvalidError:
    with pytest.raises(InvalidError) as caught:
        parse(raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass"))
    return caught.value


@given(document=DOCUMENTS)
def test_a_document_survives_being_written_and_read(document: Json) -> None:
    assert parse(render(document).encode()) == document


@given(document=DOCUMENTS)
def test_what_is_written_is_json_to_others_too(document: Json) -> None:
    assert json.loads(render(document), parse_float=Decimal, parse_int=Decimal) == document


@given(number=KEPT)
def test_a_number_keeps_its_value_and_has_one_form(number: Decimal) -> None:
    again = parse(str(number).encode())
    assert again == number
    assert render(again) == render(parse(render(again).encode()))


@given(raw=st.binary() | st.text().map(str.encode))
def test_no_bytes_make_it_fail_in_another_way(raw: bytes) -> None:
    with contextlib.suppress(InvalidError):
        assert isinstance(render(parse(raw)), str)


def test_equal_documents_have_equal_texts_whatever_the_order_of_their_names() -> None:
    assert render(parse(b'{"b": 1.0, "a": [1e2]}')) == render(parse(b'{"a":[100],"b":1}')) == '{"a":[100],"b":1}'


@pytest.mark.parametrize("raw", ['{"a": ', "{'a': 1}", "", "nul", '{"a": 1,}', "[1] [2]", '"\t"', "\ufeff{}", '"abc', "01"])
def test_what_is_not_json_is_refused_with_its_place(raw: str) -> None:
    assert refusal(raw).detail.startswith("The JSON is broken at line 1, column ")


@pytest.mark.parametrize("raw", [b"\xff{}", '"ö"'.encode("latin-1"), "{}".encode("utf-16"), '"\ud800"'])
def test_what_is_not_utf_8_is_refused(raw: bytes | str) -> None:
    assert refusal(raw).detail == "The JSON is not UTF-8."


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_in_json_is_refused_with_its_place(name: str) -> None:
    assert refusal(f'{{"a": [1, {name}]}}').faults == (Fault("/a/1", "is not a number in JSON"),)


@pytest.mark.parametrize(
    "digits", ["1" * 39, "9" * 5000, "-" + "9" * 5000, "0." + "1" * 39, "1e126", "1e-131", "1e999999999999999999999"]
)
def test_a_number_that_would_be_rounded_is_refused_with_its_place(digits: str) -> None:
    message = "has more than 38 significant digits, or is not between 1E-130 and 9.99E+125"
    assert refusal(f'{{"a": {digits}}}').faults == (Fault("/a", message),)


@pytest.mark.parametrize(
    ("digits", "shown"),
    [
        ("9" * 38, "9" * 38),
        ("1" + "0" * 125, "1E+125"),
        ("1e-130", "1E-130"),
        ("0e999", "0"),
        ("-0.0", "0"),
        ("1.10", "1.1"),
        ("1e20", "100000000000000000000"),
        ("0.0000001", "0.0000001"),
        ("12345678901234567890123456789.123456789", "12345678901234567890123456789.123456789"),
    ],
)
def test_a_number_that_can_be_kept_is_kept_exactly(digits: str, shown: str) -> None:
    assert render(parse(digits.encode())) == shown


def test_a_name_that_comes_twice_is_refused_with_its_place() -> None:
    assert refusal('{"a": {"role": "user", "role": "admin"}}').faults == (Fault("/a", "has the same name twice"),)


@pytest.mark.parametrize(r"escaped", [r"\ud800", r"\udc00", r"\ude00\ud83d", r"\u0000"])
def test_nul_and_half_a_surrogate_pair_are_refused_with_their_place(escaped: str) -> None:
    assert refusal(f'{{"a": ["x{escaped}"]}}').faults == (Fault("/a/0", "has a NUL or half a surrogate pair"),)
    assert refusal(f'{{"x{escaped}": 1}}').faults[0].message == "has a name with a NUL or half a surrogate pair"


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert parse(rb'"\ud83d\ude00"') == "\U0001f600"


@pytest.mark.parametrize("name", ["", "x" * 65536])
def test_a_name_that_no_attribute_can_have_is_refused(name: str) -> None:
    assert refusal(json.dumps({name: 1})).faults[0].message == "has a name that is not 1 to 65535 bytes long"


@pytest.mark.parametrize("raw", ["[" * 33 + "]" * 33, "[" * 5_000 + "]" * 5_000, "[" * 100_000, '{"a":' * 5_000, "[{" * 50_000])
def test_deep_nesting_is_refused_at_once(raw: str) -> None:
    before = time.perf_counter()
    assert refusal(raw).detail == "The JSON is nested deeper than 32 levels."
    assert time.perf_counter() - before < 1


def test_brackets_in_texts_are_not_nesting() -> None:
    text = "[" * 100 + '\\"{' * 100
    assert parse(json.dumps([text]).encode()) == [text]
    assert parse(b"[" * 32 + b"]" * 32)


@pytest.mark.parametrize("raw", ['"' + r"\"" * 130_000, '"' + "\\" * 260_001, '"\\"' * 87_000, "{" + '"' * 260_000])
def test_texts_without_an_end_take_no_longer_than_others(raw: str) -> None:
    before = time.perf_counter()
    assert refusal(raw).detail.startswith("The JSON is broken")
    assert time.perf_counter() - before < 1


def test_all_places_are_listed_up_to_a_hundred() -> None:
    assert [fault.pointer for fault in refusal('{"a": NaN, "b": ["\\u0000", 1e999]}').faults] == ["/a", "/b/0", "/b/1"]
    assert len(refusal("[" + "NaN," * 500 + "1]").faults) == 100


@pytest.mark.parametrize("raw", ["[]", '"a"', "1", "null"])
def test_what_must_be_an_object_and_is_none_is_refused(raw: str) -> None:
    with pytest.raises(InvalidError, match=r"^The body must be a JSON object\.$"):
        parse_object(raw)


def test_an_object_may_be_nested_no_deeper_than_it_is_said() -> None:
    assert parse_object('{"a": {}}', 2) == {"a": {}}
    with pytest.raises(InvalidError, match="nested deeper than 1 levels"):
        parse_object('{"a": {}}', 1)


def test_a_text_is_read_as_its_bytes_are() -> None:
    assert parse('{"ä": 1.50}') == parse('{"ä": 1.50}'.encode())
    with pytest.raises(InvalidError, match=r"^The JSON is not UTF-8\.$"):
        parse('"\ud800"')


def test_what_json_has_no_form_for_is_an_error() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        render({"a": b"bytes"})
