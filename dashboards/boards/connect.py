"""Kafka Connect and Debezium, by their own metrics."""

from .grid import RATE, board, graph, number, row, table, variable

NEEDS = "Needs Prometheus' JMX exporter in Connect's JVM, with dashboards/jmx/connect.yml."
CONNECTORS = variable("connector", "Connector", "label_values(kafka_connect_connector_task_status, connector)")


def of(metric):
    return f'{metric}{{connector=~"$connector"}}'


def about(text):
    return f"{text} {NEEDS}"


BOARD = board(
    "readmill-connect", "Readmill: Kafka Connect and Debezium",
    f"What captures the sources: connectors, their tasks, and how far Debezium is behind its database. {NEEDS}",
    [CONNECTORS],
    row(
        "Connect",
        number("Tasks that run", about("Of the chosen connectors."), "none",
               (f'sum(kafka_connect_connector_task_status{{connector=~"$connector", status="running"}})', "running"), w=6),
        number("Tasks that have failed", about("They stand still until somebody restarts them: `readmill connectors restart`."), "none",
               (f'sum(kafka_connect_connector_task_status{{connector=~"$connector", status="failed"}}) or vector(0)', "failed"), w=6, limits=(1,)),
        table("Tasks", about("And their states."), "none",
              f'max by (connector, task, status) ({of("kafka_connect_connector_task_status")})', "is so", w=12),
        graph("Records written", about("By source tasks, to Kafka."), "cps",
              (f"sum by (connector) (rate({of('kafka_connect_source_task_source_record_write_total')}[{RATE}]))", "{{connector}}")),
        graph("Batch time, mean", about("How long a poll of the source takes."), "ms",
              (f"max by (connector, task) ({of('kafka_connect_source_task_poll_batch_avg_time_ms')})", "{{connector}}/{{task}}")),
        graph("Offset commits that failed", about("Share of them."), "percentunit",
              (f"max by (connector, task) ({of('kafka_connect_connector_task_offset_commit_failure_percentage')})", "{{connector}}/{{task}}")),
    ),
    row(
        "Debezium",
        graph("Behind the source", about("Milliseconds from the source's commit until the connector saw it; -1 while it has seen nothing."), "ms",
              ("max by (server) (debezium_streaming_milliseconds_behind_source)", "{{server}}")),
        graph("Events seen", about("Row changes that the connector has read."), "cps",
              (f"sum by (server, context) (rate(debezium_events_seen_total[{RATE}]))", "{{server}} {{context}}")),
        graph("Connected", about("1 while it is connected to its database."), "none",
              ("min by (server) (debezium_streaming_connected)", "{{server}}")),
        graph("Queue", about("Free places in the queue between the reader and Connect; 0 is a sink that is slower."), "none",
              ("min by (server) (debezium_queue_remaining_capacity)", "{{server}}")),
        graph("Since the last event", about("Long on a quiet table is no fault: heartbeats keep it low."), "ms",
              ("max by (server) (debezium_milliseconds_since_last_event)", "{{server}}")),
        graph("Snapshot", about("Tables left to read, and rows read."), "none",
              ("max by (server) (debezium_snapshot_remaining_tables)", "{{server}} tables left")),
    ),
)
