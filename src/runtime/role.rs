//! What a role is, and what it may do while it handles a message.
//!
//! A role is a cache of what is stored: it is built from its seed at the start and after each crash, and keeps nothing
//! of an earlier incarnation. Promises that timers and results of an earlier incarnation never reach a later one.
//! Never awaits: handlers are synchronous, and I/O is pushed out through [`Scope::run`].

use std::time::Duration;

use tokio::sync::watch;

use super::guard::{guarded, guarded_future};
use super::outlet::{Fault, Outlet};
use super::policy::Backoff;
use super::port::{Attempt, Port, Why};

/// A message of the domain.
pub trait Message: Send + 'static {
    /// What an `ask` is answered with.
    type Reply: Send + 'static;
    /// Its name in gauges and logs.
    const NAME: &'static str;
}

/// Why a role could not be built; counts as a crash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RebuildError(pub String);

/// The memory and the behaviour behind one actor.
pub trait Role: Sized + 'static {
    /// All that is needed to build it anew: store handle, ports, configuration.
    type Seed: Clone + Send + 'static;
    /// Its kind, as shown: `QueueActor`.
    const ROLE: &'static str;
    /// How many messages may wait.
    const CAPACITY: usize;

    /// Builds the role; called on the actor's own thread, at the start and after each crash.
    fn rebuild(seed: &Self::Seed, scope: &Scope<Self>) -> Result<Self, RebuildError>;

    /// Damages the memory, so that a test can prove that a rebuild does not keep it.
    #[doc(hidden)]
    fn corrupt(&mut self) {}
}

/// A role that takes messages of type `M`.
pub trait Handle<M: Message>: Role {
    /// Takes one message; never waits. A panic in here is a crash of the role.
    fn handle(&mut self, message: M, scope: &Scope<Self>) -> M::Reply;
}

/// One incarnation's means: its own port, timers, and futures on the shared pool.
pub struct Scope<R: Role> {
    outlet: Outlet<R>,
    incarnation: u32,
    /// Closed when the incarnation is over.
    ended: watch::Receiver<()>,
}

impl<R: Role> Scope<R> {
    pub(super) fn new(outlet: Outlet<R>, incarnation: u32, ended: watch::Receiver<()>) -> Self {
        Self { outlet, incarnation, ended }
    }

    /// The actor's id.
    pub fn id(&self) -> &str {
        &self.outlet.gauge.id
    }

    /// Number of this incarnation, from 1.
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// The actor's own mailbox; outlives the incarnation.
    pub fn port<M: Message>(&self) -> Port<M>
    where
        R: Handle<M>,
    {
        self.outlet.port()
    }

    /// Ends the actor, as [`super::Mailbox::stop`] does: what was accepted before is handled first.
    pub fn stop(&self) {
        self.outlet.stop();
    }

    /// Sends the message to this incarnation once the time is over.
    pub fn after<M: Message>(&self, delay: Duration, message: M)
    where
        R: Handle<M>,
    {
        let (scope, due) = (self.clone(), self.outlet.ground.clock.sleep(delay));
        self.outlet.ground.pool.spawn(async move {
            if scope.outlasts(due).await {
                scope.insist(message).await;
            }
        });
    }

    /// Sends a new message to this incarnation at each beat, first after one period; a beat that meets a full mailbox
    /// is left out, and beats that were missed are not made up for.
    pub fn every<M: Message>(&self, period: Duration, make: impl Fn() -> M + Send + 'static)
    where
        R: Handle<M>,
    {
        let (scope, period) = (self.clone(), period.max(Duration::from_millis(1)));
        let clock = scope.outlet.ground.clock.clone();
        let mut due = clock.instant() + period;
        self.outlet.ground.pool.spawn(async move {
            let series = scope.outlet.gauge.series(M::NAME);
            while scope.outlasts(clock.sleep_until(due)).await {
                let message = match guarded(&make) {
                    Ok(message) => message,
                    Err(why) => return scope.fault(M::NAME, why),
                };
                let sent = scope.outlet.push(message, None, Some(scope.incarnation), &series, Attempt::First);
                if sent.is_err_and(|refused| refused.why == Why::Gone) {
                    return;
                }
                due = (due + period).max(clock.instant());
            }
        });
    }

    /// Runs the future on the shared pool and sends what `into` makes of its result to this incarnation; a full mailbox
    /// is waited for. A panic in either is a crash of this incarnation. A future that outlives its incarnation runs to
    /// its end, and its result is dropped and counted as stale.
    pub fn run<T, M: Message>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
        into: impl FnOnce(T) -> M + Send + 'static,
    ) where
        R: Handle<M>,
    {
        let scope = self.clone();
        self.outlet.ground.pool.spawn(async move {
            match guarded_future(async move { into(future.await) }).await {
                Ok(message) => scope.insist(message).await,
                Err(why) => scope.fault(M::NAME, why),
            }
        });
    }

    /// Waits for the instant; false when the incarnation ended first.
    async fn outlasts(&self, due: impl Future<Output = ()>) -> bool {
        let mut ended = self.ended.clone();
        tokio::select! {
            biased;
            _ = ended.changed() => false,
            () = due => true,
        }
    }

    /// Sends to this incarnation, again and again while the mailbox is full.
    async fn insist<M: Message>(&self, message: M)
    where
        R: Handle<M>,
    {
        let series = self.outlet.gauge.series(M::NAME);
        let (mut message, mut attempt, mut failures) = (message, Attempt::First, 0);
        loop {
            if self.ended.has_changed().is_err() {
                return self.outlet.gauge.note_stale();
            }
            match self.outlet.push(message, None, Some(self.incarnation), &series, attempt) {
                Ok(()) => return,
                Err(refused) if refused.why == Why::Gone => return,
                Err(refused) => message = refused.message,
            }
            (attempt, failures) = (Attempt::Again, failures + 1);
            let retry = self.outlet.ground.clock.sleep(Backoff::REDELIVERY.delay(failures));
            // Looked at again at the top of the loop, where the end is counted.
            let _ = self.outlasts(retry).await;
        }
    }

    /// Reports a panic outside of the handlers as a crash of this incarnation.
    fn fault(&self, origin: &'static str, why: String) {
        self.outlet.addr.do_send(Fault { incarnation: self.incarnation, origin, why });
    }
}

impl<R: Role> Clone for Scope<R> {
    fn clone(&self) -> Self {
        Self { outlet: self.outlet.clone(), incarnation: self.incarnation, ended: self.ended.clone() }
    }
}
