//! A real ClickHouse from libchdb, in a process of its own, for the demo and the tests.
