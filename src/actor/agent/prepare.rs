//! Making the workspace: the mirror is brought up to date, gates and policy are read from the base.

use super::{AgentActor, Prepare, Prepared, Unprepared};
use crate::{
    actor::{Ground, base},
    domain::{
        command::Command,
        task::{Ground as Base, TaskKey},
    },
    runtime::{Handle, Scope},
    workspace::{Workspace, WorkspaceError, WorkspaceKey},
};

impl Handle<Prepare> for AgentActor {
    fn handle(&mut self, message: Prepare, scope: &Scope<Self>) {
        let Prepare { key, branch, base } = message;
        if key != self.key || self.preparing || self.releasing {
            return;
        }
        self.preparing = true;
        let ground = self.ground.clone();
        let work = tracing::Instrument::instrument(prepare(ground, key, branch, base), self.span(None));
        scope.run(work, |outcome| Prepared { outcome });
    }
}

impl Handle<Prepared> for AgentActor {
    fn handle(&mut self, message: Prepared, scope: &Scope<Self>) {
        self.preparing = false;
        if self.releasing {
            self.release(scope);
            return;
        }
        let key = self.key.clone();
        match message.outcome {
            Ok((workspace, ground)) => {
                self.workspace = Some(workspace);
                self.tell(Command::Prepared { key, ground });
            }
            Err(Unprepared { reason, retry }) => {
                tracing::warn!(parent: &self.span(None), %reason, retry, "the workspace could not be made");
                self.tell(Command::PrepareFailed { key, reason, retry });
            }
        }
    }
}

impl From<WorkspaceError> for Unprepared {
    fn from(error: WorkspaceError) -> Self {
        let retry = !matches!(error, WorkspaceError::NotFound { .. } | WorkspaceError::Refused { .. });
        Self { reason: error.to_string(), retry }
    }
}

async fn prepare(
    ground: Ground,
    key: TaskKey,
    branch: String,
    known: Option<Box<Base>>,
) -> Result<(Workspace, Box<Base>), Unprepared> {
    let repo = &key.issue.repo;
    let workspace_key = WorkspaceKey::new(key.issue.number, key.generation);
    // What stands on an older base keeps it: the base is merged in when the work is published. One without gates is read
    // anew, since they may have been defined meanwhile.
    if let (Some(known), Some(found)) = (&known, ground.workspaces.find(repo, &workspace_key))
        && !known.gates.is_empty()
        && ground.workspaces.tree_of(repo, &known.base).await.is_ok()
    {
        return Ok((found, known.clone()));
    }
    let repository = ground.forge.repository(repo).await.map_err(|error| Unprepared {
        reason: format!("{repo} cannot be read: {error}"),
        retry: error.is_retryable() || matches!(error, crate::forge::ForgeError::Unauthorized { .. }),
    })?;
    ground.workspaces.fetch(repo, &base::remote(&ground, repo)).await?;
    let base_branch = repository.default_branch;
    let Some(head) = ground.workspaces.branch_head(repo, &base_branch).await? else {
        let reason = format!("{repo} has no branch {base_branch}: push a first commit to it");
        return Err(Unprepared { reason, retry: false });
    };
    let ground_read =
        base::read(&ground, repo, &base_branch, head.clone()).await.map_err(|unfit| match unfit {
            base::Unfit::Again(reason) => Unprepared { reason, retry: true },
            base::Unfit::Faulty(reason) => Unprepared { reason, retry: false },
        })?;
    let workspace = ground.workspaces.prepare(repo, &workspace_key, &branch, &head).await?;
    let base = Base { base: workspace.base.clone(), ..ground_read };
    Ok((workspace, Box::new(base)))
}
