//! `actors`: the tree of actors and how each of them goes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, de::IgnoredAny};

use super::{
    Client, ReadingOptions, Told,
    client::ClientError,
    table::{Table, span},
};

const PATH: &str = "/actors";

#[derive(Deserialize)]
struct Document {
    actors: Vec<Actor>,
}

/// What is shown of an actor.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Actor {
    id: String,
    role: String,
    parent: Option<String>,
    state: String,
    mailbox: Mailbox,
    handled: u64,
    restarts: u32,
    last_crash: Option<Crash>,
    current: Option<Current>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Mailbox {
    depth: usize,
    capacity: usize,
    peak: usize,
    oldest_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Crash {
    at: String,
    message: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Current {
    message: String,
    for_ms: u64,
}

/// Reads the actors. Errors: they cannot be read.
pub async fn told(options: &ReadingOptions, client: &Client) -> Result<Told, ClientError> {
    if options.json {
        let (document, IgnoredAny) = client.read(PATH).await?;
        return Ok(Told::fine(document));
    }
    let (_, Document { actors }) = client.read(PATH).await?;
    Ok(Told::fine(render(&actors)))
}

/// The actors for a person, children under their parents; under each its last crash, where there was one.
fn render(actors: &[Actor]) -> String {
    if actors.is_empty() {
        return "no actors\n".to_owned();
    }
    let heading = ["ID", "ROLE", "STATE", "WAITING", "PEAK", "OLDEST", "HANDLED", "RESTARTS", "NOW"];
    let mut table = Table::with_heading(&heading);
    for (depth, actor) in tree(actors) {
        let Mailbox { depth: waiting, capacity, peak, oldest_ms } = actor.mailbox;
        let now = actor.current.as_ref();
        table.row([
            format!("{}{}", "  ".repeat(depth), actor.id),
            actor.role.clone(),
            actor.state.clone(),
            format!("{waiting}/{capacity}"),
            peak.to_string(),
            if waiting == 0 { "-".to_owned() } else { span(oldest_ms) },
            actor.handled.to_string(),
            actor.restarts.to_string(),
            now.map_or("-".to_owned(), |now| format!("{} for {}", now.message, span(now.for_ms))),
        ]);
        if let Some(Crash { at, message }) = &actor.last_crash {
            table.note(&format!("crashed at {at}: {message}"));
        }
    }
    table.render()
}

/// The actors in the order of their tree, each with its depth; one whose parent is not listed is at the top.
fn tree(actors: &[Actor]) -> Vec<(usize, &Actor)> {
    let listed: BTreeSet<&str> = actors.iter().map(|actor| actor.id.as_str()).collect();
    let mut children: BTreeMap<Option<&str>, Vec<&Actor>> = BTreeMap::new();
    for actor in actors {
        let parent = actor.parent.as_deref().filter(|parent| listed.contains(parent));
        children.entry(parent).or_default().push(actor);
    }
    let mut ordered = Vec::new();
    let mut waiting: Vec<(usize, &Actor)> = Vec::new();
    let mut push = |waiting: &mut Vec<_>, depth, parent| {
        let below = children.remove(&parent).unwrap_or_default();
        waiting.extend(below.into_iter().rev().map(|child| (depth, child)));
    };
    push(&mut waiting, 0, None);
    while let Some((depth, actor)) = waiting.pop() {
        ordered.push((depth, actor));
        push(&mut waiting, depth + 1, Some(actor.id.as_str()));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(id: &str, parent: Option<&str>) -> Actor {
        Actor {
            id: id.into(),
            role: "QueueActor".into(),
            parent: parent.map(str::to_owned),
            state: "running".into(),
            mailbox: Mailbox { depth: 0, capacity: 64, peak: 3, oldest_ms: 0 },
            handled: 1200,
            restarts: 0,
            last_crash: None,
            current: None,
        }
    }

    #[test]
    fn actors_are_a_tree_with_what_each_does_now() {
        let agent = Actor {
            role: "AgentActor".into(),
            state: "stuck".into(),
            mailbox: Mailbox { depth: 2, capacity: 8, peak: 2, oldest_ms: 12_300 },
            restarts: 1,
            last_crash: Some(Crash {
                at: "2026-01-01T00:00:00Z".into(),
                message: "turn_ended: index\nout of bounds".into(),
            }),
            current: Some(Current { message: "start".into(), for_ms: 61_000 }),
            ..actor("agent:acme/app#7", Some("queue"))
        };
        let actors = [
            agent,
            actor("courier", Some("warden")),
            actor("orphan", Some("gone")),
            actor("queue", Some("warden")),
            actor("warden", None),
            actor("webhook:0", Some("warden")),
        ];
        insta::assert_snapshot!(render(&actors), @r"
        ID                    ROLE        STATE    WAITING  PEAK  OLDEST  HANDLED  RESTARTS  NOW
        orphan                QueueActor  running  0/64     3     -       1200     0         -
        warden                QueueActor  running  0/64     3     -       1200     0         -
          courier             QueueActor  running  0/64     3     -       1200     0         -
          queue               QueueActor  running  0/64     3     -       1200     0         -
            agent:acme/app#7  AgentActor  stuck    2/8      2     12.3 s  1200     1         start for 1 min 1 s
            crashed at 2026-01-01T00:00:00Z: turn_ended: index out of bounds
          webhook:0           QueueActor  running  0/64     3     -       1200     0         -
        ");
    }

    #[test]
    fn without_actors_it_says_so() {
        assert_eq!(render(&[]), "no actors\n");
    }
}
