// SPDX-License-Identifier: GPL-2.0

//! Audit records of the kernel, received by netlink.

use std::collections::BTreeMap;
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
/// How many seconds the next message may take.
const PATIENCE: i64 = 30;
/// `struct nlmsghdr`.
const HEADER: usize = 16;
/// `struct audit_rule_data` without its strings.
const RULE: usize = 4 * (3 + 64 + 3 * 64 + 1);
const FIELD_UID: u32 = 1;
const FIELD_DEVICE_MAJOR: u32 = 100;
const FIELD_DEVICE_MINOR: u32 = 101;
const FIELD_INODE: u32 = 102;
const EQUAL: u32 = 0x4000_0000;

fn errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// A connection to the kernel's audit.
struct Socket(OwnedFd);

impl Socket {
    fn new(groups: u32) -> Result<Self, Errno> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: `socket()` takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, NETLINK_AUDIT) };
        if fd < 0 {
            return Err(errno());
        }
        // SAFETY: The call has just returned this descriptor, so it has no other owner.
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

    /// Receives the next message: its type and its data.
    fn receive(&self) -> Result<(u16, Vec<u8>), Errno> {
        use rustix::event::{poll, PollFd, PollFlags, Timespec};
        let patience = Timespec {
            tv_sec: PATIENCE,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        if poll(&mut fds, Some(&patience))? == 0 {
            return Err(Errno::TIMEDOUT);
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
        buffer.truncate(usize::try_from(length).map_err(|_| errno())?);
        if buffer.len() < HEADER {
            return Err(Errno::BADMSG);
        }
        let kind = u16::from_ne_bytes([buffer[4], buffer[5]]);
        Ok((kind, buffer.split_off(HEADER)))
    }

    /// Sends a request and waits for its acknowledgment.
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
        loop {
            let (kind, data) = self.receive()?;
            if kind == ERROR {
                let code = data.first_chunk().copied().map_or(-5, i32::from_ne_bytes);
                return if code == 0 {
                    Ok(())
                } else {
                    Err(Errno::from_raw_os_error(-code))
                };
            }
        }
    }
}

/// Every call of a number by a user about a file is recorded, until the value is dropped.
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
    /// Starts to record. Fails if this kernel, or this machine, does not allow it.
    pub(crate) fn new(call: usize, user: u32, file: &Path) -> Result<Self, Errno> {
        let about = rustix::fs::lstat(file)?;
        let fields = [
            (FIELD_UID, user),
            (FIELD_DEVICE_MAJOR, rustix::fs::major(about.st_dev)),
            (FIELD_DEVICE_MINOR, rustix::fs::minor(about.st_dev)),
            (
                FIELD_INODE,
                u32::try_from(about.st_ino).map_err(|_| Errno::OVERFLOW)?,
            ),
        ];
        let (control, records) = (Socket::new(0)?, Socket::new(READ_LOG)?);
        let mut rule = vec![0u8; RULE];
        let mut put = |at: usize, number: u32| {
            rule[4 * at..4 * at + 4].copy_from_slice(&number.to_ne_bytes());
        };
        // AUDIT_FILTER_EXIT, AUDIT_ALWAYS.
        put(0, 4);
        put(1, 2);
        put(2, fields.len() as u32);
        put(3 + call / 32, 1 << (call % 32));
        for (at, (field, value)) in fields.into_iter().enumerate() {
            put(67 + at, field);
            put(131 + at, value);
            put(195 + at, EQUAL);
        }
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

    /// Returns the record of a type for the next system call on the file at this path.
    ///
    /// Other tasks make system calls at the same time, and records of calls on two processors are
    /// interleaved. The records of one call have the same serial number.
    pub(crate) fn of_file(&self, path: &Path, wanted: u16) -> Result<String, Errno> {
        let name = format!(" name=\"{}\" ", path.display());
        let mut calls: BTreeMap<String, Call> = BTreeMap::new();
        loop {
            let (kind, data) = self.records.receive()?;
            let record = String::from_utf8_lossy(&data).into_owned();
            let Some(number) = number(&record) else {
                continue;
            };
            let call = calls.entry(number.to_owned()).or_default();
            let names_it = kind == PATH && record.contains(&name);
            call.is_about_it |= names_it;
            if kind == END_OF_EVENT {
                match std::mem::take(call) {
                    Call {
                        is_about_it: true,
                        found: Some(record),
                    } => return Ok(record),
                    _ => continue,
                }
            }
            // A call has a record for each path, of which one is the file's.
            if kind == wanted && (kind != PATH || names_it) {
                call.found.get_or_insert(record);
            }
        }
    }
}

/// The records of one system call.
#[derive(Default)]
struct Call {
    is_about_it: bool,
    found: Option<String>,
}

/// The time and the number of the call that a record is of: it begins with `audit(TIME:NUMBER): `.
fn number(record: &str) -> Option<&str> {
    let (number, _) = record.strip_prefix("audit(")?.split_once(')')?;
    Some(number)
}

impl Socket {
    /// Whether anything is recorded.
    fn state(&self) -> Result<bool, Errno> {
        self.ask_for(GET).map(|data| data.get(4) == Some(&1))
    }

    /// Requests data of the same type.
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
        loop {
            let (kind, data) = self.receive()?;
            if kind == wanted {
                return Ok(data);
            }
        }
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
