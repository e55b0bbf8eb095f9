//! What the processes of a direct command report: the helper to the daemon, and its children to the
//! helper. All messages are bounded.

use std::io::{self, ErrorKind, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::IoSlice;
use rustix::io::IoSliceMut;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recv, recvmsg, send, sendmsg,
};

use super::plan::Plan;

/// Maximum size of a plan in bytes. The kernel accepts less for arguments and environment.
const MOST: usize = 16 << 20;
/// Maximum size of a report in bytes.
pub const LONGEST: usize = 4096;

/// Sends the length of a plan with the descriptor of the container's init. The plan follows.
pub fn send_head(to: &UnixStream, plan: &[u8], init: impl AsFd) -> io::Result<()> {
    let length = u32::try_from(plan.len()).map_err(|_| ErrorKind::FileTooLarge)?.to_le_bytes();
    let init = [init.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut with = SendAncillaryBuffer::new(&mut space);
    with.push(SendAncillaryMessage::ScmRights(&init));
    let sent = sendmsg(to, &[IoSlice::new(&length)], &mut with, SendFlags::NOSIGNAL)?;
    if sent == length.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
}

/// Receives a plan, and the descriptor of the container's init.
pub fn receive(mut from: &UnixStream) -> io::Result<(Plan, OwnedFd)> {
    let mut length = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut with = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(from, &mut [IoSliceMut::new(&mut length)], &mut with, flags)?;
    let mut init = None;
    for message in with.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            init = descriptors.last().or(init);
        }
    }
    let (4, Some(init)) = (received.bytes, init) else {
        return Err(ErrorKind::UnexpectedEof.into());
    };
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MOST {
        return Err(ErrorKind::FileTooLarge.into());
    }
    let mut plan = vec![0; length];
    from.read_exact(&mut plan)?;
    Ok((serde_json::from_slice(&plan)?, init))
}

/// What the helper reports to the daemon, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The program was executed in the process of this id.
    Started(u32),
    /// The command was not run.
    Failed(String),
    /// The process has ended with this status of `wait`.
    Ended(i32),
}

impl Report {
    /// The report as a line, of at most [`LONGEST`] bytes.
    pub fn line(&self) -> String {
        let mut line = match self {
            Self::Started(pid) => format!("started {pid}"),
            Self::Failed(text) => format!("failed {}", text.replace('\n', " ")),
            Self::Ended(status) => format!("ended {status}"),
        };
        while line.len() >= LONGEST {
            line.pop();
        }
        line.push('\n');
        line
    }

    /// Reads a line.
    pub fn parse(line: &str) -> Option<Self> {
        let (kind, rest) = line.trim_end_matches('\n').split_once(' ')?;
        match kind {
            "started" => rest.parse().ok().map(Self::Started),
            "failed" => Some(Self::Failed(rest.to_owned())),
            "ended" => rest.parse().ok().map(Self::Ended),
            _ => None,
        }
    }
}

/// What a child reports to the helper, a packet each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The process of the command has this id.
    Forked(i32),
    /// The program is executed next.
    Executes,
    /// The command cannot be run.
    Failed(String),
}

/// Reports a step. An error is lost with the helper, whose end the child does not survive.
pub fn report(to: impl AsFd, step: &Step) {
    let packet = match step {
        Step::Forked(pid) => format!("f{pid}"),
        Step::Executes => "x".to_owned(),
        Step::Failed(text) => format!("e{text}"),
    };
    let packet = packet.as_bytes();
    let _ = send(to, packet.get(..LONGEST).unwrap_or(packet), SendFlags::NOSIGNAL);
}

/// Receives a step; `None` if there is no child any more.
pub fn next_step(from: impl AsFd) -> io::Result<Option<Step>> {
    let mut packet = [0; LONGEST];
    let (length, _) = recv(from, &mut packet[..], RecvFlags::empty())?;
    let packet = String::from_utf8_lossy(packet.get(..length).unwrap_or_default());
    let unknown = || io::Error::from(ErrorKind::InvalidData);
    let Some(kind) = packet.chars().next() else { return Ok(None) };
    let rest = packet.get(1..).unwrap_or_default();
    Ok(Some(match kind {
        'f' => Step::Forked(rest.parse().map_err(|_| unknown())?),
        'x' => Step::Executes,
        'e' => Step::Failed(rest.to_owned()),
        _ => return Err(unknown()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_bounded_line() {
        for report in
            [Report::Started(7), Report::Failed("no such file".to_owned()), Report::Ended(256)]
        {
            assert_eq!(Report::parse(&report.line()), Some(report));
        }
        let long = Report::Failed("ä\n".repeat(LONGEST)).line();
        assert!(long.len() <= LONGEST && long.matches('\n').count() == 1);
        assert_eq!(Report::parse("ended"), None);
        assert_eq!(Report::parse("ended x"), None);
    }
}
