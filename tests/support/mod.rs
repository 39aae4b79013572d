//! What the integration tests share.

pub mod forge_under_test;
pub mod git;
pub mod leftovers;
pub mod real_gitea;
pub mod receiver;
pub mod script;
pub mod world;
