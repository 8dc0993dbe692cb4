// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Trials of operations on subvolumes of btrfs.

use std::{ffi::CStr, rc::Rc};

use super::{
    super::{
        lookup::{End, Last, Place},
        node::Node,
        standin::{self, is_writable, untried},
        subvolume::{is_default, is_parent},
        workshop::{Inner, Workshop},
    },
    Attempted, Look, NO_WORKPLACE, Trial, make_anywhere,
    names::{is_free, open_workshop},
    paths::{object_way, parent_text, parent_way, whole},
};
use crate::{
    error::Error,
    sys::{Act, At, Name, btrfs::Subvol},
};

/// A name with which nothing is made or deleted, whatever is checked before it.
fn no_name(place: &Place) -> Option<&'static CStr> {
    match place.last {
        Last::Name if place.directory.mount.is_read_only() => Some(c"."),
        Last::Name => None,
        Last::Dot => Some(c"."),
        Last::DotDot => Some(c".."),
        Last::Root => Some(c""),
    }
}

/// Fails unless the ioctls of btrfs have the meaning that they have there.
fn only_btrfs(directory: &Node) -> Result<(), Error> {
    match &*directory.mount.filesystem {
        "btrfs" => Ok(()),
        other => Err(untried(format!(
            "the filesystem is {other}, and only btrfs has subvolumes"
        ))),
    }
}

/// A name for a new subvolume: a spare one, or one that is taken if the real one is.
fn new_name<'w>(workshop: &'w Workshop, place: &Place) -> Result<&'w CStr, Error> {
    if is_free(place) {
        return Ok(&workshop.names.spare[0]);
    }
    workshop.room(&place.directory)?;
    Ok(&workshop.names.room)
}

/// Fails where a new subvolume could stay.
fn can_be_swept(place: &Place) -> Result<(), Error> {
    match is_writable(&place.directory) && place.entry.is_ok() {
        true => Ok(()),
        false => Err(untried("nothing can be made in the directory")),
    }
}

impl Trial<'_> {
    /// Makes a subvolume in the directory of the path, or finds that the name is taken.
    pub(super) fn make_subvolume(&self) -> Result<Attempted, Error> {
        let parent = parent_text(self.route)?;
        let way = parent_way(self.route, &parent);
        let End::At(place) = &self.route.end else {
            return self.perform(&[way], None, Act::None);
        };
        only_btrfs(&place.directory)?;
        let act = |name| Act::Subvol(Subvol::Create, Name(At::Way(0), name));
        if let Some(name) = no_name(place) {
            return self.perform(&[way], None, act(name));
        }
        can_be_swept(place)?;
        let workshop = open_workshop(&place.directory)?;
        let name = match new_name(&workshop, place) {
            Ok(name) => name.to_owned(),
            Err(error) => {
                workshop.close()?;
                return Err(error);
            }
        };
        let look = Look::Name(&place.directory, &name);
        self.perform_in(workshop, &[way], None, act(&name), look)
    }

    /// Deletes a stand-in for a subvolume.
    pub(super) fn delete_subvolume(&self) -> Result<Attempted, Error> {
        let parent = parent_text(self.route)?;
        let way = parent_way(self.route, &parent);
        let End::At(place) = &self.route.end else {
            return self.perform(&[way], None, Act::None);
        };
        only_btrfs(&place.directory)?;
        let act = |name| Act::Subvol(Subvol::Delete, Name(At::Way(0), name));
        if let Some(name) = no_name(place) {
            return self.perform(&[way], None, act(name));
        }
        can_be_swept(place)?;
        let entry = place.entry.as_ref().ok().and_then(Option::as_ref);
        if entry.is_some_and(|entry| entry.node.is_subvolume() && is_default(&entry.node)) {
            return Err(untried(
                "it is the subvolume that is mounted by default, and no other one is",
            ));
        }
        let workshop = open_workshop(&place.directory)?;
        let name = workshop.names.spare[0].clone();
        if let Some(entry) = entry {
            let inner = match is_parent(&entry.node) {
                true => Inner::Subvolume,
                false => Inner::Nothing,
            };
            let made = workshop.make_name(&entry.node, &place.directory, &name, inner);
            if let Err(error) = made {
                workshop.close()?;
                return Err(error);
            }
        }
        self.perform_in(workshop, &[way], None, act(&name), Look::Nothing)
    }

    /// Makes a snapshot of a stand-in for a subvolume.
    pub(super) fn snapshot(&self) -> Result<Attempted, Error> {
        let other = self.other()?;
        let (from, to) = (whole(self.route)?, parent_text(other)?);
        let ways = [object_way(self.route, &from, 0), parent_way(other, &to)];
        let (End::There(found), End::At(new)) = (&self.route.end, &other.end) else {
            return self.perform(&ways, None, Act::None);
        };
        only_btrfs(&new.directory)?;
        let act = |name| Act::Subvol(Subvol::Snapshot, Name(At::Way(1), name));
        if let Some(name) = no_name(new) {
            return self.perform(&ways, None, act(name));
        }
        can_be_swept(new)?;
        let mut places = standin::workplaces(self.route, &found.node);
        if places.is_empty() {
            return Err(untried(NO_WORKPLACE));
        }
        if !places.iter().any(|place| place.is(&new.directory)) {
            places.push(Rc::clone(&new.directory));
        }
        let workshop = Workshop::open(places)?;
        let prepared = make_anywhere(&workshop, self.route, &found.node).and_then(|stand_in| {
            let name = new_name(&workshop, new)?.to_owned();
            Ok((stand_in, name))
        });
        match prepared {
            Ok((stand_in, name)) => {
                let object = Some(stand_in.seen());
                self.perform_in(workshop, &ways, object, act(&name), Look::Nothing)
            }
            Err(error) => {
                workshop.close()?;
                Err(error)
            }
        }
    }
}
