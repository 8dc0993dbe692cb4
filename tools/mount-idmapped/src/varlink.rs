// SPDX-License-Identifier: GPL-2.0

//! Calls of services of systemd by Varlink: JSON over a socket, each message with a zero byte at its
//! end, and descriptors beside it.

use std::{
    io::{ErrorKind, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::{
    cmsg_space,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};
use serde_json::{Value, json};

use crate::run::Failure;

/// How many descriptors a message may have.
const DESCRIPTORS: usize = 4;
/// No reply of the services is as long.
const LONGEST: usize = 1 << 20;

/// Calls a method, in whose parameters a descriptor is given by its place among the descriptors, as
/// it is in the reply.
pub(crate) fn call(
    interface: &str,
    method: &str,
    parameters: &Value,
    files: &[BorrowedFd<'_>],
) -> Result<(Value, Vec<OwnedFd>), Failure> {
    let path = format!("/run/systemd/{interface}");
    let stream = UnixStream::connect(&path).map_err(|error| {
        Failure::Unfit(match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!(
                "the service of {path} does not run: systemd 258 has it, in some distributions in \
                 the package systemd-container"
            ),
            _ => format!("{path}: {error}"),
        })
    })?;
    let message = json!({ "method": format!("{interface}.{method}"), "parameters": parameters });
    let fail = |error: String| Failure::Unfit(format!("{path}: {error}"));
    send(&stream, &message.to_string(), files).map_err(|errno| fail(errno.to_string()))?;
    let (text, files) = receive(&stream).map_err(fail)?;
    let reply: Value = serde_json::from_slice(&text).map_err(|error| fail(error.to_string()))?;
    match reply.get("error").and_then(Value::as_str) {
        None => Ok((reply["parameters"].clone(), files)),
        Some("org.varlink.service.MethodNotFound") => Err(fail(format!(
            "the service is older than systemd 258, which has {method}"
        ))),
        Some(error) => Err(fail(format!("{error} {}", reply["parameters"]))),
    }
}

fn send(stream: &UnixStream, text: &str, files: &[BorrowedFd<'_>]) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(files));
    }
    let bytes = [text.as_bytes(), b"\0"].concat();
    let mut sent = 0;
    while sent < bytes.len() {
        let part = [IoSlice::new(&bytes[sent..])];
        sent += sendmsg(stream, &part, &mut control, SendFlags::NOSIGNAL)?;
        control.clear();
    }
    Ok(())
}

fn receive(stream: &UnixStream) -> Result<(Vec<u8>, Vec<OwnedFd>), String> {
    let (mut text, mut files) = (Vec::new(), Vec::new());
    while text.last() != Some(&0) {
        let mut part = [0; 4096];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut part)];
        let received = recvmsg(stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC);
        let count = received.map_err(|errno| errno.to_string())?.bytes;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(more) = message {
                files.extend(more);
            }
        }
        if count == 0 || text.len() > LONGEST {
            return Err("the service has sent no reply".to_owned());
        }
        text.extend_from_slice(&part[..count]);
    }
    text.pop();
    Ok((text, files))
}
