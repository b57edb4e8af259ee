"""What tools/capture-golden is made of: the tables, their edges, and a small Kafka reader."""
