//! AgentActor: one per running task. Owns its workspace, its session and that session's process tree.
//!
//! Holds nothing durable: work lies in the workspace, decisions in the journal. When it crashes, its hold on the process
//! tree is dropped, so the tree dies; the rebuilt one reports the session lost and waits for orders. An order it has
//! carried out already is answered with the same fact again.
//!
//! | message | does |
//! |---|---|
//! | [`Prepare`] | workspace and ground → `prepared` |
//! | [`Turn`] | opens a session where needed, prompts → `turn_ended` or `session_failed` |
//! | [`Rotate`] | cancels the running turn; what it left is reported as cut short |
//! | [`Release`] | closes the session, ends the actor → `agent_gone` |
//! | [`Prepared`], [`Begun`], [`Heard`], [`Harvested`], [`Closed`], [`Watch`] | its own |

mod begin;
mod harvest;
mod hear;
mod prepare;
mod prompt;
mod watch;

use std::time::{Duration, Instant};

use super::{
    Ground, message,
    queue::{AgentFact, AgentGone, ForgetOrders},
};
use crate::{
    agent::{AgentEvent, Session, SessionControl},
    domain::{
        command::{Command, Fault},
        id::SessionNo,
        order::{OrderKind, TurnOrder},
        task::{Ground as Base, Notes, TaskKey, TurnKey},
    },
    runtime::{Handle, RebuildError, Role, Scope},
    workspace::Workspace,
};

/// How often a running turn is looked at.
const WATCH: Duration = Duration::from_millis(500);
/// How long an agent has to leave by itself when its session ends.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

message! {
    /// Make the task's workspace, or find it again.
    pub struct Prepare = "prepare" {
        /// Whose.
        key: TaskKey,
        /// The branch's name.
        branch: String,
        /// What the base said when it was made before.
        base: Option<Box<Base>>,
    }
}
message! {
    /// Let the agent do a turn.
    pub struct Turn = "turn" {
        /// Which.
        order: Box<TurnOrder>,
    }
}
message! {
    /// A session is at the rotation line: stop it.
    pub struct Rotate = "rotate" {
        /// Whose.
        key: TaskKey,
        /// Which session.
        session: SessionNo,
    }
}
message! {
    /// The task is no longer at work.
    pub struct Release = "release" {}
}
message! {
    /// The workspace is there, or not.
    pub struct Prepared = "prepared" {
        /// What came of it.
        outcome: Result<(Workspace, Box<Base>), Unprepared>,
    }
}
message! {
    /// A turn began, or did not.
    pub struct Begun = "begun" {
        /// Which.
        key: TurnKey,
        /// What came of it.
        outcome: Result<Opened, Failed>,
    }
}
message! {
    /// The agent did something.
    pub struct Heard = "heard" {
        /// In which session.
        session: SessionNo,
        /// Of which incarnation of this actor.
        incarnation: u32,
        /// What.
        event: AgentEvent,
    }
}
message! {
    /// What a turn left was taken over, or not.
    pub struct Harvested = "harvested" {
        /// Which turn.
        key: TurnKey,
        /// What came of it.
        outcome: Result<Command, Failed>,
    }
}
message! {
    /// The session is closed, and nothing of it is left.
    pub struct Closed = "closed" {}
}
message! {
    /// Time to look at the running turn.
    pub struct Watch = "watch" {}
}

/// Why there is no workspace.
#[derive(Debug)]
pub struct Unprepared {
    reason: String,
    retry: bool,
}

/// A session failed.
#[derive(Debug)]
pub struct Failed {
    cause: String,
    fault: Fault,
}

/// A session that took its prompt; the session itself where it is new.
#[derive(Debug)]
pub struct Opened {
    session: Option<Session>,
    control: SessionControl,
}

/// What the actor is built from.
#[derive(Clone)]
pub struct AgentSeed {
    /// The common ground.
    pub ground: Ground,
    /// Whose it is.
    pub key: TaskKey,
}

/// The hold on a process tree: dropping it kills the tree.
struct Hold(SessionControl);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// The session that lives.
struct Live {
    number: SessionNo,
    hold: Hold,
    used_tokens: Option<u64>,
    peak_tokens: Option<u64>,
    window_tokens: u64,
    cost_usd: Option<f64>,
}

/// The turn that runs.
struct Running {
    order: Box<TurnOrder>,
    stage: Stage,
    began: Instant,
    /// Last sign of life: an event, output, or processor time.
    alive_at: Instant,
    cpu_ms: u64,
    /// Why it was told to stop, and when.
    stopping: Option<(Stopping, Instant)>,
    killed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opening,
    Working,
    Harvesting,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stopping {
    Rotation,
    Limit(String),
}

/// See the module.
pub struct AgentActor {
    ground: Ground,
    key: TaskKey,
    workspace: Option<Workspace>,
    preparing: bool,
    live: Option<Live>,
    turn: Option<Running>,
    notes: Notes,
    /// Whether the agent said anything in this turn: its last message is that of its last turn with words.
    spoke: bool,
    noted_at: Option<Instant>,
    /// Whether there are notes that were not told yet.
    unnoted: bool,
    /// The last turn's fact, told again when its order comes again.
    reported: Option<(TurnKey, Command)>,
    releasing: bool,
}

impl Role for AgentActor {
    type Seed = AgentSeed;
    const ROLE: &'static str = "AgentActor";
    const CAPACITY: usize = 1024;

    fn rebuild(seed: &AgentSeed, scope: &Scope<Self>) -> Result<Self, RebuildError> {
        let AgentSeed { ground, key } = seed.clone();
        if scope.incarnation() > 1 {
            let cause = "its actor crashed".to_owned();
            let lost = Command::SessionLost { key: key.clone(), cause };
            let queue = ground.wiring.queue();
            queue.port::<AgentFact>().deliver(AgentFact { command: lost });
            let kinds = vec![OrderKind::Prepare, OrderKind::Turn];
            queue.port::<ForgetOrders>().deliver(ForgetOrders { kinds, task: Some(key.clone()) });
        }
        scope.every(WATCH, || Watch {});
        Ok(Self {
            ground,
            key,
            workspace: None,
            preparing: false,
            live: None,
            turn: None,
            notes: Notes::default(),
            spoke: false,
            noted_at: None,
            unnoted: false,
            reported: None,
            releasing: false,
        })
    }

    fn corrupt(&mut self) {
        // Another task's name on all facts: nobody would believe any of them.
        self.key.generation = self.key.generation.next();
        self.workspace = None;
        self.notes = Notes { plan: vec!["corrupted".to_owned()], message: "corrupted".to_owned() };
    }
}

impl AgentActor {
    fn tell(&self, command: Command) {
        self.ground.wiring.queue().port::<AgentFact>().deliver(AgentFact { command });
    }

    fn span(&self, session: Option<SessionNo>) -> tracing::Span {
        crate::telemetry::task_span(&self.key.issue, self.key.generation, session)
    }

    /// Reports how the running turn came out, and remembers it in case the order comes again.
    fn report(&mut self, key: TurnKey, command: Command) {
        self.turn = None;
        self.reported = Some((key, command.clone()));
        self.tell(command);
    }

    fn fail(&mut self, key: TurnKey, failed: Failed) {
        let Failed { cause, fault } = failed;
        tracing::warn!(parent: &self.span(Some(key.session)), %cause, ?fault, "session failed");
        // The tree dies with the hold.
        self.live = None;
        self.report(key.clone(), Command::SessionFailed { turn: key, cause, fault });
    }

    /// Ends the actor once nothing of its session is left.
    fn release(&mut self, scope: &Scope<Self>) {
        let control = self.live.take().map(|live| {
            let control = live.hold.0.clone();
            // The tree is given time to leave before the hold is dropped.
            (control, live)
        });
        scope.run(
            async move {
                if let Some((control, live)) = control {
                    control.close(CLOSE_GRACE).await;
                    drop(live);
                }
            },
            |()| Closed {},
        );
    }
}

impl Handle<Release> for AgentActor {
    fn handle(&mut self, _message: Release, scope: &Scope<Self>) {
        if self.releasing {
            return;
        }
        self.releasing = true;
        // What is being opened or harvested comes back as a message of its own first.
        let busy = self.preparing || self.turn.as_ref().is_some_and(|turn| turn.stage != Stage::Working);
        if !busy {
            self.release(scope);
        }
    }
}

impl Handle<Closed> for AgentActor {
    fn handle(&mut self, _message: Closed, scope: &Scope<Self>) {
        let gone = AgentGone { key: self.key.clone() };
        self.ground.wiring.queue().port::<AgentGone>().deliver(gone);
        scope.stop();
    }
}
