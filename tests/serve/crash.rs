//! Killed in the middle of five issues, again and again: all of them end as if nothing had been.

use std::time::Duration;

use mosaic_coordinator::forge::simulated::{ApiRequest, RequestFault, SimulatedGitea};
use serde_json::{Value, json};

use super::{
    process::{Coordinator, until},
    scene::{Scene, says},
};

/// When it is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Preparing,
    Turn,
    Gates,
    Push,
    BeforePull,
    PullAnswerLost,
    Statuses,
    BeforeMerge,
    MergeAnswerLost,
    CommentAnswerLost,
}

type Which = fn(&ApiRequest) -> bool;

/// Long enough to be killed in.
const DELAY: RequestFault = RequestFault::Delay(Duration::from_secs(2));

impl Moment {
    /// The request that it lies in, and what happens to that.
    fn request(self) -> Option<(Which, RequestFault)> {
        fn post(request: &ApiRequest, end: &str) -> bool {
            request.method == "POST" && request.path.ends_with(end)
        }
        Some(match self {
            Self::Preparing => {
                let fetch: Which = |r| r.path.ends_with("/info/refs") && r.query.contains("upload-pack");
                (fetch, DELAY)
            }
            Self::Turn | Self::Gates => return None,
            Self::Push => (|r| post(r, "/git-receive-pack"), DELAY),
            // Not late: one that is carried out after the death of its sender is nobody's to prevent.
            Self::BeforePull => (|r| post(r, "/pulls"), RequestFault::DropRequest),
            Self::PullAnswerLost => (|r| post(r, "/pulls"), RequestFault::DropAnswer),
            Self::Statuses => (|r| r.method == "POST" && r.path.contains("/statuses/"), DELAY),
            Self::BeforeMerge => (|r| post(r, "/merge"), DELAY),
            Self::MergeAnswerLost => (|r| post(r, "/merge"), RequestFault::DropAnswer),
            Self::CommentAnswerLost => (|r| post(r, "/comments"), RequestFault::DropAnswer),
        })
    }

    /// Prepares for it; returns how many requests there were before.
    fn arm(self, scene: &Scene) -> usize {
        match self.request() {
            Some((which, fault)) => knobs(scene).faults().requests(1, which, fault),
            None => scene.hold(self.held()),
        }
        knobs(scene).requests().len()
    }

    fn held(self) -> &'static str {
        if matches!(self, Self::Turn) { "turn" } else { "gates" }
    }

    /// Waits until it is there.
    async fn comes(self, scene: &Scene, issues: &[u64], coordinator: &Coordinator, before: usize) {
        until(&format!("{self:?}"), async || {
            if let Some((which, _)) = self.request() {
                return knobs(scene).requests()[before..].iter().any(which).then_some(());
            }
            for issue in issues {
                let work = scene.work_tree(*issue).join(format!("work-{issue}"));
                let task = coordinator.task(&scene.repo, *issue).await;
                let there = match self {
                    Self::Turn => task["state"] == "running" && says(&work, "begun") && !says(&work, "good"),
                    _ => task["state"] == "gating" && task["gates"][0]["verdict"] == "running",
                };
                if there {
                    return Some(());
                }
            }
            None
        })
        .await;
    }

    /// Takes back what was prepared.
    fn disarm(self, scene: &Scene) {
        knobs(scene).faults().clear();
        scene.let_go(self.held());
    }
}

fn knobs(scene: &Scene) -> &SimulatedGitea {
    scene.forge.knobs().expect("it is simulated")
}

/// The same order for the same seed.
fn shuffled(mut moments: Vec<Moment>, mut seed: u64) -> Vec<Moment> {
    for last in (1..moments.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        moments.swap(last, (seed >> 33) as usize % (last + 1));
    }
    moments
}

/// Five issues, a diamond with a tail, and a kill at each of the moments. A task survives its kill, and there are four
/// steps from the first issue to the last: four moments in any order all come.
async fn survives(first: Option<Moment>, moments: Vec<Moment>, seed: u64) {
    assert!(moments.len() <= 4);
    println!("seed {seed}");
    let mut scene = Scene::new().await;
    // One session is all that may count: those that were interrupted do not.
    scene.set("policy", "max_sessions", 1);
    let mut issues = Vec::new();
    for title in ["Lay the ground", "Left wall", "Right wall", "Roof", "Chimney"] {
        issues.push(scene.issue(title).await);
    }
    for (issue, blocker) in [(1, 0), (2, 0), (3, 1), (3, 2), (4, 3)] {
        scene.forge.add_dependency(&scene.repo, issues[issue], issues[blocker]).await;
    }
    let moments: Vec<Moment> = first.into_iter().chain(shuffled(moments, seed)).collect();
    let mut before = moments[0].arm(&scene);
    let mut coordinator = scene.start();
    for issue in &issues {
        scene.forge.assign(&scene.repo, *issue, &[&scene.forge.bot]).await;
    }
    for (place, moment) in moments.iter().enumerate() {
        moment.comes(&scene, &issues, &coordinator, before).await;
        coordinator.kill();
        moment.disarm(&scene);
        scene.nothing_left(&[]).await;
        if let Some(next) = moments.get(place + 1) {
            before = next.arm(&scene);
        }
        coordinator = scene.start();
    }
    for issue in &issues {
        coordinator.task_is(&scene.repo, *issue, "done").await;
    }

    let report = coordinator.get("/api/v1/report").await;
    coordinator.stop().await;
    scene.nothing_left(&[]).await;
    let pulls = scene.forge.pulls(&scene.repo).await;
    let told: Vec<_> = pulls
        .iter()
        .map(|pull| {
            (pull["number"].clone(), pull["title"].clone(), pull["state"].clone(), pull["merged"].clone())
        })
        .collect();
    assert_eq!(pulls.len(), 5, "{told:#?}\n{}", coordinator.log());
    for issue in &issues {
        scene.finished_once(*issue).await;
    }
    assert_eq!(report["tasks"], json!({ "done": 5 }));
    assert_eq!((&report["rotations"], &report["continuations"]), (&json!(0), &json!(0)));
    for measure in ["autonomy", "free_models"] {
        let measure = &report["measures"][measure];
        assert_eq!((&measure["numerator"], &measure["denominator"]), (&json!(5), &json!(5)), "{report:#}");
    }
    let quality = &report["measures"]["quality"];
    assert_eq!(quality["numerator"], quality["denominator"], "{report:#}");
    assert_eq!(report["measures"]["context"]["numerator"], 0, "{report:#}");

    let coordinator = scene.start();
    assert_eq!(coordinator.get("/api/v1/report").await, report, "the fold of the journal is the same");
    let mut interrupted = 0;
    for issue in &issues {
        let task = coordinator.task(&scene.repo, *issue).await;
        interrupted += sessions_are_in_order(&scene, *issue, &task);
    }
    assert!(interrupted >= 1, "no session was taken up by another");
}

/// All sessions but the last were interrupted (that one too, where its work was done by then), and each prompt says what
/// its session is for. Returns how many others there were.
fn sessions_are_in_order(scene: &Scene, issue: u64, task: &Value) -> usize {
    let sessions = task["sessions"].as_array().unwrap();
    let (last, earlier) = sessions.split_last().unwrap();
    assert!(last["ended"] == "finished" || last["ended"] == "interrupted", "{task:#}");
    for session in earlier {
        assert_eq!(session["ended"], "interrupted", "{task:#}");
    }
    for prompt in scene.prompts(issue) {
        let first = prompt.contains(" session=1 ");
        assert!(prompt.contains(if first { "phase=work" } else { "phase=handover" }), "{prompt}");
    }
    earlier.len()
}

#[tokio::test]
async fn killed_while_work_is_made_it_finishes_all_issues_once() {
    let moments = vec![Moment::Preparing, Moment::Turn, Moment::Gates, Moment::Push];
    survives(Some(Moment::CommentAnswerLost), moments, 20_251_124).await;
}

#[tokio::test]
async fn killed_while_work_is_published_it_finishes_all_issues_once() {
    let moments =
        vec![Moment::BeforePull, Moment::PullAnswerLost, Moment::BeforeMerge, Moment::MergeAnswerLost];
    // A turn first, so that a session is interrupted as well.
    survives(Some(Moment::Turn), moments, 7).await;
}

#[tokio::test]
async fn killed_in_a_turn_it_goes_on_in_the_same_workspace_by_a_hand_over() {
    let scene = Scene::new().await;
    scene.hold("turn");
    let mut coordinator = scene.start();
    let issue = scene.assigned_issue("Lay the ground").await;
    scene.begun(issue).await;
    coordinator.kill();
    scene.nothing_left(&[]).await;
    let left = scene.work_tree(issue);
    let mark = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&left).unwrap());
    let coordinator = scene.start();
    until("the second prompt", async || (scene.prompts(issue).len() == 2).then_some(())).await;
    assert!(says(&left.join(format!("work-{issue}")), "begun"), "the first session's file is still there");
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&left).unwrap()), mark);
    scene.let_go("turn");
    let task = coordinator.task_is(&scene.repo, issue, "done").await;
    let ended: Vec<_> = task["sessions"].as_array().unwrap().iter().map(|s| s["ended"].clone()).collect();
    assert_eq!(ended, ["interrupted", "finished"]);
    let prompts = scene.prompts(issue);
    assert!(prompts[0].contains("phase=work session=1 turn=1 model=small"), "{prompts:?}");
    assert!(prompts[1].contains("phase=handover session=2 turn=1 model=small"), "{prompts:?}");
    scene.finished_once(issue).await;
}

#[tokio::test]
async fn killed_between_setting_statuses_it_sets_each_of_them() {
    let scene = Scene::new().await;
    let before = Moment::Statuses.arm(&scene);
    let mut coordinator = scene.start();
    let issue = scene.assigned_issue("Lay the ground").await;
    Moment::Statuses.comes(&scene, &[issue], &coordinator, before).await;
    coordinator.kill();
    Moment::Statuses.disarm(&scene);
    let coordinator = scene.start();
    let task = coordinator.task_is(&scene.repo, issue, "done").await;
    scene.finished_once(issue).await;
    let statuses = scene.forge.statuses(&scene.repo, task["commit"].as_str().unwrap()).await;
    assert!(
        statuses.iter().any(|s| s["context"] == "mosaic/check" && s["status"] == "success"),
        "{statuses:#?}"
    );
}
