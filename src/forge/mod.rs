//! The forge: the reading of its webhooks.
//!
//! Promises that a payload of any shape becomes a hint or an error, never a panic.

pub mod delivery;
pub mod headers;
pub mod hint;
pub mod signature;

pub use delivery::{Delivery, Refusal};
pub use headers::DeliveryHeaders;
pub use hint::{Hint, HintKind};
