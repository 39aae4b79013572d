//! Watching a running turn: how long it takes, whether it lives, and that it stops when told.

use std::time::Duration;

use super::{AgentActor, Stage, Stopping, Watch};
use crate::runtime::{Handle, Scope};

/// How long an agent has to end its turn after it was told to; then its tree is killed.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// How long nothing is heard before processor time is looked at.
const QUIET: Duration = Duration::from_secs(2);

impl Handle<Watch> for AgentActor {
    fn handle(&mut self, _message: Watch, _scope: &Scope<Self>) {
        if self.unnoted {
            self.note();
        }
        let now = self.ground.clock.instant();
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.stage == Stage::Working) else { return };
        let Some(live) = &self.live else { return };
        let control = &live.hold.0;
        if let Some((why, since)) = &turn.stopping {
            if now.duration_since(*since) > STOP_GRACE && !turn.killed {
                tracing::warn!(task = %self.key.issue, session = live.number.0, ?why, "the agent does not stop; it is killed");
                turn.killed = true;
                control.kill();
            }
            return;
        }
        let policy = &turn.order.ground.policy;
        let turn_timeout = Duration::from_millis(policy.turn_timeout_ms);
        let stall_timeout = Duration::from_millis(policy.stall_timeout_ms);
        if now.duration_since(turn.alive_at) > QUIET.min(stall_timeout / 2)
            && let Some(cpu_ms) = control.cpu_ms()
            && cpu_ms > turn.cpu_ms
        {
            // The first look sets the mark; only what comes after it is life.
            if turn.cpu_ms > 0 {
                turn.alive_at = now;
            }
            turn.cpu_ms = cpu_ms;
        }
        let cause = if now.duration_since(turn.began) > turn_timeout {
            format!(
                "the turn ran longer than {} (policy.turn_timeout)",
                humantime::format_duration(turn_timeout)
            )
        } else if now.duration_since(turn.alive_at) > stall_timeout {
            format!(
                "no event, no output and no processor time for {} (policy.stall_timeout)",
                humantime::format_duration(stall_timeout)
            )
        } else {
            return;
        };
        turn.stopping = Some((Stopping::Limit(cause), now));
        control.cancel();
    }
}
