//! The server itself: its address, and what a fault in a handler costs.

use std::{
    collections::BTreeSet,
    net::TcpStream,
    sync::{Arc, Mutex},
    thread,
};

use mosaic_coordinator::{
    forge::intake::Intake,
    http::{HttpState, listen},
    runtime::Port,
};

use super::server::Served;

#[actix_rt::test]
async fn a_panic_costs_its_request_and_nothing_else() {
    let served = Served::start();
    let state = HttpState { metrics: Arc::new(|| panic!("no metrics today")), ..served.state.clone() };
    let port: Port<_> = served.port.clone();
    let listening = listen("localhost", 0, 1, state, Arc::new(move |_| port.clone())).unwrap();
    let (server, url) = (listening.server, format!("http://{}", listening.address));
    let running = actix_rt::spawn(listening.run);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..3 {
        let answer = http.get(format!("{url}/metrics")).send().await.unwrap();
        assert_eq!(answer.status(), 500);
        let body = answer.text().await.unwrap();
        assert!(
            body.starts_with(r#"{"error":{"code":"internal","#) && !body.contains("no metrics today"),
            "{body}"
        );
        assert_eq!(http.get(format!("{url}/health")).send().await.unwrap().status(), 200);
    }
    server.stop(true).await;
    running.await.unwrap().unwrap();
}

#[actix_rt::test]
async fn an_address_that_is_taken_is_named_with_a_remedy() {
    let served = Served::start();
    let refused = |host: &str, port: u16| {
        let webhook = served.port.clone();
        listen(host, port, 1, served.state.clone(), Arc::new(move |_| webhook.clone())).err().unwrap()
    };
    let taken = refused("127.0.0.1", served.address.port());
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    let told = taken.to_string();
    assert!(told.contains(&format!("127.0.0.1, port {}", served.address.port())), "{told}");
    assert!(told.contains("`server.port`"), "{told}");
    let told = refused("no.such.host.invalid", 0).to_string();
    assert!(told.contains("cannot listen on no.such.host.invalid"), "{told}");
}

#[actix_rt::test]
async fn every_worker_asks_for_its_port_once_in_its_own_thread() {
    let served = Served::start();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let ports = {
        let (asked, port) = (Arc::clone(&asked), served.port.clone());
        move |worker| {
            let has_system = actix_rt::System::try_current().is_some();
            asked.lock().unwrap().push((worker, thread::current().id(), has_system));
            port.clone()
        }
    };
    let listening = listen("127.0.0.1", 0, 3, served.state.clone(), Arc::new(ports)).unwrap();
    let (server, url) = (listening.server, format!("http://{}/health", listening.address));
    let running = actix_rt::spawn(listening.run);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    // Whoever answers, all workers are there by then: the server takes no connection before.
    assert_eq!(http.get(url).send().await.unwrap().status(), 200);
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    let workers: Vec<usize> =
        asked.iter().map(|(worker, ..)| *worker).collect::<BTreeSet<_>>().into_iter().collect();
    let threads: BTreeSet<String> = asked.iter().map(|(_, thread, _)| format!("{thread:?}")).collect();
    assert_eq!((asked.len(), workers, threads.len()), (3, vec![0, 1, 2], 3));
    assert!(asked.iter().all(|(.., has_system)| *has_system));
    drop(http);
    server.stop(true).await;
    running.await.unwrap().unwrap();
}

#[test]
fn a_delivery_under_way_is_answered_while_the_server_stops() {
    let mut served = Served::start();
    let mut client = served.connect();
    client.send("POST /webhook/gitea HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    let delivery = served.delivery();
    served.stop();
    while TcpStream::connect(served.address).is_ok() {
        thread::yield_now();
    }
    delivery.reply.send(Intake::Accepted { delivery: "d-1".into() }).unwrap();
    assert_eq!(client.answer().status, 200);
}
