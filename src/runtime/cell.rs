//! The supervised cell: the one actix actor, around whatever role.
//!
//! Actix closes a mailbox for good when a handler panics; so the cell catches every panic itself (in a handler, a
//! rebuild, a drop, a pushed-out future), answers the asker, drops the role, and restarts its context under actix's
//! `Supervisor`, which keeps the queue and clears the rest. Promises that waiting messages reach the next incarnation in
//! order, and that a role beyond its restart policy ends for good and is reported. Never panics outside of a guard and
//! never refuses to stop: both would end the process or the mailbox.

use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorContext, ActorFutureExt, ActorState, Addr, AsyncContext, Context};
use tokio::sync::watch;

use super::census::{Census, Escalation, Sabotage};
use super::gauge::{Crash, Gauge, Life, Phase, Place, Series};
use super::guard::guarded;
use super::outlet::{Fault, Letter, Misbehave, Outlet, Stop};
use super::policy::{CrashHistory, RestartPolicy};
use super::port::Lost;
use super::role::{Handle, Message, Role, Scope};

/// Marks the actor as gone when dropped, even if its thread ended before the cell was ever there.
pub(super) struct Lifeline {
    pub(super) gauge: Arc<Gauge>,
    pub(super) census: Census,
}

impl Lifeline {
    fn cut(&self) {
        if self.gauge.conclude() == Life::Stopped {
            self.census.forget(&self.gauge);
        }
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        self.cut();
    }
}

/// One incarnation.
struct Incarnate<R: Role> {
    role: R,
    scope: Scope<R>,
    /// Dropped with the incarnation: its timers end by it.
    _alive: watch::Sender<()>,
}

/// The actor.
pub(super) struct Cell<R: Role> {
    seed: R::Seed,
    policy: RestartPolicy,
    crashes: CrashHistory,
    /// Incarnations begun so far.
    incarnation: u32,
    /// When the next incarnation begins, where not at once.
    due: Option<Instant>,
    now: Option<Incarnate<R>>,
    /// `None` once gone, so that the cell ends when the last port is dropped.
    outlet: Option<Outlet<R>>,
    /// Whether the thread is this actor's own and ends with it.
    owns_thread: bool,
    lifeline: Lifeline,
}

impl<R: Role> Cell<R> {
    pub(super) fn new(
        seed: R::Seed,
        policy: RestartPolicy,
        owns_thread: bool,
        lifeline: Lifeline,
        addr: Addr<Self>,
    ) -> Self {
        let (gauge, ground) = (Arc::clone(&lifeline.gauge), lifeline.census.ground().clone());
        Self {
            seed,
            policy,
            crashes: CrashHistory::default(),
            incarnation: 0,
            due: None,
            now: None,
            outlet: Some(Outlet { addr, gauge, ground }),
            owns_thread,
            lifeline,
        }
    }

    fn gauge(&self) -> &Gauge {
        &self.lifeline.gauge
    }

    /// Begins the next incarnation.
    fn build(&mut self, ctx: &mut Context<Self>) {
        const NAME: &str = "rebuild";
        let Some(outlet) = self.outlet.clone() else { return };
        if self.gauge().stage() != Life::Open && self.incarnation > 0 {
            return self.finish();
        }
        self.incarnation += 1;
        if self.incarnation > 1 {
            self.gauge().note_restart();
        }
        let (alive, ended) = watch::channel(());
        self.gauge().begin(NAME, outlet.ground.clock.instant());
        let scope = Scope::new(outlet, self.incarnation, ended);
        let built =
            guarded(|| R::rebuild(&self.seed, &scope)).and_then(|built| built.map_err(|error| error.0));
        self.gauge().end();
        match built {
            Ok(role) => {
                self.now = Some(Incarnate { role, scope, _alive: alive });
                self.gauge().enter(Phase::Running);
            }
            Err(why) => {
                drop(alive);
                self.crash(NAME, why, ctx);
            }
        }
    }

    /// Runs the role on one message and measures it.
    fn work<T>(
        &mut self,
        place: Place,
        series: &Series,
        act: impl FnOnce(&mut R, &Scope<R>) -> T,
    ) -> Result<T, Lost> {
        let Some(Incarnate { role, scope, .. }) = &mut self.now else { return Err(Lost::Gone) };
        let (gauge, clock) = (&self.lifeline.gauge, &self.lifeline.census.ground().clock);
        let begun = clock.instant();
        let waited = begun.saturating_duration_since(place.since);
        drop(place);
        gauge.begin(series.name, begun);
        let outcome = guarded(|| act(role, scope));
        gauge.end();
        series.observe(waited, clock.instant().saturating_duration_since(begun));
        gauge.note_handled();
        outcome.map_err(Lost::Crashed)
    }

    /// Takes the role down and decides on what comes next.
    fn crash(&mut self, origin: &'static str, why: String, ctx: &mut Context<Self>) {
        let (gauge, clock) = (Arc::clone(&self.lifeline.gauge), self.lifeline.census.ground().clock.clone());
        let (id, incarnation) = (gauge.id.as_str(), self.incarnation);
        tracing::error!(
            actor = id,
            role = R::ROLE,
            incarnation,
            message_type = origin,
            panic = why.as_str(),
            "role crashed"
        );
        let now = clock.instant();
        gauge.note_crash(Crash { at_ms: clock.now_ms(), message: format!("{origin}: {why}") });
        gauge.enter(Phase::Restarting);
        self.drop_role();
        if gauge.stage() == Life::Closing {
            return self.finish();
        }
        let Some(delay) = self.crashes.record(now, &self.policy) else {
            let (within, crashes) = (self.policy.within, self.policy.max_restarts.saturating_add(1));
            let why = format!("crashed {crashes} times within {within:?}, the last time on {origin}: {why}");
            tracing::error!(actor = id, role = R::ROLE, why = why.as_str(), "role given up");
            let escalation = Escalation { id: id.to_owned(), role: R::ROLE, why };
            self.finish();
            return self.lifeline.census.escalate(escalation);
        };
        self.due = now.checked_add(delay).filter(|_| !delay.is_zero());
        ctx.stop();
    }

    /// Ends the incarnation; a panic in the role's drop ends here.
    fn drop_role(&mut self) {
        let Some(Incarnate { role, scope, _alive }) = self.now.take() else { return };
        if let Err(why) = guarded(|| drop(role)) {
            tracing::error!(
                actor = scope.id(),
                role = R::ROLE,
                panic = why.as_str(),
                "role panicked while it was dropped"
            );
        }
    }

    /// Drops what a sender made; a panic in that is logged and ends here.
    fn discard<T>(&self, value: T) {
        if let Err(why) = guarded(|| drop(value)) {
            tracing::error!(
                actor = self.gauge().id.as_str(),
                panic = why.as_str(),
                "message panicked when dropped"
            );
        }
    }

    /// Ends the actor for good; what still waits is answered `Gone`.
    fn finish(&mut self) {
        self.drop_role();
        self.outlet = None;
        self.lifeline.cut();
        if self.owns_thread
            && let Some(arbiter) = actix_rt::Arbiter::try_current()
        {
            arbiter.stop();
        }
    }
}

impl<R: Role> Drop for Cell<R> {
    fn drop(&mut self) {
        self.drop_role();
    }
}

// A role is never pinned: the cell only ever reaches it by `&mut`.
impl<R: Role> Unpin for Cell<R> {}

impl<R: Role> Actor for Cell<R> {
    type Context = Context<Self>;

    /// Called at the start, and again after each restart of the context.
    fn started(&mut self, ctx: &mut Context<Self>) {
        // A context that is dropped before it ever ran is started once more, only to be stopped.
        if ctx.state() == ActorState::Stopping {
            return;
        }
        let Some(due) = self.due.take() else {
            return self.build(ctx);
        };
        let pause = self.lifeline.census.ground().clock.sleep_until(due);
        let mut life = self.lifeline.gauge.life();
        let pause = async move {
            tokio::select! {
                () = pause => {}
                _ = life.wait_for(|life| *life != Life::Open) => {}
            }
        };
        ctx.wait(actix::fut::wrap_future(pause).map(|(), cell: &mut Self, ctx| cell.build(ctx)));
    }
}

impl<R: Role> actix::Supervised for Cell<R> {}

impl<R: Handle<M>, M: Message> actix::Handler<Letter<M>> for Cell<R> {
    type Result = ();

    fn handle(&mut self, letter: Letter<M>, ctx: &mut Context<Self>) {
        let Letter { message, place, series, reply, incarnation } = letter;
        if self.now.is_none() {
            // Dropping the reply's slot is the answer `Gone`.
            return self.discard(message);
        }
        if incarnation.is_some_and(|only| only != self.incarnation) {
            self.gauge().note_stale();
            return self.discard(message);
        }
        let outcome = self.work(place, &series, |role, scope| role.handle(message, scope));
        let crash = match &outcome {
            Err(Lost::Crashed(why)) => Some(why.clone()),
            _ => None,
        };
        match reply {
            Some(slot) => {
                if let Err(unheard) = slot.send(outcome) {
                    self.discard(unheard);
                }
            }
            None => self.discard(outcome),
        }
        if let Some(why) = crash {
            self.crash(M::NAME, why, ctx);
        }
    }
}

impl<R: Role> actix::Handler<Misbehave> for Cell<R> {
    type Result = ();

    fn handle(&mut self, Misbehave { how, place, series }: Misbehave, ctx: &mut Context<Self>) {
        let clock = self.lifeline.census.ground().clock.clone();
        let outcome = self.work(place, &series, |role, _| match how {
            Sabotage::CorruptAndPanic => {
                role.corrupt();
                panic!("sabotaged");
            }
            Sabotage::Block(duration) => clock.block(duration),
        });
        if let Err(Lost::Crashed(why)) = outcome {
            self.crash(Sabotage::NAME, why, ctx);
        }
    }
}

impl<R: Role> actix::Handler<Fault> for Cell<R> {
    type Result = ();

    fn handle(&mut self, Fault { incarnation, origin, why }: Fault, ctx: &mut Context<Self>) {
        if self.now.is_some() && incarnation == self.incarnation {
            return self.crash(origin, why, ctx);
        }
        self.gauge().note_stale();
        tracing::warn!(
            actor = self.gauge().id.as_str(),
            incarnation,
            message_type = origin,
            panic = why.as_str(),
            "work of an earlier incarnation panicked"
        );
    }
}

impl<R: Role> actix::Handler<Stop> for Cell<R> {
    type Result = ();

    fn handle(&mut self, Stop: Stop, _ctx: &mut Context<Self>) {
        self.finish();
    }
}
