//! The pure centre: every decision of the coordinator, as functions of (state, command, now).
//!
//! Owns the vocabulary and the rules. Promises the same answer for the same input. Never reads a clock,
//! never does I/O, never knows an actor; imports nothing of ours.

pub mod context;
pub mod gate;
pub mod id;
pub mod issue;
pub mod metadata;
