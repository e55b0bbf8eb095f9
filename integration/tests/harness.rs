//! The test harness itself.

use anyhow::Result;
use probelet_integration::{Host, IMAGE};

#[test]
fn a_host_runs_the_image_and_leaves_nothing() -> Result<()> {
    let host = Host::start()?;
    host.ctr(["run", "--detach", IMAGE, "left-behind"])?;
    let pid = host.task_pid("left-behind")?;
    let dir = host.path("");
    drop(host);
    assert!(!dir.exists(), "{dir:?} is still there");
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{pid} still runs");
    Ok(())
}
