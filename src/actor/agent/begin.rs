//! Beginning a turn: the session before is closed, the base merged in, the session opened, the prompt sent.

use std::{collections::BTreeMap, time::Duration};

use secrecy::ExposeSecret;

use super::{
    AgentActor, Begun, CLOSE_GRACE, Failed, Heard, Hold, Live, Opened, Running, Stage, Turn, prompt,
};
use crate::{
    actor::Ground,
    agent::{self, DriverKind, ErrorClass, OpenError, Session, SessionControl, SessionSpec},
    config::AgentConfig,
    domain::{
        command::Fault,
        id::SessionNo,
        order::TurnOrder,
        task::{Notes, Purpose},
    },
    process,
    runtime::{Handle, Port, Scope, Why, spawn_task},
    workspace::Workspace,
};

/// From the program's start to an open session.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
/// All that an agent sees of the coordinator's environment.
const ENVIRONMENT: [&str; 5] = ["PATH", "HOME", "LANG", "TERM", "TMPDIR"];

impl Handle<Turn> for AgentActor {
    fn handle(&mut self, message: Turn, scope: &Scope<Self>) {
        let Turn { order } = message;
        let key = order.key.clone();
        if key.task != self.key || self.releasing {
            return;
        }
        if let Some((_, command)) = self.reported.as_ref().filter(|(reported, _)| *reported == key) {
            self.tell(command.clone());
            return;
        }
        if self.turn.as_ref().is_some_and(|turn| turn.order.key == key) {
            return;
        }
        let now = self.ground.clock.instant();
        self.notes = order.notes.clone();
        self.spoke = false;
        self.turn = Some(Running {
            order: order.clone(),
            stage: Stage::Opening,
            began: now,
            alive_at: now,
            cpu_ms: 0,
            stopping: None,
            killed: false,
        });
        let same = self.live.as_ref().filter(|live| live.number == key.session);
        let control = same.map(|live| live.hold.0.clone());
        let before = if control.is_some() { None } else { self.live.take() };
        let work = begin(self.ground.clone(), order, self.workspace.clone(), control, before);
        let work = tracing::Instrument::instrument(work, self.span(Some(key.session)));
        scope.run(work, move |outcome| Begun { key, outcome });
    }
}

impl Handle<Begun> for AgentActor {
    fn handle(&mut self, message: Begun, scope: &Scope<Self>) {
        let Begun { key, outcome } = message;
        let opened = match outcome {
            Ok(opened) => opened,
            Err(failed) => {
                if self.releasing {
                    self.release(scope);
                } else {
                    self.fail(key, failed);
                }
                return;
            }
        };
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.order.key == key) else { return };
        let now = self.ground.clock.instant();
        (turn.stage, turn.began, turn.alive_at) = (Stage::Working, now, now);
        if let Some(session) = opened.session {
            self.live = Some(Live {
                number: key.session,
                hold: Hold(opened.control),
                used_tokens: None,
                peak_tokens: None,
                window_tokens: turn.order.window_tokens,
                cost_usd: None,
            });
            let agent = &turn.order.agent;
            self.ground.health.good(&format!("agent.{agent}"), "opened a session");
            spawn_task(
                "agent-pump",
                pump(session, key.session, scope.incarnation(), scope.port::<Heard>(), self.ground.clone()),
            );
        }
        if self.releasing {
            self.release(scope);
        }
    }
}

/// Hands the session's events on, in order; a full mailbox holds the agent back.
async fn pump(mut session: Session, number: SessionNo, incarnation: u32, port: Port<Heard>, ground: Ground) {
    while let Some(event) = session.events.recv().await {
        let mut heard = Heard { session: number, incarnation, event };
        while let Err(refused) = port.tell(heard) {
            if refused.why == Why::Gone {
                return;
            }
            heard = refused.message;
            ground.clock.sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn begin(
    ground: Ground,
    order: Box<TurnOrder>,
    workspace: Option<Workspace>,
    live: Option<SessionControl>,
    before: Option<Live>,
) -> Result<Opened, Failed> {
    if let Some(before) = before {
        before.hold.0.close(CLOSE_GRACE).await;
    }
    let fresh = order.key.turn.0 == 1;
    if live.is_none() && !fresh {
        return Err(Failed { cause: "the agent exited between two turns".to_owned(), fault: Fault::Agent });
    }
    let workspace = match workspace {
        Some(workspace) => workspace,
        None => found(&ground, &order)?,
    };
    let ours =
        |error: crate::workspace::WorkspaceError| Failed { cause: error.to_string(), fault: Fault::Ours };
    ground.workspaces.merge_base_into(&workspace, &order.ground.base).await.map_err(ours)?;
    let changed = match order.purpose {
        Purpose::Work => String::new(),
        Purpose::Continue { .. } | Purpose::Handover { .. } => {
            match ground.workspaces.harvest(&workspace, &order.ground.base).await {
                Ok(harvest) => harvest.diff_stat,
                Err(error) => {
                    tracing::warn!(%error, "the prompt goes without the list of changed files");
                    String::new()
                }
            }
        }
    };
    let text = prompt::text(&order, &changed);
    let (session, control) = match live {
        Some(control) => (None, control),
        None => {
            let session = open(&ground, &order, &workspace).await?;
            let control = session.control();
            (Some(session), control)
        }
    };
    control.prompt(&text).map_err(|error| Failed { cause: error.to_string(), fault: Fault::Agent })?;
    Ok(Opened { session, control })
}

/// After a crash of the actor the workspace is where it was.
fn found(ground: &Ground, order: &TurnOrder) -> Result<Workspace, Failed> {
    let task = &order.key.task;
    let key = crate::workspace::WorkspaceKey::new(task.issue.number, task.generation);
    ground.workspaces.find(&task.issue.repo, &key).ok_or_else(|| Failed {
        cause: format!("the workspace of {} is gone", task.issue),
        fault: Fault::Ours,
    })
}

async fn open(ground: &Ground, order: &TurnOrder, workspace: &Workspace) -> Result<Session, Failed> {
    let config = ground.config.load_full();
    let lacks = |what: String| Failed { cause: what, fault: Fault::Configuration };
    let agent = config
        .agents
        .get(&order.agent)
        .ok_or_else(|| lacks(format!("the agent `{}` is no longer configured", order.agent)))?;
    let model = config
        .models
        .get(&order.model)
        .ok_or_else(|| lacks(format!("the model `{}` is no longer configured", order.model)))?;
    let beside = workspace.path.parent().unwrap_or(&workspace.path);
    let spec = SessionSpec {
        label: format!("agent:{}", order.key.task.issue),
        command: agent.command.clone(),
        env: environment(ground, agent, &model.model),
        cwd: workspace.path.clone(),
        model_id: model.model.clone(),
        lock: Some(beside.join("agent.lock")),
        transcript: Some(beside.join(format!("session-{}.log", order.key.session))),
        open_timeout: OPEN_TIMEOUT,
    };
    agent::open(&ground.keeper, DriverKind::Acp, spec)
        .await
        .map_err(|error| not_opened(ground, order, &error))
}

fn environment(ground: &Ground, agent: &AgentConfig, model_id: &str) -> BTreeMap<String, String> {
    let mut environment = process::allowed(&ground.environment, &ENVIRONMENT);
    let own = agent.env.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
    environment.extend(own);
    environment.insert("MOSAIC_MODEL".to_owned(), model_id.to_owned());
    environment
}

fn not_opened(ground: &Ground, order: &TurnOrder, error: &OpenError) -> Failed {
    let fault = fault_of(error.class());
    if fault == Fault::Configuration {
        let check = format!("agent.{}", order.agent);
        ground.health.bad(&check, error.to_string());
        return Failed { cause: format!("the agent `{}` cannot be started: {error}", order.agent), fault };
    }
    Failed { cause: error.to_string(), fault }
}

pub(super) fn fault_of(class: ErrorClass) -> Fault {
    match class {
        ErrorClass::Configuration => Fault::Configuration,
        ErrorClass::Infrastructure => Fault::Provider,
        ErrorClass::ContextOverflow | ErrorClass::Agent => Fault::Agent,
    }
}

impl AgentActor {
    /// What the agent left to know so far.
    pub(super) fn notes(&self) -> Notes {
        self.notes.clone()
    }
}
