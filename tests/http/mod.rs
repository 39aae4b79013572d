//! The HTTP side on a real socket.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod access;
mod commands;
mod delivery;
mod documents;
mod server;
mod serving;
