// SPDX-License-Identifier: GPL-2.0

//! The audit records of the kernel, as they are told to whoever listens.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;

// `linux/netlink.h`, `linux/audit.h`
const NETLINK_AUDIT: i32 = 9;
/// `AUDIT_NLGRP_READLOG`, as a bit.
const READ_LOG: u32 = 1;
const GET: u16 = 1000;
const SET: u16 = 1001;
const ADD_RULE: u16 = 1011;
const DELETE_RULE: u16 = 1012;
const REQUEST_ACK: u16 = 1 | 4;
const ERROR: u16 = 2;
const END_OF_EVENT: u16 = 1320;
/// The kind of record that names a file, and its owner.
pub(crate) const PATH: u16 = 1302;
/// `struct nlmsghdr`.
const HEADER: usize = 16;
/// `struct audit_rule_data` without its strings.
const RULE: usize = 4 * (3 + 64 + 3 * 64 + 1);
const FIELD_UID: u32 = 1;
const EQUAL: u32 = 0x4000_0000;

fn errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// A connection to the kernel's audit.
struct Socket(OwnedFd);

impl Socket {
    fn new(groups: u32) -> Result<Self, Errno> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: No pointers.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, NETLINK_AUDIT) };
        if fd < 0 {
            return Err(errno());
        }
        // SAFETY: The call has just made this descriptor, so that nobody else has it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: An address is plain numbers, for which zero is a value.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as u16;
        address.nl_groups = groups;
        let length = size_of::<libc::sockaddr_nl>() as u32;
        // SAFETY: The address has the length that is passed, and lives until the call returns.
        let bound = unsafe { libc::bind(fd, std::ptr::from_ref(&address).cast(), length) };
        match bound {
            0 => Ok(Self(socket)),
            _ => Err(errno()),
        }
    }

    /// The next message, if there is one within a second: its kind and what is in it.
    fn receive(&self) -> Option<(u16, Vec<u8>)> {
        use rustix::event::{poll, PollFd, PollFlags, Timespec};
        let second = Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        if poll(&mut fds, Some(&second)) != Ok(1) {
            return None;
        }
        let mut buffer = vec![0u8; 16384];
        // SAFETY: The kernel writes no more than the length of the buffer.
        let length = unsafe {
            libc::recv(
                self.0.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                0,
            )
        };
        buffer.truncate(usize::try_from(length).ok()?);
        let kind = u16::from_ne_bytes([*buffer.get(4)?, *buffer.get(5)?]);
        Some((kind, buffer.split_off(HEADER.min(buffer.len()))))
    }

    /// Asks for something and waits for the answer.
    fn ask(&self, kind: u16, data: &[u8]) -> Result<(), Errno> {
        let mut message = ((HEADER + data.len()) as u32).to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(REQUEST_ACK.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(data);
        let fd = self.0.as_raw_fd();
        // SAFETY: The kernel reads no more than the length of the message.
        if unsafe { libc::send(fd, message.as_ptr().cast(), message.len(), 0) } < 0 {
            return Err(errno());
        }
        while let Some((kind, data)) = self.receive() {
            if kind == ERROR {
                let code = data.first_chunk().copied().map_or(-5, i32::from_ne_bytes);
                return if code == 0 {
                    Ok(())
                } else {
                    Err(Errno::from_raw_os_error(-code))
                };
            }
        }
        Err(Errno::TIMEDOUT)
    }
}

/// Every call of these numbers by a user is recorded, until the value is dropped.
pub(crate) struct Recorded {
    control: Socket,
    records: Socket,
    rule: Vec<u8>,
    /// Whether anything was recorded before.
    enabled: bool,
}

/// `struct audit_status` that turns it on or off.
fn status(enabled: bool) -> Vec<u8> {
    let mut status = vec![0; 44];
    status[0..4].copy_from_slice(&1u32.to_ne_bytes());
    status[4..8].copy_from_slice(&u32::from(enabled).to_ne_bytes());
    status
}

impl Recorded {
    /// Begins to record; an error says that this kernel, or this machine, does not let us.
    pub(crate) fn new(call: usize, user: u32) -> Result<Self, Errno> {
        let (control, records) = (Socket::new(0)?, Socket::new(READ_LOG)?);
        let mut rule = vec![0u8; RULE];
        let mut put = |at: usize, number: u32| {
            rule[4 * at..4 * at + 4].copy_from_slice(&number.to_ne_bytes());
        };
        // AUDIT_FILTER_EXIT, AUDIT_ALWAYS, one field.
        [4, 2, 1]
            .into_iter()
            .enumerate()
            .for_each(|(at, number)| put(at, number));
        put(3 + call / 32, 1 << (call % 32));
        put(67, FIELD_UID);
        put(131, user);
        put(195, EQUAL);
        let enabled = control.state()?;
        control.ask(SET, &status(true))?;
        control.ask(ADD_RULE, &rule)?;
        Ok(Self {
            control,
            records,
            rule,
            enabled,
        })
    }

    /// What is recorded of the next call that is about a file: the record of a kind, as a text.
    ///
    /// Other users of the same number may call at the same time, so that a record counts only with
    /// the others of its call, which come together and have an end.
    pub(crate) fn of_file(&self, path: &Path, wanted: u16) -> Option<String> {
        let name = format!(" name=\"{}\" ", path.display());
        let mut found = None;
        let mut about_it = false;
        while let Some((kind, data)) = self.records.receive() {
            let record = String::from_utf8_lossy(&data).into_owned();
            about_it |= kind == PATH && record.contains(&name);
            if kind == wanted && (kind != PATH || about_it) {
                found.get_or_insert(record);
            }
            if kind == END_OF_EVENT {
                if about_it && found.is_some() {
                    return found;
                }
                (found, about_it) = (None, false);
            }
        }
        None
    }
}

impl Socket {
    /// Whether anything is recorded.
    fn state(&self) -> Result<bool, Errno> {
        self.ask_for(GET).map(|data| data.get(4) == Some(&1))
    }

    /// Asks for data of the same kind.
    fn ask_for(&self, wanted: u16) -> Result<Vec<u8>, Errno> {
        let mut message = (HEADER as u32).to_ne_bytes().to_vec();
        message.extend(wanted.to_ne_bytes());
        message.extend(1u16.to_ne_bytes());
        message.extend([0; 8]);
        let fd = self.0.as_raw_fd();
        // SAFETY: The kernel reads no more than the length of the message.
        if unsafe { libc::send(fd, message.as_ptr().cast(), message.len(), 0) } < 0 {
            return Err(errno());
        }
        while let Some((kind, data)) = self.receive() {
            if kind == wanted {
                return Ok(data);
            }
        }
        Err(Errno::TIMEDOUT)
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let removed = self.control.ask(DELETE_RULE, &self.rule);
        let ended = self.control.ask(SET, &status(self.enabled));
        if let Err(error) = removed.and(ended) {
            eprintln!("audit is not as it was: {error}");
        }
    }
}
