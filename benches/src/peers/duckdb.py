"""One statement by DuckDB. Prints the seconds of the statement alone, and its first row if asked."""

import sys
import time

import duckdb

statement = sys.argv[1]
duckdb.execute("SET enable_progress_bar = false")
since = time.monotonic()
rows = duckdb.execute(statement).fetchall()
seconds = time.monotonic() - since
print(rows[0] if "--row" in sys.argv else seconds)
