"""A second opinion on plain expressions in UTC, where the two dialects mean the same."""

from __future__ import annotations

from datetime import UTC, datetime

from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.timing.timings import cron


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    some = st.lists(number, min_size=1, max_size=3, unique=True).map(lambda values: ",".join(map(str, sorted(values))))
    # croniter 7 reads a range of one, such as 38-38, as the whole field.
    span = (
        st.tuples(number, number).filter(lambda ends: ends[0] != ends[1]).map(lambda ends: f"{min(ends)}-{max(ends)}")
    )
    step = st.integers(1, high - low).map(lambda every: f"*/{every}")
    return st.one_of(st.just("*"), some, span, step)


# Only one of the two day fields is restricted: where both are, croniter always takes either, we follow Debian.
_days = st.one_of(
    st.tuples(_field(1, 28), st.just("*")),
    st.tuples(st.just("*"), _field(0, 6)),
)
_expressions = st.builds(
    lambda minute, hour, days, month: f"{minute} {hour} {days[0]} {month} {days[1]}",
    _field(0, 59), _field(0, 23), _days, _field(1, 12),
)  # fmt: skip
_instants = st.integers(1_577_836_800, 2_051_222_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@settings(max_examples=150, deadline=None)
@given(_expressions, _instants)
def test_the_next_three_times_are_those_of_croniter(expression: str, after: datetime) -> None:
    ours = cron(expression)
    theirs = croniter(expression, after)
    found = after
    for _ in range(3):
        expected: datetime = theirs.get_next(datetime)  # type: ignore[no-untyped-call]
        following = ours.next_time(found)
        assert following is not None
        assert following == expected
        found = following
