//! Starting and stopping of actors.
//!
//! Promises that an actor lives until it is stopped or given up, however many handles to it are dropped.
//! Never waits for an actor to be built: messages may be sent at once.

use std::fmt;
use std::sync::Arc;

use actix::{AsyncContext, Context, Supervisor};
use actix_rt::{Arbiter, ArbiterHandle, System};

use super::cell::{Cell, Lifeline};
use super::census::Census;
use super::gauge::Gauge;
use super::outlet::Outlet;
use super::policy::RestartPolicy;
use super::port::Port;
use super::role::{Handle, Message, Role};

/// The thread that an actor runs on.
#[derive(Clone, Debug, Default)]
pub enum Placement {
    /// That of the caller.
    #[default]
    Current,
    /// A new one of its own, named by the id, which ends with the actor.
    Own,
    /// That of the arbiter.
    Arbiter(ArbiterHandle),
}

/// How one actor is started.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its id in the census, unique among the living: `queue`, `agent:owner/repo#7`.
    pub id: String,
    /// Id of its parent in the tree.
    pub parent: Option<String>,
    /// Places in the mailbox, where not [`Role::CAPACITY`]; at least 1.
    pub capacity: Option<usize>,
    /// When it is given up.
    pub policy: RestartPolicy,
    /// Where it runs.
    pub on: Placement,
}

impl Spec {
    /// An actor without a parent, with the defaults of its role, on the caller's thread.
    pub fn named(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            parent: None,
            capacity: None,
            policy: RestartPolicy::default(),
            on: Placement::Current,
        }
    }
}

/// Starts an actor and lists it in the census; an older one of the same id is listed no more.
///
/// # Panics
/// With [`Placement::Current`] outside of an arbiter's thread, with [`Placement::Own`] on a thread that no
/// `actix::System` is registered on (a pool's, for one). [`Placement::Arbiter`] serves from anywhere.
pub fn spawn<R: Role>(census: &Census, seed: R::Seed, spec: Spec) -> Mailbox<R> {
    let Spec { id, parent, capacity, policy, on } = spec;
    let gauge = Arc::new(Gauge::new(id, R::ROLE, parent, capacity.unwrap_or(R::CAPACITY)));
    let lifeline = Lifeline { gauge: Arc::clone(&gauge), census: census.clone() };
    let (arbiter, owns_thread) = match on {
        Placement::Current => (None, false),
        Placement::Arbiter(arbiter) => (Some(arbiter), false),
        Placement::Own => own_thread(&gauge.id),
    };
    let begin =
        move |ctx: &mut Context<Cell<R>>| Cell::new(seed, policy, owns_thread, lifeline, ctx.address());
    let addr = match arbiter {
        None => Supervisor::start(begin),
        Some(arbiter) => Supervisor::start_in_arbiter(&arbiter, begin),
    };
    let outlet = Outlet { addr, gauge, ground: census.ground().clone() };
    census.list(&outlet);
    Mailbox { outlet, census: census.clone() }
}

/// A new thread, or the system's where none can be had; whether it is a new one.
fn own_thread(id: &str) -> (Option<ArbiterHandle>, bool) {
    match Arbiter::try_new() {
        Ok(arbiter) => {
            let name = id.to_owned();
            // Actix names its threads by number; the kernel's name, cut at 15 bytes, is what `top -H` shows.
            arbiter.spawn_fn(move || {
                let _ = std::fs::write("/proc/thread-self/comm", name);
            });
            (Some(arbiter.handle()), true)
        }
        Err(error) => {
            tracing::error!(actor = id, %error, "no thread of its own to be had; it shares the system's");
            (Some(System::current().arbiter().clone()), false)
        }
    }
}

/// Handle of a started actor.
pub struct Mailbox<R: Role> {
    pub(super) outlet: Outlet<R>,
    census: Census,
}

impl<R: Role> Mailbox<R> {
    /// The actor's id.
    pub fn id(&self) -> &str {
        &self.outlet.gauge.id
    }

    /// A port for one message type.
    pub fn port<M: Message>(&self) -> Port<M>
    where
        R: Handle<M>,
    {
        self.outlet.port()
    }

    /// Ends the actor: it takes no more messages from now on, handles those that it has, drops its role on its own
    /// thread and leaves the census. A crash on the way, or a back-off under way, ends it at once. A handler that hangs
    /// is waited for.
    pub fn stop(&self) {
        if self.outlet.stop().is_gone() {
            self.census.forget(&self.outlet.gauge);
        }
    }

    /// Ends once the role is dropped for good, for whatever reason.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static + use<R> {
        let mut life = self.outlet.gauge.life();
        async move {
            // The gauge, and with it the sender, may be gone as well; then so is the role.
            let _ = life.wait_for(|life| life.is_gone()).await;
        }
    }
}

impl<R: Role> Clone for Mailbox<R> {
    fn clone(&self) -> Self {
        Self { outlet: self.outlet.clone(), census: self.census.clone() }
    }
}

impl<R: Role> fmt::Debug for Mailbox<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mailbox").field("id", &self.id()).field("role", &R::ROLE).finish()
    }
}
