"""Column types that mean the same on SQLite, MariaDB and PostgreSQL."""

import datetime as dt
import functools
import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from minova.common import wire

# What json.loads does at the end, without its search for blanks around: we wrote the text.
_decode = json.JSONDecoder().raw_decode


class UTCDateTime(sa.types.TypeDecorator[dt.datetime]):
    """Aware UTC datetimes with microseconds; stored naive."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(sa.DateTime())

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> Any:
        return None if value is None else value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> dt.datetime | None:
        return None if value is None else value.replace(tzinfo=dt.UTC)


class Json(sa.types.TypeDecorator[Any]):
    """Anything `wire.dump` takes, as text."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.MEDIUMTEXT())
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps(wire.dump(value))

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        plain, _ = _decode(value)
        # Most values have no record in them, and are what `load` would make of them.
        return wire.load(plain) if wire.TAG in value else plain


class SharedJson(Json):
    """Json that many rows have in common, decoded once: what comes out is never changed."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else _decoded(value)


@functools.lru_cache(maxsize=512)
def _decoded(text: str) -> Any:
    return wire.load(_decode(text)[0])
