//! The API, through a real listener.

mod access;
mod api;
mod changes;
mod columns;
mod description;
mod errors;
mod limits;
mod memory;
mod outage;
mod pages;
mod policies;
mod random;
mod record;
mod tls;
