"""The search phrase: which events it finds."""

from datetime import UTC, datetime

import pytest

from shipper.simulator.phrase import PhraseError, parse, rewrite


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


MOMENT = ms("2026-03-14T12:00:00")


@pytest.mark.parametrize(
    ("phrase", "time", "found"),
    [
        ("created:>=2026-03-14T12:00:00+00:00", MOMENT, True),
        ("created:>=2026-03-14T12:00:00+00:00", MOMENT - 1, False),
        ("created:>=2026-03-14T12:00:00Z", MOMENT, True),
        ("created:>=2026-03-14T12:00:00", MOMENT, True),
        ("created:>=2026-03-14T14:00:00+02:00", MOMENT, True),
        ("created:>=2026-03-14T14:00:00+02:00", MOMENT - 1, False),
        ("created:>=2026-03-14T05:00:00-07:00", MOMENT - 1, False),
        ("created:>2026-03-14T12:00:00Z", MOMENT + 999, False),
        ("created:>2026-03-14T12:00:00Z", MOMENT + 1000, True),
        ("created:<2026-03-14T12:00:00Z", MOMENT - 1, True),
        ("created:<2026-03-14T12:00:00Z", MOMENT, False),
        ("created:<=2026-03-14T12:00:00Z", MOMENT + 999, True),
        ("created:<=2026-03-14T12:00:00Z", MOMENT + 1000, False),
        ("created:2026-03-14", MOMENT, True),
        ("created:2026-03-13", MOMENT, False),
        ("created:>2026-03-13", MOMENT, True),
        ("created:>2026-03-14", MOMENT, False),
        ("created:<=2026-03-14", MOMENT, True),
        ("created:2026-03-13..2026-03-14", MOMENT, True),
        ("created:2026-03-10..2026-03-13", MOMENT, False),
        ("created:2026-03-14T11:00:00Z..2026-03-14T12:00:00Z", MOMENT, True),
        ("created:*..2026-03-14", MOMENT, True),
        ("created:2026-03-15..*", MOMENT, False),
        ("created:>=2026-03-14T11:00:00Z created:<2026-03-14T12:00:00Z", MOMENT, False),
        ("", MOMENT, True),
    ],
)
def test_times_are_compared_by_whole_seconds_days_and_offsets(phrase, time, found):
    assert parse(phrase).holds(time, dict) is found


@pytest.mark.parametrize(
    "phrase",
    ["created:=>2026-03-14", "created:>=yesterday", "created:>=2026-03-14T12:00:00.123Z", "created:2026-13-01"],
)
def test_an_unreadable_time_is_refused(phrase):
    with pytest.raises(PhraseError):
        parse(phrase)


EVENT = {
    "action": "repo.create",
    "actor": "Amber-Heron",
    "org": ["acme-corp", "tidewatch"],
    "actor_location": {"country_code": "NL"},
}


@pytest.mark.parametrize(
    ("phrase", "found"),
    [
        ("action:repo.create", True),
        ("action:repo", True),
        ("action:rep", False),
        ("action:repo.create action:repo.destroy", False),
        ("action:repo.create OR action:repo.destroy", True),
        ("action:hook AND actor:amber-heron", False),
        ("-action:repo.create", False),
        ("-actor:somebody", True),
        ('actor:"amber-heron"', True),
        ("org:tidewatch", True),
        ("country:NL", True),
        ("repo:acme-corp/website", False),
        ("2026 00:00", False),
    ],
)
def test_terms_are_all_needed_unless_or_is_written(phrase, found):
    assert parse(phrase).holds(MOMENT, lambda: EVENT) is found


def test_an_offset_whose_plus_became_a_space_finds_nothing():
    assert not parse("created:>=2026-03-14T12:00:00 00:00").holds(MOMENT + 5000, lambda: EVENT)


def test_bounds_cover_every_alternative():
    phrase = parse("created:2026-03-14 OR created:2026-03-01")
    assert (phrase.since, phrase.until) == (ms("2026-03-01"), ms("2026-03-15"))


def test_a_rewritten_phrase_means_the_same():
    assert (
        rewrite("created:>=2026-03-14T12:00:00+00:00 action:repo") == "created:>=2026-03-14T12:00:00Z action:repo"
    )
