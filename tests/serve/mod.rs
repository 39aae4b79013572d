//! `serve` as a process: the real binary, a forge that lives in the test, and signals, kills and reloads from outside.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::disallowed_methods, reason = "tests start the binary and wait against a deadline")]

mod author;
mod commands;
mod crash;
mod exits;
mod forge_trouble;
mod in_process;
mod old_contract;
mod output;
mod process;
mod reload;
mod scene;
mod stop;
