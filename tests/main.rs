//! The integration tests: one binary, a module per behaviour.

mod acp;
mod config;
mod gates;
mod graph_replay;
mod keeper;
mod workspace;
