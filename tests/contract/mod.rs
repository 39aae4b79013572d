//! The simulated forge and a real Gitea, held to the same cases.
//!
//! A case asks a forge and writes a transcript of statuses, shapes and values. What a real Gitea 1.25.4
//! answered is kept under `tests/data/contract`; every forge must answer the same. So the simulated one is
//! held to the real one even where there is none, and where there is (`MOSAIC_GITEA`), the kept transcripts are
//! held to it. `MOSAIC_CONTRACT_RECORD=1` with a real Gitea writes them anew.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::disallowed_methods, reason = "tests read the environment")]

mod client;
mod code;
mod faults;
mod hooks;
mod issues;
mod shape;
mod site;
mod stage;
mod traps;

use std::{fs, future::Future, path::PathBuf, pin::Pin};

use crate::support::{
    forge_under_test::{ForgeUnderTest, Kind},
    real_gitea::RealGitea,
};
use stage::Stage;

/// A case: what is done on a stage.
pub type Case = for<'s, 'f> fn(&'s mut Stage<'f>) -> Pin<Box<dyn Future<Output = ()> + 's>>;

/// Makes a test of each case, and the table of them all.
macro_rules! cases {
    ($($module:ident::$case:ident,)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                hold(stringify!($case), |stage| Box::pin($module::$case(stage))).await;
            }
        )*
        const NAMES: &[&str] = &[$(stringify!($case)),*];
    };
}

cases! {
    site::the_site_and_its_users,
    site::tokens_are_checked_before_all_else,
    site::repositories_are_made_and_seen,
    site::collaborators_and_permissions,
    site::private_repositories_are_not_there_for_others,
    site::archived_repositories_are_locked,
    site::a_renamed_repository_leads_on,
    issues::issues_are_made_and_read,
    issues::issues_are_changed,
    issues::issues_are_listed,
    issues::issues_are_searched,
    issues::pages_are_clamped,
    issues::comments,
    issues::labels,
    issues::timeline,
    issues::what_is_missing_is_refused,
    traps::dependencies,
    traps::cycles_of_three_and_of_one_are_accepted,
    traps::dependencies_across_repositories,
    traps::a_hidden_blocker_is_all_zero,
    traps::closing_with_open_dependencies,
    traps::closes_stays_silent_while_a_dependency_is_open,
    traps::assigning,
    traps::strangers_are_not_heard,
    code::branches,
    code::pull_requests,
    code::a_second_pull_request_is_a_conflict,
    code::merging,
    code::merge_refusals,
    code::merge_conflicts,
    code::squash_and_fast_forward,
    code::closes_ends_the_issue,
    code::statuses,
    code::pushing_over_http,
    hooks::hooks_are_managed,
    hooks::creating_and_assigning_is_told,
    hooks::editing_and_closing_is_told,
    hooks::comments_are_told,
    hooks::labels_are_told,
    hooks::dependencies_are_not_told,
    hooks::pushes_are_told,
    hooks::made_and_deleted_refs_are_told,
    hooks::pull_requests_are_told,
    hooks::statuses_are_told,
    hooks::forms_are_signed_over_the_payload,
    hooks::a_hook_that_is_not_active_is_silent,
    hooks::tests_are_pushes_of_nothing,
}

fn kept(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/contract").join(format!("{case}.txt"))
}

/// Plays a case on every forge and holds each transcript against the kept one.
async fn hold(name: &str, case: Case) {
    let record = std::env::var_os("MOSAIC_CONTRACT_RECORD").is_some();
    let mut forges = ForgeUnderTest::every().await;
    // The real one first where it is to be kept.
    forges.reverse();
    for forge in &forges {
        let mut stage = Stage::on(forge).await;
        case(&mut stage).await;
        let transcript = stage.transcript();
        if record && forge.kind() == Kind::Real {
            fs::create_dir_all(kept(name).parent().unwrap()).unwrap();
            fs::write(kept(name), &transcript).unwrap();
        }
        let expected = fs::read_to_string(kept(name))
            .unwrap_or_else(|_| panic!("{name} has no kept transcript; record it with a real Gitea"));
        let differing = first_difference(&expected, &transcript);
        assert!(
            differing.is_none(),
            "{:?} differs in {name}: {}",
            forge.kind(),
            differing.unwrap_or_default()
        );
    }
}

/// The first lines that differ, kept and found.
fn first_difference(expected: &str, found: &str) -> Option<String> {
    let (mut one, mut other) = (expected.lines(), found.lines());
    loop {
        match (one.next(), other.next()) {
            (None, None) => return None,
            (kept, found) if kept == found => {}
            (kept, found) => {
                return Some(format!(
                    "\nkept  {}\nfound {}",
                    kept.unwrap_or("(end)"),
                    found.unwrap_or("(end)")
                ));
            }
        }
    }
}

#[test]
fn no_kept_transcript_is_without_its_case() {
    for entry in fs::read_dir(kept("x").parent().unwrap()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let case = name.trim_end_matches(".txt");
        assert!(NAMES.contains(&case), "{name} belongs to no case");
    }
}

#[test]
fn a_real_gitea_leaves_nothing_behind() {
    let Some(gitea) = RealGitea::start() else { return };
    let (folder, address) = (gitea.folder().to_owned(), gitea.url().trim_start_matches("http://").to_owned());
    std::net::TcpStream::connect(&address).unwrap();
    drop(gitea);
    assert!(std::net::TcpStream::connect(&address).is_err(), "it still listens");
    assert!(!folder.exists(), "{} is still there", folder.display());
}
