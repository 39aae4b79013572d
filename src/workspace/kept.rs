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
        let (stdout, stderr) = tokio::join!(
            collect(&mut kept.stdout, OUTPUT_LIMIT_BYTES),
            collect(&mut kept.stderr, OUTPUT_LIMIT_BYTES)
        );
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
async fn collect(stream: &mut (impl AsyncRead + Unpin), limit_bytes: usize) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut limited = (&mut *stream).take(limit_bytes as u64 + 1);
    limited.read_to_end(&mut content).await.ok()?;
    tokio::io::copy(stream, &mut tokio::io::sink()).await.ok()?;
    (content.len() <= limit_bytes).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_is_read_to_its_end_whatever_its_length() {
        let mut stream = &b"0123456789"[..];
        assert_eq!(collect(&mut stream, 10).await.unwrap(), b"0123456789");
        let mut stream = &b"0123456789"[..];
        assert_eq!(collect(&mut stream, 9).await, None);
        assert!(stream.is_empty());
    }

    #[tokio::test]
    async fn a_keeper_that_cannot_be_had_is_a_failure_of_ours() {
        let keeper = Keeper::at(PathBuf::from("/nowhere/keeper"));
        let repo = RepoRef::new("acme", "app");
        let error = run_kept(&keeper, &repo, "look", PathBuf::from("/"), Vec::new(), BTreeMap::new())
            .await
            .unwrap_err();
        assert!(matches!(error, WorkspaceError::Git { action: "look", .. }), "{error}");
    }
}
