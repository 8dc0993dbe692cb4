// SPDX-License-Identifier: GPL-2.0

//! Sockets with names: connecting takes permission to write, by the owner that is seen.

use std::os::unix::net::{UnixDatagram, UnixListener};

use kselftest::ktap::{check_eq, Context, Failure, Outcome};
use rustix::net::{
    bind, connect, sendto, socket, AddressFamily, SendFlags, SocketAddrUnix, SocketType,
};

use super::{note, nothing, scenario, Scenario, WITH_OWNERS};
use crate::caller::{everybody, CallerNamespaces, CallerNs, SyscallResult, Who, DISK};
use crate::fixture::Fixture;
use crate::op::{EACCES, EOVERFLOW, OK};

pub(super) const ALL: &[Scenario] = &[
    scenario("af_unix.connect", WITH_OWNERS, connecting),
    scenario("af_unix.send", WITH_OWNERS, sending),
    scenario("af_unix.bind", WITH_OWNERS, binding),
];

fn client(kind: SocketType) -> Result<std::os::fd::OwnedFd, rustix::io::Errno> {
    socket(AddressFamily::UNIX, kind, None)
}

/// Allowed for the owner of the socket and for a caller with a capability over the inode.
fn expected(who: Who) -> SyscallResult {
    if matches!(who, Who::Owner | Who::Admin) {
        OK
    } else {
        EACCES
    }
}

fn connecting(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let mut wrong = String::new();
    let case = fixture.case(Who::Owner, CallerNs::Initial)?;
    let _listener = UnixListener::bind(case.on_disk("sock")).context("listening")?;
    case.give("sock", DISK, 0o700)?;
    let address = SocketAddrUnix::new(case.seen.join("sock")).context("the address")?;
    for (who, ns) in everybody() {
        let answer = namespaces.run_as(who, ns, || {
            connect(&client(SocketType::STREAM)?, &address).map(|()| 0)
        });
        note(&mut wrong, (who, ns), answer, expected(who));
    }
    nothing(wrong)
}

fn sending(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let mut wrong = String::new();
    let case = fixture.case(Who::Owner, CallerNs::Initial)?;
    let server = UnixDatagram::bind(case.on_disk("sock")).context("listening")?;
    case.give("sock", DISK, 0o200)?;
    let address = SocketAddrUnix::new(case.seen.join("sock")).context("the address")?;
    for (who, ns) in everybody() {
        let answer = namespaces.run_as(who, ns, || {
            sendto(
                client(SocketType::DGRAM)?,
                b"x",
                SendFlags::empty(),
                &address,
            )
            .map(|_| 0)
        });
        note(&mut wrong, (who, ns), answer, expected(who));
        if answer.is_ok() {
            server.recv(&mut [0; 8]).context("receiving")?;
        }
    }
    nothing(wrong)
}

fn binding(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let mut wrong = String::new();
    for (who, ns) in everybody() {
        let case = fixture.case(who, ns)?;
        case.give(".", DISK, 0o777)?;
        let address = SocketAddrUnix::new(case.seen.join("sock")).context("the address")?;
        let answer = namespaces.run_as(who, ns, || {
            bind(&client(SocketType::STREAM)?, &address).map(|()| 0)
        });
        let owner = who.on_disk();
        note(
            &mut wrong,
            (who, ns),
            answer,
            if owner.is_some() { OK } else { EOVERFLOW },
        );
        if let (Some(id), Ok(_)) = (owner, answer) {
            if let Err(Failure::Failed(what)) = check_eq("owner", case.owner("sock")?, (id, id)) {
                wrong += &format!("{}: {what}\n", who.name());
            }
        }
    }
    nothing(wrong)
}
