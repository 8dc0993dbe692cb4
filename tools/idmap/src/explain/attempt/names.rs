// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Trials of operations that make, remove and move names.

use std::{
    ffi::c_int,
    os::{fd::AsFd, unix::ffi::OsStrExt},
    rc::Rc,
};

use kernel::fs::{mode::InodeFlags, permission::InodeAttrs};

use super::{
    super::{
        lookup::{End, Entry, Last, Place, Route},
        node::Node,
        operation::Operation,
        standin::{self, StandIn, is_writable, untried},
        tree::is_above,
        workshop::{Inner, Workshop},
    },
    Attempted, Look, NO_WORKPLACE, Trial, make_anywhere,
    paths::{Handed, object_way, parent_text, parent_way, real, whole},
};
use crate::{
    error::Error,
    sys::{Act, At, Name, Way},
};

/// Which directory of a renaming has the other name in it.
#[derive(Clone, Copy)]
enum Within {
    Source,
    Target,
}
impl Trial<'_> {
    /// Makes a new name in the directory of the path, or finds that the name is taken.
    pub(super) fn make(&self, operation: &Operation) -> Result<Attempted, Error> {
        let act = |name| match operation {
            Operation::Mkdir => Act::Mkdir(name),
            Operation::Mkfifo => Act::Mkfifo(name),
            Operation::Symlink => Act::Symlink(name),
            _ => Act::Open(name, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL),
        };
        let parent = parent_text(self.route)?;
        let way = parent_way(self.route, &parent);
        let End::At(place) = &self.route.end else {
            return self.perform(&[way], None, Act::None);
        };
        if !is_free(place) && !is_workable(place) {
            // The name is taken, or none.
            let handed = real(self.route, place)?;
            return self.perform(&[way], None, act(handed.name(0)));
        }
        let workshop = open_workshop(&place.directory)?;
        let handed = match taken(&workshop, place) {
            Ok(handed) => handed,
            Err(error) => {
                workshop.close()?;
                return Err(error);
            }
        };
        let name = workshop.names.spare[0].clone();
        let look = Look::Name(&place.directory, &name);
        self.perform_in(workshop, &[way], None, act(handed.name(0)), look)
    }

    pub(super) fn remove(&self, flags: c_int) -> Result<Attempted, Error> {
        let parent = parent_text(self.route)?;
        let way = parent_way(self.route, &parent);
        let End::At(place) = &self.route.end else {
            return self.perform(&[way], None, Act::None);
        };
        if let Some(unnamed) = unnamed(self.route, place)? {
            return self.perform(&[way], None, Act::Unlink(unnamed.name(0), flags));
        }
        if let (Ok(Some(entry)), false) = (&place.entry, is_writable(&place.directory)) {
            let (handed, flags) = harmless_removal(place, entry, flags)?;
            return self.perform(&[way], None, Act::Unlink(handed.name(0), flags));
        }
        let workshop = open_workshop(&place.directory)?;
        let handed = match victim(&workshop, place, 0) {
            Ok(handed) => handed,
            Err(error) => {
                workshop.close()?;
                return Err(error);
            }
        };
        let act = Act::Unlink(handed.name(0), flags);
        self.perform_in(workshop, &[way], None, act, Look::Nothing)
    }

    pub(super) fn rename(&self) -> Result<Attempted, Error> {
        let other = self.other()?;
        let (from, to) = (parent_text(self.route)?, parent_text(other)?);
        let ways = [parent_way(self.route, &from), parent_way(other, &to)];
        let (End::At(old), End::At(new)) = (&self.route.end, &other.end) else {
            return self.perform(&ways, None, Act::None);
        };
        let apart = old.directory.mount.key != new.directory.mount.key;
        if apart || old.last != Last::Name || new.last != Last::Name {
            // The kernel moves no name between mounts, and none of these.
            let (from, to) = (real(self.route, old)?, real(other, new)?);
            return self.perform(&ways, None, Act::Rename(from.name(0), to.name(1)));
        }
        if let (Ok(Some(source)), Ok(target)) = (&old.entry, &new.entry) {
            let crosses = !old.directory.is(&new.directory);
            let inside = source.node.is_directory() && is_above(&source.node, &new.directory);
            if crosses && inside {
                return self.rename_within(&ways, old, &source.node, Within::Source);
            }
            let target = target.as_ref().map(|entry| &entry.node);
            if let Some(target) = target.filter(|target| is_above(target, &old.directory)) {
                if crosses {
                    return self.rename_within(&ways, new, target, Within::Target);
                }
            }
        }
        if let Some(from) = unnamed(self.route, old)? {
            let to = match unnamed(other, new)? {
                Some(to) => to,
                None => spare(new)?,
            };
            return self.perform(&ways, None, Act::Rename(from.name(0), to.name(1)));
        }
        let is_locked = !is_writable(&old.directory) || !is_writable(&new.directory);
        if is_locked && is_one(old, new) {
            // The kernel moves nothing onto itself, by whichever name.
            let from = Handed::in_place(old.name.as_bytes(), old)?;
            let to = Handed::in_place(old.name.as_bytes(), new)?;
            let act = Act::Rename(from.name(0), to.name_at(At::Way(0)));
            return self.perform(&ways, None, act);
        }
        if let (Ok(Some(source)), false) = (&old.entry, is_writable(&old.directory)) {
            return self.rename_locked(&ways, old, new, source);
        }
        harmless_target(old, new)?;
        let mut places = vec![Rc::clone(&old.directory)];
        if !new.directory.is(&old.directory) {
            places.push(Rc::clone(&new.directory));
        }
        let workshop = Workshop::open(places)?;
        let names = rename_names(&workshop, other, old, new);
        let (from, to) = match names {
            Ok(names) => names,
            Err(error) => {
                workshop.close()?;
                return Err(error);
            }
        };
        let act = Act::Rename(from.name(0), to.name(1));
        self.perform_in(workshop, &ways, None, act, Look::Nothing)
    }

    /// Moves a name that cannot be moved: that of an object in a directory that is immutable or
    /// append-only. Should this change in between, the new name has an object of another kind.
    fn rename_locked(
        &self,
        ways: &[Way<'_>],
        old: &Place,
        new: &Place,
        source: &Entry,
    ) -> Result<Attempted, Error> {
        let from = Handed::in_place(old.name.as_bytes(), old)?;
        let mut places = vec![Rc::clone(&new.directory)];
        places.extend(standin::workplaces(self.route, &source.node));
        let place = places.into_iter().find(|place| is_writable(place));
        let Some(place) = place else {
            return Err(untried(LOCKED));
        };
        let workshop = open_workshop(&place)?;
        let made = match source.node.is_directory() {
            true => workshop
                .make_file(&place)
                .map(|()| &workshop.names.spare[1]),
            false => workshop.room(&place).map(|_| &workshop.names.room),
        };
        let name = match made {
            Ok(name) => Handed::in_place(name.to_bytes(), new)?,
            Err(error) => {
                workshop.close()?;
                return Err(error);
            }
        };
        let to = name.name_at(At::Given(place.file()));
        let act = Act::Rename(from.name(0), to);
        self.perform_in(workshop, ways, None, act, Look::Nothing)
    }

    /// Moves a stand-in for a directory into itself, or one of its names onto it.
    fn rename_within(
        &self,
        ways: &[Way<'_>],
        place: &Place,
        original: &Node,
        within: Within,
    ) -> Result<Attempted, Error> {
        let directory = &place.directory;
        if must_fail(place) || directory.is_only_plain() {
            return Err(untried("one of the two directories is in the other"));
        }
        let workshop = open_workshop(directory)?;
        let spare = workshop.names.spare[0].clone();
        let opened = workshop
            .make_name(original, directory, &spare, Inner::of(original))
            .and_then(|_| {
                workshop.fill(directory, &spare)?;
                workshop.seen(directory, &spare)
            });
        let inner = match opened {
            Ok(inner) => inner,
            Err(error) => {
                workshop.close()?;
                return Err(error);
            }
        };
        let name = workshop.names.inner().to_owned();
        let new = workshop.names.spare[1].clone();
        let act = match within {
            Within::Source => Act::Rename(
                Name(At::Way(0), &spare),
                Name(At::Given(inner.as_fd()), &new),
            ),
            Within::Target => Act::Rename(
                Name(At::Given(inner.as_fd()), &name),
                Name(At::Way(1), &spare),
            ),
        };
        self.perform_in(workshop, ways, None, act, Look::Nothing)
    }

    pub(super) fn link(&self) -> Result<Attempted, Error> {
        let other = self.other()?;
        let (from, to) = (whole(self.route)?, parent_text(other)?);
        let ways = [
            object_way(self.route, &from, libc::O_NOFOLLOW),
            parent_way(other, &to),
        ];
        let (End::There(found), End::At(new)) = (&self.route.end, &other.end) else {
            return self.perform(&ways, None, Act::None);
        };
        let taken_for_good = !is_free(new) && !is_workable(new);
        let mut places = Vec::new();
        // A link from a read-only mount to another one is none that can be made.
        let is_real = found.node.mount.is_read_only();
        if !is_real {
            places.extend(standin::workplaces(self.route, &found.node));
            if places.is_empty() {
                return Err(untried(NO_WORKPLACE));
            }
        }
        let is_swept = !new.directory.mount.is_read_only();
        if is_swept && !places.iter().any(|place| place.is(&new.directory)) {
            places.push(Rc::clone(&new.directory));
        }
        if new.last == Last::Name && is_free(new) {
            not_append_only(&new.directory)?;
        }
        let workshop = Workshop::open(places)?;
        let prepare = || -> Result<(Option<StandIn>, Handed), Error> {
            let stand_in = match is_real {
                true => None,
                false => Some(make_anywhere(&workshop, self.route, &found.node)?),
            };
            let handed = match taken_for_good {
                true => real(other, new)?,
                false => taken(&workshop, new)?,
            };
            Ok((stand_in, handed))
        };
        match prepare() {
            Ok((stand_in, handed)) => {
                let object = stand_in.as_ref().map(StandIn::seen);
                let act = Act::Link(handed.name(1));
                self.perform_in(workshop, &ways, object, act, Look::Nothing)
            }
            Err(error) => {
                workshop.close()?;
                Err(error)
            }
        }
    }
}

/// A workshop in the directory of a name, if its mount is not read-only, and else in none.
///
/// An immutable directory may change in between, and is swept as well.
pub(super) fn open_workshop(directory: &Rc<Node>) -> Result<Workshop, Error> {
    not_append_only(directory)?;
    Workshop::open(match directory.mount.is_read_only() {
        false => vec![Rc::clone(directory)],
        true => Vec::new(),
    })
}

/// Why a name is left alone.
const LOCKED: &str = "the directory is immutable, append-only or in a read-only subvolume; should \
                      this change in between, the real name would be moved or replaced";

/// What a path is handed to the kernel as where no name of an object can be acted upon: the path is
/// none that ends with a name of that length, nothing has the name, or the mount is read-only.
fn unnamed(route: &Route, place: &Place) -> Result<Option<Handed>, Error> {
    if place.last != Last::Name || place.entry.is_err() {
        return real(route, place).map(Some);
    }
    let is_free = matches!(place.entry, Ok(None)) && !is_writable(&place.directory);
    // The kernel looks at the mount before it looks the name up.
    match is_free || place.directory.mount.is_read_only() {
        true => spare(place).map(Some),
        false => Ok(None),
    }
}

/// A name that nobody has.
fn spare(place: &Place) -> Result<Handed, Error> {
    let names = super::super::workshop::Names::new()?;
    Handed::in_place(names.spare[0].to_bytes(), place)
}

/// A call that removes nothing, and that the kernel checks as the one that is wanted: of an object in
/// a directory that is immutable or append-only. The kind of the object is the last check.
fn harmless_removal(place: &Place, entry: &Entry, flags: c_int) -> Result<(Handed, c_int), Error> {
    let handed = Handed::in_place(place.name.as_bytes(), place)?;
    if place.slash && flags == 0 {
        // A path with a slash at its end is none to unlink().
        return Ok((handed, flags));
    }
    Ok(match entry.node.is_directory() {
        true => (Handed::without_slash(&place.name)?, 0),
        false => (handed, libc::AT_REMOVEDIR),
    })
}

/// Fails if a stand-in could get the name of an object, or one that cannot be removed again.
fn harmless_target(old: &Place, new: &Place) -> Result<(), Error> {
    if is_writable(&new.directory) || new.last != Last::Name {
        return Ok(());
    }
    match (&old.entry, &new.entry) {
        (_, Ok(None)) => not_append_only(&new.directory),
        (Ok(Some(source)), Ok(Some(target)))
            if source.node.is_directory() == target.node.is_directory() =>
        {
            Err(untried(LOCKED))
        }
        _ => Ok(()),
    }
}

fn not_append_only(directory: &Node) -> Result<(), Error> {
    match directory.flags().has(InodeFlags::S_APPEND) {
        true => Err(untried(
            "a name that is made in an append-only directory cannot be removed again",
        )),
        false => Ok(()),
    }
}
/// Whether nothing has the name, which can then be made.
pub(super) fn is_free(place: &Place) -> bool {
    place.last == Last::Name && matches!(place.entry, Ok(None))
}

/// Whether stand-ins can be made in the directory of a name.
fn is_workable(place: &Place) -> bool {
    place.last == Last::Name && place.entry.is_ok() && is_writable(&place.directory)
}

/// Whether the kernel removes nothing at a place, whatever its names are.
fn must_fail(place: &Place) -> bool {
    place.last != Last::Name || place.entry.is_err() || !is_writable(&place.directory)
}

/// A name for something new: a spare one, or, if the real name is taken, one that is.
fn taken(workshop: &Workshop, place: &Place) -> Result<Handed, Error> {
    if is_free(place) {
        return Handed::in_place(workshop.names.spare[0].to_bytes(), place);
    }
    if !is_workable(place) {
        return Err(untried("nothing can be made in the directory"));
    }
    workshop.room(&place.directory)?;
    Handed::in_place(workshop.names.room.to_bytes(), place)
}

/// The spare name of a stand-in for an entry; without an entry, the spare name of nothing.
fn victim(workshop: &Workshop, place: &Place, index: usize) -> Result<Handed, Error> {
    let name = &workshop.names.spare[index];
    if let Ok(Some(Entry {
        node,
        is_mounted_on,
    })) = &place.entry
    {
        if *is_mounted_on {
            return Err(untried("something is mounted on it"));
        }
        workshop.make_name(node, &place.directory, name, Inner::of(node))?;
    }
    Handed::in_place(name.to_bytes(), place)
}

/// Whether two names are of one object.
fn is_one(old: &Place, new: &Place) -> bool {
    match (&old.entry, &new.entry) {
        (Ok(Some(one)), Ok(Some(two))) => one.node.is(&two.node),
        _ => false,
    }
}

/// The names of the stand-ins for both names of a renaming.
fn rename_names(
    workshop: &Workshop,
    other: &Route,
    old: &Place,
    new: &Place,
) -> Result<(Handed, Handed), Error> {
    let from = victim(workshop, old, 0)?;
    if is_free(new) {
        let name = &workshop.names.spare[1];
        return Ok((from, Handed::in_place(name.to_bytes(), new)?));
    }
    if must_fail(new) {
        return Ok((from, real(other, new)?));
    }
    if !is_one(old, new) {
        return Ok((from, victim(workshop, new, 1)?));
    }
    let [name, second] = &workshop.names.spare;
    let directories = (&old.directory, &new.directory);
    if old.name == new.name && directories.0.is(directories.1) {
        return Ok((from, Handed::in_place(name.to_bytes(), new)?));
    }
    workshop.link(directories.0, name, directories.1, second)?;
    Ok((from, Handed::in_place(second.to_bytes(), new)?))
}
