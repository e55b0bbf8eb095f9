//! Cgroup of a process that must not end together with the daemon's service.

use std::fs;
use std::io;
use std::path::Path;

/// The roots of the hierarchies by which systemd assigns processes to units.
pub const ROOTS: [&str; 3] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];

/// Moves a process, or this one if `pid` is 0, into a cgroup below each root, which is made if needed.
///
/// # Errors
///
/// The process stays in at least one of its cgroups.
pub fn move_to(pid: u32, cgroup: &Path) -> io::Result<()> {
    ROOTS.into_iter().map(Path::new).try_for_each(|root| {
        // A host may lack some of them, and one folder may hold hierarchies instead of being one.
        if !root.join("cgroup.procs").exists() {
            return Ok(());
        }
        let folder = root.join(cgroup);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("cgroup.procs"), pid.to_string())
    })
}
