//! The census: what a person sees, also of an actor that sees nothing itself.

use super::*;

#[test]
fn blocked_handler_shows_depth_age_current_and_stuck() {
    in_system(async |world| {
        let (probe, gate) = world.blocked_probe(CAPACITY).await;
        world.clock.advance(Duration::from_secs(4));
        probe.port().tell(Note(1)).unwrap();
        world.clock.advance(Duration::from_secs(6));
        probe.port().tell(Note(2)).unwrap();
        let view = world.view();
        assert_eq!(view.state, ActorState::Running, "not beyond the bound yet");
        assert_eq!(view.mailbox, MailboxView { depth: 2, capacity: CAPACITY, peak: 2, oldest_ms: 6_000 });
        assert_eq!(view.current, Some(CurrentView { message: "do", for_ms: 10_000 }));

        world.clock.advance(Duration::from_millis(1));
        assert_eq!(world.view().state, ActorState::Stuck);
        assert_eq!(world.census.snapshot(), [world.view()]);

        drop(gate);
        assert_eq!(probe.port().ask(Note(3)).await, Ok(vec![1, 1, 2, 3]));
        until(|| world.view().current.is_none()).await;
        let view = world.view();
        assert_eq!((view.state, view.handled), (ActorState::Running, 4));
        assert_eq!((view.mailbox.depth, view.mailbox.oldest_ms), (0, 0));
    });
}

#[test]
fn sabotage_blocks_the_handler_and_is_measured_like_any_message() {
    in_system(async |world| {
        let _probe = world.probe();
        assert!(world.census.sabotage("probe", Sabotage::Block(Duration::from_secs(1))));
        until(|| world.view().current.is_some_and(|current| current.message == "sabotage")).await;
        until(|| world.view().handled == 1).await;
        assert_eq!(world.census.get("probe").unwrap().messages[0].name, "sabotage");
        assert_eq!(world.view().restarts, 0);
    });
}

#[test]
fn rebuild_that_hangs_makes_the_actor_stuck() {
    struct Sleeper;
    impl Role for Sleeper {
        type Seed = Arc<Mutex<()>>;
        const ROLE: &'static str = "SleeperActor";
        const CAPACITY: usize = 1;
        fn rebuild(seed: &Self::Seed, _: &Scope<Self>) -> Result<Self, RebuildError> {
            drop(seed.lock().unwrap());
            Ok(Self)
        }
    }
    in_system(async |world| {
        let lock = Arc::new(Mutex::new(()));
        let (held, release) = (Arc::clone(&lock), std::sync::mpsc::channel::<()>());
        let (locked, is_locked) = oneshot::channel();
        let holder = std::thread::spawn(move || {
            let _guard = held.lock().unwrap();
            locked.send(()).unwrap();
            let _ = release.1.recv();
        });
        within(is_locked).await.unwrap();
        let spec = Spec { on: Placement::Own, ..Spec::named("sleeper") };
        let _sleeper = spawn::<Sleeper>(&world.census, lock, spec);
        let view = || world.census.get("sleeper").unwrap().actor;
        until(|| view().current.is_some()).await;
        world.clock.advance(Duration::from_secs(11));
        assert_eq!(view().state, ActorState::Stuck);
        assert_eq!(view().current, Some(CurrentView { message: "rebuild", for_ms: 11_000 }));
        drop(release.0);
        holder.join().unwrap();
        until(|| view().state == ActorState::Running).await;
    });
}

#[test]
fn actors_are_listed_by_id_and_a_newer_one_replaces_its_namesake() {
    in_system(async |world| {
        let child = world.probe_with(Spec { parent: Some("warden".to_owned()), ..Spec::named("probe") });
        let _warden = world.probe_with(Spec::named("warden"));
        let _queue = world.probe_with(Spec::named("queue"));
        let ids: Vec<_> = world.census.snapshot().into_iter().map(|actor| (actor.id, actor.parent)).collect();
        assert_eq!(
            ids,
            [
                ("probe".to_owned(), Some("warden".to_owned())),
                ("queue".to_owned(), None),
                ("warden".to_owned(), None)
            ]
        );

        let namesake = world.probe_with(Spec { capacity: Some(3), ..Spec::named("probe") });
        child.stop();
        child.stopped().await;
        assert_eq!(world.view().mailbox.capacity, 3, "the older one's end leaves the newer one listed");
        assert_eq!(namesake.port().ask(Note(1)).await, Ok(vec![1, 1]));
        assert_eq!(format!("{:?}", world.census), r#"Census { actors: ["probe", "queue", "warden"], .. }"#);
        assert_eq!(format!("{namesake:?}"), r#"Mailbox { id: "probe", role: "ProbeActor" }"#);
        assert_eq!(world.census.get("nobody"), None);
    });
}

#[test]
fn json_has_the_shape_of_the_interface() {
    in_system(async |world| {
        let parent = Some("warden".to_owned());
        let probe = world.probe_with(Spec { parent, on: Placement::Own, ..Spec::named("probe") });
        probe.port().ask(panicking("boom")).await.unwrap_err();
        let (mut gate, message) = gate();
        probe.port().tell(message).unwrap();
        within(&mut gate.entered).await.unwrap();
        probe.port().tell(Note(1)).unwrap();
        world.clock.advance(Duration::from_millis(1500));

        insta::assert_snapshot!(serde_json::to_string_pretty(&world.census.snapshot()).unwrap(), @r#"
        [
          {
            "id": "probe",
            "role": "ProbeActor",
            "parent": "warden",
            "state": "running",
            "mailbox": {
              "depth": 1,
              "capacity": 8,
              "peak": 1,
              "oldest_ms": 1500
            },
            "handled": 1,
            "refused": 0,
            "stale": 0,
            "restarts": 1,
            "last_crash": {
              "at": "2023-11-14T22:13:20Z",
              "message": "do: boom"
            },
            "current": {
              "message": "do",
              "for_ms": 1500
            }
          }
        ]
        "#);
        let detail = serde_json::to_value(world.census.get("probe")).unwrap();
        assert_eq!(
            detail["messages"],
            serde_json::json!([{
                "type": "do", "count": 1, "wait_ms_p50": 0.0, "wait_ms_p99": 0.0,
                "service_ms_p50": 0.0, "service_ms_p99": 0.0,
            }])
        );
        assert_eq!(detail["id"], "probe", "the list's fields stand beside `messages`");

        drop(gate);
        probe.port().ask(Note(2)).await.unwrap();
        let detail = serde_json::to_value(world.census.get("probe")).unwrap();
        assert_eq!(detail["current"], serde_json::Value::Null);
        assert_eq!(detail["messages"][1]["type"], "note");
        assert_eq!(detail["messages"][1]["wait_ms_p99"], 1500.0);
        assert_eq!(detail["messages"][0]["service_ms_p99"], 1500.0);
    });
}
