//! How the scenario went, for a person: a line for each issue, the five measures, and what is amiss.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    cli::{
        report,
        table::{Table, counted, dollars, shortened},
    },
    domain::{
        report::Report,
        task::Ended,
        view::{StateWord, TaskView},
    },
};

const TITLE_WIDTH: usize = 40;

/// The tasks, then the report.
pub(super) fn render(
    tasks: &[TaskView],
    seen_red: &BTreeMap<u64, BTreeSet<String>>,
    report: &Report,
) -> String {
    let mut table =
        Table::with_heading(&["ISSUE", "STATE", "MODEL", "PEAK", "ESTIMATE", "COST", "MERGED", "TITLE"]);
    for task in tasks {
        table.row([
            format!("#{}", task.issue.number),
            task.state.as_str().to_owned(),
            task.route.as_ref().map_or("-", |route| route.model.as_str()).to_owned(),
            task.peak_tokens.map_or("unknown".to_owned(), thousands),
            thousands(task.estimate_tokens),
            dollars(task.cost_usd),
            task.pull_request.map_or("-".to_owned(), |number| format!("!{number}")),
            shortened(&task.title, TITLE_WIDTH),
        ]);
        for note in notes(task, seen_red.get(&task.issue.number)) {
            table.note(&note);
        }
    }
    format!("{}\n{}", table.render(), report::render(report))
}

/// What was out of the ordinary.
fn notes(task: &TaskView, red: Option<&BTreeSet<String>>) -> Vec<String> {
    let mut notes = Vec::new();
    if task.state != StateWord::Done {
        notes.push(task.reason.clone().unwrap_or_else(|| "it did not end".to_owned()));
    }
    let turns = counted(task.continuations as usize, "continuation");
    match red {
        Some(red) => {
            let names = red.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let end = if task.state == StateWord::Done { "green after" } else { "still red after" };
            notes.push(format!("its gates were red first ({names}), {end} {turns}"));
        }
        None if task.continuations > 0 => notes.push(turns),
        None => {}
    }
    for session in task.sessions.iter().filter(|session| session.ended == Some(Ended::Rotated)) {
        let peak = session.peak_occupancy.unwrap_or_default() * 100.0;
        notes.push(format!(
            "session {} was rotated at {peak:.1} % of its context; session {} went on from the hand-over",
            session.number,
            session.number + 1
        ));
    }
    notes
}

fn thousands(tokens: u64) -> String {
    format!("{}k", (tokens + 500) / 1_000)
}

/// What is amiss: issues that did not end as they should, and why; measures that are missed, and by how much. Once all
/// issues are done, a measure that measured nothing is missed too.
pub(super) fn problems(tasks: &[TaskView], report: &Report) -> Vec<String> {
    let mut problems = unfinished(tasks);
    let is_complete = problems.is_empty();
    for (name, measure) in report.measures.named() {
        if measure.met == Some(true) || (measure.met.is_none() && !is_complete) {
            continue;
        }
        let value = measure.value.map_or("nothing".to_owned(), |value| format!("{value:.3}"));
        problems.push(format!("the measure `{name}` is missed: {value}, goal {}", measure.goal));
    }
    problems
}

fn unfinished(tasks: &[TaskView]) -> Vec<String> {
    let others = tasks.iter().filter(|task| task.state != StateWord::Done);
    let told = others.map(|task| {
        let why = task.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        format!("#{} is {}{why}", task.issue.number, task.state.as_str())
    });
    told.collect()
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
