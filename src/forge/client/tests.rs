//! The client against answers of every kind.

mod canned;
mod issues;
mod pulls;
mod repositories;
mod transport;

use self::canned::{Canned, Reply, Request};
use super::*;
use crate::domain::id::{IssueRef, RepoRef};

/// A client of a canned forge, with a token and short patience.
fn client(forge: &Canned) -> Forge {
    let timeouts = Timeouts { connect: Duration::from_secs(5), request: Duration::from_secs(5) };
    Forge::new(forge.url(), Some("t0ken".into()), timeouts).unwrap()
}

fn repo() -> RepoRef {
    "acme/app".parse().unwrap()
}
fn issue(text: &str) -> IssueRef {
    text.parse().unwrap()
}
fn bot() -> BotUser {
    BotUser { id: 2, login: "bot".into(), email: String::new() }
}
