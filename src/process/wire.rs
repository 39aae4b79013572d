//! What coordinator and keeper say to each other: lines of JSON over one socket pair.
//!
//! Owns the messages, their framing and the passing of the payload's standard input along with the first line.
//! Promises that a line is whole or not there, whatever pieces the socket delivers. Never starts anything.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::Interest;

/// The first line to the keeper: what to start.
#[derive(Serialize, Deserialize)]
pub(super) struct Errand {
    pub(super) program: String,
    pub(super) args: Vec<String>,
    pub(super) cwd: PathBuf,
    pub(super) env: BTreeMap<String, String>,
    /// Whether the read end of a pipe for standard input comes along with this line.
    pub(super) piped_stdin: bool,
    pub(super) lock: Option<PathBuf>,
}

/// A later line to the keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(super) enum Order {
    /// SIGINT to the payload's group.
    Interrupt,
    /// SIGTERM to the payload's group.
    Terminate,
    /// SIGKILL to the whole tree.
    Kill,
}

/// A line from the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub(super) enum Report {
    /// The payload runs.
    Started { pid: u32 },
    /// The payload could not be started; the keeper ends.
    SpawnFailed { kind: Refusal, message: String },
    /// Another keeper holds the lock; this one ends.
    Busy,
    /// The whole tree is gone; the keeper ends.
    Exited { code: Option<i32>, signal: Option<i32>, leftovers: u32 },
}

/// Why a payload could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Refusal {
    NotFound,
    NotExecutable,
    NoDirectory,
    Other,
}

/// `message` as one line; an error when it holds a path that is not UTF-8.
pub(super) fn encode<M: Serialize>(message: &M) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message).map_err(io::Error::from)?;
    line.push(b'\n');
    Ok(line)
}

/// Sends the whole of `line`, and `descriptor` along with its first byte.
pub(super) async fn hand_over(
    socket: &tokio::net::UnixStream,
    line: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut sent = 0;
    while sent < line.len() {
        let along = if sent == 0 { descriptor } else { None };
        sent +=
            socket.async_io(Interest::WRITABLE, || send_part(socket.as_fd(), &line[sent..], along)).await?;
    }
    Ok(())
}

fn send_part(socket: BorrowedFd<'_>, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if let Some(descriptor) = &descriptor {
        let fits = ancillary.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(descriptor)));
        debug_assert!(fits, "the buffer has room for one descriptor");
    }
    Ok(sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?)
}

/// The keeper's end of the control channel: blocking, with its own buffer.
pub(super) struct Channel {
    socket: UnixStream,
    buffer: Vec<u8>,
    descriptor: Option<OwnedFd>,
}

impl Channel {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self { socket, buffer: Vec::new(), descriptor: None }
    }

    /// Receives once, blocking; the number of bytes, 0 at the end of the channel.
    pub(super) fn fill(&mut self) -> io::Result<usize> {
        let mut bytes = [0_u8; 16 * 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            recvmsg(&self.socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        })?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptor = descriptors.last();
            }
        }
        self.buffer.extend_from_slice(&bytes[..received.bytes]);
        Ok(received.bytes)
    }

    /// The next whole line already received, decoded.
    pub(super) fn take<M: DeserializeOwned>(&mut self) -> io::Result<Option<M>> {
        let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        serde_json::from_slice(&line).map(Some).map_err(io::Error::from)
    }

    /// The descriptor that came along with a line, once.
    pub(super) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptor.take()
    }

    /// Sends `report`, blocking.
    pub(super) fn send(&mut self, report: &Report) -> io::Result<()> {
        self.socket.write_all(&encode(report)?)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, SeekFrom};

    use serde_json::json;

    use super::*;

    fn errand() -> Errand {
        Errand {
            program: "agent".to_owned(),
            args: vec!["two\nlines".to_owned()],
            cwd: PathBuf::from("/work"),
            env: BTreeMap::from([("LANG".to_owned(), "C".to_owned())]),
            piped_stdin: true,
            lock: None,
        }
    }

    #[test]
    fn messages_have_one_line_and_a_fixed_shape() {
        let shape = |line: Vec<u8>| {
            let (end, text) = line.split_last().unwrap();
            assert_eq!(*end, b'\n');
            assert!(!text.contains(&b'\n'));
            serde_json::from_slice::<serde_json::Value>(text).unwrap()
        };
        let expected = json!({
            "program": "agent", "args": ["two\nlines"], "cwd": "/work", "env": {"LANG": "C"},
            "piped_stdin": true, "lock": null,
        });
        assert_eq!(shape(encode(&errand()).unwrap()), expected);
        assert_eq!(shape(encode(&Order::Interrupt).unwrap()), json!({"order": "interrupt"}));
        let failed = Report::SpawnFailed { kind: Refusal::NotExecutable, message: "why".to_owned() };
        let expected = json!({"report": "spawn_failed", "kind": "not_executable", "message": "why"});
        assert_eq!(shape(encode(&failed).unwrap()), expected);
        let exited = Report::Exited { code: Some(1), signal: None, leftovers: 2 };
        let expected = json!({"report": "exited", "code": 1, "signal": null, "leftovers": 2});
        assert_eq!(shape(encode(&exited).unwrap()), expected);
    }

    #[test]
    fn path_that_is_not_utf8_is_an_error_and_no_other_path() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let path = PathBuf::from(OsStr::from_bytes(b"/work/\xff"));
        assert!(encode(&Errand { cwd: path, ..errand() }).is_err());
    }

    #[test]
    fn lines_are_whole_whatever_pieces_arrive() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut channel = Channel::new(ours);
        let sent = [encode(&Order::Interrupt).unwrap(), encode(&Order::Kill).unwrap()].concat();
        let mut received = Vec::new();
        for piece in sent.chunks(7) {
            theirs.write_all(piece).unwrap();
            channel.fill().unwrap();
            while let Some(order) = channel.take::<Order>().unwrap() {
                received.push(order);
            }
        }
        assert_eq!(received, [Order::Interrupt, Order::Kill]);

        theirs.write_all(&sent).unwrap();
        channel.fill().unwrap();
        assert_eq!(channel.take::<Order>().unwrap(), Some(Order::Interrupt));
        assert_eq!(channel.take::<Order>().unwrap(), Some(Order::Kill));
        assert_eq!(channel.take::<Order>().unwrap(), None);

        drop(theirs);
        assert_eq!(channel.fill().unwrap(), 0);
    }

    #[test]
    fn line_that_is_no_message_is_an_error() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut channel = Channel::new(ours);
        theirs.write_all(b"{\"order\":\"dance\"}\n").unwrap();
        channel.fill().unwrap();
        assert!(channel.take::<Order>().is_err());
    }

    #[tokio::test]
    async fn descriptor_comes_along_once_with_a_line_larger_than_the_sockets_buffer() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"seen through the copy").unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let ours = tokio::net::UnixStream::from_std(ours).unwrap();
        let line = encode(&Errand { args: vec!["x".repeat(1024 * 1024)], ..errand() }).unwrap();
        let receiving = std::thread::spawn(move || {
            let mut channel = Channel::new(theirs);
            loop {
                if let Some(errand) = channel.take::<Errand>().unwrap() {
                    return (errand, channel.take_descriptor(), channel.take_descriptor());
                }
                assert_ne!(channel.fill().unwrap(), 0);
            }
        });

        hand_over(&ours, &line, Some(file.as_fd())).await.unwrap();

        let (errand, first, second) = receiving.join().unwrap();
        assert_eq!(errand.args[0].len(), 1024 * 1024);
        let mut text = String::new();
        std::fs::File::from(first.unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "seen through the copy");
        assert!(second.is_none());
    }
}
