//! Tasks outside of the roles.
//!
//! Promises that a panic in one is logged with its name. Never restarts a task.

use tokio::task::JoinHandle;

use super::guard::guarded_future;

/// Runs the future on the current tokio runtime; a panic in it ends only it, and is logged.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn spawn_task(
    name: impl Into<String>,
    future: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let name = name.into();
    tokio::spawn(async move {
        if let Err(why) = guarded_future(future).await {
            tracing::error!(task = name.as_str(), panic = why.as_str(), "task panicked");
        }
    })
}
