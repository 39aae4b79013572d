//! The Agent Client Protocol: newline-delimited JSON-RPC 2.0 over an agent's standard input and output.
//!
//! Owns the opening of a session: `initialize`, `session/new`, and the model option where the agent offers one.
//! Promises that a line which is no protocol is skipped and never the end of a session. Never offers the agent
//! our file system or a terminal; a permission asked for is granted, because the sandbox is what isolates.

mod codec;
mod link;
mod outlet;
mod pump;
mod updates;
mod wire;

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    time::timeout,
};

use self::{
    codec::RpcError,
    link::Link,
    pump::{Pump, Streams},
    wire::{Initialized, ModelChoice, NewSession},
};
use super::{
    AgentError, AgentEvent, OpenError, Session, SessionControl, SessionSpec, outbox::Outbox,
    transcript::Transcript,
};
use crate::process::{Keeper, Spec, StdinMode};

/// Events that may wait to be read before the agent has to.
const EVENTS: usize = 1024;

/// The protocol's code for a missing login, and HTTP's, which some agents use.
const AUTH_REQUIRED: i64 = -32000;
const UNAUTHORIZED: i64 = 401;

/// How long the kill of a tree that did not open a session is waited for.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// Opens a session; see [`super::open`].
pub(super) async fn open(keeper: &Keeper, spec: SessionSpec) -> Result<Session, OpenError> {
    let Some((program, args)) = spec.command.split_first() else {
        return Err(OpenError::NotStartable("its command is empty: give the program's path".to_owned()));
    };
    let transcript = spec.transcript.as_deref().and_then(|path| match Transcript::append_to(path) {
        Ok(transcript) => Some(Arc::new(transcript)),
        Err(error) => {
            tracing::warn!(label = %spec.label, path = %path.display(), %error, "session goes without a transcript");
            None
        }
    });
    let mut kept = keeper
        .start(Spec {
            label: spec.label.clone(),
            program: program.clone(),
            args: args.to_vec(),
            cwd: spec.cwd.clone(),
            env: spec.env.clone(),
            stdin: StdinMode::Piped,
            lock: spec.lock.clone(),
        })
        .await?;
    let stdin = kept.stdin.take().expect("it was asked for as a pipe");
    let process = kept.control();
    let watched = process.clone();
    let killed = process.clone();
    let streams = Streams {
        stdout: kept.stdout,
        stderr: kept.stderr,
        ended: Box::pin(async move { watched.ended().await }),
        kill: Box::new(move || killed.kill()),
    };
    // Should this future be dropped, the pump and with it the last hold on the tree go too.
    let opened = connect(stdin, streams, &spec, transcript).await;
    match opened {
        Ok(connected) => {
            let control = SessionControl::new(connected.link, process);
            Ok(Session::new(connected.events, connected.provider_session, control))
        }
        Err(error) => {
            process.kill();
            // Whoever tries again must not meet the old tree; what cannot be killed is not waited for.
            let _ = timeout(KILL_LIMIT, process.ended()).await;
            Err(error)
        }
    }
}

/// A session that is open, whatever its streams are.
struct Connected {
    events: mpsc::Receiver<AgentEvent>,
    link: Arc<Link>,
    provider_session: String,
}

/// Shakes hands over the given streams and leaves the pump running.
async fn connect<W, R, E>(
    stdin: W,
    streams: Streams<R, E>,
    spec: &SessionSpec,
    transcript: Option<Arc<Transcript>>,
) -> Result<Connected, OpenError>
where
    W: AsyncWrite + Send + Unpin + 'static,
    R: AsyncRead + Send + Unpin + 'static,
    E: AsyncRead + Send + Unpin + 'static,
{
    let link = Arc::new(Link::new(Outbox::to(stdin, transcript.clone())));
    let (sender, events) = mpsc::channel(EVENTS);
    let mut pump = Pump::new(spec.label.clone(), streams, link.clone(), sender, transcript);
    let provider_session = timeout(spec.open_timeout, shake_hands(&mut pump, &link, spec))
        .await
        .unwrap_or(Err(OpenError::TimedOut(spec.open_timeout)))?;
    // What it has to say belongs to whoever opened the session.
    tokio::spawn(tracing::Instrument::in_current_span(pump.run(provider_session.clone())));
    Ok(Connected { events, link, provider_session })
}

async fn shake_hands<R, E>(
    pump: &mut Pump<R, E>,
    link: &Link,
    spec: &SessionSpec,
) -> Result<String, OpenError>
where
    R: AsyncRead + Unpin,
    E: AsyncRead + Unpin,
{
    let initialized = pump.call("initialize", &wire::initialize()).await?.map_err(refused)?;
    let initialized: Initialized = serde_json::from_value(initialized).unwrap_or_default();
    if let Some(version) = initialized.protocol_version.filter(|version| *version != wire::PROTOCOL_VERSION) {
        let message = format!("it answers version {version}, and only {} is spoken", wire::PROTOCOL_VERSION);
        return Err(OpenError::Protocol(message));
    }
    let params = json!({ "cwd": spec.cwd, "mcpServers": [] });
    let new_session = pump.call("session/new", &params).await?.map_err(refused)?;
    let new_session: NewSession = serde_json::from_value(new_session).unwrap_or_default();
    if new_session.session_id.is_empty() {
        return Err(OpenError::Protocol("its answer to session/new names no session".to_owned()));
    }
    link.opened(&new_session.session_id);
    match new_session.model_choice(&spec.model_id) {
        ModelChoice::None => {}
        ModelChoice::NotOffered(offered) => tracing::warn!(
            label = %spec.label, model = %spec.model_id, ?offered,
            "agent does not offer the wanted model and keeps its own choice"
        ),
        // A session on another model than the one that was routed would cost what nobody decided.
        ModelChoice::Set { method, params } => {
            pump.call(method, &params).await?.map(drop).map_err(refused)?
        }
    }
    Ok(new_session.session_id)
}

fn refused(error: RpcError) -> OpenError {
    let told = AgentError::from_rpc(error.code, &error.message, error.data.as_ref());
    match error.code {
        AUTH_REQUIRED | UNAUTHORIZED => OpenError::AuthRequired(told.message),
        _ => OpenError::Refused(told),
    }
}

#[cfg(test)]
mod peer;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod tests;
