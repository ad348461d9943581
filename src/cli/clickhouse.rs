//! `ebbtide clickhouse`: an embedded ClickHouse to play with.
