//! The pure centre: every decision of the coordinator, as functions of (state, command, now).
//!
//! Owns the vocabulary and the rules. Promises the same answer for the same input. Never reads a clock,
//! never does I/O, never knows an actor; imports nothing of ours.

pub mod branch;
pub mod command;
pub mod comment;
pub mod context;
pub mod decide;
pub mod digest;
pub mod estimate;
pub mod event;
pub mod evolve;
pub mod gate;
pub mod graph;
pub mod id;
pub mod invariant;
pub mod issue;
pub mod metadata;
pub mod order;
pub mod policy;
pub mod report;
pub mod route;
pub mod state;
pub mod task;
pub mod view;
