// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The order in which the kernel asks, operation by operation: opening and running.
//!
//! Each answer is one of the decisions that the kernel's own code takes; what is written down here
//! is which of them `fs/open.c`, `fs/namei.c`, `fs/xattr.c` and `fs/exec.c` ask for, one after the
//! other.

use kernel::{
    fs::{
        mode::{InodeFlags, Mask, Mode},
        permission::{Access, InodeAttrs, Ownership, Parent, Protected, UidGidMap},
    },
    uidgid::{Group, Id, Kgid, Kuid, User},
};
use rustix::io::Errno;

use super::{
    Target, attributes,
    caller::Caller,
    fuse, idmap,
    lookup::{End, Found, Last, Place, Route, Step, missing},
    names,
    node::Node,
    operation::{OpenMode, Operation},
    reason,
    sight::Sight,
    subvolume,
    trace::{Stop, Trace},
    view::MapView,
};

/// What the machine is set to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) protected: Protected,
    pub(super) protected_symlinks: bool,
    pub(super) protected_hardlinks: bool,
    /// The bits that this program leaves out of the modes of what it makes.
    pub(super) umask: u16,
    /// What `stat()` shows for users and groups without a name.
    pub(super) overflow: (u32, u32),
}

/// What an operation that is not refused does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    /// What is stored afterwards, if it makes something or changes owner, group or mode. Of what is
    /// made the mode is [`Mode::EMPTY`] where it depends on a default ACL.
    pub(super) after: Option<Ownership>,
}

/// Checks an operation as the kernel does, check by check.
pub(super) struct Deciding<'a> {
    pub(super) caller: &'a Caller,
    pub(super) settings: Settings,
    pub(super) trace: Trace,
    /// Facts about what works.
    pub(super) notes: Vec<String>,
    /// What is shown of the object, or of the directory that it is missing in.
    pub(super) sight: Option<Sight>,
}

impl<'a> Deciding<'a> {
    pub(super) fn run(&mut self, operation: &Operation, target: &Target) -> Result<Done, Stop> {
        let route = &target.route;
        match operation {
            Operation::Stat => {
                let node = &self.lookup(route)?.node;
                fuse::may_getattr(self, node).map(|()| Done::default())
            }
            Operation::Open(OpenMode::Create) => self.open_or_create(route),
            Operation::Open(mode) => self.open(route, *mode),
            Operation::Exec => self.exec(route),
            Operation::Connect => self.connect(route),
            Operation::Create => names::create(self, route),
            Operation::Mkdir => names::make(self, route, Mode::new(0o040777)),
            Operation::Mkfifo => names::make(self, route, Mode::new(0o010666)),
            Operation::Symlink => names::make(self, route, Mode::new(0o120777)),
            Operation::Tmpfile => names::tmpfile(self, route),
            Operation::Unlink => names::unlink(self, route),
            Operation::Rmdir => names::rmdir(self, route),
            Operation::Rename(_) => names::rename(self, route, target.other()?),
            Operation::Link(_) => names::link(self, route, target.other()?),
            Operation::Chmod(mode) => attributes::chmod(self, route, *mode),
            Operation::Chown(user, group) => attributes::chown(self, route, *user, *group),
            Operation::Touch => attributes::set_times(self, route, true),
            Operation::SetTimes => attributes::set_times(self, route, false),
            Operation::Truncate => attributes::truncate(self, route),
            Operation::SetXattr(name) => attributes::set_xattr(self, route, name),
            Operation::SetCap(root) => attributes::set_cap(self, route, *root),
            Operation::SetFacl(entry) => attributes::set_facl(self, route, *entry),
            Operation::Idmap => idmap::idmap(self, route),
            Operation::SubvolCreate => subvolume::create(self, route),
            Operation::SubvolDelete => subvolume::delete(self, route),
            Operation::SubvolSnapshot(_) => subvolume::snapshot(self, route, target.other()?),
        }
    }

    /// The caller at the mount that an object was reached through.
    pub(super) fn access<'b>(&self, node: &'b Node) -> Access<'b, &'a Caller, MapView> {
        Access::new(self.caller, &node.mount.map)
    }

    /// Checks the steps of a lookup in their order.
    pub(super) fn replay<'r>(&mut self, route: &'r Route) -> Result<&'r End, Stop> {
        for step in &route.steps {
            self.step(step)?;
        }
        Ok(&route.end)
    }

    fn step(&mut self, step: &Step) -> Result<(), Stop> {
        match step {
            Step::Search { directory, way } => {
                let what = || format!("searching {}", way.display());
                self.permission("may_lookup", what, directory, Mask::MAY_EXEC)
            }
            Step::Follow { link, trailing } => self.follow(link, trailing.as_deref()),
            Step::Fail {
                rule,
                what,
                errno,
                why,
            } => self.trace.refuse(rule, what.clone(), *errno, why.clone()),
            Step::Unknown(error) => Err(Stop::Unknown(error.clone())),
        }
    }

    /// Mirrors `pick_link()`.
    fn follow(&mut self, link: &Node, trailing: Option<&Node>) -> Result<(), Stop> {
        if let Some(directory) = trailing {
            let parent = self.parent_facts(directory);
            let protected = self.settings.protected_symlinks;
            let verdict = self
                .access(link)
                .may_follow_link(link, parent, protected, false);
            self.trace.decide(
                "may_follow_link",
                || "following the symbolic link".to_owned(),
                verdict,
                || {
                    "fs.protected_symlinks: it is in a sticky directory where everybody may \
                     write, and neither the caller's nor that of the directory's owner"
                        .to_owned()
                },
            )?;
        }
        self.trace.refuse_if(
            link.mount.is_nosymfollow(),
            "pick_link",
            "following the symbolic link",
            Errno::LOOP,
            "the mount has the attribute nosymfollow",
        )
    }

    /// Mode and owner of a directory, as its mount shows them.
    fn parent_facts(&self, directory: &Node) -> Parent {
        Parent {
            mode: directory.mode(),
            owner: self.access(directory).i_uid_into_vfsuid(directory),
        }
    }

    /// Whether the caller may read, write or execute.
    ///
    /// Mirrors `inode_permission()` for objects of filesystems without rules of their own.
    pub(super) fn permission(
        &mut self,
        rule: &'static str,
        what: impl FnOnce() -> String,
        node: &Node,
        mask: Mask,
    ) -> Result<(), Stop> {
        let access = self.access(node);
        let verdict = access.mapped_inode_permission(node, mask, || {
            subvolume::permission(access, self.caller, node, mask)
        });
        let why = || reason::permission(self.caller, node, mask);
        self.trace.decide(rule, what, verdict, why)
    }

    /// The object that a lookup ends at, which is then shown.
    pub(super) fn lookup<'r>(&mut self, route: &'r Route) -> Result<&'r Found, Stop> {
        let found = self.object(route)?;
        self.show(&found.node);
        Ok(found)
    }

    /// The object that a lookup ends at.
    pub(super) fn object<'r>(&mut self, route: &'r Route) -> Result<&'r Found, Stop> {
        match self.replay(route)? {
            End::There(found) => Ok(found),
            End::At(place) => self.missing(place),
            End::Nowhere => Err(Stop::nowhere()),
        }
    }

    /// The directory and the last name that a lookup of a parent ends at.
    pub(super) fn parent<'r>(&mut self, route: &'r Route) -> Result<&'r Place, Stop> {
        match self.replay(route)? {
            End::At(place) => Ok(place),
            End::There(_) | End::Nowhere => Err(Stop::nowhere()),
        }
    }

    /// The entry that a name has.
    pub(super) fn entry<'r>(
        &mut self,
        place: &'r Place,
    ) -> Result<Option<&'r super::lookup::Entry>, Stop> {
        match &place.entry {
            Ok(entry) => Ok(entry.as_ref()),
            Err(step) => self.step(step).map(|()| None),
        }
    }

    /// Fails as nothing has the name.
    pub(super) fn missing<T>(&mut self, place: &Place) -> Result<T, Stop> {
        self.step(&missing(&place.name))?;
        Err(Stop::nowhere())
    }

    pub(super) fn show(&mut self, node: &Node) {
        self.sight = Some(Sight::of(self.caller, node, self.settings.overflow));
    }

    /// Whether anything is written through the mount: `mnt_want_write()`.
    pub(super) fn want_write(&mut self, node: &Node) -> Result<(), Stop> {
        self.trace.refuse_if(
            node.mount.is_read_only(),
            "mnt_want_write",
            "writing through the mount",
            Errno::ROFS,
            node.mount.why_read_only(),
        )
    }

    fn open(&mut self, route: &Route, mode: OpenMode) -> Result<Done, Stop> {
        let found = self.lookup(route)?;
        self.open_found(&found.node, mode)
    }

    /// Mirrors `do_open()` for what exists.
    fn open_found(&mut self, node: &Node, mode: OpenMode) -> Result<Done, Stop> {
        let mask = match mode {
            OpenMode::Read => Mask::MAY_READ,
            OpenMode::Write | OpenMode::Create => Mask::MAY_WRITE,
            OpenMode::ReadWrite => Mask::MAY_READ.with(Mask::MAY_WRITE),
            OpenMode::Append => Mask::MAY_WRITE.with(Mask::MAY_APPEND),
            OpenMode::NoAtime => Mask::MAY_READ,
        };
        self.may_open(node, mask)?;
        if mode == OpenMode::NoAtime && !self.access(node).inode_owner_or_capable(node) {
            let why = reason::not_owner(self.caller, node, "CAP_FOWNER");
            let what = "opening it with O_NOATIME".to_owned();
            return self.trace.refuse("may_open", what, Errno::PERM, why);
        }
        let writes = mask.has(Mask::MAY_WRITE);
        self.trace.refuse_if(
            node.flags().has(InodeFlags::S_APPEND) && writes && mode != OpenMode::Append,
            "may_open",
            "opening it for writing",
            Errno::PERM,
            "it is append-only (chattr +a)",
        )?;
        let is_special = !(node.mode().is_reg() || node.mode().is_dir());
        if writes && !is_special {
            self.want_write(node)?;
            names::copy_up(self, node)?;
        }
        Ok(Done::default())
    }

    /// Mirrors `may_open()`.
    pub(super) fn may_open(&mut self, node: &Node, mask: Mask) -> Result<(), Stop> {
        let mode = node.mode();
        let runs = mask.has(Mask::MAY_EXEC);
        let trace = &mut self.trace;
        let rule = "may_open";
        if mode.is_lnk() {
            let why = "it is a symbolic link".to_owned();
            return trace.refuse(rule, "opening it".to_owned(), Errno::LOOP, why);
        }
        if mode.is_dir() {
            let why = "it is a directory";
            let writes = mask.has(Mask::MAY_WRITE);
            trace.refuse_if(writes, rule, "opening it for writing", Errno::ISDIR, why)?;
            trace.refuse_if(runs, rule, "running it", Errno::ACCESS, why)?;
        } else if !mode.is_reg() {
            let is_device = node.kind() == "device";
            let nodev = is_device && node.mount.is_nodev();
            let why = "the mount has the attribute nodev";
            trace.refuse_if(nodev, rule, "opening a device", Errno::ACCESS, why)?;
            trace.refuse_if(runs, rule, "running it", Errno::ACCESS, "it is no file")?;
        } else if runs {
            let why = "the mount has the attribute noexec";
            let noexec = node.mount.is_noexec();
            trace.refuse_if(noexec, rule, "running it", Errno::ACCESS, why)?;
        }
        let what = || {
            let mut words = Vec::new();
            for (bit, word) in [
                (Mask::MAY_READ, "reading"),
                (Mask::MAY_WRITE, "writing"),
                (Mask::MAY_EXEC, "running"),
            ] {
                if mask.has(bit) {
                    words.push(word);
                }
            }
            format!("{} it", words.join(" and "))
        };
        let mask = mask.with(Mask::MAY_OPEN);
        self.permission("inode_permission", what, node, mask)
    }

    /// Mirrors `do_open()` with `O_CREAT`.
    fn open_or_create(&mut self, route: &Route) -> Result<Done, Stop> {
        let found = match self.replay(route)? {
            End::At(place) if place.last == Last::Name && !place.slash => {
                return names::create_at(self, place);
            }
            // The path ends with a slash, and only the way there was looked up.
            End::At(_) => {
                let what = "opening a file".to_owned();
                let why = "the path ends with a slash, hence names a directory".to_owned();
                return self
                    .trace
                    .refuse("open_last_lookups", what, Errno::ISDIR, why);
            }
            End::There(found) => found,
            End::Nowhere => return Err(Stop::nowhere()),
        };
        self.show(&found.node);
        let node: &Node = &found.node;
        let is_dir = node.mode().is_dir();
        let (what, why) = ("opening it for writing", "it is a directory");
        let trace = &mut self.trace;
        trace.refuse_if(is_dir, "do_open", what, Errno::ISDIR, why)?;
        if let Some(directory) = &found.directory {
            let parent = self.parent_facts(directory);
            let access = self.access(node);
            let verdict = access.may_create_in_sticky(node, parent, self.settings.protected);
            self.trace.decide(
                "may_create_in_sticky",
                || "opening with O_CREAT what is there already".to_owned(),
                verdict.map_err(Into::into),
                || {
                    "fs.protected_regular or fs.protected_fifos: it is in a sticky directory, and \
                     neither the caller's nor that of the directory's owner"
                        .to_owned()
                },
            )?;
        }
        self.open_found(node, OpenMode::Create)
    }

    /// Mirrors `unix_find_bsd()`.
    fn connect(&mut self, route: &Route) -> Result<Done, Stop> {
        let found = self.lookup(route)?;
        let node = &found.node;
        let what = || "writing to the socket".to_owned();
        self.permission("path_permission", what, node, Mask::MAY_WRITE)?;
        let is_socket = node.mode().kind().bits() == 0o140000;
        self.trace.refuse_if(
            !is_socket,
            "unix_find_bsd",
            "connecting to it",
            Errno::CONNREFUSED,
            "it is no socket",
        )?;
        Ok(Done::default())
    }

    /// Mirrors `do_open_execat()`.
    fn exec(&mut self, route: &Route) -> Result<Done, Stop> {
        let found = self.lookup(route)?;
        self.may_open(&found.node, Mask::MAY_EXEC)?;
        if let Some(why) = self.without_set_id(&found.node) {
            self.notes.push(format!(
                "the set-user-id or set-group-id bit has no effect: {why}"
            ));
        }
        Ok(Done::default())
    }

    /// Why the program keeps the caller's ids although its mode has a set-id bit.
    ///
    /// Mirrors `bprm_fill_uid()` and `mnt_may_suid()`.
    fn without_set_id(&self, node: &Node) -> Option<String> {
        let mode = node.mode();
        let sets_group = mode.has(Mode::S_ISGID.with(Mode::S_IXGRP));
        if !mode.has(Mode::S_ISUID) && !sets_group {
            return None;
        }
        if node.mount.is_nosuid() {
            return Some("the mount has the attribute nosuid".to_owned());
        }
        if let Some(text) = reason::unmapped(self.caller, node) {
            return Some(text);
        }
        let access = self.access(node);
        let userns = &self.caller.userns;
        let user: Option<Kuid> = access.i_uid_into_vfsuid(node).map(Id::into_kernel);
        let group: Option<Kgid> = access.i_gid_into_vfsgid(node).map(Id::into_kernel);
        let has_user = user.is_some_and(|id| UidGidMap::<User>::from_kid(userns, id).is_some());
        let has_group = group.is_some_and(|id| UidGidMap::<Group>::from_kid(userns, id).is_some());
        if !has_user || !has_group {
            let why = "the owner or the group as seen has no name in the caller's user namespace";
            return Some(why.to_owned());
        }
        None
    }
}
