//! Processes: the one home of spawning.
//!
//! Owns every process that the coordinator starts: trees of agents and gates, each under a [`keeper`] of its
//! own (started by [`Keeper`], held by [`Kept`]), and short-lived programs of its own ([`Tool`]). Promises that
//! a tree never outlives the one who holds it, that a payload sees exactly the environment it was given, and
//! that output costs a bounded amount of memory ([`BoundedLines`], [`HeadTail`]). Never uses `pre_exec`, never
//! reads the coordinator's environment, never puts a payload's arguments or environment into another
//! process' command line.

mod env;
pub mod keeper;
mod kept;
mod lines;
mod lookup;
mod output;
mod spec;
mod tool;
mod tree;
mod wire;

pub use env::allowed;
pub use kept::{Control, Keeper, Kept, StartError};
pub use lines::{BoundedLines, Line};
pub use lookup::is_startable;
pub use output::HeadTail;
pub use spec::{Exit, Ladder, Spec, StdinMode};
pub use tool::{Tool, ToolError, ToolOutput};
