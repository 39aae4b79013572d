//! Taking over what a turn left, as the coordinator's own commit.

use super::{AgentActor, Failed, Harvested, Stage};
use crate::{
    actor::{Ground, base},
    domain::{
        command::{Command, Fault, TurnReport},
        order::TurnOrder,
        task::Candidate,
    },
    runtime::{Handle, Scope},
    workspace::{Harvest, Workspace, WorkspaceError, WorkspaceKey},
};

impl AgentActor {
    /// Reads the work tree; the turn is reported once that is done.
    pub(super) fn harvest(&mut self, stop: &'static str, cut_short: bool, scope: &Scope<Self>) {
        let notes = self.notes();
        let Some(turn) = self.turn.as_mut() else { return };
        turn.stage = Stage::Harvesting;
        let order = turn.order.clone();
        let key = order.key.clone();
        let live = self.live.as_ref();
        let report = Draft {
            cut_short,
            stop: stop.to_owned(),
            notes,
            cost_usd: live.and_then(|live| live.cost_usd),
            used_tokens: live.and_then(|live| live.used_tokens),
            peak_tokens: live.and_then(|live| live.peak_tokens),
            window_tokens: live.map(|live| live.window_tokens),
        };
        let work = take_over(self.ground.clone(), order, self.workspace.clone(), report);
        let work = tracing::Instrument::instrument(work, self.span(Some(key.session)));
        scope.run(work, move |outcome| Harvested { key, outcome });
    }
}

/// The report, without what the work tree says.
struct Draft {
    cut_short: bool,
    stop: String,
    notes: crate::domain::task::Notes,
    cost_usd: Option<f64>,
    used_tokens: Option<u64>,
    peak_tokens: Option<u64>,
    window_tokens: Option<u64>,
}

impl Handle<Harvested> for AgentActor {
    fn handle(&mut self, message: Harvested, scope: &Scope<Self>) {
        let Harvested { key, outcome } = message;
        if self.turn.as_ref().is_none_or(|turn| turn.order.key != key) {
            return;
        }
        match outcome {
            Ok(command) => self.report(key, command),
            Err(failed) => self.fail(key, failed),
        }
        if self.releasing {
            self.release(scope);
        }
    }
}

async fn take_over(
    ground: Ground,
    order: Box<TurnOrder>,
    workspace: Option<Workspace>,
    draft: Draft,
) -> Result<Command, Failed> {
    let task = &order.key.task;
    let repo = &task.issue.repo;
    let workspace = workspace
        .or_else(|| ground.workspaces.find(repo, &WorkspaceKey::new(task.issue.number, task.generation)))
        .ok_or_else(|| Failed {
            cause: format!("the workspace of {} is gone", task.issue),
            fault: Fault::Ours,
        })?;
    let base_commit = &order.ground.base;
    let Harvest { tree, base_tree, .. } =
        ground.workspaces.harvest(&workspace, base_commit).await.map_err(failed)?;
    let message = base::commit_message(&ground, task, &order.title, &order.model, &order.agent);
    let commit = ground
        .workspaces
        .commit_tree(repo, &tree, std::slice::from_ref(base_commit), &message, ground.clock.now_ms())
        .await
        .map_err(failed)?;
    let Draft { cut_short, stop, notes, cost_usd, used_tokens, peak_tokens, window_tokens } = draft;
    let report = TurnReport {
        cut_short,
        stop,
        candidate: Candidate { commit, tree, base: base_commit.clone() },
        base_tree,
        notes,
        cost_usd,
        used_tokens,
        peak_tokens,
        window_tokens,
    };
    Ok(Command::TurnEnded { turn: order.key.clone(), report: Box::new(report) })
}

/// What the agent left and may not is the agent's fault; all else is ours.
fn failed(error: WorkspaceError) -> Failed {
    let fault = if matches!(error, WorkspaceError::Refused { .. }) { Fault::Agent } else { Fault::Ours };
    Failed { cause: error.to_string(), fault }
}
