"""Generations, rebuilds, verification, reconciliation, and the origin's slots."""

from .grid import MODELS, RATE, board, graph, most, number, of, rate, row, total

BOARD = board(
    "readmill-generations", "Readmill: rebuild and verify",
    "Which generation readers see, how rebuilds come along, and whether documents are right.",
    [MODELS],
    row(
        "Generations",
        graph("Live generation", "A step is a swap or a rollback.", "none", (most("readmill_live_generation"), "{{model}}")),
        graph("Rebuilds by state", "Of generations that readers do not see, by process.", "none",
              (total("readmill_rebuild_state", "model, state"), "{{model}} {{state}}"), runbook="RebuildFailed"),
        graph("Share of a rebuild", "Of what it would have if all live streams were fresh.", "percent",
              (f"min by (model, instance) ({of('readmill_rebuild_share_percent')})", "{{model}} {{instance}}")),
        graph("Records to do", "That rebuilds have not settled.", "short", (total("readmill_rebuild_lag_records"), "{{model}}"), runbook="RebuildStuck"),
        graph("Records done", "That rebuilds have taken in.", "short", (total("readmill_rebuild_done_records"), "{{model}}")),
        graph("Time to go", "Records to do, by how fast they become fewer; nothing while they do not.", "s",
              (f"{total('readmill_rebuild_lag_records')} / -sum by (model) (deriv({of('readmill_rebuild_lag_records')}[5m]))", "{{model}}")),
    ),
    row(
        "Verification",
        number("Age of the last proof", "Since what was found equal last had come.", "s",
               (f"time() - {most('readmill_verified_through_seconds')}", "{{model}}"), limits=(1800, 3600), runbook="VerificationStale"),
        graph("Findings", "Of the last comparison with a second fold of the log.", "none",
              (most("readmill_verify_findings", "model, kind"), "{{model}} {{kind}}"), runbook="VerifyFindings"),
        graph("Rounds", "By what came of them.", "none",
              (f"sum by (model, verdict) (increase({of('readmill_verify_rounds_total')}[{RATE}]))", "{{model}} {{verdict}}")),
        graph("Progress", "Documents compared by the round that is under way, or was last.", "none",
              (most("readmill_verify_documents"), "{{model}}"), w=12),
        graph("Time of a round", "Of the last one.", "s", (most("readmill_verify_seconds"), "{{model}}"), w=12),
    ),
    row(
        "Origin",
        number("Age of the last agreement", "Since documents were found equal with their origin.", "s",
               (f"time() - {most('readmill_reconciled_through_seconds')}", "{{model}}"), limits=(1800, 3600), runbook="ReconciliationStale"),
        graph("Findings", "Of the last comparison with the origin.", "none",
              (most("readmill_reconcile_findings", "model, kind"), "{{model}} {{kind}}"), runbook="ReconcileFindings"),
        graph("Slots: kept", "Bytes of its log that the database keeps for each replication slot.", "bytes",
              (most("readmill_slot_retained_bytes", "model, slot"), "{{model}} {{slot}}"), runbook="SlotGrowing"),
        graph("Slots: read", "1 while somebody reads it.", "none",
              (f"min by (model, slot) ({of('readmill_slot_active')})", "{{model}} {{slot}}"), runbook="SlotUnread"),
    ),
)
