//! Sending and stopping: the exact bound, askers that go away, ends of every kind.

use super::*;

#[test]
fn capacity_is_exact_from_many_clones_and_threads() {
    in_system(async |world| {
        let (probe, _gate) = world.blocked_probe(4).await;
        let port = probe.port::<Note>();
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let port = port.clone();
                std::thread::spawn(move || (0..50).filter(|n| port.clone().tell(Note(*n)).is_ok()).count())
            })
            .collect();
        let accepted: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(accepted, 4);

        let view = world.view();
        assert_eq!((view.mailbox.depth, view.mailbox.peak, view.refused), (4, 4, 396));
        assert_eq!(port.ask(Note(7)).await, Err(Lost::Full));
        let refused = port.tell(Note(7)).unwrap_err();
        assert_eq!((refused.message, refused.why), (Note(7), Why::Full));
        assert!(!world.census.sabotage("probe", Sabotage::CorruptAndPanic), "it takes a place as well");
    });
}

#[test]
fn message_of_an_asker_that_went_away_is_still_handled() {
    in_system(async |mut world| {
        let (probe, gate) = world.blocked_probe(CAPACITY).await;
        drop(probe.port().ask(Note(1)));
        let polled = probe.port().ask(Note(2));
        tokio::select! {
            biased;
            _ = polled => panic!("the probe is blocked"),
            () = std::future::ready(()) => {}
        }
        drop(gate);
        assert_eq!(world.notes(2).await, [(1, 1), (1, 2)]);
    });
}

#[test]
fn delivered_message_arrives_after_the_mailbox_was_full_and_is_refused_once() {
    in_system(async |mut world| {
        let (probe, gate) = world.blocked_probe(1).await;
        let port = probe.port::<Note>();
        port.tell(Note(1)).unwrap();
        port.deliver(Note(2));
        let mut tries = 0;
        until(|| {
            world.clock.advance(Duration::from_secs(1));
            tries += 1;
            tries == 50
        })
        .await;
        assert_eq!((world.view().refused, world.view().mailbox.depth), (1, 1));
        drop(gate);
        assert_eq!(world.notes(1).await, [(1, 1)]);
        until(|| {
            world.clock.advance(Duration::from_secs(1));
            world.view().handled == 3
        })
        .await;
        assert_eq!(world.notes(1).await, [(1, 2)]);
        assert_eq!(world.view().refused, 1);
    });
}

#[test]
fn delivery_to_an_actor_that_ends_meanwhile_ends_too() {
    in_system(async |world| {
        let (probe, gate) = world.blocked_probe(1).await;
        let token = Arc::new(());
        let held = Arc::clone(&token);
        let port = probe.port();
        port.tell(doing(|_| ())).unwrap();
        port.deliver(doing(move |_| drop(held)));
        probe.stop();
        drop(gate);
        within(probe.stopped()).await;
        until(|| {
            world.clock.advance(Duration::from_secs(1));
            Arc::strong_count(&token) == 1
        })
        .await;
    });
}

#[test]
fn stop_handles_what_was_accepted_and_drops_the_role_on_its_own_thread() {
    in_system(async |mut world| {
        let (probe, gate) = world.blocked_probe(CAPACITY).await;
        let thread = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&thread);
        let note = probe.port::<Note>();
        note.tell(Note(1)).unwrap();
        probe.port().tell(doing(move |_| *seen.lock().unwrap() = Some(std::thread::current().id()))).unwrap();
        probe.stop();
        assert_eq!(note.tell(Note(2)).unwrap_err().why, Why::Gone);
        assert_eq!(note.ask(Note(2)).await, Err(Lost::Gone));
        assert_eq!(world.census.snapshot().len(), 1, "listed while it is still at work");
        drop(gate);
        within(probe.stopped()).await;
        assert_eq!(world.notes(1).await, [(1, 1)]);
        let thread = thread.lock().unwrap().expect("it was handled");
        assert_ne!(thread, std::thread::current().id());
        assert_eq!(world.event().await, Event::Dropped(vec![1, 1], thread));
        until(|| world.census.snapshot().is_empty()).await;
        probe.stop();
    });
}

#[test]
fn own_thread_is_named_by_the_id_and_ends_with_the_actor() {
    in_system(async |world| {
        let threads = || {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap();
            let names =
                tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
            names.filter(|name| name.trim() == "a-thread-of-its").count()
        };
        let spec = Spec { on: Placement::Own, ..Spec::named("a-thread-of-its-own") };
        let actor = world.probe_with(spec);
        until(|| threads() == 1).await;
        actor.stop();
        until(|| threads() == 0).await;
    });
}

#[test]
fn cell_is_freed_once_it_is_stopped_and_its_ports_are_dropped() {
    struct Witness(#[expect(dead_code, reason = "held for its count")] Arc<()>);
    impl Role for Witness {
        type Seed = Arc<()>;
        const ROLE: &'static str = "WitnessActor";
        const CAPACITY: usize = 1;
        fn rebuild(seed: &Arc<()>, _: &Scope<Self>) -> Result<Self, RebuildError> {
            Ok(Self(Arc::clone(seed)))
        }
    }
    in_system(async |world| {
        let token = Arc::new(());
        let witness = spawn::<Witness>(&world.census, Arc::clone(&token), Spec::named("witness"));
        until(|| Arc::strong_count(&token) == 3).await;
        witness.stop();
        drop(witness);
        until(|| Arc::strong_count(&token) == 1).await;
    });
}

#[test]
fn role_may_end_itself_and_be_gone_before_it_was_listed() {
    struct Mayfly;
    impl Role for Mayfly {
        type Seed = ();
        const ROLE: &'static str = "MayflyActor";
        const CAPACITY: usize = 1;
        fn rebuild(_: &(), scope: &Scope<Self>) -> Result<Self, RebuildError> {
            scope.stop();
            Ok(Self)
        }
    }
    in_system(async |world| {
        for _ in 0..5 {
            let spec = Spec { on: Placement::Own, ..Spec::named("mayfly") };
            let mayfly = spawn::<Mayfly>(&world.census, (), spec);
            within(mayfly.stopped()).await;
            until(|| world.census.snapshot().is_empty()).await;
            // As it is when the thread is faster than the one that lists.
            world.census.list(&mayfly.outlet);
            assert_eq!(world.census.snapshot(), []);
        }
    });
}

#[test]
fn stop_ends_a_backoff_at_once_without_another_incarnation() {
    in_system(async |world| {
        let probe = world.probe();
        for text in ["first", "second"] {
            probe.port().ask(panicking(text)).await.unwrap_err();
        }
        until(|| world.view().state == ActorState::Restarting).await;
        let waiting = probe.port().ask(Note(1));
        probe.stop();
        within(probe.stopped()).await;
        assert_eq!(waiting.await, Err(Lost::Gone));
        assert_eq!(world.census.snapshot(), []);
    });
}

#[test]
fn crash_of_a_role_that_is_to_end_is_neither_rebuilt_nor_escalated() {
    in_system(async |mut world| {
        let policy = RestartPolicy { max_restarts: 0, ..RestartPolicy::default() };
        let (gate, message) = gate();
        let probe = world.probe_with(Spec { on: Placement::Own, policy, ..Spec::named("probe") });
        probe.port().tell(message).unwrap();
        probe.port().tell(panicking("on the way out")).unwrap();
        let waiting = probe.port().ask(Note(1));
        probe.stop();
        drop(gate);
        within(probe.stopped()).await;
        assert_eq!(waiting.await, Err(Lost::Gone));
        assert_eq!(world.event().await, Event::Built(1));
        assert!(matches!(world.event().await, Event::Dropped(..)));
        assert!(world.events.try_recv().is_err());
        assert!(world.census.escalations().try_recv().is_err());
    });
}

#[test]
fn actor_whose_thread_ends_is_stopped_and_answers_gone() {
    in_system(async |world| {
        let arbiter = actix_rt::Arbiter::new();
        let probe = world.probe_on(Placement::Arbiter(arbiter.handle()));
        let (mut gate, message) = gate();
        probe.port().tell(message).unwrap();
        within(&mut gate.entered).await.unwrap();
        arbiter.stop();
        drop(gate);
        arbiter.join().unwrap();
        within(probe.stopped()).await;
        assert_eq!(world.view().state, ActorState::Stopped);
        assert_eq!(probe.port().ask(Note(1)).await, Err(Lost::Gone));
        probe.stop();
        assert_eq!(world.census.snapshot(), []);
    });
}

#[test]
fn actor_on_a_dead_thread_is_gone_from_the_start() {
    in_system(async |world| {
        let arbiter = actix_rt::Arbiter::new();
        let handle = arbiter.handle();
        arbiter.stop();
        arbiter.join().unwrap();
        let probe = world.probe_on(Placement::Arbiter(handle));
        within(probe.stopped()).await;
        assert_eq!(probe.port().tell(Note(1)).unwrap_err().why, Why::Gone);
        assert_eq!(world.view().state, ActorState::Stopped);
    });
}

#[test]
fn system_that_ends_drops_its_actors_quietly_and_builds_none() {
    let mut late = None;
    let mut left = None;
    in_system(async |mut world| {
        world.seed.drop_panics.store(true, Ordering::SeqCst);
        let probe = world.probe_on(Placement::Current);
        assert_eq!(probe.port().ask(Note(2)).await, Ok(vec![1, 2]));
        world.notes(1).await;
        let never_polled = world.probe_with(Spec::named("late"));
        late = Some(never_polled);
        left = Some((probe, world));
    });
    let (probe, mut world) = left.expect("the test ran");
    assert_eq!(probe.port().tell(Note(3)).unwrap_err().why, Why::Gone);
    assert_eq!(late.expect("it was spawned").port().tell(Note(3)).unwrap_err().why, Why::Gone);
    assert!(world.census.snapshot().iter().all(|actor| actor.state == ActorState::Stopped));
    let mut events = Vec::new();
    while let Ok(event) = world.events.try_recv() {
        events.push(event);
    }
    assert_eq!(events, [Event::Dropped(vec![1, 2], std::thread::current().id())]);
}

#[test]
fn channel_port_stands_in_for_an_actor() {
    in_system(async |_world| {
        let (port, mut messages) = Port::<Do>::to_channel("double", 1);
        assert_eq!(
            (port.id(), format!("{port:?}").as_str()),
            ("double", "Port { id: \"double\", message: \"do\" }")
        );
        assert_eq!(port.ask(doing(|_| ())).await, Ok(()));
        assert_eq!(port.tell(doing(|_| ())).unwrap_err().why, Why::Full);
        assert_eq!(port.ask(doing(|_| ())).await, Err(Lost::Full));
        port.deliver(doing(|_| ()));
        for _ in 0..2 {
            assert!(within(messages.recv()).await.is_some());
        }
        drop(messages);
        let refused = port.tell(doing(|_| ())).unwrap_err();
        assert_eq!(refused.to_string(), "actor refused the message: it has stopped");
        assert_eq!(format!("{refused:?}"), "Refused { why: Gone, .. }");
        assert_eq!(port.ask(doing(|_| ())).await, Err(Lost::Gone));
    });
}
