//! The living comment: one per issue, edited in place, found again by a hidden marker.
//!
//! Promises that nothing in it acts: whatever a session, a gate or the forge said, the comment mentions nobody, closes
//! no issue, hides nothing and shows no picture.

use std::{fmt::Write as _, sync::LazyLock};

use regex::Regex;

use super::{
    gate::Verdict,
    id::IssueRef,
    route::Tier,
    task::{ParkCause, Phase, Task},
};

/// Longest text from outside, in characters.
const PLAIN_MAX: usize = 600;
/// What breaks up a mention, a reference or a tag and is not seen.
const BREAK: &str = "\u{200b}";

/// The hidden marker by which the comment on `issue` is found again.
pub fn marker(issue: &IssueRef) -> String {
    format!("<!-- mosaic:comment={issue} -->")
}

/// The comment's whole text for a task as it stands.
pub fn text(task: &Task) -> String {
    let mut text = format!("{}\n**Mosaic Coordinator:** {}.\n", marker(&task.key.issue), headline(task));
    // Writing to a string does not fail.
    if let Some(route) = &task.route {
        let tier = match route.tier {
            Tier::Free => "free",
            Tier::Paid => "paid",
        };
        let _ = write!(
            text,
            "\n- model: `{}` ({tier}) with agent `{}`: {}",
            route.model,
            route.agent,
            plain(&route.why)
        );
    }
    let _ = write!(text, "\n- estimate: {} tokens ({})", task.estimate.tokens, plain(&task.estimate.how));
    if !task.sessions.is_empty() {
        let _ = write!(text, "\n- sessions: {}, continuations: {}", task.sessions.len(), task.continuations);
    }
    if let Some(report) = &task.report {
        let verdicts: Vec<String> = report
            .gates
            .iter()
            .map(|(name, gate)| format!("{} {}", plain(name), verdict(gate.verdict)))
            .collect();
        let _ = write!(text, "\n- gates: {}", verdicts.join(", "));
    }
    if let Some(number) = task.pull_request {
        let _ = write!(text, "\n- pull request: #{number}, branch `{}`", task.branch);
    }
    text.push('\n');
    text
}

fn headline(task: &Task) -> String {
    let reason = task.reason.as_deref().map(plain);
    let or = |without: &str| reason.clone().unwrap_or_else(|| without.to_owned());
    match &task.phase {
        Phase::Received | Phase::Ready => match reason {
            Some(reason) => format!("waits: {reason}"),
            None => "accepted; waits for its turn".to_owned(),
        },
        Phase::Blocked => format!("blocked: it {}", or("waits for another issue")),
        Phase::Preparing => "preparing the workspace".to_owned(),
        Phase::Running { session, .. } => format!("session {session} is at work"),
        Phase::Gating(_) => or("the gates are running"),
        Phase::Publishing(_) | Phase::InReview(_) if task.merged => or("merged; the issue is to be closed"),
        Phase::Publishing(_) => or("all gates are green; publishing"),
        Phase::InReview(_) => match reason {
            Some(reason) => format!("the pull request waits: {reason}"),
            None => "the pull request waits for review".to_owned(),
        },
        Phase::Done => "done".to_owned(),
        Phase::Parked(parking) => format!("parked: {}. {}", plain(&parking.reason), way_out(parking.cause)),
        Phase::Cancelled => format!("cancelled: {}", or("no longer wanted")),
    }
}

fn way_out(cause: ParkCause) -> &'static str {
    match cause {
        ParkCause::Cycle => "It goes on by itself once the cycle is broken",
        ParkCause::NotConfigured => {
            "It is looked at again when the base branch is pushed to, and when the coordinator reloads or starts"
        }
        ParkCause::Work => "Change the text of the issue or assign it again to start anew",
    }
}

/// Text from outside on one line, bounded, without its final dot, and broken wherever it would act.
fn plain(text: &str) -> String {
    /// A word that acts, and the reference that it acts on: `closes #7`, `Fixed: acme/app!7`, `resolves https://…/issues/7`.
    static ACTING: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?i)\b((?:clos|fix|resolv|reopen)(?:e|es|ed|s)?:?\s*(?:(?:[\w.-]+/[\w.-]+)?[#!]|https?://\S+/))(\d)",
        )
        .expect("a constant pattern")
    });
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut clipped: String = line.chars().take(PLAIN_MAX).collect();
    if clipped.len() < line.len() {
        clipped.push('…');
    }
    ACTING
        .replace_all(&clipped, format!("$1{BREAK}$2"))
        .replace('@', &format!("@{BREAK}"))
        .replace('<', &format!("<{BREAK}"))
        .replace("](", &format!("]{BREAK}("))
        .trim_end_matches('.')
        .to_owned()
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Green => "green",
        Verdict::Red => "red",
        Verdict::CouldNotRun => "could not run",
        Verdict::NoTests => "no tests",
        Verdict::TimedOut => "timed out",
    }
}

#[cfg(test)]
mod tests;
