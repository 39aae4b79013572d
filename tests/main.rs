//! The integration tests: one binary, a module per behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests panic where something is not as it has to be, and read clocks and environments of their own"
)]

mod acp;
mod config;
mod contract;
mod demo;
mod gates;
mod graph_replay;
mod http;
mod keeper;
mod layers;
mod scenarios;
mod serve;
mod support;
mod workspace;
