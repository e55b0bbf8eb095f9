//! The process of a command, in the container's namespaces and cgroups, until it executes the
//! program. The order of the steps is runc's.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, Gid, Mode, OFlags, Uid, accessat, fchown, open};
use rustix::io::Errno;
use rustix::process::{Signal, chdir, getcwd, set_parent_process_death_signal, setsid, umask};
use rustix::stdio;
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use super::messages::{Step, report};
use super::own;
use super::plan::{Plan, Process, User};
use crate::files;

const PASSWD: &str = "/etc/passwd";

/// Becomes the command. It returns only if that failed, with the reason.
pub fn become_command(plan: &Plan, umask_bits: u32, helper: &OwnedFd) -> String {
    match prepare(plan, umask_bits) {
        Ok((program, args, env)) => {
            report(helper, &Step::Executes);
            let error = own::execute(&program, &args, &env);
            format!("exec {}: {error}", program.to_string_lossy())
        }
        Err(reason) => reason,
    }
}

type Image = (CString, Vec<CString>, Vec<CString>);

fn prepare(plan: &Plan, umask_bits: u32) -> Result<Image, String> {
    let process = &plan.process;
    let step =
        |what: &'static str| move |error: Errno| format!("{what}: {}", io::Error::from(error));
    let in_io = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    setsid().map_err(step("setsid"))?;
    own::reset_signals().map_err(in_io("signals"))?;
    let keyring = CString::new(format!("_ses.{}", plan.container)).map_err(|e| e.to_string())?;
    match own::join_session_keyring(&keyring) {
        // The kernel has no keyrings.
        Err(error) if error.raw_os_error() == Some(Errno::NOSYS.raw_os_error()) => {}
        joined => joined.map_err(in_io("unable to join session keyring"))?,
    }
    if process.no_new_privileges {
        set_no_new_privs(true).map_err(step("no_new_privs"))?;
    }
    umask(Mode::from_raw_mode(umask_bits));
    drop_bounding(process.capabilities.bounding).map_err(step("bounding set"))?;
    set_keep_capabilities(true).map_err(step("keep capabilities"))?;
    let entered = enter_folder(&process.cwd, false)?;
    let env = environment(process);
    become_user(&process.user).map_err(step("user"))?;
    if !entered {
        enter_folder(&process.cwd, true)?;
    }
    check_folder()?;
    set_keep_capabilities(false).map_err(step("keep capabilities"))?;
    set_all(process).map_err(step("capabilities"))?;
    // If the helper is killed, nothing else ends the command. A change of the user clears this.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(step("parent"))?;
    let name = process.args.first().ok_or("no command")?;
    let path = variable(&env, "PATH").unwrap_or_default();
    let program = find(name, path).map_err(|why| format!("exec: {name:?}: {why}"))?;
    let strings = |all: &[String]| -> Result<Vec<CString>, String> {
        all.iter().map(|one| CString::new(one.as_str()).map_err(|e| e.to_string())).collect()
    };
    let program = CString::new(program).map_err(|error| error.to_string())?;
    Ok((program, strings(&process.args)?, strings(&env)?))
}

/// Drops each capability that is not in the set. The kernel may know more than this program.
fn drop_bounding(keep: u64) -> Result<(), Errno> {
    for number in 0..64_u32 {
        let bit = 1_u64.checked_shl(number).unwrap_or_default();
        if keep & bit != 0 {
            continue;
        }
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(bit)) {
            // The kernel does not know the number.
            Err(Errno::INVAL) if number > 0 => return Ok(()),
            dropped => dropped?,
        }
    }
    Ok(())
}

fn set_all(process: &Process) -> Result<(), Errno> {
    let sets = process.capabilities;
    let of = CapabilitySet::from_bits_retain;
    set_capabilities(
        None,
        CapabilitySets {
            effective: of(sets.effective),
            permitted: of(sets.permitted),
            inheritable: of(sets.inheritable),
        },
    )?;
    clear_ambient_capability_set()?;
    for number in 0..64_u32 {
        let bit = 1_u64.checked_shl(number).unwrap_or_default();
        if sets.ambient & bit != 0 {
            configure_capability_in_ambient_set(of(bit), true)?;
        }
    }
    Ok(())
}

fn become_user(user: &User) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    // Programs open `/dev/stdout`, which is the pipe's own file.
    for pipe in [stdio::stdout(), stdio::stderr()] {
        fchown(pipe, Some(uid), None)?;
    }
    let groups: Vec<Gid> = user.additional_gids.iter().map(|gid| Gid::from_raw(*gid)).collect();
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)
}

/// Changes to the working directory. Returns whether it did: a directory that root may not enter
/// may be one that the user may.
fn enter_folder(cwd: &str, is_last: bool) -> Result<bool, String> {
    match chdir(cwd) {
        Ok(()) => Ok(true),
        Err(Errno::ACCESS | Errno::PERM) if !is_last => Ok(false),
        Err(error) => {
            let error = io::Error::from(error);
            Err(format!("chdir to cwd ({cwd:?}) set in config.json failed: {error}"))
        }
    }
}

/// Checks that the working directory is below the container's root.
fn check_folder() -> Result<(), String> {
    let outside = || "current working directory is outside of container mount namespace root";
    let path = getcwd(Vec::new()).map_err(|_| outside())?;
    if path.as_bytes().first() == Some(&b'/') { Ok(()) } else { Err(outside().to_owned()) }
}

fn variable<'a>(env: &'a [String], name: &str) -> Option<&'a str> {
    env.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// The environment. As in runc, an unset `HOME` is the user's, by the container's table of users.
fn environment(process: &Process) -> Vec<String> {
    let mut env = process.env.clone();
    if variable(&env, "HOME").is_none_or(str::is_empty) {
        let home = format!("HOME={}", home(process.user.uid));
        match env.iter_mut().find(|line| line.starts_with("HOME=")) {
            Some(line) => *line = home,
            None => env.push(home),
        }
    }
    env
}

fn home(uid: u32) -> String {
    let home = passwd().ok().and_then(|table| home_in(&table, uid));
    home.unwrap_or_else(|| "/".to_owned())
}

/// Reads the table of users, which is the container's: only a regular file is read, since another
/// one could block the reader.
fn passwd() -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(open(PASSWD, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    Ok(String::from_utf8_lossy(&files::read_bounded(file, files::CONFIGURATION)?).into_owned())
}

fn home_in(table: &str, uid: u32) -> Option<String> {
    table.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let of = fields.nth(2)?.parse::<u32>().ok()?;
        (of == uid).then(|| fields.nth(2).unwrap_or_default().to_owned())
    })
}

/// Finds a program as Go's `exec.LookPath` does, with its texts.
fn find(name: &str, path: &str) -> Result<String, String> {
    if name.contains('/') {
        return match executable(name) {
            Ok(()) => Ok(name.to_owned()),
            Err(Errno::NOENT) => Err(format!("stat {name}: no such file or directory")),
            Err(Errno::NOTDIR) => Err(format!("stat {name}: not a directory")),
            Err(Errno::ISDIR) => Err("is a directory".to_owned()),
            Err(_) => Err("permission denied".to_owned()),
        };
    }
    let mut folders = path.split(':').filter(|_| !path.is_empty());
    let found = folders.find_map(|folder| {
        // An empty part is the working directory, where Go runs no program by its mere name.
        let file = Path::new(folder).join(name).to_str()?.to_owned();
        (file.starts_with('/') && executable(&file).is_ok()).then_some(file)
    });
    found.ok_or_else(|| "executable file not found in $PATH".to_owned())
}

fn executable(path: &str) -> Result<(), Errno> {
    let metadata = std::fs::metadata(path)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::ACCESS))?;
    if metadata.is_dir() {
        return Err(Errno::ISDIR);
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(Errno::ACCESS);
    }
    accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_that_of_the_first_user_of_this_number() {
        let table =
            "root:x:0:0:root:/root:/bin/sh\n\nbad line\nweb:x:7:8::/srv\nother:x:7:7::/x:\n";
        assert_eq!(home_in(table, 0).as_deref(), Some("/root"));
        assert_eq!(home_in(table, 7).as_deref(), Some("/srv"));
        assert_eq!(home_in(table, 9), None);
    }

    #[test]
    fn programs_are_found_with_gos_texts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(at("run"), "").unwrap();
        std::fs::write(at("data"), "").unwrap();
        std::fs::set_permissions(at("run"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("/none:{}", folder.path().display());
        assert_eq!(find("run", &path), Ok(at("run")));
        assert_eq!(find(&at("run"), ""), Ok(at("run")));
        let missing = Err("executable file not found in $PATH".to_owned());
        for (name, path) in [("data", path.as_str()), ("nope", &path), ("run", ""), ("run", "::.")]
        {
            assert_eq!(find(name, path), missing, "{name}");
        }
        assert_eq!(find(&at("data"), ""), Err("permission denied".to_owned()));
        assert_eq!(find("/", ""), Err("is a directory".to_owned()));
        let text = "stat /nope: no such file or directory";
        assert_eq!(find("/nope", ""), Err(text.to_owned()));
    }
}
