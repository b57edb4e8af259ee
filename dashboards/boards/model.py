"""One read model by itself."""

from .grid import (ONE_MODEL, bars, board, graph, mean, most, number, of, quantile, rate, row, total, variable)

ROLLUP = variable("rollup", "Roll-up", 'label_values(readmill_rollup_count{model=~"$model"}, rollup)')


def shown(metric):
    return most(metric, "rollup, group", 'rollup=~"$rollup"')


BOARD = board(
    "readmill-model", "Readmill: one model",
    "One read model: its records, its documents, its hot keys, and the roll-ups that it shows.",
    [ONE_MODEL, ROLLUP],
    row(
        "$model",
        number("Generation", "The one that readers see.", "none", (most("readmill_live_generation"), "generation"), w=4),
        number("Behind the log", "Records beyond what is settled.", "short", (total("readmill_lag_records"), "records"), w=4, runbook="LagGrowing"),
        number("Oldest in hand", "For how long the oldest record has been in the log that is polled and not settled.", "s",
               (most("readmill_lag_seconds"), "oldest"), w=4, runbook="LagGrowing"),
        number("Held", "Records that could not be folded.", "none", (most("readmill_held_records"), "held"), w=4, limits=(1, 100), runbook="AnyHeld"),
        number("Waiting", "Records that came before what they need.", "none", (total("readmill_waiting"), "waiting"), w=4, runbook="WaitingLong"),
        number("Hottest key", "Of the records that came lately, at most so many were for one key. GET /hot/$model says which.", "percent",
               (most("readmill_hottest_key_share_percent"), "share"), w=4, limits=(20, 50)),
    ),
    row(
        "Records",
        graph("Consumed", "Records taken in and settled, by topic.", "cps", (rate("readmill_consumed_total", "topic"), "{{topic}}")),
        graph("Ended, by outcome", "What became of them.", "cps", (rate("readmill_ended_total", "outcome"), "{{outcome}}")),
        graph("Freshness", "From the source's commit to the durable document.", "s",
              (quantile(0.5, "readmill_freshness_seconds"), "p50"), (quantile(0.99, "readmill_freshness_seconds"), "p99"), runbook="StaleFreshness"),
        graph("Batch size", "Records that go through the river together.", "none",
              (mean("readmill_batch_records"), "mean"), (quantile(0.99, "readmill_batch_records"), "p99")),
        graph("Time in a station, mean", "Of batches, or of sampled records.", "s",
              (mean("readmill_station_seconds", "station"), "{{station}}")),
        graph("Hottest key", "Its share of the records that came lately.", "percent",
              (most("readmill_hottest_key_share_percent", "instance"), "{{instance}}")),
    ),
    row(
        "Documents",
        graph("Written", "Documents, partial groups of roll-ups, copies told, reactions.", "wps",
              (rate("readmill_written_total"), "documents"), (rate("readmill_partials_written_total"), "partial groups"),
              (rate("readmill_embedded_total"), "embedded copies"), (rate("readmill_said_total"), "reactions"),
              (rate("readmill_tombstones_total"), "tombstones")),
        graph("Saved", "Writes that coalescing saved.", "wps", (rate("readmill_saved_writes_total"), "writes")),
        graph("Bytes saved", "That need not be written or read; estimated.", "Bps", (rate("readmill_saved_bytes_total", "by"), "{{by}}")),
    ),
    row(
        "Roll-ups",
        bars("Now, by group", "Contributions in each group.", "none", (shown("readmill_rollup_count"), "{{rollup}} {{group}}"), w=6),
        graph("Over time, by group", "Contributions in each group.", "none", (shown("readmill_rollup_count"), "{{rollup}} {{group}}"), w=6),
        graph("Sums, by group", "The sums of their values.", "none", (shown("readmill_rollup_sum"), "{{rollup}} {{group}}"), w=6),
        number("Too many groups", "Roll-ups of rollup_gauges that have too many groups to be shown.", "none",
               (f"sum(max by (rollup) ({of('readmill_rollup_too_large')}))", "too large"), w=6, limits=(1,)),
    ),
)
