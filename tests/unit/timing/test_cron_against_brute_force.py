"""The fast search against a minute-by-minute reference, at the clock changes of odd zones."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.timing.brute_force import Expression, Part, reference
from tests.unit.timing.timings import at, between, between_backwards, cron

CHANGES = [
    ("Australia/Lord_Howe", "2017-10-01"),
    ("Australia/Lord_Howe", "2017-04-02"),
    ("Africa/Casablanca", "2021-04-11"),
    ("Africa/Casablanca", "2021-05-16"),
    ("Europe/Dublin", "2021-03-28"),
    ("Europe/Dublin", "2021-10-31"),
    ("Pacific/Apia", "2011-12-30"),
    ("Pacific/Apia", "2011-09-24"),
    ("America/Sao_Paulo", "2018-11-04"),
    ("America/Sao_Paulo", "2018-02-18"),
    ("Asia/Beirut", "2023-03-30"),
    ("Asia/Beirut", "2022-10-30"),
    ("America/Santiago", "2022-09-11"),
    ("America/Santiago", "2022-04-03"),
    ("America/St_Johns", "2010-03-14"),
    ("America/St_Johns", "2010-11-07"),
    ("America/Caracas", "2016-05-01"),
    ("Asia/Pyongyang", "2015-08-15"),
    ("Antarctica/Troll", "2024-03-31"),
    ("Antarctica/Troll", "2024-10-27"),
    ("Africa/Cairo", "2014-06-27"),
    ("America/Havana", "2024-11-03"),
    ("Asia/Gaza", "2023-04-29"),
    ("America/Boa_Vista", "2000-10-15"),
    ("Pacific/Kwajalein", "1993-08-21"),
    ("Asia/Kathmandu", "2024-02-29"),
]


@st.composite
def parts(draw: st.DrawFn, low: int, high: int, wrap_to: int) -> Part:
    shape = draw(st.sampled_from(["*", "*", "*/n", "list", "list", "range", "range/n", "wrap", "n/step"]))
    numbers = st.integers(low, high)
    step = draw(st.integers(1, (high - low + 1) // 2))
    first, last = sorted((draw(numbers), draw(numbers)))
    match shape:
        case "*":
            return Part("*", frozenset(range(low, high + 1)))
        case "*/n":
            return Part(f"*/{step}", frozenset(range(low, high + 1, step)))
        case "range":
            return Part(f"{first}-{last}", frozenset(range(first, last + 1)))
        case "range/n":
            return Part(f"{first}-{last}/{step}", frozenset(range(first, last + 1, step)))
        case "n/step":
            return Part(f"{first}/{step}", frozenset(range(first, high + 1, step)))
        case "wrap" if first < last and last <= wrap_to:
            return Part(f"{last}-{first}", frozenset([*range(last, high + 1), *range(low, first + 1)]))
        case _:
            chosen = draw(st.lists(numbers, min_size=1, max_size=4))
            return Part(",".join(str(number) for number in chosen), frozenset(chosen))


ANY_MONTH = Part("*", frozenset(range(1, 13)))
ANY_DAY = Part("*", frozenset(range(1, 32)))
ANY_WEEKDAY = Part("*", frozenset(range(7)))
EXPRESSIONS = st.builds(
    Expression,
    minute=parts(0, 59, 59),
    hour=st.one_of(parts(0, 23, 23), st.sampled_from([Part(str(h), frozenset([h])) for h in range(5)])),
    day=st.one_of(st.just(ANY_DAY), parts(1, 31, 31)),
    month=st.just(ANY_MONTH),
    weekday=st.one_of(st.just(ANY_WEEKDAY), parts(0, 6, 6)),
)
LATE = Expression(Part("*/30", frozenset([0, 30])), Part("1", frozenset([1])), ANY_DAY, ANY_MONTH, ANY_WEEKDAY)


@settings(max_examples=120, deadline=None)
@given(EXPRESSIONS, st.sampled_from(CHANGES), st.integers(0, 2 * 1440), st.integers(60, 2 * 1440))
@example(LATE, ("Europe/Dublin", "2021-10-31"), 1440, 1440)
def test_the_search_finds_what_looking_at_every_minute_finds(
    expression: Expression, change: tuple[str, str], before: int, length: int
) -> None:
    zone, day = change
    after = at(day) + timedelta(days=1) - timedelta(minutes=before)
    until = after + timedelta(minutes=length)
    rule = cron(expression.text, zone, created_at=at("1990-01-01"))
    expected = reference(expression, zone, after, until)
    assert between(rule, after, until) == expected
    assert between_backwards(rule, after, until) == expected
    assert rule.count(after, until) == len(expected)


@settings(max_examples=150, deadline=None)
@given(
    EXPRESSIONS,
    st.sampled_from(CHANGES),
    st.integers(0, 10 * 86_400),
    st.sampled_from([{}, {"gap": "skip"}, {"gap": "shift"}, {"overlap": "second"}, {"overlap": "both"}]),
)
def test_next_previous_and_count_agree_under_every_override(
    expression: Expression, change: tuple[str, str], seconds: int, dst: dict[str, str]
) -> None:
    zone, day = change
    rule = cron(expression.text, zone, created_at=at("1990-01-01"), dst=dst)
    after = at(day) - timedelta(days=5) + timedelta(seconds=seconds, microseconds=seconds % 3)
    following = rule.next_time(after)
    assert following is not None
    assert following > after
    assert rule.previous_time(following) == following
    assert rule.count(after, following) == 1
    earlier = rule.previous_time(after)
    assert earlier is not None
    assert earlier <= after
    assert rule.next_time(earlier) == following
