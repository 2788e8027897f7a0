#!/bin/sh
# Gets today's exchange rates from a service that is never ready at the first call of a run, which
# is how the second attempt of this node comes about. The marker carries the run's id, so that every
# run sees the same.
set -eu
mkdir -p out
marker="out/.called-${FLOWGLASS_RUN_ID:-by-hand}"
if [ ! -e "$marker" ]; then
    : >"$marker"
    echo "the rates service is not ready yet" >&2
    exit 75 # EX_TEMPFAIL
fi
rm "$marker"
cp data/rates.csv out/rates.csv.new
mv out/rates.csv.new out/rates.csv
rates=$(($(wc -l <out/rates.csv) - 1))
echo "got $rates rates"
# Two lines make any script observable: what it counted goes into the run's events and metrics.
if [ -n "${FLOWGLASS_EVENTS:-}" ]; then
    printf '{"counts":{"extracted":%d}}\n' "$rates" >"$FLOWGLASS_EVENTS"
fi
