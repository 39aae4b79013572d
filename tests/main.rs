//! The integration tests: one binary, a module per behaviour.

mod acp;
mod config;
mod contract;
mod demo;
mod gates;
mod graph_replay;
mod http;
mod keeper;
mod scenarios;
mod serve;
mod support;
mod workspace;
