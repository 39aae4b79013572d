//! The HTTP side: webhooks in, health and the operator's documents out.
//!
//! Owns the routes, who may read what, and the shape of every answer. Promises that a body is bounded in size and time,
//! that an answer never waits for an actor (webhooks wait for the store alone, and not for long), that a panic in a
//! handler costs its request and nothing else, and that every refusal is `{"error":{"code","message","remedy"}}`; only
//! what is no HTTP at all is answered below this module, without a body. Never redirects, never trusts a forwarded
//! address, never logs a body, a query or a token, and decides nothing about tasks.
//!
//! | route | open to |
//! |---|---|
//! | `POST /webhook/gitea`, `/webhook/gitea/` | all |
//! | `GET /health`, `/health/live`, `/health/ready` | all |
//! | `GET /actors`, `/actors/{id}`, `/api/v1/tasks`, `/api/v1/tasks/{owner}/{repo}/{number}`, `/api/v1/report`, `/metrics` | operators |
//! | anything else: 404 | operators |

mod access;
mod answer;
mod documents;
mod health;
mod listen;
mod seat;
mod shield;
mod webhook;

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::{
    config::Config,
    forge::intake::Deliver,
    runtime::{Census, Clock, Health, Port},
    store::board::Board,
};

pub use listen::{Listening, listen};

/// Makes the text of `GET /metrics`.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// Starts the WebhookActor of an HTTP worker, given its number from 0; called once in each worker's own thread, and
/// again for the worker that replaces a dead one.
pub type WebhookPorts = Arc<dyn Fn(usize) -> Port<Deliver> + Send + Sync>;

/// What the answers are made from.
#[derive(Clone)]
pub struct HttpState {
    /// The tasks and the measures.
    pub board: Board,
    /// The actors.
    pub census: Census,
    /// The checks of readiness.
    pub health: Health,
    /// What deadlines are counted by.
    pub clock: Clock,
    /// The configuration in force: the operator's token and the largest body are read from it for each request.
    pub config: Arc<ArcSwap<Config>>,
    /// The text of `GET /metrics`.
    pub metrics: MetricsText,
}

#[cfg(test)]
mod tests;
