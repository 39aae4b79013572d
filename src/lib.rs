//! Mosaic Coordinator: turns the issues of a self-hosted Gitea or Forgejo into finished, verified work
//! by AI coding agents.
//!
//! The modules form five layers; each imports from lower layers only (a test holds them to it):
//! 1 `app`, `cli` · 2 `http`, `actor` · 3 `store`, `forge`, `workspace`, `agent`, `gate`, `parse` ·
//! 4 `process`, `runtime`, `config`, `telemetry`, `files` · 5 `domain`.

pub mod actor;
pub mod agent;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod files;
pub mod forge;
pub mod gate;
pub mod http;
pub mod parse;
pub mod process;
pub mod runtime;
pub mod store;
pub mod telemetry;
pub mod workspace;
