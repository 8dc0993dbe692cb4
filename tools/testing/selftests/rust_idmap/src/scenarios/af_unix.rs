// SPDX-License-Identifier: GPL-2.0

//! Sockets with names: connecting takes permission to write, by the owner that is seen.

use std::os::unix::net::{UnixDatagram, UnixListener};

use rustix::net::{
    bind, connect, sendto, socket, AddressFamily, SendFlags, SocketAddrUnix, SocketType,
};

use super::{note, nothing, scenario, Scenario, WITH_OWNERS};
use crate::caller::{everybody, Answer, Place, Places, Who, DISK};
use crate::fixture::Stage;
use crate::ktap::{Doing, Failure, Outcome};
use crate::op::{same, EACCES, EOVERFLOW, OK};

pub(super) const ALL: &[Scenario] = &[
    scenario("af_unix.connect", WITH_OWNERS, connecting),
    scenario("af_unix.send", WITH_OWNERS, sending),
    scenario("af_unix.bind", WITH_OWNERS, binding),
];

fn client(kind: SocketType) -> Result<std::os::fd::OwnedFd, rustix::io::Errno> {
    socket(AddressFamily::UNIX, kind, None)
}

/// The owner of the socket may, and who has a capability over it.
fn expected(who: Who) -> Answer {
    if matches!(who, Who::Owner | Who::Admin) {
        OK
    } else {
        EACCES
    }
}

fn connecting(stage: &Stage, places: &Places) -> Outcome {
    let mut wrong = String::new();
    let scene = stage.scene(Who::Owner, Place::Initial)?;
    let _listener = UnixListener::bind(scene.on_disk("sock")).doing("listening")?;
    scene.give("sock", DISK, 0o700)?;
    let address = SocketAddrUnix::new(scene.seen.join("sock")).doing("the address")?;
    for (who, place) in everybody() {
        let answer = places.act(who, place, || {
            connect(&client(SocketType::STREAM)?, &address).map(|()| 0)
        });
        note(&mut wrong, (who, place), answer, expected(who));
    }
    nothing(wrong)
}

fn sending(stage: &Stage, places: &Places) -> Outcome {
    let mut wrong = String::new();
    let scene = stage.scene(Who::Owner, Place::Initial)?;
    let server = UnixDatagram::bind(scene.on_disk("sock")).doing("listening")?;
    scene.give("sock", DISK, 0o200)?;
    let address = SocketAddrUnix::new(scene.seen.join("sock")).doing("the address")?;
    for (who, place) in everybody() {
        let answer = places.act(who, place, || {
            sendto(
                client(SocketType::DGRAM)?,
                b"x",
                SendFlags::empty(),
                &address,
            )
            .map(|_| 0)
        });
        note(&mut wrong, (who, place), answer, expected(who));
        if answer.is_ok() {
            server.recv(&mut [0; 8]).doing("receiving")?;
        }
    }
    nothing(wrong)
}

fn binding(stage: &Stage, places: &Places) -> Outcome {
    let mut wrong = String::new();
    for (who, place) in everybody() {
        let scene = stage.scene(who, place)?;
        scene.give(".", DISK, 0o777)?;
        let address = SocketAddrUnix::new(scene.seen.join("sock")).doing("the address")?;
        let answer = places.act(who, place, || {
            bind(&client(SocketType::STREAM)?, &address).map(|()| 0)
        });
        let owner = who.on_disk();
        note(
            &mut wrong,
            (who, place),
            answer,
            if owner.is_some() { OK } else { EOVERFLOW },
        );
        if let (Some(id), Ok(_)) = (owner, answer) {
            if let Err(Failure::Wrong(what)) = same("owner", scene.owner("sock")?, (id, id)) {
                wrong += &format!("{}: {what}\n", who.name());
            }
        }
    }
    nothing(wrong)
}
