"""Which period an audit is about, by the clock and the operator's wish."""

import datetime as dt

import pytest
from oslo_config import cfg

from minova.conf import default
from minova.model import audit_period

NOW = dt.datetime(2026, 3, 31, 17, 45, 10)
# Unit, and the period that was over at NOW.
OVER = {
    "hour": ("2026-03-31 16:00", "2026-03-31 17:00"),
    "hour@30": ("2026-03-31 16:30", "2026-03-31 17:30"),
    "hour@50": ("2026-03-31 15:50", "2026-03-31 16:50"),
    "day": ("2026-03-30 00:00", "2026-03-31 00:00"),
    "day@18": ("2026-03-29 18:00", "2026-03-30 18:00"),
    "month": ("2026-02-01 00:00", "2026-03-01 00:00"),
    "month@15": ("2026-02-15 00:00", "2026-03-15 00:00"),
    "year": ("2025-01-01 00:00", "2026-01-01 00:00"),
    "year@3": ("2025-03-01 00:00", "2026-03-01 00:00"),
    "year@6": ("2024-06-01 00:00", "2025-06-01 00:00"),
}


@pytest.mark.parametrize("unit", OVER)
def test_the_last_period_that_is_over(unit: str) -> None:
    begin, end = audit_period.completed(unit, NOW)
    assert (f"{begin:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}") == OVER[unit]
    assert audit_period.current(unit, NOW) == (end, NOW)
    # At the moment it ends, it has not ended yet; the one before it has.
    assert audit_period.completed(unit, end)[1] == begin
    assert audit_period.completed(unit, end + dt.timedelta(seconds=1)) == (begin, end)


@pytest.mark.parametrize("unit", ["", "week", "hour@60", "day@24", "month@29", "year@13", "day@x"])
def test_no_other_period_can_be_configured(unit: str) -> None:
    option = next(o for o in default.OPTIONS["DEFAULT"] if o.name.endswith("audit_period"))
    conf = cfg.ConfigOpts()
    conf.register_opt(option)
    conf([])
    with pytest.raises(ValueError):
        conf.set_override(option.name, unit)
    for right in OVER:
        conf.set_override(option.name, right)
