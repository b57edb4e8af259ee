"""What `check` looks at: words (names and labels), static (files), live (a Prometheus), schema (Grafana)."""
