//! The integration tests: one binary, a module per behaviour.

#![allow(
    clippy::unwrap_used,
    reason = "tests panic where something is not as it has to be, and so do their helpers"
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
