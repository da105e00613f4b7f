"""Texts that match a regular expression."""

from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError

from shipper.core.pattern import Pattern


class Named(BaseModel):
    """A short name, and part of an address where there is one."""

    name: Annotated[str, Field(max_length=5), Pattern("^[a-z]+$")] = "a"
    address: Annotated[str, Pattern("^https?://")] | None = None


@pytest.mark.parametrize(
    "given", [{"name": "abc"}, {"address": "http://x"}, {"address": "https://\n"}, {"address": None}]
)
def test_what_matches_is_taken_as_it_is(given: dict[str, str | None]) -> None:
    assert Named.model_validate(given).model_dump(exclude_unset=True) == given


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"name": ""}, "string_pattern_mismatch"),
        ({"name": "abc\n"}, "string_pattern_mismatch"),
        ({"name": "aBc"}, "string_pattern_mismatch"),
        ({"name": "abcdef"}, "string_too_long"),
        ({"name": 5}, "string_type"),
        ({"address": "ftp://x"}, "string_pattern_mismatch"),
        ({"address": "\nhttp://x"}, "string_pattern_mismatch"),
    ],
)
def test_what_does_not_is_refused_as_by_pydantics_own_pattern(given: dict[str, object], kind: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Named.model_validate(given)
    [error] = refused.value.errors(include_url=False)
    assert error["type"] == kind
    if kind == "string_pattern_mismatch":
        pattern = "^https?://" if "address" in given else "^[a-z]+$"
        assert error["ctx"] == {"pattern": pattern}
        assert error["msg"] == f"String should match pattern '{pattern}'"


def test_editors_are_told() -> None:
    shown = Named.model_json_schema()["properties"]
    assert shown["name"] == {
        "default": "a", "maxLength": 5, "pattern": "^[a-z]+$", "title": "Name", "type": "string"
    }  # fmt: skip
    assert shown["address"]["anyOf"] == [{"pattern": "^https?://", "type": "string"}, {"type": "null"}]


def test_a_dollar_of_the_text_itself_is_no_end() -> None:
    class Priced(BaseModel):
        price: Annotated[str, Pattern(r"^\d+\$")]

    assert Priced(price="5$ or so").price == "5$ or so"
