"""Documents, their stores, mirrors and reactions."""

from .grid import MODELS, RATE, board, graph, of, quantile, rate, row, total

HITS, LOADS = rate("readmill_cache_hits_total"), rate("readmill_loaded_total")

BOARD = board(
    "readmill-stores", "Readmill: stores",
    "How long stores, mirrors and topics take, what they refuse, and what is saved.",
    [MODELS],
    row(
        "Calls",
        graph("Time of calls, p50", "load and put: documents; hold: held records; show: a mirror; say: reactions.", "s",
              (quantile(0.5, "readmill_store_seconds", "model, call"), "{{model}} {{call}}")),
        graph("Time of calls, p99", "Failed calls are among them.", "s",
              (quantile(0.99, "readmill_store_seconds", "model, call"), "{{model}} {{call}}"), runbook="StaleFreshness"),
        graph("Calls", "A second.", "ops", (rate("readmill_store_seconds_count", "model, call"), "{{model}} {{call}}")),
        graph("Tried again", "After a transient fault.", "ops", (rate("readmill_retries_total"), "{{model}}"), runbook="RetriesRising"),
        graph("Conflicts", "Writes refused because another writer came first, or left unsure.", "ops", (rate("readmill_conflicts_total"), "{{model}}")),
        graph("Store rolled back", "Partitions begun anew because the store had lost acknowledged writes.", "none",
              (f"sum by (model) (increase({of('readmill_store_rolled_back_total')}[{RATE}]))", "{{model}}")),
    ),
    row(
        "Documents",
        graph("Written", "By compare-and-set.", "wps", (rate("readmill_written_total"), "{{model}}")),
        graph("Loaded", "From the store, since they were not in the cache.", "ops", (LOADS, "{{model}}")),
        graph("Cache hit share", "Of the documents that were needed.", "percentunit", (f"{HITS} / ({HITS} + {LOADS})", "{{model}}")),
        graph("Coalescing", "Events for one written document.", "none",
              (f"1 + {rate('readmill_saved_writes_total')} / {rate('readmill_written_total')}", "{{model}}")),
        graph("Bytes saved", "That need not be written or read; estimated.", "Bps", (rate("readmill_saved_bytes_total", "model, by"), "{{model}} {{by}}")),
        graph("Tombstones", "Documents that ended.", "ops", (rate("readmill_tombstones_total"), "{{model}}")),
    ),
    row(
        "What follows",
        graph("Partial groups written", "Of roll-ups.", "wps", (rate("readmill_partials_written_total"), "{{model}}")),
        graph("Embedded copies told", "Of changes in what they embed.", "ops", (rate("readmill_embedded_total"), "{{model}}")),
        graph("Reactions sent", "Repeats included.", "ops", (rate("readmill_said_total"), "{{model}}")),
    ),
    row(
        "Mirrors",
        graph("Views healed", "Shown again, and taken out since no document explained them.", "ops",
              (rate("readmill_mirror_healed_total"), "{{model}} healed"), (rate("readmill_mirror_strays_total"), "{{model}} strays"), w=12),
        graph("Mirror behind", "Documents that the present heal has looked at, and those whose views were missed.", "none",
              (total("readmill_mirror_healing_documents"), "{{model}} looked at"), (total("readmill_mirror_missed_documents"), "{{model}} missed"), w=12),
    ),
)
