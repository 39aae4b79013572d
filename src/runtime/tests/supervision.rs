//! Crashes: caught, answered, rebuilt from the seed, given up in the end.

use super::*;

fn crash_of(view: &ActorView) -> &str {
    &view.last_crash.as_ref().expect("it crashed").message
}

#[test]
fn panic_is_answered_at_once_and_the_role_comes_back_without_its_memory() {
    in_system(async |mut world| {
        let probe = world.probe();
        let notes = probe.port::<Note>();
        assert_eq!(notes.ask(Note(2)).await, Ok(vec![1, 2]));
        assert_eq!(probe.port().ask(panicking("boom")).await, Err(Lost::Crashed("boom".to_owned())));
        assert_eq!(notes.ask(Note(3)).await, Ok(vec![1, 3]));
        assert_eq!(world.notes(2).await, [(1, 2), (2, 3)]);

        let view = world.view();
        assert_eq!((view.restarts, view.handled, view.state), (1, 3, ActorState::Running));
        assert_eq!(
            view.last_crash,
            Some(CrashView { at: "2023-11-14T22:13:20Z".to_owned(), message: "do: boom".to_owned() })
        );
    });
}

#[test]
fn everything_works_in_a_plain_actix_system_with_a_pool_of_its_own() {
    let pool = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    actix_rt::System::new().block_on(within(async {
        for on in [Placement::Current, Placement::Own] {
            let mut world = World::new(Clock::system(), pool.handle().clone());
            let probe = world.probe_on(on);
            for _ in 0..2 {
                let answer = probe.port().ask(panicking("boom")).await;
                assert_eq!(answer, Err(Lost::Crashed("boom".to_owned())));
            }
            let act = doing(|scope| scope.run(async { 7 }, Note));
            assert_eq!(probe.port().ask(act).await, Ok(()));
            assert_eq!(world.notes(1).await, [(3, 7)]);
            probe.stop();
            probe.stopped().await;
        }
    }));
}

#[test]
fn messages_sent_before_and_during_the_backoff_are_handled_in_order_afterwards() {
    in_system(async |mut world| {
        let (probe, gate) = world.blocked_probe(CAPACITY).await;
        let notes = probe.port::<Note>();
        let first = probe.port().ask(panicking("first"));
        let second = probe.port().ask(panicking("second"));
        for number in 1..=3 {
            notes.tell(Note(number)).unwrap();
        }
        drop(gate);
        assert_eq!(first.await, Err(Lost::Crashed("first".to_owned())));
        assert_eq!(
            second.await,
            Err(Lost::Crashed("second".to_owned())),
            "answered before the back-off is over"
        );
        until(|| world.view().state == ActorState::Restarting).await;
        notes.tell(Note(4)).unwrap();
        assert_eq!((world.view().mailbox.depth, world.view().restarts), (4, 1));

        world.clock.advance(Duration::from_millis(10));
        assert_eq!(world.notes(4).await, [(3, 1), (3, 2), (3, 3), (3, 4)]);
        assert_eq!(world.view().restarts, 2);
    });
}

#[test]
fn sabotaged_memory_does_not_survive_the_rebuild() {
    in_system(async |mut world| {
        let probe = world.probe();
        assert!(world.census.sabotage("probe", Sabotage::CorruptAndPanic));
        assert_eq!(probe.port().ask(Note(2)).await, Ok(vec![1, 2]));
        assert_eq!(world.event().await, Event::Built(1));
        assert!(matches!(world.event().await, Event::Dropped(memory, _) if memory == [666]));
        assert_eq!(world.event().await, Event::Built(2));
        assert_eq!(crash_of(&world.view()), "sabotage: sabotaged");
        assert!(!world.census.sabotage("nobody", Sabotage::CorruptAndPanic));
    });
}

#[test]
fn failed_rebuilds_count_as_crashes_and_are_tried_again() {
    in_system(async |mut world| {
        let failures = [Failure::Refuse("store is away"), Failure::Panic("bad row")];
        world.seed.failures.lock().unwrap().extend(failures);
        let probe = world.probe();
        probe.port::<Note>().tell(Note(2)).unwrap();
        until(|| world.view().last_crash.is_some_and(|crash| crash.message == "rebuild: bad row")).await;
        assert_eq!((world.view().restarts, world.view().state), (1, ActorState::Restarting));
        world.clock.advance(Duration::from_millis(10));
        assert_eq!(world.notes(1).await, [(3, 2)]);
    });
}

#[test]
fn panic_in_the_drop_of_a_crashed_role_ends_neither_process_nor_actor() {
    in_system(async |mut world| {
        world.seed.drop_panics.store(true, Ordering::SeqCst);
        let probe = world.probe();
        assert_eq!(probe.port().ask(panicking("boom")).await, Err(Lost::Crashed("boom".to_owned())));
        assert_eq!(probe.port().ask(Note(2)).await, Ok(vec![1, 2]));
        assert_eq!(world.notes(1).await, [(2, 2)]);
        assert_eq!((world.view().restarts, crash_of(&world.view())), (1, "do: boom"));
    });
}

#[test]
fn message_or_reply_that_panics_in_its_drop_is_survived() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bomb");
        }
    }
    struct Fetch;
    impl Message for Fetch {
        type Reply = Bomb;
        const NAME: &'static str = "fetch";
    }
    impl Handle<Fetch> for Probe {
        fn handle(&mut self, _: Fetch, _: &Scope<Self>) -> Bomb {
            Bomb
        }
    }
    in_system(async |world| {
        let (probe, gate) = world.blocked_probe(CAPACITY).await;
        drop(probe.port().ask(Fetch));
        probe.port().tell(Fetch).unwrap();
        drop(gate);
        assert_eq!(probe.port().ask(Note(2)).await, Ok(vec![1, 2]));
        assert_eq!((world.view().restarts, world.view().handled), (0, 4));

        let bomb = Bomb;
        let held = probe.port().ask(doing(move |_| drop(bomb)));
        assert_eq!(held.await, Err(Lost::Crashed("bomb".to_owned())));
        assert_eq!(probe.port().ask(Note(2)).await, Ok(vec![1, 2]));
    });
}

#[test]
fn sixth_crash_in_the_window_gives_the_role_up_and_tells_the_warden() {
    in_system(async |world| {
        let policy = RestartPolicy { within: Duration::from_secs(3600), ..RestartPolicy::default() };
        let (gate, message) = gate();
        let probe = world.probe_with(Spec { on: Placement::Own, policy, ..Spec::named("probe") });
        probe.port().tell(message).unwrap();
        for _ in 0..6 {
            probe.port().tell(panicking("again")).unwrap();
        }
        let waiting = probe.port().ask(Note(1));
        drop(gate);
        until(|| {
            world.clock.advance(Duration::from_millis(10));
            world.view().state == ActorState::Stopped
        })
        .await;
        assert_eq!(waiting.await, Err(Lost::Gone));
        within(probe.stopped()).await;

        let view = world.view();
        assert_eq!((view.state, view.restarts, view.current), (ActorState::Stopped, 5, None));
        assert_eq!(probe.port().ask(Note(2)).await, Err(Lost::Gone));
        assert_eq!(probe.port().tell(Note(2)).unwrap_err().why, Why::Gone);
        probe.port().deliver(Note(2));

        let why = "crashed 6 times within 3600s, the last time on do: again".to_owned();
        let escalation = Escalation { id: "probe".to_owned(), role: "ProbeActor", why };
        assert_eq!(within(world.census.escalations().recv()).await, Some(escalation));

        probe.stop();
        assert_eq!(world.census.snapshot(), []);
    });
}

#[test]
fn escalation_waits_for_a_listener_and_reaches_the_one_after_a_dropped_one() {
    in_system(async |world| {
        let policy = RestartPolicy { max_restarts: 0, ..RestartPolicy::default() };
        let give_up = async |id: &str| {
            let actor = world.probe_with(Spec { policy, ..Spec::named(id) });
            actor.port().ask(panicking("once")).await.unwrap_err();
            actor.stopped().await;
        };
        give_up("before").await;
        let mut first = world.census.escalations();
        assert_eq!(within(first.recv()).await.unwrap().id, "before");
        give_up("heard").await;
        assert_eq!(within(first.recv()).await.unwrap().id, "heard");
        drop(first);
        give_up("after").await;
        assert_eq!(within(world.census.escalations().recv()).await.unwrap().id, "after");
    });
}

#[test]
fn panic_of_a_pushed_out_future_restarts_the_role() {
    in_system(async |mut world| {
        let probe = world.probe();
        let run = doing(|scope| scope.run(async { panic!("in the pool") }, |()| Note(1)));
        assert_eq!(probe.port().ask(run).await, Ok(()));
        until(|| world.view().restarts == 1).await;
        assert_eq!(crash_of(&world.view()), "note: in the pool");
        assert_eq!(probe.port().ask(Note(2)).await, Ok(vec![1, 2]));
        assert_eq!(world.notes(1).await, [(2, 2)]);
    });
}

#[test]
fn late_panic_of_an_earlier_incarnations_future_is_counted_and_restarts_nothing() {
    in_system(async |world| {
        let probe = world.probe();
        let (release, released) = oneshot::channel::<()>();
        let run = doing(|scope| {
            let late = async {
                let _ = released.await;
                panic!("too late");
            };
            scope.run(late, |()| Note(1));
        });
        assert_eq!(probe.port().ask(run).await, Ok(()));
        probe.port().ask(panicking("boom")).await.unwrap_err();
        release.send(()).unwrap();
        until(|| world.view().stale == 1).await;
        assert_eq!(probe.port().ask(Note(2)).await, Ok(vec![1, 2]));
        assert_eq!((world.view().restarts, crash_of(&world.view())), (1, "do: boom"));
    });
}

#[test]
fn crash_is_logged_once_with_actor_message_and_text() {
    let log = logged(|| {
        in_system(async |world| {
            let probe = world.probe_on(Placement::Current);
            probe.port().ask(panicking("boom")).await.unwrap_err();
            probe.port().ask(Note(1)).await.unwrap();
        });
    });
    let lines: Vec<_> = log.lines().filter(|line| line.contains("boom")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for part in ["ERROR", "actor=\"probe\"", "message_type=\"do\"", "panic=\"boom\""] {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
}

#[test]
fn panic_of_a_task_outside_of_the_roles_is_logged_with_its_name() {
    let pool = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let log = logged(|| {
        pool.block_on(async {
            spawn_task("sweeper", async { panic!("unswept") }).await.unwrap();
            spawn_task("quiet", async {}).await.unwrap();
        });
    });
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("task panicked task=\"sweeper\" panic=\"unswept\""), "{log}");
}
