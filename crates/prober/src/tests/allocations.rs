//! Number of allocations of an attempt. Each is small, and there may be thousands of attempts in a
//! second; a count does not depend on how busy the machine is.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use allocation_counter::measure;

use super::*;

/// Serves 200 to each connection, on a thread whose allocations do not count. The first answers tell
/// nothing: caches are filled by them.
fn served() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            if stream.read(&mut request).is_ok_and(|length| length > 0) {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                let _ = stream.write_all(answer);
            }
        }
    });
    port
}

/// Allocations of one attempt with this handler, after a few that are not counted.
fn allocations(probe: &ProbeSpec, port: u16) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (prober, container) = (NetProber::default(), container(port));
    let task: Arc<dyn Target> = Arc::new(Here);
    let attempt = || {
        let attempt = runtime.block_on(prober.attempt(task.clone(), &container, probe));
        assert!(attempt.outcome.is_success(), "{:?}", attempt.outcome);
    };
    (0..3).for_each(|_| attempt());
    measure(attempt).count_total
}

#[test]
fn an_attempt_allocates_little() {
    let port = served();
    for (handler, most) in [(Handler::HttpGet(get("/")), 33), (tcp(None), 5)] {
        let name = format!("{handler:?}");
        let count = allocations(&ProbeSpec { timeout: AMPLE, ..ProbeSpec::new(handler) }, port);
        assert!(count <= most, "{name}: {count} allocations, {most} are allowed");
    }
}
