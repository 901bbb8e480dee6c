"""Periods of the usage audit: hours, days, months or years, with an offset if so configured.

`month@15` begins on the 15th, `day@18` at 18:00, `hour@30` half past, `year@3`
on the first of March. All times are UTC.
"""

import datetime as dt
from collections.abc import Callable

Period = tuple[dt.datetime, dt.datetime]


def completed(unit: str, before: dt.datetime) -> Period:
    """The last period that had ended before `before`: its beginning and its end."""
    name, _, offset = unit.partition("@")
    begin, previous = _UNITS[name]
    end = begin(before, int(offset) if offset else None)
    if end >= before:
        end = previous(end)
    return previous(end), end


def current(unit: str, now: dt.datetime) -> Period:
    """The period that is under way: from its beginning until now."""
    return completed(unit, now)[1], now


def _hour(moment: dt.datetime, minute: int | None) -> dt.datetime:
    return moment.replace(minute=minute or 0, second=0, microsecond=0)


def _day(moment: dt.datetime, hour: int | None) -> dt.datetime:
    return _hour(moment, None).replace(hour=hour or 0)


def _month(moment: dt.datetime, day: int | None) -> dt.datetime:
    return _day(moment, None).replace(day=day or 1)


def _year(moment: dt.datetime, month: int | None) -> dt.datetime:
    return _month(moment, None).replace(month=month or 1)


def _month_before(begin: dt.datetime) -> dt.datetime:
    return (begin.replace(day=1) - dt.timedelta(days=1)).replace(day=begin.day)


_Begin = Callable[[dt.datetime, int | None], dt.datetime]
_UNITS: dict[str, tuple[_Begin, Callable[[dt.datetime], dt.datetime]]] = {
    "hour": (_hour, lambda begin: begin - dt.timedelta(hours=1)),
    "day": (_day, lambda begin: begin - dt.timedelta(days=1)),
    "month": (_month, _month_before),
    "year": (_year, lambda begin: begin.replace(year=begin.year - 1)),
}
