"""One table from Postgres to Postgres by dlt: the Arrow backend into CSV files that the loader
hands to COPY, which is the fastest of its common ways. Prints the seconds of the run alone."""

import os
import sys
import time

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"

import dlt
from dlt.sources.sql_database import sql_table

dsn, folder = sys.argv[1:]
table = sql_table(
    credentials=dsn, schema="bench", table="orders", backend="pyarrow", chunk_size=100_000
)
pipeline = dlt.pipeline(
    "bench",
    pipelines_dir=folder,
    destination=dlt.destinations.postgres(credentials=dsn),
    dataset_name="bench_dlt",
)
since = time.monotonic()
pipeline.run(table, table_name="orders", write_disposition="replace", loader_file_format="csv")
print(time.monotonic() - since)
