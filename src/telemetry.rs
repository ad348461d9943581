//! Telemetry: logs, metrics and traces, with the names of the domain.
