//! The integration tests: one binary, a module per behaviour.

mod config;
mod keeper;
