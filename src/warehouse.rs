//! What the engine asks of ClickHouse.
