use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{
    Connected,
    peer::{Peer, SESSION_ID, dial, exit_code, open},
};
use crate::{
    agent::{
        AgentEvent, ErrorClass, OpenError, PromptError, Stop, TokenSpend, ToolStatus, TurnEnd, session::Wire,
    },
    process::Exit,
};

async fn event(session: &mut Connected) -> AgentEvent {
    session.events.recv().await.expect("the session has not ended")
}

/// The next event that is more than a sign of life.
async fn telling(session: &mut Connected) -> AgentEvent {
    loop {
        let event = event(session).await;
        if event != AgentEvent::Activity {
            return event;
        }
    }
}

async fn ready() -> (Connected, Peer) {
    let (mut session, peer) = open().await;
    assert_eq!(event(&mut session).await, AgentEvent::Ready { provider_session: SESSION_ID.into() });
    (session, peer)
}

async fn in_turn() -> (Connected, Peer, Value) {
    let (session, mut peer) = ready().await;
    session.link.prompt("go").unwrap();
    let id = peer.hear_request("session/prompt").await;
    (session, peer, id)
}

fn failed(event: AgentEvent) -> (ErrorClass, String) {
    match event {
        AgentEvent::TurnEnded(TurnEnd { stop: Stop::Failed(error), tokens: None }) => {
            (error.class, error.message)
        }
        other => panic!("no failed turn: {other:?}"),
    }
}

async fn refused_opening(answers: &[Value]) -> OpenError {
    let (connecting, mut peer) = dial("m");
    for answer in answers {
        let id = peer.hear().await["id"].clone();
        let mut answer = answer.clone();
        answer["id"] = id;
        peer.say(answer).await;
    }
    let Err(error) = connecting.await.unwrap() else { panic!("it opened") };
    error
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_refuses_to_open_is_told_apart_by_its_reason() {
    let hello = json!({"result":{"protocolVersion":1}});
    let login = json!({"error":{"code":-32000,"message":"Authentication required"}});
    let error = refused_opening(&[hello.clone(), login]).await;
    assert!(matches!(&error, OpenError::AuthRequired(m) if m == "Authentication required"), "{error}");
    assert!(error.is_configuration());
    let root = json!({"error":{"code":-32603,"message":"Internal error","data":{"startupFailureReason":"bypass_root"}}});
    assert!(refused_opening(&[hello.clone(), root]).await.is_configuration());
    let busy = json!({"error":{"code":-32603,"message":"overloaded"}});
    assert_eq!(refused_opening(&[busy]).await.class(), ErrorClass::Infrastructure);
    let version = json!({"result":{"protocolVersion":2}});
    assert!(matches!(refused_opening(&[version]).await, OpenError::Protocol(m) if m.contains("version 2")));
    let nameless = json!({"result":{}});
    assert!(
        matches!(refused_opening(&[nameless.clone(), nameless]).await, OpenError::Protocol(m) if m.contains("no session"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_answers_times_out() {
    let (connecting, mut peer) = dial("m");
    peer.say_raw("starting up …").await;
    let Err(error) = connecting.await.unwrap() else { panic!("it opened") };
    assert!(matches!(error, OpenError::TimedOut(_)), "{error}");
    assert_eq!(error.class(), ErrorClass::Agent);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_exits_instead_of_answering_is_told_with_its_last_words() {
    let (connecting, mut peer) = dial("m");
    for line in 0..12 {
        peer.complain(&format!("line {line}")).await;
    }
    peer.exit(exit_code(2));
    let Err(OpenError::Exited { exit, last_words }) = connecting.await.unwrap() else { panic!("it opened") };
    assert_eq!(exit, exit_code(2));
    assert!(last_words.starts_with("line 2 / ") && last_words.ends_with(" / line 11"), "{last_words}");
}

#[tokio::test(start_paused = true)]
async fn what_is_heard_before_the_session_opens_comes_before_ready() {
    let (connecting, mut peer) = dial("m");
    peer.complain("npm WARN").await;
    peer.say_raw("Welcome!").await;
    peer.say(json!({"id":99,"result":null})).await;
    peer.shake_hands(json!({ "sessionId": SESSION_ID })).await;
    let mut session = connecting.await.unwrap().unwrap();
    let mut heard = Vec::new();
    loop {
        match telling(&mut session).await {
            AgentEvent::Ready { provider_session } => break assert_eq!(provider_session, SESSION_ID),
            other => heard.push(other),
        }
    }
    assert!(heard.contains(&AgentEvent::Stderr("npm WARN".into())), "{heard:?}");
    assert!(heard.contains(&AgentEvent::Skipped { preview: "Welcome!".into(), bytes: 8 }), "{heard:?}");
    assert_eq!(heard.len(), 3, "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn the_wanted_model_is_set_where_it_is_offered() {
    let option = json!({"sessionId":SESSION_ID,"configOptions":[{"id":"model","category":"model","currentValue":"a","options":[{"value":"a"},{"value":"b"}]}]});
    let list = json!({"sessionId":SESSION_ID,"models":{"availableModels":[{"modelId":"a"},{"modelId":"b"}]}});
    for (offer, method, wanted) in [
        (option, "session/set_config_option", json!({"sessionId":SESSION_ID,"configId":"model","value":"b"})),
        (list, "session/set_model", json!({"sessionId":SESSION_ID,"modelId":"b"})),
    ] {
        let (connecting, mut peer) = dial("b");
        peer.shake_hands(offer.clone()).await;
        let call = peer.hear().await;
        assert_eq!((&call["method"], &call["params"]), (&json!(method), &wanted));
        peer.answer(&call["id"], Value::Null).await;
        connecting.await.unwrap().unwrap();

        let (connecting, mut peer) = dial("b");
        peer.shake_hands(offer.clone()).await;
        let id = peer.hear_request(method).await;
        peer.say(json!({"id":id,"error":{"code":-32603,"message":"model not found"}})).await;
        let Err(error) = connecting.await.unwrap() else { panic!("it runs on another model") };
        assert!(error.is_configuration(), "{error}");

        let (connecting, mut peer) = dial("unheard-of");
        peer.shake_hands(offer).await;
        connecting.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_permission_is_granted_once_if_it_can_be() {
    let (mut session, mut peer, _) = in_turn().await;
    let cases = [
        (
            json!([{"optionId":"a","kind":"allow_always"},{"optionId":"o","kind":"allow_once"}]),
            Some("o"),
            true,
        ),
        (
            json!([{"optionId":"r","kind":"reject_once"},{"optionId":"a","kind":"allow_always"}]),
            Some("a"),
            true,
        ),
        (
            json!([{"optionId":"n","kind":"reject_always"},{"optionId":"r","kind":"reject_once"}]),
            Some("r"),
            false,
        ),
        (json!([{"optionId":"x","kind":"of_next_year"}]), None, false),
        (json!("no list"), None, false),
    ];
    for (options, wanted, allowed) in cases {
        let params = json!({"sessionId":SESSION_ID,"toolCall":{"title":"rm"},"options":options});
        peer.say(json!({"jsonrpc":"2.0","id":"p-1","method":"session/request_permission","params":params}))
            .await;
        let answer = peer.hear().await;
        assert_eq!(answer["id"], "p-1");
        let outcome = match wanted {
            Some(option) => json!({"outcome":"selected","optionId":option}),
            None => json!({"outcome":"cancelled"}),
        };
        assert_eq!(answer["result"]["outcome"], outcome, "{options}");
        let title = if options.is_array() { "rm".to_owned() } else { String::new() };
        assert_eq!(telling(&mut session).await, AgentEvent::Permission { title, allowed });
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_cancel_nothing_is_granted_until_the_next_prompt() {
    let (mut session, mut peer, id) = in_turn().await;
    assert!(session.link.cancel());
    let cancel = peer.hear().await;
    assert_eq!((&cancel["method"], &cancel["id"]), (&json!("session/cancel"), &Value::Null));
    let params = json!({"toolCall":{"title":"rm"},"options":[{"optionId":"o","kind":"allow_once"}]});
    let ask = json!({"jsonrpc":"2.0","id":0,"method":"session/request_permission","params":params});
    peer.say(ask.clone()).await;
    assert_eq!(peer.hear().await["result"]["outcome"], json!({"outcome":"cancelled"}));
    assert_eq!(telling(&mut session).await, AgentEvent::Permission { title: "rm".into(), allowed: false });
    peer.answer(&id, json!({"stopReason":"cancelled"})).await;
    assert_eq!(
        telling(&mut session).await,
        AgentEvent::TurnEnded(TurnEnd { stop: Stop::Cancelled, tokens: None })
    );
    assert!(!session.link.cancel());
    session.link.prompt("again").unwrap();
    peer.hear_request("session/prompt").await;
    peer.say(ask).await;
    assert_eq!(peer.hear().await["result"]["outcome"]["optionId"], "o");
}

#[tokio::test(start_paused = true)]
async fn what_we_do_not_offer_is_refused() {
    let (_session, mut peer) = ready().await;
    for method in ["fs/read_text_file", "terminal/create", "of/next_year"] {
        peer.say(json!({"jsonrpc":"2.0","id":5,"method":method,"params":{}})).await;
        let answer = peer.hear().await;
        assert_eq!((answer["id"].as_u64(), answer["error"]["code"].as_i64()), (Some(5), Some(-32601)));
    }
}

#[tokio::test(start_paused = true)]
async fn noise_is_skipped_and_the_turn_goes_on() {
    let (mut session, mut peer, id) = in_turn().await;
    peer.say_raw("").await;
    peer.say_raw(&"ö".repeat(300)).await;
    assert_eq!(telling(&mut session).await, AgentEvent::Skipped { preview: "ö".repeat(200), bytes: 600 });
    let mut stdout = peer.stdout.take().unwrap();
    let writing = tokio::spawn(async move {
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..9 {
            stdout.write_all(&piece).await.unwrap();
        }
        stdout.write_all(b"\n").await.unwrap();
        stdout
    });
    assert_eq!(telling(&mut session).await, AgentEvent::Skipped { preview: String::new(), bytes: 9 << 20 });
    peer.stdout = Some(writing.await.unwrap());
    peer.complain(&"e".repeat(100_000)).await;
    assert_eq!(telling(&mut session).await, AgentEvent::Stderr("(a line of 100000 bytes)".into()));
    peer.say(json!({"id":77,"result":{}})).await;
    assert!(
        matches!(telling(&mut session).await, AgentEvent::Skipped { preview, .. } if preview.contains("77"))
    );
    let usage = json!({"inputTokens":1,"outputTokens":2,"cachedReadTokens":3,"cachedWriteTokens":4});
    peer.answer(&id, json!({"stopReason":"end_turn","usage":usage})).await;
    let tokens = Some(TokenSpend { input: 1, output: 2, cached_read: 3, cached_write: 4 });
    assert_eq!(telling(&mut session).await, AgentEvent::TurnEnded(TurnEnd { stop: Stop::EndTurn, tokens }));
}

#[tokio::test(start_paused = true)]
async fn another_sessions_updates_and_malformed_ones_are_signs_of_life_only() {
    let (mut session, mut peer, _) = in_turn().await;
    let foreign = json!({"sessionId":"s-2","update":{"sessionUpdate":"usage_update","used":9,"size":10}});
    peer.say(json!({"method":"session/update","params":foreign})).await;
    peer.say(json!({"method":"session/update","params":{"update":7}})).await;
    peer.say(json!({"method":"_vendor/news"})).await;
    assert_eq!(event(&mut session).await, AgentEvent::Activity);
    peer.update(json!({"sessionUpdate":"tool_call","toolCallId":"t","title":"ls"})).await;
    let call = AgentEvent::ToolCall { id: "t".into(), title: "ls".into(), status: ToolStatus::Pending };
    assert_eq!(event(&mut session).await, call);
}

#[tokio::test(start_paused = true)]
async fn there_is_one_turn_at_a_time() {
    let (mut session, mut peer, id) = in_turn().await;
    assert_eq!(session.link.prompt("too early"), Err(PromptError::TurnRunning));
    peer.answer(&id, json!({"stopReason":"end_turn"})).await;
    assert!(matches!(telling(&mut session).await, AgentEvent::TurnEnded(_)));
    session.link.prompt("now").unwrap();
    let prompt = peer.hear().await;
    assert_eq!(prompt["params"], json!({"sessionId":SESSION_ID,"prompt":[{"type":"text","text":"now"}]}));
}

#[tokio::test(start_paused = true)]
async fn an_exit_within_a_turn_fails_it_and_is_the_last_event() {
    let (mut session, mut peer, _) = in_turn().await;
    peer.complain("out of cheese").await;
    peer.exit(exit_code(3));
    assert_eq!(telling(&mut session).await, AgentEvent::Stderr("out of cheese".into()));
    let (class, message) = failed(telling(&mut session).await);
    assert_eq!(class, ErrorClass::Agent);
    assert_eq!(message, "agent exited within the turn (exit code 3): out of cheese");
    assert_eq!(event(&mut session).await, AgentEvent::Exited(exit_code(3)));
    assert_eq!(session.events.recv().await, None);
    assert_eq!(session.link.prompt("anybody?"), Err(PromptError::Gone));
}

#[tokio::test(start_paused = true)]
async fn a_lost_keeper_is_no_fault_of_the_agent() {
    let (mut session, mut peer, _) = in_turn().await;
    peer.exit(Exit { code: None, signal: None, leftovers: 0 });
    assert_eq!(failed(telling(&mut session).await).0, ErrorClass::Infrastructure);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_we_wished_for_cancels_the_turn() {
    let (mut session, mut peer, _) = in_turn().await;
    session.link.ending();
    session.link.hang_up();
    assert!(peer.is_hung_up().await);
    assert_eq!(session.link.prompt("one more"), Err(PromptError::Gone));
    peer.exit(exit_code(0));
    assert_eq!(
        telling(&mut session).await,
        AgentEvent::TurnEnded(TurnEnd { stop: Stop::Cancelled, tokens: None })
    );
    assert_eq!(event(&mut session).await, AgentEvent::Exited(exit_code(0)));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_closes_its_output_and_lives_is_killed() {
    let (mut session, mut peer, _) = in_turn().await;
    peer.stdout = None;
    while !peer.is_killed() {
        tokio::time::advance(std::time::Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
    }
    peer.exit(Exit { code: None, signal: Some(9), leftovers: 0 });
    let (_, message) = failed(telling(&mut session).await);
    assert_eq!(message, "agent closed its standard output within the turn (signal 9)");
}

#[tokio::test(start_paused = true)]
async fn an_output_that_outlives_the_tree_is_not_waited_for() {
    let (mut session, mut peer) = ready().await;
    peer.exit_only(exit_code(0));
    assert_eq!(telling(&mut session).await, AgentEvent::Exited(exit_code(0)));
    assert!(!peer.is_killed());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_listens_to_still_ends() {
    let (session, mut peer, id) = in_turn().await;
    let link = session.link.clone();
    drop(session);
    peer.answer(&id, json!({"stopReason":"end_turn"})).await;
    peer.exit(exit_code(0));
    while link.prompt("?") != Err(PromptError::Gone) {
        tokio::task::yield_now().await;
    }
}
