"""What stands aside: held records, waiting events."""

from .grid import MODELS, RATE, board, graph, most, number, of, quantile, rate, row, total

BOARD = board(
    "readmill-aside", "Readmill: held and waiting",
    "Records that could not be folded with their keys' queues, and events that came before what they need.",
    [MODELS],
    row(
        "Held",
        number("Held now", "Every process shows those of the store: the greatest counts.", "none",
               (most("readmill_held_records"), "{{model}}"), limits=(1, 100), runbook="AnyHeld"),
        graph("Held now", "Over time. Growing means that something goes on being wrong.", "none",
              (most("readmill_held_records"), "{{model}}"), runbook="HeldGrowing"),
        graph("Held in a minute", "Records that were held in the last minute. From the recording rules.", "none",
              (of("model:readmill_held:increase1m"), "{{model}}"), runbook="HeldRecords"),
        graph("By topic", "Where they come from.", "cps",
              (rate("readmill_ended_total", "model, topic", 'outcome="held"'), "{{model}} {{topic}}")),
        graph("Time to hold, p99", "Of the held store.", "s", (quantile(0.99, "readmill_store_seconds", "model", 'call="hold"'), "{{model}}")),
        graph("Stale and duplicate", "Known by their stamps, and not folded again.", "cps",
              (rate("readmill_ended_total", "model, outcome", 'outcome=~"stale|duplicate"'), "{{model}} {{outcome}}")),
    ),
    row(
        "Waiting",
        graph("Waiting", "Records that wait in documents, of those that the processes took in.", "none", (total("readmill_waiting"), "{{model}}")),
        graph("Longest wait", "Since the source committed the event that waits longest; nothing while none waits.", "s",
              (f"max by (model) ((time() - {of('readmill_waiting_since_seconds')}) * ({of('readmill_waiting_since_seconds')} > bool 0))", "{{model}}"),
              runbook="WaitingLong"),
        graph("Undecided", "Folded although nothing proved them new.", "none",
              (f"sum by (model) (increase({of('readmill_undecided_total')}[{RATE}]))", "{{model}}")),
    ),
)
