"""What Prometheus reads at /metrics, made from the rows, so that every process tells the same."""
