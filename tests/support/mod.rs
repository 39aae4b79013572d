//! What the integration tests share.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

pub mod forge_under_test;
pub mod git;
mod leaving;
pub mod leftovers;
pub mod real_gitea;
pub mod receiver;
pub mod script;
pub mod world;
