"""Public holidays by country and region; the one home of the ``holidays`` package."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from alicia_scheduler.core.timing.errors import InvalidSchedule


@lru_cache(maxsize=512)
def holidays_of(country: str, subdivision: str | None, year: int) -> frozenset[date]:
    """Return the public holidays of one year.

    Raises:
        InvalidSchedule: the country or its part has no holiday calendar.
    """
    import holidays  # takes a tenth of a second, which only those who exclude holidays should wait

    try:
        found = holidays.country_holidays(country, subdiv=subdivision, years=year)
    except NotImplementedError:
        place = country if subdivision is None else f"{country}, part {subdivision}"
        raise InvalidSchedule("exclude", f"no holiday calendar for {place}") from None
    return frozenset(found)
