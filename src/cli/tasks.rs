//! `tasks`: every task, where it stands and why.

use serde::{Deserialize, de::IgnoredAny};

use super::{
    Client, ReadingOptions, Told,
    client::ClientError,
    table::{Table, dollars, shortened},
};
use crate::domain::view::{GateView, GateWord, SessionView, TaskView};

const PATH: &str = "/api/v1/tasks";
const TITLE_WIDTH: usize = 48;

#[derive(Deserialize)]
struct Document {
    tasks: Vec<TaskView>,
}

/// Reads the tasks. Errors: they cannot be read.
pub async fn told(options: &ReadingOptions, client: &Client) -> Result<Told, ClientError> {
    if options.json {
        let (document, IgnoredAny) = client.read(PATH).await?;
        return Ok(Told::fine(document));
    }
    let (_, Document { tasks }) = client.read(PATH).await?;
    Ok(Told::fine(render(&tasks)))
}

/// The tasks for a person; under each the reason for its state, where there is one.
pub fn render(tasks: &[TaskView]) -> String {
    if tasks.is_empty() {
        return "no tasks: assign an issue to the bot\n".to_owned();
    }
    let mut table = Table::with_heading(&["ISSUE", "STATE", "MODEL", "CONTEXT", "GATES", "COST", "TITLE"]);
    for task in tasks {
        table.row([
            task.issue.to_string(),
            task.state.as_str().to_owned(),
            task.route.as_ref().map_or("-", |route| route.model.as_str()).to_owned(),
            task.sessions.last().map_or("-".to_owned(), context),
            gates(&task.gates),
            dollars(task.cost_usd),
            shortened(&task.title, TITLE_WIDTH),
        ]);
        let blockers = task.blocked_by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match &task.reason {
            Some(reason) => table.note(reason),
            None if blockers.is_empty() => {}
            None => table.note(&format!("waits for {blockers}")),
        }
    }
    table.render()
}

/// Occupancy of the last session's window.
fn context(session: &SessionView) -> String {
    match session.occupancy {
        Some(occupancy) => format!("{:.0} %", (occupancy * 100.0).floor()),
        None => "unknown".to_owned(),
    }
}

/// How many are green where all are, else those that are not.
fn gates(gates: &[GateView]) -> String {
    let others: Vec<String> = gates
        .iter()
        .filter(|gate| gate.verdict != GateWord::Green)
        .map(|gate| format!("{} {}", gate.name, word(gate.verdict)))
        .collect();
    match (gates.len(), others.is_empty()) {
        (0, _) => "-".to_owned(),
        (count, true) => format!("{count} green"),
        (_, false) => others.join(", "),
    }
}

fn word(verdict: GateWord) -> &'static str {
    match verdict {
        GateWord::Pending => "pending",
        GateWord::Running => "running",
        GateWord::Green => "green",
        GateWord::Red => "red",
        GateWord::CouldNotRun => "could not run",
        GateWord::NoTests => "no tests",
        GateWord::TimedOut => "timed out",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        id::{Generation, TreeId},
        route::Tier,
        view::{RouteView, StateWord},
    };

    fn task(issue: &str, state: StateWord) -> TaskView {
        TaskView {
            issue: issue.parse().unwrap(),
            generation: Generation::FIRST,
            title: "Parse dates".into(),
            state,
            reason: None,
            blocked_by: Vec::new(),
            route: None,
            estimate_tokens: 20_000,
            peak_tokens: None,
            continuations: 0,
            sessions: Vec::new(),
            gates: Vec::new(),
            branch: "mosaic/1-parse-dates".into(),
            commit: None,
            pull_request: None,
            cost_usd: Some(0.0),
            updated_at: "2026-01-01T00:00:00Z".into(),
        }
    }

    fn session(occupancy: Option<f64>) -> SessionView {
        SessionView {
            number: 1,
            model: "small".into(),
            window_tokens: 200_000,
            occupancy,
            peak_occupancy: occupancy,
            turns: 1,
            ended: None,
            warned: false,
        }
    }

    fn gate(name: &str, verdict: GateWord) -> GateView {
        GateView { name: name.into(), verdict, duration_ms: None, tree: TreeId("t".into()) }
    }

    #[test]
    fn tasks_are_a_table_with_occupancy_gates_and_reasons() {
        let route = RouteView {
            agent: "mine".into(),
            model: "small".into(),
            tier: Tier::Free,
            why: "cheapest capable".into(),
        };
        let done = TaskView {
            route: Some(route.clone()),
            sessions: vec![session(Some(0.2)), session(Some(0.419))],
            gates: vec![gate("lint", GateWord::Green), gate("test", GateWord::Green)],
            ..task("acme/app#1", StateWord::Done)
        };
        let gating = TaskView {
            route: Some(route),
            sessions: vec![session(None)],
            gates: vec![
                gate("build", GateWord::Green),
                gate("lint", GateWord::Running),
                gate("test", GateWord::Pending),
            ],
            cost_usd: None,
            title: "A title that is much longer than anyone would want to read in a table".into(),
            ..task("acme/app#20", StateWord::Gating)
        };
        let parked = TaskView {
            gates: vec![
                gate("a", GateWord::Red),
                gate("b", GateWord::CouldNotRun),
                gate("c", GateWord::NoTests),
                gate("d", GateWord::TimedOut),
            ],
            reason: Some("the gate `a` stayed red\nfive times".into()),
            ..task("acme/app#3", StateWord::Parked)
        };
        let blocked = TaskView {
            blocked_by: vec!["acme/app#3".parse().unwrap(), "other/lib#1".parse().unwrap()],
            ..task("acme/app#4", StateWord::Blocked)
        };
        insta::assert_snapshot!(render(&[done, gating, parked, blocked]), @r"
        ISSUE        STATE    MODEL  CONTEXT  GATES                                            COST     TITLE
        acme/app#1   done     small  41 %     2 green                                          $0.00    Parse dates
        acme/app#20  gating   small  unknown  lint running, test pending                       unknown  A title that is much longer than anyone would w…
        acme/app#3   parked   -      -        a red, b could not run, c no tests, d timed out  $0.00    Parse dates
            the gate `a` stayed red five times
        acme/app#4   blocked  -      -        -                                                $0.00    Parse dates
            waits for acme/app#3, other/lib#1
        ");
    }

    #[test]
    fn without_tasks_it_says_what_makes_one() {
        assert_eq!(render(&[]), "no tasks: assign an issue to the bot\n");
    }
}
