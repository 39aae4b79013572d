//! The forge: the client of Gitea's and Forgejo's API, and the reading of their webhooks.
//!
//! Owns the wire types, the signature rules, and the classes of the forge's errors. Promises that a payload or
//! an answer of any shape becomes a value or an error, never a panic, and that a write is sent once. Never
//! decides anything, never keeps state but the token, the page limit and the instant before which the forge
//! wants no call, and never uses a URL that the forge or a payload names.

pub mod client;
pub mod delivery;
pub mod error;
pub mod headers;
pub mod hint;
pub mod intake;
pub mod signature;
pub mod wire;

pub use client::{Forge, Timeouts};
pub use delivery::{Delivery, Refusal};
pub use error::ForgeError;
pub use headers::DeliveryHeaders;
pub use hint::{Hint, HintKind};
//! The forge: how the coordinator talks to Gitea and Forgejo, and a simulated one to talk to.

pub mod simulated;
