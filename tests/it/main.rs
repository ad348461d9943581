//! The tests that run against real servers; one binary, one module a topic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::format_collect,
    unreachable_pub,
    reason = "a test says what is wrong by failing, reads the environment and the time, and its \
              items are seen by no other crate"
)]

mod cli;
mod demo;
mod deploy;
mod embedded;
mod engine;
mod fixtures;
mod house;
mod http;
mod ledger;
mod oracle;
mod serve;
mod support;
mod warehouse;
