//! Git in a folder that an agent could write: run as a kept process tree, like the agent itself.
//!
//! Promises bounds on time and memory, and that nothing of the tree is left when it returns or is dropped. Never
//! passes a secret on.

use std::{collections::BTreeMap, path::PathBuf};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::timeout,
};

use super::{
    error::WorkspaceError,
    git::{LOCAL_LIMIT, OUTPUT_LIMIT_BYTES, Output},
};
use crate::{
    domain::id::RepoRef,
    process::{Keeper, Spec, StartError, StdinMode},
};

/// Runs git with `args` in `cwd`; what it writes beyond the limit is read and dropped, and is a failure.
pub(super) async fn run_kept(
    keeper: &Keeper,
    repo: &RepoRef,
    action: &'static str,
    cwd: PathBuf,
    args: Vec<String>,
    env: BTreeMap<String, String>,
) -> Result<Output, WorkspaceError> {
    let failed = |detail: String| WorkspaceError::Git { repo: repo.clone(), action, detail };
    let spec = Spec {
        label: format!("git:{repo}"),
        program: "git".to_owned(),
        args,
        cwd,
        env,
        stdin: StdinMode::Empty,
        lock: None,
    };
    let mut kept = keeper.start(spec).await.map_err(|error| match error {
        StartError::NotFound { .. } => WorkspaceError::GitUnusable { detail: error.to_string() },
        StartError::NoDirectory { .. } => WorkspaceError::NotFound {
            repo: repo.clone(),
            what: "work tree of that task any more".to_owned(),
        },
        other => failed(other.to_string()),
    })?;
    let run = async {
        let (stdout, stderr) = tokio::join!(collect(&mut kept.stdout), collect(&mut kept.stderr));
        (stdout, stderr, kept.control().ended().await)
    };
    let Ok((stdout, stderr, exit)) = timeout(LOCAL_LIMIT, run).await else {
        // Dropping the tree kills it.
        return Err(failed(format!("it did not end within {} s", LOCAL_LIMIT.as_secs())));
    };
    let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
        return Err(failed(format!("it wrote more than {OUTPUT_LIMIT_BYTES} bytes")));
    };
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    match exit.code {
        Some(code) => Ok(Output { code, stdout, stderr }),
        None => Err(failed(format!("it was killed ({exit:?})"))),
    }
}

/// All of a stream; `None` where it is longer than allowed or breaks.
async fn collect(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut limited = (&mut *stream).take(OUTPUT_LIMIT_BYTES as u64 + 1);
    limited.read_to_end(&mut content).await.ok()?;
    tokio::io::copy(stream, &mut tokio::io::sink()).await.ok()?;
    (content.len() <= OUTPUT_LIMIT_BYTES).then_some(content)
}
