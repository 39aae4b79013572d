//! Courier: all traffic with the forge, reads and writes.
//!
//! Holds a line of errands per issue, in memory only: within an issue they go strictly one after the other, so that a
//! read never tells what was before a write; between issues they go side by side, a bounded number at once. An errand
//! that fails for a while is tried again by its class; writes are idempotent and safe to repeat. What is lost with the
//! memory is asked for again by the queue.
//!
//! | message | does |
//! |---|---|
//! | [`Read`] | issue, dependencies, blockers named in the text, pull request → `observed` |
//! | [`Sweep`] | all assigned open issues, all pages → `swept` |
//! | [`Publish`] | push, pull request, statuses, merge → `forge_fact`s |
//! | [`Close`] | the issue of a merged task |
//! | [`Comment`] | the living comment |
//! | [`Revoke`] | drops what waits for a task, stops what is under way at its next step |
//! | [`Done`], [`Connect`], [`Reconnect`], [`Connected`], [`Knock`] | its own |

mod connect;
mod publish;
mod read;
mod write;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Ground, message,
    queue::{ForgeFact, ForgetOrders, Observed, Swept},
};
use crate::{
    domain::{
        command::Command,
        id::IssueRef,
        order::{OrderKind, PublishOrder},
        task::TaskKey,
    },
    forge::wire::BotUser,
    runtime::{Handle, RebuildError, Role, Scope},
};

/// Errands under way at once.
const AT_ONCE: usize = 8;
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

message! {
    /// Read an issue, and how its pull request stands.
    pub struct Read = "read" {
        /// Which.
        issue: IssueRef,
        /// Its task's pull request.
        pull: Option<u64>,
        /// Whether its task is parked: then the history of its assignment matters.
        parked: bool,
    }
}
message! {
    /// List all assigned open issues.
    pub struct Sweep = "sweep" {}
}
message! {
    /// Publish a green commit.
    pub struct Publish = "publish" {
        /// What.
        order: Box<PublishOrder>,
    }
}
message! {
    /// Close the issue of a merged task.
    pub struct Close = "close" {
        /// Whose.
        key: TaskKey,
    }
}
message! {
    /// Write the living comment.
    pub struct Comment = "comment" {
        /// Whose.
        key: TaskKey,
        /// The text.
        text: String,
        /// Its digest.
        digest: String,
        /// Its id on the forge, where it is known.
        known: Option<i64>,
    }
}
message! {
    /// A task's publishing no longer holds.
    pub struct Revoke = "revoke" {
        /// Whose.
        key: TaskKey,
    }
}
message! {
    /// An errand ended.
    pub struct Done = "done" {
        /// On which line.
        line: Line,
        /// The errand.
        errand: Errand,
        /// How.
        outcome: Outcome,
    }
}
message! {
    /// Look again whether an errand can go.
    pub struct Knock = "knock" {}
}
message! {
    /// Ask the forge who the bot is.
    pub struct Connect = "connect" {}
}
message! {
    /// Look again whether the forge answers.
    pub struct Reconnect = "reconnect" {
        /// In which round of looks.
        round: u64,
    }
}
message! {
    /// The forge said who the bot is, or why not.
    pub struct Connected = "connected" {
        /// Which round of looks asked.
        round: u64,
        /// The bot.
        bot: Result<BotUser, crate::forge::ForgeError>,
    }
}

/// What errands wait behind each other for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// The sweep.
    Sweep,
    /// One issue.
    Issue(IssueRef),
}

/// Something to be done at the forge.
#[derive(Clone, Debug)]
pub enum Errand {
    /// See [`Sweep`].
    Sweep,
    /// See [`Read`].
    Read {
        /// Which issue.
        issue: IssueRef,
        /// Its task's pull request.
        pull: Option<u64>,
        /// Whether its task is parked.
        parked: bool,
    },
    /// See [`Publish`].
    Publish {
        /// What.
        order: Box<PublishOrder>,
        /// Whether it still holds.
        revocation: Revocation,
        /// How often it was tried already.
        tries: u32,
    },
    /// See [`Close`].
    Close(TaskKey),
    /// See [`Comment`].
    Comment {
        /// Whose.
        key: TaskKey,
        /// The text.
        text: String,
        /// Its digest.
        digest: String,
        /// Its id on the forge, where it is known.
        known: Option<i64>,
    },
}

/// From how many tries on a person is told why publishing takes so long.
const TELL_AFTER_TRIES: u32 = 4;

impl Errand {
    fn kind(&self) -> Kind {
        match self {
            Self::Sweep => Kind::Sweep,
            Self::Read { .. } => Kind::Read,
            Self::Publish { .. } => Kind::Publish,
            Self::Close(_) => Kind::Close,
            Self::Comment { .. } => Kind::Comment,
        }
    }

    /// The same errand after one more try.
    fn tried(self, ground: &Ground, why: String) -> Self {
        let Self::Publish { order, revocation, tries } = self else { return self };
        let tries = tries + 1;
        if tries >= TELL_AFTER_TRIES {
            tell(ground, Command::PublishDelayed { key: order.key.clone(), reason: why });
        }
        Self::Publish { order, revocation, tries }
    }
}

/// Whether an errand under way should stop at its next step.
#[derive(Clone, Debug, Default)]
pub struct Revocation(Arc<AtomicBool>);

impl Revocation {
    fn revoke(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_revoked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// How an errand ended.
#[derive(Debug)]
pub enum Outcome {
    /// It is done; what it found was told.
    Finished,
    /// It is to be tried again after a while.
    Again {
        /// Why.
        why: String,
        /// Not before, as the forge said.
        after: Option<Duration>,
    },
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Errand>,
    under_way: bool,
    revocation: Option<Revocation>,
    /// What fails for a while rests, and lets the others pass: a person's word must get through to a task whose
    /// publishing the forge refuses.
    troubles: BTreeMap<Kind, Trouble>,
}

/// The kinds of errands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Sweep,
    Read,
    Publish,
    Close,
    Comment,
}

/// A kind of errand that failed lately.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    failures: u32,
    rests_until: Instant,
}

/// See the module.
pub struct Courier {
    ground: Ground,
    lanes: BTreeMap<Line, Lane>,
    under_way: usize,
    connecting: bool,
    /// Counts the looks at the forge; answers and timers of earlier ones are stale.
    round: u64,
}

impl Role for Courier {
    type Seed = Ground;
    const ROLE: &'static str = "Courier";
    const CAPACITY: usize = 16_384;

    fn rebuild(seed: &Ground, scope: &Scope<Self>) -> Result<Self, RebuildError> {
        if scope.incarnation() > 1 {
            let kinds = vec![OrderKind::Publish, OrderKind::Close, OrderKind::Comment];
            seed.wiring.queue().port::<ForgetOrders>().deliver(ForgetOrders { kinds, task: None });
        }
        let mut courier =
            Self { ground: seed.clone(), lanes: BTreeMap::new(), under_way: 0, connecting: false, round: 0 };
        courier.connect(scope);
        // What was read halfway is lost with the memory: everything is looked at once more.
        if scope.incarnation() > 1 {
            courier.line_up(Line::Sweep, Errand::Sweep);
            courier.set_off(scope);
        }
        Ok(courier)
    }

    fn corrupt(&mut self) {
        self.lanes.clear();
        self.under_way = AT_ONCE;
    }
}

impl Courier {
    fn line_up(&mut self, line: Line, errand: Errand) {
        let lane = self.lanes.entry(line).or_default();
        match &errand {
            Errand::Read { .. } => lane.waiting.retain(|other| !matches!(other, Errand::Read { .. })),
            Errand::Comment { .. } => lane.waiting.retain(|other| !matches!(other, Errand::Comment { .. })),
            Errand::Sweep if !lane.waiting.is_empty() => return,
            Errand::Publish { order, .. } => {
                lane.waiting
                    .retain(|other| !matches!(other, Errand::Publish { order: o, .. } if o.key == order.key));
            }
            Errand::Sweep | Errand::Close(_) => {}
        }
        lane.waiting.push_back(errand);
    }

    /// Lets as many errands go as may.
    fn set_off(&mut self, scope: &Scope<Self>) {
        if self.ground.bot.load().is_none() {
            return;
        }
        let now = self.ground.clock.instant();
        for (line, lane) in &mut self.lanes {
            if self.under_way >= AT_ONCE {
                return;
            }
            if lane.under_way {
                continue;
            }
            let rests = |kind| lane.troubles.get(&kind).is_some_and(|trouble| trouble.rests_until > now);
            let next = lane.waiting.iter().position(|errand| !rests(errand.kind()));
            let Some(errand) = next.and_then(|at| lane.waiting.remove(at)) else { continue };
            lane.under_way = true;
            lane.revocation = match &errand {
                Errand::Publish { revocation, .. } => Some(revocation.clone()),
                _ => None,
            };
            self.under_way += 1;
            let (ground, line, again) = (self.ground.clone(), line.clone(), errand.clone());
            scope.run(carry_out(ground, again), move |outcome| Done { line, errand, outcome });
        }
    }
}

/// Carries out one errand; tells what it finds as it goes.
async fn carry_out(ground: Ground, errand: Errand) -> Outcome {
    match errand {
        Errand::Sweep => read::sweep(&ground).await,
        Errand::Read { issue, pull, parked } => read::read(&ground, issue, pull, parked).await,
        Errand::Publish { order, revocation, tries } => {
            publish::publish(&ground, *order, &revocation, tries).await
        }
        Errand::Close(key) => write::close(&ground, key).await,
        Errand::Comment { key, text, digest, known } => {
            write::comment(&ground, key, text, digest, known).await
        }
    }
}

fn tell(ground: &Ground, command: Command) {
    ground.wiring.queue().port::<ForgeFact>().deliver(ForgeFact { command });
}

fn tell_observed(ground: &Ground, observed: Observed) {
    ground.wiring.queue().port::<Observed>().deliver(observed);
}

fn tell_swept(ground: &Ground, swept: Swept) {
    ground.wiring.queue().port::<Swept>().deliver(swept);
}

impl Handle<Read> for Courier {
    fn handle(&mut self, message: Read, scope: &Scope<Self>) {
        let Read { issue, pull, parked } = message;
        self.line_up(Line::Issue(issue.clone()), Errand::Read { issue, pull, parked });
        self.set_off(scope);
    }
}

impl Handle<Sweep> for Courier {
    fn handle(&mut self, _message: Sweep, scope: &Scope<Self>) {
        self.line_up(Line::Sweep, Errand::Sweep);
        self.set_off(scope);
    }
}

impl Handle<Publish> for Courier {
    fn handle(&mut self, message: Publish, scope: &Scope<Self>) {
        let Publish { order } = message;
        let line = Line::Issue(order.key.issue.clone());
        self.line_up(line, Errand::Publish { order, revocation: Revocation::default(), tries: 0 });
        self.set_off(scope);
    }
}

impl Handle<Close> for Courier {
    fn handle(&mut self, message: Close, scope: &Scope<Self>) {
        let Close { key } = message;
        self.line_up(Line::Issue(key.issue.clone()), Errand::Close(key));
        self.set_off(scope);
    }
}

impl Handle<Comment> for Courier {
    fn handle(&mut self, message: Comment, scope: &Scope<Self>) {
        let Comment { key, text, digest, known } = message;
        self.line_up(Line::Issue(key.issue.clone()), Errand::Comment { key, text, digest, known });
        self.set_off(scope);
    }
}

impl Handle<Revoke> for Courier {
    fn handle(&mut self, message: Revoke, _scope: &Scope<Self>) {
        let Revoke { key } = message;
        let Some(lane) = self.lanes.get_mut(&Line::Issue(key.issue.clone())) else { return };
        lane.waiting.retain(|errand| match errand {
            Errand::Publish { order, .. } => order.key != key,
            Errand::Close(other) => *other != key,
            Errand::Sweep | Errand::Read { .. } | Errand::Comment { .. } => true,
        });
        if let Some(revocation) = &lane.revocation {
            revocation.revoke();
        }
    }
}

impl Handle<Done> for Courier {
    fn handle(&mut self, message: Done, scope: &Scope<Self>) {
        let Done { line, errand, outcome } = message;
        self.under_way = self.under_way.saturating_sub(1);
        let now = self.ground.clock.instant();
        let lane = self.lanes.entry(line.clone()).or_default();
        lane.under_way = false;
        lane.revocation = None;
        match outcome {
            Outcome::Finished => {
                lane.troubles.remove(&errand.kind());
                if lane.waiting.is_empty() {
                    self.lanes.remove(&line);
                }
            }
            Outcome::Again { why, after } => {
                let failures = lane.troubles.get(&errand.kind()).map_or(0, |trouble| trouble.failures) + 1;
                let doublings = failures.saturating_sub(1).min(10);
                let backoff = (FIRST_BACKOFF * 2u32.pow(doublings)).min(LONGEST_BACKOFF);
                let pause = after.map_or(backoff, |after| after.max(FIRST_BACKOFF));
                let task = match &line {
                    Line::Sweep => None,
                    Line::Issue(issue) => Some(tracing::field::display(issue)),
                };
                let (kind, pause_ms) = (errand.kind(), pause.as_millis() as u64);
                tracing::warn!(task, errand = ?kind, %why, pause_ms, "an errand is tried again");
                lane.troubles.insert(errand.kind(), Trouble { failures, rests_until: now + pause });
                // A newer one of its kind has taken its place already.
                let replaced = match &errand {
                    Errand::Read { .. } => {
                        lane.waiting.iter().any(|other| matches!(other, Errand::Read { .. }))
                    }
                    Errand::Comment { .. } => {
                        lane.waiting.iter().any(|other| matches!(other, Errand::Comment { .. }))
                    }
                    Errand::Sweep | Errand::Publish { .. } | Errand::Close(_) => false,
                };
                let revoked =
                    matches!(&errand, Errand::Publish { revocation, .. } if revocation.is_revoked());
                if !replaced && !revoked {
                    lane.waiting.push_front(errand.tried(&self.ground, why));
                }
                scope.after(pause, Knock {});
            }
        }
        self.set_off(scope);
    }
}

impl Handle<Knock> for Courier {
    fn handle(&mut self, _message: Knock, scope: &Scope<Self>) {
        self.set_off(scope);
    }
}
