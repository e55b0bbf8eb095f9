//! Ways to hang. The evidence of a process shows which way it is.

use std::fs::File;
use std::io::{self, Write};
use std::net::TcpListener;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

pub(crate) enum Hang {
    /// Two threads each hold one of two mutexes and wait for the other.
    Deadlock,
    /// A thread spins in a loop.
    Spin,
    /// Listens on a port and never accepts.
    Deaf(u16),
    /// Fills this much memory and then the page cache, and waits.
    Hog { mebibytes: usize, file: String },
}

const MEBI: usize = 1 << 20;
/// The size of the file, in mebibytes.
const CACHED: usize = 16;

/// Hangs; returns only if that is not possible.
pub(crate) fn hang(how: &Hang) -> io::Result<()> {
    match how {
        Hang::Deadlock => deadlock(),
        Hang::Spin => spin(),
        Hang::Deaf(port) => {
            let _listener = TcpListener::bind(("127.0.0.1", *port))?;
            ready_for_good()
        }
        Hang::Hog { mebibytes, file } => hog(*mebibytes, file),
    }
}

fn ready_for_good() -> io::Result<()> {
    println!("hanging");
    loop {
        thread::park();
    }
}

fn deadlock() -> io::Result<()> {
    let locks = Arc::new([Mutex::new(()), Mutex::new(())]);
    let both_hold = Arc::new(Barrier::new(2));
    let mut threads = Vec::new();
    for (name, reverse) in [("left", false), ("right", true)] {
        let (locks, both_hold) = (locks.clone(), both_hold.clone());
        let work = move || {
            let [first, second] = locks.as_ref();
            let (mine, other) = if reverse { (second, first) } else { (first, second) };
            let _mine = mine.lock();
            both_hold.wait();
            let _other = other.lock();
        };
        threads.push(thread::Builder::new().name(name.to_owned()).spawn(work)?);
    }
    println!("hanging");
    for thread in threads {
        let _ = thread.join();
    }
    Err(io::Error::other("no deadlock"))
}

fn spin() -> io::Result<()> {
    thread::Builder::new().name("spinner".to_owned()).spawn(|| {
        loop {
            std::hint::spin_loop();
        }
    })?;
    ready_for_good()
}

fn hog(mebibytes: usize, path: &str) -> io::Result<()> {
    // The memory is written, so that the kernel allocates its pages.
    let memory = vec![1_u8; mebibytes * MEBI];
    let mut file = File::create(path)?;
    for chunk in memory.chunks(MEBI).take(CACHED) {
        file.write_all(chunk)?;
    }
    file.sync_all()?;
    let waited = ready_for_good();
    std::hint::black_box(memory);
    waited
}
