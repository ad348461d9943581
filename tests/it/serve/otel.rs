//! Traces, sent to a collector that is a socket of this test.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::Town;

/// Takes what is posted, and says that it was well.
fn collector() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let received = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&received);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut buffer = vec![0; 65_536];
            loop {
                let n_read = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..n_read]);
                if n_read == 0 || is_whole(&request) {
                    break;
                }
            }
            all.lock().unwrap().extend(request);
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).ok();
        }
    });
    (url, received)
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.unwrap().trim().parse().unwrap();
    request.len() >= end + 4 + length
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_is_a_trace_with_its_plan_steps_and_statements() {
    let (url, received) = collector();
    let town = Town::new().await;
    town.configure("", &format!("telemetry: {{otlp_endpoint: \"{url}\"}}\n"));
    let process = town.start();
    town.until_ended("done").await;
    process.end();
    let text = String::from_utf8_lossy(&received.lock().unwrap()).into_owned();
    assert!(
        text.starts_with("POST /v1/traces "),
        "{}",
        &text[..text.len().min(200)]
    );
    for word in [
        "ebbtide",
        "cycle",
        "plan",
        "step",
        "statement",
        "query_id",
        "spans",
        "traces",
    ] {
        assert!(text.contains(word), "no {word}");
    }
    assert!(
        !text.contains("DELETE FROM"),
        "spans name no statement texts"
    );
}
