//! The prompt's text: the header line, then the template of its phase.

use std::collections::BTreeMap;

use crate::{
    config::prompts,
    domain::{
        gate::{GateReport, Verdict},
        order::{TurnOrder, handover_reason},
        task::{ContinueCause, Purpose},
    },
    gate::fix,
};

/// The whole prompt for a turn; `changed` is the list of files changed so far.
pub(super) fn text(order: &TurnOrder, changed: &str) -> String {
    let template = match order.purpose {
        Purpose::Work => prompts::work(),
        Purpose::Continue { .. } => prompts::continuation(),
        Purpose::Handover { .. } => prompts::handover(),
    };
    let header = format!(
        "<!-- mosaic:task={} phase={} session={} turn={} model={} -->",
        order.key.task.issue,
        order.purpose.phase_word(),
        order.key.session,
        order.key.turn,
        order.model,
    );
    format!("{header}\n{}", template.render(&values(order, changed)))
}

fn values<'a>(order: &TurnOrder, changed: &str) -> BTreeMap<&'a str, String> {
    let metadata = &order.metadata;
    let list =
        |points: &[String]| points.iter().map(|point| format!("- {point}")).collect::<Vec<_>>().join("\n");
    let failing = order.report.as_ref().filter(|report| !report.is_green());
    let edits = if order.edited { format!("# {}\n\n{}", order.title, order.body) } else { String::new() };
    BTreeMap::from([
        ("title", order.title.clone()),
        ("body", order.body.clone()),
        ("acceptance", metadata.acceptance.as_ref().map_or_else(String::new, |field| list(&field.value))),
        ("files", metadata.files.as_ref().map_or_else(String::new, |field| list(&field.value))),
        ("gates", gates(order)),
        ("branch", order.branch.clone()),
        ("failing_gates", failing.map_or_else(String::new, fix::failing_gates)),
        ("reason", reason(order)),
        ("changed_files", changed.trim_end().to_owned()),
        ("gate_report", order.report.as_ref().map_or_else(String::new, verdicts)),
        ("last_plan", list(&order.notes.plan)),
        ("last_message", order.notes.message.clone()),
        ("issue_edits", edits),
    ])
}

fn gates(order: &TurnOrder) -> String {
    let lines =
        order.ground.gates.iter().map(|(name, gate)| format!("- {name}: `{}`", gate.command.join(" ")));
    lines.collect::<Vec<_>>().join("\n")
}

fn verdicts(report: &GateReport) -> String {
    let word = |verdict| match verdict {
        Verdict::Green => "green",
        Verdict::Red => "red",
        Verdict::CouldNotRun => "could not run",
        Verdict::NoTests => "no tests ran",
        Verdict::TimedOut => "timed out",
    };
    let lines = report
        .gates
        .iter()
        .map(|(name, gate)| format!("- {name}: {} (`{}`)", word(gate.verdict), gate.command.join(" ")));
    lines.collect::<Vec<_>>().join("\n")
}

fn reason(order: &TurnOrder) -> String {
    match &order.purpose {
        Purpose::Work => String::new(),
        Purpose::Continue { cause } => match cause {
            ContinueCause::RedGates => "Some gates are not green.".to_owned(),
            ContinueCause::NothingChanged => "Your last turn changed nothing.".to_owned(),
            ContinueCause::Conflict { files } => format!(
                "The base branch moved, and your work conflicts with it. It is merged into your work tree; \
                 conflict markers are in: {}. Resolve them so that both changes hold.",
                files.join(", ")
            ),
        },
        Purpose::Handover { cause } => format!("The reason: {}.", handover_reason(cause)),
    }
}
