//! The actors: a star around the QueueActor.
//!
//! Facts go to the QueueActor, orders come from it; it alone decides and journals. The others hold nothing durable: each
//! carries out an order and reports a fact. Messages are wake-ups: whatever is lost is derived again.
//!
//! | actor | one per | carries out |
//! |---|---|---|
//! | [`webhook::WebhookActor`] | HTTP worker | verifies a delivery and hands it to the store |
//! | [`queue::QueueActor`] | coordinator | the decisions |
//! | [`courier::Courier`] | coordinator | all traffic with the forge |
//! | [`agent::AgentActor`] | running task | workspace, session, process tree |
//! | [`context_monitor::ContextMonitorActor`] | coordinator | thresholds and rotation orders |
//! | [`quality::QualityActor`] | coordinator | running gates |
//! | [`metrics::MetricsActor`] | coordinator | the five measures |
//! | [`warden::Warden`] | coordinator | ticks, probes, escalations |

pub mod agent;
mod base;
pub mod context_monitor;
pub mod courier;
pub mod metrics;
pub mod quality;
pub mod queue;
pub mod warden;
pub mod webhook;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use dashmap::DashMap;
use tokio::sync::mpsc;

use crate::{
    config::Config,
    domain::{id::IssueRef, metadata::Metadata, task::TaskKey},
    forge::{Forge, wire::BotUser},
    process::Keeper,
    runtime::{Census, Clock, Health, Mailbox},
    store::{Store, board::Board},
    workspace::Workspaces,
};

/// Reads an issue's text: the seam for a reader by model.
pub type ReadText = Arc<dyn Fn(&crate::parse::IssueText<'_>) -> Metadata + Send + Sync>;

/// What every actor is built from; clones share it.
#[derive(Clone)]
pub struct Ground {
    /// Who is there.
    pub census: Census,
    /// The time.
    pub clock: Clock,
    /// The configuration in force; swapped at a reload.
    pub config: Arc<ArcSwap<Config>>,
    /// The journal and the inbox.
    pub store: Arc<dyn Store>,
    /// The term of this coordinator.
    pub term: u64,
    /// What HTTP shows.
    pub board: Board,
    /// What readiness says.
    pub health: Health,
    /// The forge's client.
    pub forge: Forge,
    /// Who the bot is, once the forge said so.
    pub bot: Arc<ArcSwapOption<BotUser>>,
    /// Mirrors and workspaces.
    pub workspaces: Workspaces,
    /// Starts process trees.
    pub keeper: Keeper,
    /// The coordinator's environment, of which children get a few names.
    pub environment: Arc<BTreeMap<String, String>>,
    /// Reads issue texts.
    pub read_text: ReadText,
    /// Where counters for `/metrics` are kept.
    pub meters: Arc<metrics::Meters>,
    /// The way to the others.
    pub wiring: Arc<Wiring>,
}

/// The way from each actor to the others. Filled once, before the first message.
#[derive(Default)]
pub struct Wiring {
    queue: OnceLock<Mailbox<queue::QueueActor>>,
    courier: OnceLock<Mailbox<courier::Courier>>,
    context_monitor: OnceLock<Mailbox<context_monitor::ContextMonitorActor>>,
    quality: OnceLock<Mailbox<quality::QualityActor>>,
    metrics: OnceLock<Mailbox<metrics::MetricsActor>>,
    warden: OnceLock<Mailbox<warden::Warden>>,
    /// The actors that take webhooks, by the number of their HTTP worker.
    pub webhooks: DashMap<usize, Mailbox<webhook::WebhookActor>>,
    /// The actors of running tasks.
    pub agents: DashMap<IssueRef, TaskAgent>,
    fatal: OnceLock<mpsc::UnboundedSender<Fatal>>,
}

/// The actor that works on an issue, for one generation of its task.
#[derive(Clone)]
pub struct TaskAgent {
    /// Which task.
    pub key: TaskKey,
    /// The actor.
    pub mailbox: Mailbox<agent::AgentActor>,
}

/// Why the coordinator has to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fatal {
    /// The process's exit code: 70, 74 or 75.
    pub exit_code: u8,
    /// What happened, one sentence.
    pub why: String,
}

macro_rules! wire {
    ($name:ident, $set:ident, $role:ty) => {
        #[doc = concat!("The `", stringify!($name), "` actor.")]
        ///
        /// # Panics
        /// Before the wiring was filled.
        pub fn $name(&self) -> &Mailbox<$role> {
            self.$name.get().expect("the wiring is filled before the first message is sent")
        }

        /// Fills in one end; the first call counts.
        pub fn $set(&self, mailbox: Mailbox<$role>) {
            let _ = self.$name.set(mailbox);
        }
    };
}

impl Wiring {
    wire!(queue, set_queue, queue::QueueActor);
    wire!(courier, set_courier, courier::Courier);
    wire!(context_monitor, set_context_monitor, context_monitor::ContextMonitorActor);
    wire!(quality, set_quality, quality::QualityActor);
    wire!(metrics, set_metrics, metrics::MetricsActor);
    wire!(warden, set_warden, warden::Warden);

    /// Fills in who ends the process.
    pub fn set_fatal(&self, sender: mpsc::UnboundedSender<Fatal>) {
        let _ = self.fatal.set(sender);
    }

    /// Ends the coordinator.
    pub fn fail(&self, exit_code: u8, why: impl Into<String>) {
        let why = why.into();
        tracing::error!(exit_code, %why, "the coordinator has to end");
        if let Some(sender) = self.fatal.get() {
            // Without a receiver the end is under way already.
            let _ = sender.send(Fatal { exit_code, why });
        }
    }
}

/// Declares a message type and its name in gauges and logs.
macro_rules! message {
    ($(#[$doc:meta])* $vis:vis struct $name:ident = $text:literal { $($(#[$fdoc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug)]
        $vis struct $name { $($(#[$fdoc])* pub $field: $type),* }
        impl $crate::runtime::Message for $name {
            type Reply = ();
            const NAME: &'static str = $text;
        }
    };
}
pub(crate) use message;
