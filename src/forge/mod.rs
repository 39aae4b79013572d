//! The forge: how the coordinator talks to Gitea and Forgejo.
//!
//! Owns the client, the reading of webhooks, and a simulated forge to talk to. The client
//! keeps no state but the token, the page limit and the instant before which the forge
//! wants no call; it never decides anything, and never uses a URL that the forge or a payload names.

pub mod client;
pub mod delivery;
pub mod error;
pub mod headers;
pub mod hint;
pub mod intake;
pub mod signature;
pub mod simulated;
pub mod wire;

pub use client::{
    BaseUrlError, Dependencies, Forge, IssueEdit, LastActors, MergeOutcome, MergeRequest, MergeStyle,
    NewHook, NewIssue, NewPull, NewRepository, Permissions, Repository, StatusState, Timeouts,
};
pub use delivery::{Delivery, Refusal};
pub use error::ForgeError;
pub use headers::DeliveryHeaders;
pub use hint::{Hint, HintKind, PayloadError};
pub use signature::SignatureError;
pub use wire::BotUser;
