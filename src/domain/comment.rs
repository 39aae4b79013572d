//! The living comment: one per issue, edited in place, found again by a hidden marker.

use std::fmt::Write as _;

use super::{
    gate::Verdict,
    id::IssueRef,
    route::Tier,
    task::{Phase, Task},
};

/// The hidden marker by which the comment on `issue` is found again.
pub fn marker(issue: &IssueRef) -> String {
    format!("<!-- mosaic:comment={issue} -->")
}

/// The comment's whole text for a task as it stands.
pub fn text(task: &Task) -> String {
    let mut text = format!("{}\n**Mosaic Coordinator:** {}\n", marker(&task.key.issue), headline(task));
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
        text.push_str("\n- gates: ");
        let verdicts: Vec<String> =
            report.gates.iter().map(|(name, gate)| format!("{name} {}", verdict(gate.verdict))).collect();
        text.push_str(&verdicts.join(", "));
    }
    if let Some(number) = task.pull_request {
        let _ = write!(text, "\n- pull request: #{number}, branch `{}`", task.branch);
    }
    text.push('\n');
    text
}

fn headline(task: &Task) -> String {
    let reason = task.reason.as_deref().map(plain);
    match &task.phase {
        Phase::Received | Phase::Ready => "accepted; waits for its turn.".to_owned(),
        Phase::Blocked => format!("blocked: {}.", reason.unwrap_or_default()),
        Phase::Preparing => "preparing the workspace.".to_owned(),
        Phase::Running { session, .. } => format!("session {session} is at work."),
        Phase::Gating(_) => "the gates are running.".to_owned(),
        Phase::Publishing(_) => "all gates are green; publishing.".to_owned(),
        Phase::InReview(_) => match reason {
            Some(reason) => format!("the pull request waits: {reason}."),
            None => "the pull request waits for review.".to_owned(),
        },
        Phase::Done => "done.".to_owned(),
        Phase::Parked(parking) => {
            format!(
                "parked: {}. Change the text of the issue or assign it again to start anew.",
                plain(&parking.reason)
            )
        }
        Phase::Cancelled => format!("cancelled: {}.", reason.unwrap_or_default()),
    }
}

/// Text from outside must neither close issues nor mention people from the bot's comment.
fn plain(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.replace('@', "@\u{200b}").replace("<!--", "&lt;!--").trim_end_matches('.').to_owned()
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
