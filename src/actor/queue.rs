//! QueueActor: the one that decides. Owns the domain state; journals every event before anyone else sees it.
//!
//! Runs on its own thread and may block on an append. After each decision it shows what changed on the board, tells the
//! measures, and derives the orders that should be under way; those that are not yet are sent. An order that meets a full
//! mailbox, or that died with its receiver, is derived again at the next tick.
//!
//! | message | from | does |
//! |---|---|---|
//! | [`Touched`] | webhooks | has the issue read again |
//! | [`Observed`], [`ForgeFact`] | courier | decides |
//! | [`BaseChanged`] | webhooks | has tasks that lack gates looked at again |
//! | [`Swept`] | courier | has changed issues read again |
//! | [`AgentFact`], [`ContextFact`], [`GateFact`] | the others | decides |
//! | [`GateProgressed`] | quality | shows live verdicts |
//! | [`AgentGone`], [`ForgetOrders`] | the others | forgets what is under way, so that it is sent again |
//! | [`Tick`] | warden | time; sends what is due |
//! | [`Begin`], [`Reconfigured`], [`Drain`] | app | start, reload, stop |

mod dispatch;
mod fold;
mod read;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{Ground, message, metrics::Committed};
use crate::{
    domain::{
        command::{Command, Observation},
        decide::{self, Slots},
        event::{self, Event},
        id::{IssueRef, RepoRef},
        invariant,
        order::{OrderKey, OrderKind},
        policy::Rules,
        state::State,
        task::{Phase, TaskKey},
        view::{self, GateProgress, GateWord},
    },
    runtime::{Handle, RebuildError, Role, Scope},
    store::{NewEvent, StoreError, board::Entry},
};

message! {
    /// A delivery, or another hint, says that an issue changed.
    pub struct Touched = "touched" {
        /// Which.
        issue: IssueRef,
        /// The delivery that said so, to be marked once the issue was read.
        delivery: Option<String>,
    }
}
message! {
    /// An issue was read.
    pub struct Observed = "observed" {
        /// Which.
        issue: IssueRef,
        /// What was found.
        finding: Finding,
    }
}

/// What a read found.
#[derive(Debug)]
pub enum Finding {
    /// The issue.
    Seen(Box<Observation>),
    /// Nothing that the bot may read.
    Unreadable,
    /// A pull request: no task of ours, and what it blocks is told by the issues that it blocks.
    PullRequest,
}

message! {
    /// A base branch was pushed to.
    pub struct BaseChanged = "base_changed" {
        /// Of which repository.
        repo: RepoRef,
    }
}
message! {
    /// A sweep listed the assigned open issues, each with its last change in epoch ms.
    pub struct Swept = "swept" {
        /// The list, from all pages.
        issues: Vec<(IssueRef, i64)>,
    }
}
message! {
    /// What came of an order to the forge.
    pub struct ForgeFact = "forge_fact" {
        /// The fact.
        command: Command,
    }
}
message! {
    /// What an agent's actor reports.
    pub struct AgentFact = "agent_fact" {
        /// The fact.
        command: Command,
    }
}
message! {
    /// What the context monitor reports.
    pub struct ContextFact = "context_fact" {
        /// The fact.
        command: Command,
    }
}
message! {
    /// What the gates say.
    pub struct GateFact = "gate_fact" {
        /// The fact.
        command: Command,
    }
}
message! {
    /// A gate began or ended; only for show.
    pub struct GateProgressed = "gate_progressed" {
        /// Whose.
        key: TaskKey,
        /// Which gate.
        gate: String,
        /// How it stands.
        word: GateWord,
    }
}
message! {
    /// An agent's actor has ended, and nothing of its session is left.
    pub struct AgentGone = "agent_gone" {
        /// Whose.
        key: TaskKey,
    }
}
message! {
    /// A receiver lost its memory: orders of these kinds are to be sent again.
    pub struct ForgetOrders = "forget_orders" {
        /// Which kinds.
        kinds: Vec<OrderKind>,
        /// Of which task; `None`: of all.
        task: Option<TaskKey>,
    }
}
message! {
    /// Time went by.
    pub struct Tick = "tick" {}
}
message! {
    /// The wiring is filled: begin.
    pub struct Begin = "begin" {}
}
message! {
    /// The configuration was swapped.
    pub struct Reconfigured = "reconfigured" {}
}
message! {
    /// Send no more orders; agents are to end.
    pub struct Drain = "drain" {}
}

/// After how long gates that could not be asked are asked again.
const GATES_AGAIN: Duration = Duration::from_secs(5);
/// How many events lie between two snapshots of the state.
const SNAPSHOT_EVENTS: u64 = 500;

/// See the module.
pub struct QueueActor {
    ground: Ground,
    state: State,
    seq: u64,
    snapshot_seq: u64,
    in_flight: BTreeMap<OrderKey, InFlight>,
    /// Deliveries to be marked once their issue was read.
    deliveries: BTreeMap<IssueRef, Vec<String>>,
    to_read: BTreeSet<IssueRef>,
    /// Blockers that a read was asked for already.
    asked: BTreeSet<IssueRef>,
    progress: BTreeMap<IssueRef, GateProgress>,
    /// How often a sweep saw an issue at its present last change.
    sightings: BTreeMap<IssueRef, (i64, u32)>,
    swept_at: Option<Instant>,
    begun: bool,
    draining: bool,
}

/// An order that was sent.
#[derive(Debug)]
struct InFlight {
    /// When it may be sent again although nothing came of it; `None`: never.
    again_at: Option<Instant>,
}

impl Role for QueueActor {
    type Seed = Ground;
    const ROLE: &'static str = "QueueActor";
    const CAPACITY: usize = 16_384;

    fn rebuild(seed: &Ground, scope: &Scope<Self>) -> Result<Self, RebuildError> {
        let (state, seq) = fold::load(seed.store.as_ref())?;
        let mut actor = Self {
            ground: seed.clone(),
            state,
            seq,
            snapshot_seq: seq,
            in_flight: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            to_read: BTreeSet::new(),
            asked: BTreeSet::new(),
            progress: BTreeMap::new(),
            sightings: BTreeMap::new(),
            swept_at: None,
            begun: scope.incarnation() > 1,
            draining: seed.health.get("draining").is_some_and(|check| !check.ok),
        };
        actor.take_up_deliveries()?;
        let issues: Vec<IssueRef> = actor.state.tasks().map(|task| task.key.issue.clone()).collect();
        for issue in &issues {
            actor.show(issue);
        }
        if actor.begun {
            for issue in &issues {
                actor.dispatch(issue);
            }
        }
        Ok(actor)
    }

    fn corrupt(&mut self) {
        self.state = State::default();
        self.in_flight.clear();
        self.seq = 0;
    }
}

impl QueueActor {
    /// What is true for all tasks at this moment.
    fn rules(&self) -> Rules {
        let config = self.ground.config.load();
        let unusable_agents = config
            .agents
            .keys()
            .filter_map(|name| {
                let check = self.ground.health.barrier(&format!("agent.{name}"))?;
                Some((name.clone(), check.detail))
            })
            .collect();
        let start_barred = if self.draining {
            Some("the coordinator is stopping; it is taken up after the next start".to_owned())
        } else {
            self.ground.health.get("disk").filter(|check| !check.ok).map(|check| check.detail)
        };
        config.rules(unusable_agents, start_barred)
    }

    /// Decides, journals, shows, sends; false where the journal could not be written, and nothing was decided.
    fn decide(&mut self, command: Command) -> bool {
        let rules = self.rules();
        let now_ms = self.ground.clock.now_ms();
        let events = decide::apply(&mut self.state, command, &rules, now_ms);
        if events.is_empty() {
            return true;
        }
        if let Err(error) = self.commit(&events, now_ms) {
            self.ground.health.bad("store", format!("events cannot be journaled: {error}"));
            self.start_over(&error);
            return false;
        }
        if self.ground.health.get("store").is_some_and(|check| !check.ok) {
            self.ground.health.good("store", "journal and inbox are writable");
        }
        let mut changed: BTreeSet<IssueRef> = BTreeSet::new();
        for event in &events {
            changed.insert(event.issue().clone());
            if matches!(event, Event::Task { what: event::TaskEvent::Parked { .. }, .. }) {
                // From here on a new assignment starts it anew: which one it has now is to be known.
                self.to_read.insert(event.issue().clone());
            }
            if matches!(event, Event::IssueSeen { .. } | Event::IssueUnreadable { .. }) {
                changed.extend(self.state.graph().dependants(event.issue()));
            }
            log(event);
        }
        for violation in invariant::violations_among(&self.state, &changed) {
            self.ground.meters.violation();
            tracing::error!(invariant = violation.name, detail = %violation.detail, "an invariant is broken");
            debug_assert!(false, "{} is broken: {}", violation.name, violation.detail);
        }
        self.ground.board.set_slots(Slots::of(&self.state, &rules));
        for issue in &changed {
            self.show(issue);
        }
        let first_seq = self.seq + 1 - events.len() as u64;
        // A full mailbox of the measures is caught up from the journal.
        let _ = self.ground.wiring.metrics().port::<Committed>().tell(Committed { first_seq, events });
        for issue in &changed {
            self.ask_for_blockers(issue);
            self.dispatch(issue);
        }
        self.release_agents();
        true
    }

    fn commit(&mut self, events: &[Event], now_ms: i64) -> Result<(), StoreError> {
        let rows = events.iter().map(row).collect::<Result<Vec<NewEvent>, StoreError>>()?;
        self.seq = self.ground.store.append(self.ground.term, now_ms, rows)?;
        if self.seq - self.snapshot_seq >= SNAPSHOT_EVENTS {
            self.snapshot_seq = self.seq;
            let saved = serde_json::to_string(&self.state)
                .map_err(|error| StoreError::Database(error.to_string()))
                .and_then(|body| self.ground.store.save_snapshot(self.seq, body));
            if let Err(error) = saved {
                tracing::warn!(%error, "a snapshot could not be kept; the next start reads more of the journal");
            }
        }
        Ok(())
    }

    /// What was decided is not in the journal, so it never was: the state is read again, and facts come again.
    fn start_over(&mut self, error: &StoreError) {
        tracing::error!(%error, "events could not be journaled; the state is read again");
        match error {
            StoreError::Disk(_) => return self.ground.wiring.fail(74, error.to_string()),
            StoreError::TermOver { .. } => return self.ground.wiring.fail(75, error.to_string()),
            StoreError::Full(_) => self.ground.health.bad("disk", error.to_string()),
            _ => {}
        }
        match fold::load(self.ground.store.as_ref()) {
            Ok((state, seq)) => (self.state, self.seq) = (state, seq),
            Err(error) => self.ground.wiring.fail(74, error.to_string()),
        }
        self.in_flight.clear();
    }

    /// Shows a task as it is now.
    fn show(&mut self, issue: &IssueRef) {
        let Some(task) = self.state.task(issue) else { return };
        if !matches!(task.phase, Phase::Gating(_)) {
            self.progress.remove(issue);
        }
        let now_ms = self.ground.clock.now_ms();
        let unusable = task.route.as_ref().and_then(|route| {
            let check =
                self.ground.health.get(&format!("agent.{}", route.agent)).filter(|check| !check.ok)?;
            Some(format!("the agent `{}` cannot be started: {}", route.agent, check.detail))
        });
        let reason = if matches!(task.phase, Phase::Ready) { unusable } else { None };
        let held_back = reason.is_some() || task.not_before_ms > now_ms;
        let waiting = if held_back { None } else { self.state.standing(issue) };
        let updated_at = self.ground.clock.rfc3339(task.updated_ms);
        let view = view::view(&self.state, task, reason, self.progress.get(issue), updated_at);
        self.ground.board.put(Entry { view, waiting });
    }

    fn tick(&mut self) {
        self.decide(Command::Tick);
        // What a health check says of agents and disk changes sentences without an event.
        let ready: Vec<IssueRef> = self.state.ready().map(|turnout| turnout.issue().clone()).collect();
        for issue in &ready {
            self.show(issue);
        }
        self.ground.board.set_slots(Slots::of(&self.state, &self.rules()));
        let live: Vec<IssueRef> = self
            .state
            .tasks()
            .filter(|task| !task.is_over() || task.comment.is_none())
            .map(|task| task.key.issue.clone())
            .collect();
        for issue in &live {
            self.dispatch(issue);
        }
        self.release_agents();
        self.sweep_if_due();
        self.send_reads();
    }
}

/// One line a fact that a person would tell.
fn log(event: &Event) {
    let Event::Task { key, what } = event else { return };
    let (task, generation, kind) = (&key.issue, key.generation.0, what.kind());
    match what {
        event::TaskEvent::UsageMarked { .. }
        | event::TaskEvent::Noted { .. }
        | event::TaskEvent::CommentPosted { .. } => {
            tracing::debug!(%task, generation, kind, "task changed");
        }
        event::TaskEvent::TurnOrdered { session, turn, purpose, model, .. } => {
            tracing::info!(%task, generation, session = session.0, turn = turn.0, phase = purpose.phase_word(), model, "turn ordered");
        }
        event::TaskEvent::TurnEnded { session, turn, stop, .. } => {
            tracing::info!(%task, generation, session = session.0, turn = turn.0, stop, "turn ended");
        }
        event::TaskEvent::SessionEnded { session, ended, cause, .. } => {
            let cause = cause.as_deref().unwrap_or_default();
            tracing::info!(%task, generation, session = session.0, ?ended, cause, "session ended");
        }
        event::TaskEvent::Parked { parking } => {
            tracing::warn!(%task, generation, reason = %parking.reason, "task parked");
        }
        event::TaskEvent::Cancelled { reason } => tracing::info!(%task, generation, reason, "task cancelled"),
        event::TaskEvent::Blocked { reason } => tracing::info!(%task, generation, reason, "task blocked"),
        _ => tracing::info!(%task, generation, kind, "task changed"),
    }
}

fn row(event: &Event) -> Result<NewEvent, StoreError> {
    Ok(NewEvent {
        stream: event.issue().to_string(),
        kind: event.kind().to_owned(),
        version: event::VERSION,
        body: serde_json::to_string(event).map_err(|error| StoreError::Database(error.to_string()))?,
    })
}

impl Handle<Begin> for QueueActor {
    fn handle(&mut self, _message: Begin, _scope: &Scope<Self>) {
        self.begun = true;
        self.decide(Command::Started);
        // What was decided last may not have been told: the comment of a task that is over, too.
        let issues: Vec<IssueRef> = self.state.tasks().map(|task| task.key.issue.clone()).collect();
        for issue in &issues {
            self.dispatch(issue);
        }
        self.tick();
    }
}

impl Handle<Tick> for QueueActor {
    fn handle(&mut self, _message: Tick, _scope: &Scope<Self>) {
        if self.begun {
            self.tick();
        }
    }
}

impl Handle<BaseChanged> for QueueActor {
    fn handle(&mut self, message: BaseChanged, _scope: &Scope<Self>) {
        self.decide(Command::BaseChanged { repo: message.repo });
    }
}

impl Handle<Reconfigured> for QueueActor {
    fn handle(&mut self, _message: Reconfigured, _scope: &Scope<Self>) {
        self.decide(Command::Reconfigured);
        // Other repositories, or another bot, have other issues.
        self.swept_at = None;
        self.sightings.clear();
        self.tick();
    }
}

impl Handle<Drain> for QueueActor {
    fn handle(&mut self, _message: Drain, _scope: &Scope<Self>) {
        self.draining = true;
        self.release_agents();
    }
}

impl Handle<GateProgressed> for QueueActor {
    fn handle(&mut self, message: GateProgressed, _scope: &Scope<Self>) {
        let GateProgressed { key, gate, word } = message;
        let gating = self
            .state
            .task(&key.issue)
            .is_some_and(|task| task.key == key && matches!(task.phase, Phase::Gating(_)));
        if gating {
            self.progress.entry(key.issue.clone()).or_default().insert(gate, word);
            self.show(&key.issue);
        }
    }
}

macro_rules! decides {
    ($($message:ident),*) => {$(
        impl Handle<$message> for QueueActor {
            fn handle(&mut self, message: $message, _scope: &Scope<Self>) {
                self.decide(message.command);
            }
        }
    )*};
}
decides!(ForgeFact, AgentFact, ContextFact);

impl Handle<GateFact> for QueueActor {
    fn handle(&mut self, message: GateFact, _scope: &Scope<Self>) {
        if let Command::VerifyFailed { key, .. } = &message.command {
            self.send_again(OrderKind::Verify, key, GATES_AGAIN);
        }
        self.decide(message.command);
    }
}
