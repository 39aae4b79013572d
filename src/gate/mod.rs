//! Gates: commands with a verdict, run by the coordinator itself on a clean checkout.
//!
//! Owns the running of gates and the reading of what they leave. Promises that nothing a gate starts outlives it,
//! that its output is drained and bounded whatever its size, and that a gate sees nothing of the coordinator's
//! environment but PATH, HOME, LANG and TERM. Never decides what follows from a report.

mod digest;
pub mod fix;
pub mod parser;
mod run;

pub use digest::gate_set_digest;
pub use run::{GateProgress, GateRun, run};
