"""The core's database: tables, one file of queries per resource, migrations."""
