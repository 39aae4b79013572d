//! The end of every test: nothing is left over.
#![allow(clippy::disallowed_methods, reason = "tests wait against a deadline")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::world::{LOOK, World};

impl World {
    /// Leaves the world: every task ended as expected; one bot comment per issue, which says how it stands; at most one
    /// pull request per generation; every published commit green in the forge's statuses and by its tree in the report;
    /// no invariant broken; no actor restarted but those that the test crashed; after the stop no process and no folder
    /// that could not be removed.
    pub async fn leave(mut self) {
        self.until_over().await;
        let expected = self.expected.lock().unwrap().clone();
        self.until("the agents' actors are gone", async || {
            let actors = self.read("/actors").await;
            let mut ids = actors["actors"].as_array().unwrap().iter().map(|actor| &actor["id"]);
            !ids.any(|id| id.as_str().unwrap().starts_with("agent:"))
        })
        .await;
        for ((repo, issue), state) in &expected {
            let says = headline(state);
            self.until(&format!("the comment on {repo}#{issue} says `{says}`"), async || {
                self.comments(repo, *issue).await.iter().any(|body| body.contains(says))
            })
            .await;
            let comments = self.comments(repo, *issue).await;
            assert_eq!(comments.len(), 1, "one comment on {repo}#{issue}: {comments:#?}");
        }
        let tasks = self.tasks().await;
        assert_eq!(tasks.len(), expected.len(), "tasks of the expected issues alone: {tasks:#?}");
        let repositories: BTreeSet<&String> = expected.keys().map(|(repo, _)| repo).collect();
        for repo in repositories {
            self.assert_published(repo, &tasks).await;
        }
        self.assert_metrics().await;
        self.assert_restarts().await;
        self.stop().await;
        let began = Instant::now();
        let mut left = self.processes();
        while !left.is_empty() && began.elapsed() < Duration::from_secs(2) {
            tokio::time::sleep(LOOK).await;
            left = self.processes();
        }
        assert!(left.is_empty(), "processes left behind: {left:#?}");
        self.folder.close().unwrap();
    }

    async fn assert_published(&self, repo: &str, tasks: &[Value]) {
        let pulls = self.forge.pulls(repo).await;
        let heads: BTreeSet<&str> = pulls.iter().filter_map(|pull| pull["head"]["ref"].as_str()).collect();
        assert_eq!(heads.len(), pulls.len(), "one pull request per generation: {heads:?}");
        let log = ["log", "--all", "--grep=^Mosaic-Issue: ", "--format=%H %T"];
        let log = self.git_in(repo, &log).await.unwrap();
        let published: BTreeMap<&str, &str> = log.lines().filter_map(|line| line.split_once(' ')).collect();
        for commit in published.keys() {
            let statuses = self.forge.statuses(repo, commit).await;
            let green: BTreeSet<&str> = statuses
                .iter()
                .filter(|status| status["status"] == "success")
                .filter_map(|status| status["context"].as_str()?.strip_prefix("mosaic/"))
                .collect();
            let wanted: BTreeSet<&str> = self.gates.iter().map(String::as_str).collect();
            assert_eq!(green, wanted, "statuses of {commit}: {statuses:#?}");
        }
        for task in tasks.iter().filter(|task| task["state"] == "done" || task["state"] == "in_review") {
            if !task["issue"].as_str().unwrap().starts_with(&format!("{repo}#")) {
                continue;
            }
            let commit = task["commit"].as_str().unwrap();
            let tree = published.get(commit).unwrap_or_else(|| panic!("{commit} is not there: {task:#}"));
            for gate in task["gates"].as_array().unwrap() {
                assert_eq!((&gate["verdict"], &gate["tree"]), (&json!("green"), &json!(tree)), "{task:#}");
            }
            let number = task["pull_request"].as_u64().unwrap();
            let pull = pulls.iter().find(|pull| pull["number"] == number).unwrap();
            assert_eq!(pull["merged"], task["state"] == "done", "{task:#}");
        }
        let quality = self.measure("quality").await;
        assert_ne!(quality["met"], false, "{quality}");
    }

    async fn assert_metrics(&self) {
        let (_, text) = self.ask("/metrics").await;
        let text = text.as_str().unwrap();
        let broken = text.lines().find(|line| line.starts_with("mosaic_invariant_violations_total"));
        assert_eq!(broken, Some("mosaic_invariant_violations_total 0"), "{text}");
    }

    async fn assert_restarts(&self) {
        let expected = self.restarted.lock().unwrap().clone();
        for actor in self.read("/actors").await["actors"].as_array().unwrap() {
            let id = actor["id"].as_str().unwrap();
            assert!(actor["restarts"] == 0 || expected.contains(id), "unexpected restart: {actor:#}");
        }
    }
}

/// What the comment on an issue says of a task in a state.
fn headline(state: &str) -> &'static str {
    match state {
        "blocked" => "blocked: ",
        "ready" => "accepted; waits for its turn",
        "in_review" => "the pull request waits",
        "done" => "** done.",
        "parked" => "parked: ",
        "cancelled" => "cancelled: ",
        other => panic!("no task ends as {other}"),
    }
}
