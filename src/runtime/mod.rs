//! The actors' shared ground: a supervised cell over actix, bounded ports, gauges, restart policy, clock.
//!
//! Owns how an actor is started, crashed, rebuilt, given up, stopped and looked at; what it does is its [`Role`]'s
//! business. Promises, where actix does not: a panic ends one incarnation and never the mailbox; a mailbox is bounded
//! exactly; an accepted message is handled even when its asker went away; the [`Census`] answers while actors are stuck.
//! Never decides anything about tasks and never touches the store.
//!
//! # What the caller provides
//! - An [`actix_rt::System`], `System::new()` or `System::with_tokio_rt(…)`, the latter with timers enabled; [`spawn`] is
//!   called inside its `block_on`, in a handler, or on a worker of actix-web. From other threads it takes
//!   [`Placement::Arbiter`].
//! - A handle of a **multi-thread** tokio runtime with timers, given to [`Census::new`]: timers, [`Scope::run`] and
//!   [`Port::deliver`] run on it, so that a blocked actor delays no other's. Where the system itself was created with
//!   `with_tokio_rt(|| multi_thread)`, `Handle::current()` inside of it is that handle.
//! - `panic = "unwind"`.
//!
//! # The life of an actor
//! | event | what happens |
//! |---|---|
//! | [`spawn`] | listed at once as `running`; [`Role::rebuild`] runs on its thread, messages wait meanwhile |
//! | panic in a handler, a rebuild, a drop or a [`Scope::run`] future; `Err` from a rebuild | asker gets [`Lost::Crashed`]; role dropped; `restarting` for the back-off (none after the first crash); rebuilt from the seed; the queue is kept in order |
//! | more crashes than [`RestartPolicy`] grants | `stopped` and still listed; an [`Escalation`] goes out; everything sent is answered gone |
//! | [`Mailbox::stop`], [`Scope::stop`] | nothing more is taken, what waits is handled, role dropped, off the list |
//! | its thread ends | `stopped` |

mod cell;
mod census;
mod clock;
mod gauge;
mod guard;
mod health;
mod histogram;
mod mailbox;
mod outlet;
mod policy;
mod port;
mod role;
mod task;
#[cfg(test)]
mod tests;

pub use census::{
    ActorDetail, ActorState, ActorView, Census, CrashView, CurrentView, Escalation, MailboxView, MessageView,
    Sabotage,
};
pub use clock::Clock;
pub use health::{Check, Health};
pub use mailbox::{Mailbox, Placement, Spec, spawn};
pub use policy::{Backoff, RestartPolicy};
pub use port::{Lost, Port, Refused, Why};
pub use role::{Handle, Message, RebuildError, Role, Scope};
pub use task::spawn_task;
