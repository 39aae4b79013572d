//! Each method of the forge's client, on every kind of forge.
//!
//! `METHODS` names them all: a method of the client without a case here fails a test.

mod code;
mod issues;

use std::{collections::BTreeSet, fs, future::Future, path::Path, pin::Pin, time::Duration};

use mosaic_coordinator::{
    domain::{
        id::{CommitId, IssueRef, RepoRef},
        issue::{Blocker, IssueState},
    },
    forge::{
        BotUser, Forge, ForgeError, IssueEdit, MergeOutcome, MergeRequest, MergeStyle, NewHook, NewIssue,
        NewPull, NewRepository, StatusState, Timeouts,
    },
};
use secrecy::SecretString;

use crate::support::{
    forge_under_test::{ForgeUnderTest, Kind, Person},
    receiver::Receiver,
};

/// What a case has: a forge, the bot's client, a repository with one commit.
struct Ground<'f> {
    under_test: &'f ForgeUnderTest,
    client: Forge,
    bot: BotUser,
    name: String,
    repo: RepoRef,
}

type Case = for<'g, 'f> fn(&'g Ground<'f>) -> Pin<Box<dyn Future<Output = ()> + 'g>>;

/// Makes a test of each case, and the table of the methods they are for.
macro_rules! methods {
    ($($file:ident::$method:ident,)*) => {
        $(
            #[tokio::test]
            async fn $method() {
                play(|ground| Box::pin($file::$method(ground))).await;
            }
        )*
        /// The methods that have a case.
        const METHODS: &[&str] = &[$(stringify!($method)),*];
    };
}

methods! {
    issues::add_dependency,
    issues::assigned_open_issues,
    issues::blocker_state,
    issues::blocks,
    code::branch,
    issues::close_issue,
    issues::comments,
    issues::create_comment,
    code::create_hook,
    issues::create_issue,
    code::create_pull,
    code::create_repository,
    code::current_user,
    code::delete_hook,
    issues::dependencies,
    issues::edit_comment,
    issues::edit_issue,
    code::hooks,
    issues::issue,
    issues::last_actors,
    issues::last_assignment,
    code::merge_pull,
    code::pull,
    code::pull_by_branches,
    code::repository,
    issues::repository_issues_assigned,
    code::set_status,
    code::settings_page_limit,
    issues::snapshot,
    code::statuses,
    issues::timeline,
    code::version,
}

fn client_of(forge: &ForgeUnderTest, who: &Person) -> Forge {
    Forge::new(forge.url(), Some(SecretString::from(who.token.clone())), Timeouts::default()).unwrap()
}

async fn play(case: Case) {
    for forge in &ForgeUnderTest::every().await {
        let client = client_of(forge, &forge.bot);
        let bot = client.current_user().await.unwrap();
        let name = forge.repository("app", &[("README.md", "An app.\n")]).await;
        let repo = name.parse().unwrap();
        case(&Ground { under_test: forge, client, bot, name, repo }).await;
    }
}

impl Ground<'_> {
    fn issue(&self, number: u64) -> IssueRef {
        IssueRef::new(self.repo.clone(), number)
    }

    /// A client of the owner's.
    fn owner(&self) -> Forge {
        client_of(self.under_test, &self.under_test.owner)
    }

    async fn issues(&self, count: u64) {
        for number in 1..=count {
            self.under_test.create_issue(&self.name, &format!("Issue {number}"), "B", &[]).await;
        }
    }

    /// A branch with one commit; returns it.
    async fn topic(&self, branch: &str) -> CommitId {
        let files = [(branch, "1\n")];
        CommitId(self.under_test.push(&self.under_test.bot, &self.name, branch, &files, "Work").await)
    }

    fn new_pull(head: &str) -> NewPull {
        NewPull { base: "main".into(), head: head.into(), title: "Work".into(), body: "Closes #1".into() }
    }

    async fn until_mergeable(&self, pull: u64) {
        let holds = async || self.client.pull(&self.repo, pull).await.unwrap().mergeable;
        self.under_test.until("the pull request has been checked", holds).await;
    }
}

fn names(repo: &[mosaic_coordinator::forge::wire::WireIssue]) -> Vec<u64> {
    repo.iter().filter_map(|issue| issue.positive_number()).collect()
}

#[test]
fn every_method_of_the_client_has_its_case() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/forge");
    let mut texts = vec![fs::read_to_string(source.join("client.rs")).unwrap()];
    for entry in fs::read_dir(source.join("client")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            texts.push(fs::read_to_string(path).unwrap());
        }
    }
    let declared = |text: &String| -> Vec<String> {
        let after = text.split("pub async fn ").skip(1);
        after.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
    };
    let methods: BTreeSet<String> = texts.iter().flat_map(declared).collect();
    let cases: BTreeSet<String> = METHODS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(methods, cases);
}

#[tokio::test]
async fn what_a_fault_leaves_undone_is_done_by_asking_again() {
    use mosaic_coordinator::forge::simulated::RequestFault;
    let forge = ForgeUnderTest::simulated().await;
    assert_eq!(forge.kind(), Kind::Simulated);
    let client = client_of(&forge, &forge.bot);
    let name = forge.repository("app", &[]).await;
    let issue = IssueRef::new(name.parse().unwrap(), forge.create_issue(&name, "T", "", &[]).await);
    let faults = forge.knobs().unwrap().faults();
    faults.requests(1, |request| request.method == "GET", RequestFault::DropRequest);
    faults.requests(
        1,
        |request| request.method == "GET",
        RequestFault::Answer { status: 502, retry_after: None },
    );
    assert_eq!(client.issue(&issue).await.unwrap().title, "T");
    // A write whose answer is lost was done; the client finds that out.
    faults.requests(1, |request| request.method == "PATCH", RequestFault::DropAnswer);
    client.close_issue(&issue).await.unwrap();
    assert_eq!(forge.issue(&name, issue.number).await["state"], "closed");
    faults.requests(1, |_| true, RequestFault::Answer { status: 429, retry_after: Some(7) });
    let refused = client.issue(&issue).await;
    let Err(ForgeError::RateLimited { retry_after, .. }) = refused else { panic!("{refused:?}") };
    assert!(retry_after > Duration::from_secs(5) && retry_after <= Duration::from_secs(7));
}
