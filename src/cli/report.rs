//! `report`: the five measures and the totals.

use serde::de::IgnoredAny;

use super::{
    Client, Exit, ReportOptions, Told,
    client::ClientError,
    table::{Table, dollars},
};
use crate::domain::report::{Measure, Report};

const PATH: &str = "/api/v1/report";

/// Reads the report; with `--check`, a missed measure fails the command. Errors: it cannot be read.
pub async fn told(options: &ReportOptions, client: &Client) -> Result<Told, ClientError> {
    if options.reading.json && !options.check {
        let (document, IgnoredAny) = client.read(PATH).await?;
        return Ok(Told::fine(document));
    }
    let (document, report) = client.read::<Report>(PATH).await?;
    let answer = if options.reading.json { document } else { render(&report).into_bytes() };
    let missed = report.measures.missed();
    if !options.check || missed.is_empty() {
        return Ok(Told::fine(answer));
    }
    Ok(Told { answer, notes: format!("missed: {}\n", missed.join(", ")), exit: Exit::Failed })
}

/// The report for a person: a line for each measure, then the totals.
pub fn render(report: &Report) -> String {
    let mut table = Table::default();
    for (name, measure) in report.measures.named() {
        table.row([
            name.to_owned(),
            value(name, measure),
            format!("goal {}", goal(name, measure)),
            verdict(measure).to_owned(),
            basis(name, measure),
        ]);
    }
    let states = report.tasks.iter().map(|(state, count)| format!("{count} {}", state.as_str()));
    let states = states.collect::<Vec<_>>().join(", ");
    format!(
        "{}\ntasks: {}\nrotations: {}\ncontinuations: {}\ncost: {}\n",
        table.render(),
        if states.is_empty() { "none yet" } else { &states },
        report.rotations,
        report.continuations,
        dollars(report.cost_usd),
    )
}

/// Context is a count that is to stay at nought, the others are shares.
fn is_count(name: &str) -> bool {
    name == "context"
}

fn value(name: &str, measure: &Measure) -> String {
    match measure.value {
        None => "-".to_owned(),
        Some(count) if is_count(name) => count.to_string(),
        // Never rounded up: what falls short of all must not read as all.
        Some(_) => {
            let per_mille = measure.numerator.saturating_mul(1000) / measure.denominator.max(1);
            format!("{}.{} %", per_mille / 10, per_mille % 10)
        }
    }
}

fn goal(name: &str, measure: &Measure) -> String {
    let percent = measure.goal * 100.0;
    match name {
        "context" => format!("{}", measure.goal),
        "free_models" => format!("above {percent:.0} %"),
        _ if measure.goal >= 1.0 => format!("{percent:.0} %"),
        _ => format!("at least {percent:.0} %"),
    }
}

fn verdict(measure: &Measure) -> &'static str {
    match measure.met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "nothing yet",
    }
}

fn basis(name: &str, measure: &Measure) -> String {
    let what = match name {
        "autonomy" => "finished or parked tasks were finished without a person",
        "quality" => "published commits were green",
        "free_models" => "finished tasks ran on free models only",
        "context" => "sessions went on beyond the line without a rotation",
        _ => "estimates were within 20 % of the actual peak",
    };
    match measure.denominator {
        0 => String::new(),
        denominator => format!("{} of {denominator} {what}", measure.numerator),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{report::Ledger, view::StateWord};

    #[test]
    fn an_empty_report_says_nothing_yet() {
        insta::assert_snapshot!(render(&Ledger::new().report()), @r"
        autonomy     -  goal 100 %          nothing yet
        quality      -  goal 100 %          nothing yet
        free_models  -  goal above 70 %     nothing yet
        context      -  goal 0              nothing yet
        estimates    -  goal at least 80 %  nothing yet

        tasks: none yet
        rotations: 0
        continuations: 0
        cost: $0.00
        ");
    }

    #[test]
    fn a_report_shows_value_goal_and_verdict() {
        let mut report = Ledger::new().report();
        let set = |measure: &mut Measure, numerator, denominator, value: f64, met| {
            (measure.numerator, measure.denominator) = (numerator, denominator);
            (measure.value, measure.met) = (Some(value), Some(met));
        };
        set(&mut report.measures.autonomy, 1999, 2000, 0.9995, false);
        set(&mut report.measures.quality, 6, 6, 1.0, true);
        set(&mut report.measures.free_models, 7, 10, 0.7, false);
        set(&mut report.measures.context, 2, 4, 2.0, false);
        set(&mut report.measures.estimates, 4, 5, 0.8, true);
        report.tasks = [(StateWord::Done, 5), (StateWord::InReview, 1)].into();
        (report.rotations, report.continuations, report.cost_usd) = (2, 3, None);
        insta::assert_snapshot!(render(&report), @r"
        autonomy     99.9 %   goal 100 %          missed  1999 of 2000 finished or parked tasks were finished without a person
        quality      100.0 %  goal 100 %          met     6 of 6 published commits were green
        free_models  70.0 %   goal above 70 %     missed  7 of 10 finished tasks ran on free models only
        context      2        goal 0              missed  2 of 4 sessions went on beyond the line without a rotation
        estimates    80.0 %   goal at least 80 %  met     4 of 5 estimates were within 20 % of the actual peak

        tasks: 1 in_review, 5 done
        rotations: 2
        continuations: 3
        cost: unknown
        ");
    }
}
